"""Requests against a mesh, each held against what it gets alone, while a test does what it wants to the mesh."""

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gateway.engine_link.failover_link import FailoverLink
from gateway.engine_link.grpc_link import GrpcLink
from gateway.engine_link.settings import FailoverSettings, LinkSettings
from model.local_model import LocalModel
from model.sampling.parameters import SamplingParameters
from tests.workers.engine.tiny_engine import alone, tokens
from workers.engine.events import ChoiceDelta, RequestEnded
from workers.engine.request import GenerationRequest
from workers.membership.members import WorkerKind, WorkerState
from workers.membership.topology_watch import TopologyWatch

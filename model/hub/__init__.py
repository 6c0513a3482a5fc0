"""Fetches checkpoints from the model hub, through huggingface_hub. Needs the extra `hub`."""

from model.hub.layout import Layout
from model.hub.pull import PulledModel, pull
from model.hub.reference import ModelReference
from model.hub.settings import HubSettings

__all__ = ["HubSettings", "Layout", "ModelReference", "PulledModel", "pull"]

"""Fetches checkpoints from the model hub, through huggingface_hub. Needs the extra `hub`."""

from importlib.util import find_spec

from protos.errors import MissingExtraError

if find_spec("huggingface_hub") is None:
    raise MissingExtraError(
        "the package huggingface_hub is not installed, and fetching models needs it: "
        "install ExpertMesh with its extra `hub`, as in `pip install 'expertmesh[hub]'`"
    )

from model.hub.layout import Layout
from model.hub.pull import PulledModel, pull
from model.hub.reference import ModelReference
from model.hub.settings import HubSettings

__all__ = ["HubSettings", "Layout", "ModelReference", "PulledModel", "pull"]

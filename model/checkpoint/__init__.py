"""Model folders: safetensors files in either layout, checked, read slice by slice, and written."""

from model.checkpoint.checkpoint import Checkpoint
from model.checkpoint.writer import write_checkpoint

__all__ = ["Checkpoint", "write_checkpoint"]

"""A model that every contender can run: sizes that differ, and what llama.cpp takes for granted."""

from dataclasses import replace
from pathlib import Path

from model.checkpoint import write_checkpoint
from model.dummy import dummy_weights
from tests.model.tiny_model import TINY

SMALL = replace(TINY, sliding_window=20, max_positions=512, rope=replace(TINY.rope, truncate=True))


def write_small(folder: Path) -> None:
    write_checkpoint(SMALL, dummy_weights(SMALL, seed=3), folder)

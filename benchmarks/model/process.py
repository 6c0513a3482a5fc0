"""The process of one contender, or of several that share their weights: it runs them when it is told to.

    python -m benchmarks.model.process KIND FOLDER THREADS SEQUENCES POSITIONS STEP_TOKENS

Started by `benchmarks.model.session`. Peers are imported only where they are wanted: ours runs without them.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import torch

from benchmarks.model.contender import Contender
from benchmarks.model.orders import LogitsOrder, Order, TimeOrder, order_from_line
from benchmarks.model.workload import Room
from model.config.config_file import load_config

CHECKPOINT, GGUF = "checkpoint", "model.gguf"
"""Under the folder of a run."""


def main(kind: str, folder: Path, num_threads: int, room: Room) -> int:
    contenders = load(kind, folder, num_threads, room)
    vocab_size = load_config(folder / CHECKPOINT).vocab_size
    print("ready", flush=True)
    for line in sys.stdin:
        order = order_from_line(line)
        print(obey(order, contenders[order.contender], vocab_size), flush=True)
    return 0


def load(kind: str, folder: Path, num_threads: int, room: Room) -> Mapping[str, Contender]:
    match kind:
        case "ours":
            from benchmarks.model.ours import load_ours

            return load_ours(folder / CHECKPOINT, room)
        case "transformers":
            from benchmarks.model.transformers_model import load_transformers

            return load_transformers(folder / CHECKPOINT)
        case "llama.cpp":
            from benchmarks.model.llama_cpp_model import load_llama_cpp

            vocab_size = load_config(folder / CHECKPOINT).vocab_size
            return load_llama_cpp(folder / GGUF, room, num_threads, vocab_size)
    raise AssertionError(f"no contender is called {kind}")


def obey(order: Order, contender: Contender, vocab_size: int) -> str:
    match order:
        case TimeOrder():
            return str(order.workload.tokens_per_s(contender, vocab_size))
        case LogitsOrder():
            torch.save(contender.logits(order.token_ids), order.file)
            return "written"


if __name__ == "__main__":
    kind, folder, *numbers = sys.argv[1:]
    num_threads, num_sequences, num_positions, num_step_tokens = map(int, numbers)
    sys.exit(main(kind, Path(folder), num_threads, Room(num_sequences, num_positions, num_step_tokens)))

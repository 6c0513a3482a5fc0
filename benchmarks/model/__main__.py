"""The command: `python -m benchmarks.model [--against llama.cpp,transformers] [--quick] --json F`.

A checkpoint in 20b's shape, cut to four layers, with the whole vocabulary and random weights, is written to
the temporary folder, and once more as a GGUF file. Every contender has the same cores and as many threads.
YaRN's bounds are rounded in it (`gguf_model` says why), which costs nobody time.
"""

import sys
import tempfile
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.cpu_kernels import built_cpu_kernels
from benchmarks.disk_space import require_disk
from benchmarks.model.gguf_model import write_gguf_model
from benchmarks.model.peers import LLAMA_CPP, PEERS, Peer
from benchmarks.model.process import CHECKPOINT, GGUF
from benchmarks.model.session import Session
from benchmarks.model.workload import Workload
from benchmarks.report import Row, run
from model.checkpoint.layouts import HUGGING_FACE
from model.checkpoint.writer import write_checkpoint
from model.config import GPT_OSS_20B, ModelConfig, alternating_layers
from model.dummy import dummy_weights

FULL_SIZE = replace(
    GPT_OSS_20B,
    layer_kinds=alternating_layers(4),
    max_positions=8192,
    rope=replace(GPT_OSS_20B.rope, truncate=True),
)
QUICK_SIZE = replace(FULL_SIZE, hidden_size=384, intermediate_size=384, num_experts=8, vocab_size=8192)
BATCHES = (1, 4, 8, 16)


def main(arguments: Sequence[str]) -> int:
    options = ArgumentParser(add_help=False)
    options.add_argument(
        "--against",
        type=_peers,
        default=tuple(PEERS.values()),
        metavar="PEERS",
        help=f"some of {','.join(PEERS)}; all when left out",
    )
    against: Sequence[Peer] = options.parse_known_args(arguments)[0].against
    packages = ["torch", *(peer.distribution for peer in against)]
    return run("model", packages, partial(measure, against), arguments, own_options=[options])


def measure(against: Sequence[Peer], quick: bool) -> Sequence[Row]:
    built_cpu_kernels()
    num_steps, num_rounds = (2, 1) if quick else (8, 5)
    workloads = [*(Workload.decode(size, num_steps) for size in BATCHES), Workload.prefill(256)]
    config = QUICK_SIZE if quick else FULL_SIZE
    with tempfile.TemporaryDirectory(prefix="expertmesh-model-") as name:
        folder = Path(name)
        write_model(config, folder, with_gguf=LLAMA_CPP in against and LLAMA_CPP.is_installed)
        session = Session(folder, config.vocab_size, workloads, num_rounds)
        rows = list(session.among_ours())
        for peer in against:
            if not peer.is_installed:
                print(peer.how_to_get_it, file=sys.stderr)
            rows += session.against(peer) if peer.is_installed else session.alone(peer)
    return rows


def write_model(config: ModelConfig, folder: Path, *, with_gguf: bool) -> None:
    num_bytes = sum(part.spec.num_bytes for part in HUGGING_FACE.every_part(config))
    require_disk(folder, num_bytes * (2 if with_gguf else 1))
    write_checkpoint(config, dummy_weights(config, seed=1), folder / CHECKPOINT)
    if with_gguf:
        write_gguf_model(folder / CHECKPOINT, folder / GGUF)


def _peers(text: str) -> Sequence[Peer]:
    names = text.split(",")
    for name in names:
        if name not in PEERS:
            raise ArgumentTypeError(f"there is no peer {name!r}; there are {', '.join(PEERS)}")
    return tuple(PEERS[name] for name in dict.fromkeys(names))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

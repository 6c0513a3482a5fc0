"""What `make run` shows until there is a server: a small random gpt-oss, written, loaded, and made to talk.

The weights are random, so the tokens mean nothing; what it shows is the whole way from files to tokens.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from model.checkpoint import Checkpoint
from model.checkpoint.writer import write_checkpoint
from model.config import ModelConfig, alternating_layers
from model.dummy import dummy_weights
from model.generate import generate
from model.local_model import LocalModel
from model.sampling.parameters import SamplingParameters
from model.weights import Selection

SMALL = ModelConfig(
    vocab_size=2048,
    hidden_size=256,
    intermediate_size=320,
    head_dim=32,
    num_query_heads=12,
    num_kv_heads=4,
    num_experts=16,
    experts_per_token=4,
    layer_kinds=alternating_layers(6),
)
PROMPT_LENGTH, NEW_TOKENS = 300, 48
SEED = 7

T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("run/random-model"), help="where the model goes")
    folder: Path = parser.parse_args().folder

    print("ExpertMesh has no server yet. This is gpt-oss with random weights, so its tokens mean nothing.\n")
    timed("write", lambda: write_checkpoint(SMALL, dummy_weights(SMALL, SEED), folder))
    print(f"        {folder}: {folder_size(folder) / 1e6:.1f} MB, {describe(SMALL)}")
    model = timed("load", lambda: load(folder))
    first = timed("speak", lambda: speak(model))
    again = timed("again", lambda: speak(model))
    assert first == again, "the same seed must give the same tokens"
    print(f"        the same {NEW_TOKENS} tokens, from the same seed ({SEED})")


def timed(name: str, work: Callable[[], T]) -> T:
    start = time.perf_counter()
    result = work()
    print(f"{name:<7} {time.perf_counter() - start:.2f} s", flush=True)
    return result


def describe(config: ModelConfig) -> str:
    return (
        f"{config.num_layers} layers, {config.num_experts} experts ({config.experts_per_token} a token), "
        f"vocabulary {config.vocab_size}"
    )


def folder_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def load(folder: Path) -> LocalModel:
    checkpoint = Checkpoint.open(folder)
    weights = checkpoint.load(Selection.whole(checkpoint.config), dtype=torch.float32)
    return LocalModel.of(checkpoint.config, weights)


def speak(model: LocalModel) -> list[int]:
    generator = torch.Generator().manual_seed(SEED)
    prompt: list[int] = torch.randint(0, SMALL.vocab_size, (PROMPT_LENGTH,), generator=generator).tolist()
    print(f"        {PROMPT_LENGTH} tokens in, {NEW_TOKENS} out:\n       ", end="")
    token_ids = []
    parameters = SamplingParameters(temperature=0.8, top_p=0.95, seed=SEED)
    for token_id in generate(model, prompt, parameters, NEW_TOKENS):
        token_ids.append(token_id)
        print(f" {token_id}", end="\n       " if len(token_ids) % 16 == 0 else "", flush=True)
    print()
    return token_ids


if __name__ == "__main__":
    main()

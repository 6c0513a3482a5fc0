"""A small gpt-oss with random weights, written, loaded, and made to talk, all without a server.

Its tokens mean nothing; what it shows is the whole way from files to tokens.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import torch

from cluster.environment import cpu_kernel_settings
from examples.own_folder import refuse_foreign
from model.checkpoint import Checkpoint
from model.checkpoint.progress import ProgressBar
from model.checkpoint.writer import write_checkpoint
from model.config import ModelConfig, alternating_layers
from model.config.config_file import load_config
from model.dummy import dummy_weights
from model.generate import generate
from model.local_model import LocalModel
from model.sampling.parameters import SamplingParameters
from model.tokenizer.byte_tokenizer import SPECIAL_NAMES, Merge, write_byte_tokenizer
from model.weights import Selection
from protos.errors import ConfigError, ExpertMeshError

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
PROMPT_LENGTH, NEW_TOKENS, TOKENS_PER_LINE = 300, 48, 12
SEED = 7

T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("run/random-model"), help="where the model goes")
    parser.add_argument("--deterministic", action="store_true", help="the same bits in any batch")
    arguments = parser.parse_args()
    folder: Path = arguments.folder

    refuse_foreign(folder, is_ours, "--folder")
    print("This is a gpt-oss with random weights: its tokens mean nothing.\n")
    _, write_s = timed(lambda: write(folder))
    print(f"write  {write_s:5.2f} s  {folder}: {folder_size(folder) / 1e6:.1f} MB, {describe(SMALL)}")
    model, load_s = timed(lambda: load(folder, deterministic=arguments.deterministic))
    print(f"load   {load_s:5.2f} s  every tensor checked, experts packed in MXFP4")
    first, first_s = timed(lambda: [show(index, token) for index, token in enumerate(speak(model))])
    print(f"speak  {first_s:5.2f} s  {PROMPT_LENGTH} random tokens in, {len(first)} out, as printed")
    again, again_s = timed(lambda: list(speak(model)))
    assert first == again, "the same seed must give the same tokens"
    print(f"again  {again_s:5.2f} s  the same {len(again)} tokens: the seed decides")


def is_ours(folder: Path) -> bool:
    """Nobody else's model has just these sizes."""
    try:
        return load_config(folder) == SMALL
    except ConfigError:
        return False


def timed(work: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def show(index: int, token_id: int) -> int:
    last_of_line = index % TOKENS_PER_LINE == TOKENS_PER_LINE - 1
    print(f"{token_id:6}", end="\n" if last_of_line else "", flush=True)
    return token_id


def describe(config: ModelConfig) -> str:
    return (
        f"{config.num_layers} layers, {config.num_experts} experts ({config.experts_per_token} a token), "
        f"vocabulary {config.vocab_size}"
    )


def folder_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def write(folder: Path) -> None:
    write_checkpoint(SMALL, dummy_weights(SMALL, SEED), folder)
    write_byte_tokenizer(folder, SMALL.vocab_size, merges(SMALL.vocab_size - 256 - len(SPECIAL_NAMES)))


def merges(count: int) -> list[Merge]:
    """Pairs of letters, then pairs behind a space: with these every token has a text of its own."""
    letters = [bytes([code]) for code in b"etaoinshrdlcumwfgypbvkjxqz"]
    pairs = [(left, right) for left in letters for right in letters]
    words = [(b" ", left + right) for left, right in pairs]
    doubles = [(left + right, left + right) for left, right in pairs]
    return [*pairs, *words, *doubles][:count]


def load(folder: Path, *, deterministic: bool) -> LocalModel:
    checkpoint = Checkpoint.open(folder)
    everything = Selection.whole(checkpoint.config)
    with ProgressBar("load", checkpoint.num_bytes(everything)) as progress:
        weights = checkpoint.load(everything, progress=progress, dtype=torch.float32)
    return LocalModel.of(
        checkpoint.config, weights, deterministic=deterministic, cpu_kernels=cpu_kernel_settings()
    )


def speak(model: LocalModel) -> Iterator[int]:
    generator = torch.Generator().manual_seed(SEED)
    prompt: list[int] = torch.randint(0, SMALL.vocab_size, (PROMPT_LENGTH,), generator=generator).tolist()
    return generate(model, prompt, SamplingParameters(temperature=0.8, top_p=0.95, seed=SEED), NEW_TOKENS)


if __name__ == "__main__":
    try:
        main()
    except ExpertMeshError as error:
        sys.exit(f"random_model: {error}")

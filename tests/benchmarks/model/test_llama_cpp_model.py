"""llama.cpp reads our GGUF file as the model that it is. Only where llama.cpp is installed."""

from pathlib import Path

import pytest

pytest.importorskip(
    "llama_cpp",
    reason="llama.cpp is not installed; `pip install -c constraints.txt -e '.[llama-cpp]'` builds it",
)

from benchmarks.model.agreement import Difference
from benchmarks.model.gguf_model import write_gguf_model
from benchmarks.model.llama_cpp_model import NAME, LlamaCpp, load_llama_cpp
from benchmarks.model.ours import load_ours
from benchmarks.model.peers import LLAMA_CPP
from benchmarks.model.variants import DEFAULT
from tests.benchmarks.model.contender_checks import (
    ROOM,
    ROWS,
    logits_likeliest,
    share_of_equal,
    steps_likeliest,
)
from tests.benchmarks.model.small_model import SMALL


@pytest.fixture(scope="module")
def llama_cpp(small: Path, tmp_path_factory: pytest.TempPathFactory) -> LlamaCpp:
    file = tmp_path_factory.mktemp("gguf") / "model.gguf"
    write_gguf_model(small, file)
    return load_llama_cpp(file, ROOM, num_threads=2, vocab_size=SMALL.vocab_size)[NAME]


def test_logits_agree_with_ours(small: Path, llama_cpp: LlamaCpp) -> None:
    ours = load_ours(small, ROOM)[DEFAULT.name]
    difference = Difference.of(llama_cpp.logits(ROWS[0]), ours.logits(ROWS[0]))
    assert 0 < difference.relative_norm <= LLAMA_CPP.limits[NAME]


def test_steps_follow_the_logits(llama_cpp: LlamaCpp) -> None:
    # It rounds activations, otherwise in a batch than alone, and two logits of 211 may change places.
    assert share_of_equal(steps_likeliest(llama_cpp), logits_likeliest(llama_cpp)) > 0.8

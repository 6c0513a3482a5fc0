import tomllib
from pathlib import Path

import pytest

from benchmarks.model.peers import LLAMA_CPP, PEERS, TRANSFORMERS, Peer

ROOT = Path(__file__).parents[3]


def test_goals() -> None:
    names = ["decode, batch 1", "decode, batch 4", "decode, batch 16", "prefill, 256 tokens"]
    assert [LLAMA_CPP.goal(name) for name in names] == [1.0, None, 1.5, 2.0]
    assert [TRANSFORMERS.goal(name) for name in names] == [3.0, 3.0, 3.0, 3.0]


@pytest.mark.parametrize("peer", PEERS.values(), ids=list(PEERS))
def test_the_extra_of_a_peer_brings_it(peer: Peer) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert any(line.startswith(f"{peer.distribution}>=") for line in extras[peer.extra])


def test_a_missing_peer_says_how_to_get_it() -> None:
    missing = Peer("theirs", "no-such-distribution", "some-extra", limits={})
    assert not missing.is_installed
    assert "pip install -c constraints.txt -e '.[some-extra]'" in missing.how_to_get_it
    assert TRANSFORMERS.is_installed

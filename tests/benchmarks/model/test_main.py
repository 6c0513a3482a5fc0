import pytest

from benchmarks.model.__main__ import main


def test_an_unknown_peer_is_refused_with_the_names_of_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--against", "transformers,vllm"])
    assert "there is no peer 'vllm'; there are transformers, llama.cpp" in capsys.readouterr().err


def test_help_tells_of_peers_and_of_what_every_benchmark_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert all(option in told for option in ("--against", "--quick", "--json"))


def test_plain_pytorch_is_not_measured_as_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EXPERTMESH_CPU_KERNELS", "reference")
    assert main(["--quick"]) == 1
    assert "there are no CPU kernels here to measure" in capsys.readouterr().err

"""What is said where the vocabulary cannot be had; what it is: tests/gateway/harmony/test_o200k.py."""

import tarfile
from pathlib import Path

import pytest

from tools import o200k


def put_npm(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """The only command there is."""
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_without_npm_it_says_what_would_bring_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        o200k.AbsentError, match=r"npm is not installed; with it, `npm pack js-tiktoken@1.0.21`"
    ):
        o200k.fetch(tmp_path / "absent")


def test_without_a_network_it_says_what_npm_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_npm(tmp_path, monkeypatch, "echo 'no such host' >&2; exit 1")
    with pytest.raises(o200k.AbsentError, match=r"`npm pack js-tiktoken@1.0.21` failed: no such host"):
        o200k.fetch(tmp_path / "absent")


def test_another_package_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = tmp_path / "o200k_base.cjs"
    ranks.write_text('module.exports = {"bpe_ranks":"! 0 IQ== Ig==\\n! 2 Iw=="}')
    with tarfile.open(tmp_path / "packed.tar", "w:gz") as archive:
        archive.add(ranks, "package/dist/ranks/o200k_base.cjs")
    put_npm(tmp_path, monkeypatch, f'/bin/cp {tmp_path}/packed.tar "$4/a.tgz"')
    with pytest.raises(o200k.AbsentError, match=f"does not give the bytes of {o200k.SHA256}"):
        o200k.fetch(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_the_command_goes_on_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(o200k, "FOLDER", tmp_path / "absent")
    o200k.main()
    assert "o200k: npm is not installed" in capsys.readouterr().err

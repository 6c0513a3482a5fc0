"""`expertmesh plan` as a person runs it; the page that shows it is held to what it prints."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.cli import main
from cluster.plan.catalogue import GPUS
from tests.docs.blocks import blocks_of
from tests.docs.commands import commands_of
from tests.model.runner import ODD_TINY, write_tiny

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "plan.md").read_text()
Capture = pytest.CaptureFixture[str]


def plan(arguments: str, capsys: Capture) -> str:
    assert main(["plan", *shlex.split(arguments)]) == 0
    return capsys.readouterr().out


def refusal(arguments: str, capsys: Capture) -> str:
    assert main(["plan", *shlex.split(arguments)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def examples() -> list[tuple[str, str]]:
    """Each command that the page shows, and what it says is printed."""
    return [
        (command.text.removeprefix("expertmesh plan "), command.shown)
        for block in blocks_of("docs/plan.md", PAGE)
        for command in commands_of(block)
        if command.shown is not None and command.text.startswith("expertmesh plan ")
    ]


def test_the_page_shows_what_is_printed(capsys: Capture) -> None:
    [(command, printed), (impossible, words)] = examples()
    assert plan(command, capsys).strip() == printed.strip()
    assert " ".join(refusal(impossible, capsys).split()) == " ".join(words.split())


def test_the_page_has_the_catalogue() -> None:
    rows = [
        f"| {gpu.name} | {gpu.memory_bytes / 1e9:.0f} GB | {gpu.bandwidth / 1e12:.2f} TB/s | "
        f"{gpu.flops / 1e12:.0f} TFLOP/s |"
        for gpu in GPUS.values()
    ]
    assert re.findall(r"^\|.* TFLOP/s \|$", PAGE, re.MULTILINE) == rows


def test_the_page_has_every_flag(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["plan", "--help"])
    flags = set(re.findall(r"^  (--[\w-]+)", capsys.readouterr().out, re.MULTILINE))
    assert flags == set(re.findall(r"`(--[\w-]+)`", PAGE.partition("## What it may be told")[2]))


def test_it_shows_the_best_layout_unless_it_is_told(capsys: Capture) -> None:
    hardware = "--model gpt-oss-120b --gpu H100 --nodes 2"
    assert "\n2 whole copies\n" in plan(hardware, capsys)
    assert "2 expert workers, every expert on 2 of them\n" in plan(f"{hardware} --replicas 2", capsys)
    assert "1 attention worker, 1 expert worker" in plan(f"{hardware} --experts 1", capsys)


def test_json_has_the_same_numbers(capsys: Capture) -> None:
    told = "--model gpt-oss-120b --gpu L40S --nodes 3 --attention 1 --experts 2 --batch 16 --context 1000"
    document = json.loads(plan(f"{told} --json", capsys))
    assert [shard["kind"] for shard in document["shards"]] == ["attention", "experts", "experts"]
    assert sum(shard["weight_bytes"] for shard in document["shards"]) == document["weight_bytes"]
    assert [step["num_sequences"] for step in document["steps"]] == [1, 2, 16, 128]
    assert document["wire_bytes_per_token_and_layer"]["shards"] == pytest.approx(1.88, abs=0.005)
    assert f"{document['shards'][0]['cache_tokens']:,}" in plan(told, capsys)


def test_a_model_folder_and_a_configuration_file_say_what_is_wanted(tmp_path: Path, capsys: Capture) -> None:
    write_tiny(ODD_TINY, tmp_path)
    (tmp_path / "mesh.yaml").write_text(
        f"model: {tmp_path}\nengine: {{dtype: bfloat16}}\n"
        "cluster: {attention: {replicas: 2, stages: 2}, experts: {workers: 3, memory_gb: 1}}\n"
    )
    told = f"--config {tmp_path / 'mesh.yaml'} --nodes 2 --node-memory 64"
    printed = plan(told, capsys)
    assert "2 attention workers of 2 stages, 3 expert workers, every expert on one of them" in printed
    assert " in bfloat16: 2 x cpu on 2 nodes" in printed
    assert "1 expert worker, every expert on one" in plan(f"{told} --experts 1", capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "there is no model to plan for; name one with --model"),
        ("--model gpt-oss-20b --gpu gtx", "the GPU gtx is not in the catalogue"),
        ("--model gpt-oss-20b --link slow", "--link is slow; write 10gbe, 25gbe, 100gbe, infiniband"),
        ("--model gpt-oss-20b --link 5:0", "--link is 5:0; write"),
        ("--model gpt-oss-20b --batch 0", "--batch is 0; it must be at least 1"),
        ("--model gpt-oss-20b --gpu H100 --gpus-per-node -1", "--gpus-per-node is -1"),
        (
            "--model gpt-oss-20b --attention 1 --stages 2 --experts 0",
            "need expert workers, and there are none",
        ),
        ("--model gpt-oss-20b --node-memory 16", "attention-0 does not fit on cpu of node-0"),
        ("--model ./absent", "the model ./absent does not exist"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_words(arguments: str, message: str, capsys: Capture) -> None:
    assert message in refusal(arguments, capsys)


def test_no_tensor_library_is_loaded() -> None:
    code = (
        "import sys; from cluster.cli import main;"
        "main(['plan', '--model', 'gpt-oss-20b', '--gpu', 'H100']);"
        "sys.exit(bool({'torch', 'ray', 'numpy', 'grpc'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("gpt-oss-20b, 13.8 GB in bfloat16: 1 x H100 on 1 node\n")

"""`expertmesh generate`: run a file of requests on a model in this process, and write a file of results."""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.commands.note import note
from protos.errors import ConfigError, EngineStoppedError

if TYPE_CHECKING:
    from workers.batch.input_file import InputFile
    from workers.batch.output_file import OutputFile
    from workers.batch.summary import BatchSummary
    from workers.engine.local_engine import LocalEngineOptions

DTYPES = ("float32", "bfloat16")
CPU_ACTIVATIONS = ("float32", "int8")
STOPPED_BY_PERSON = 130

_DESCRIPTION = """\
Run every line of a file of requests and write one line of result for each, as it is done.
A run that was cut, in whatever way, goes on where it was when the same command is given again."""

_EPILOG = """\
a line of the input, of which only the prompt must be there (docs/generate.md has all keys):
  {"id": "a", "prompt": "Once upon a time", "max_tokens": 64, "temperature": 0.7, "seed": 1, "stop": "\\n\\n"}
and of the output:
  {"line": 1, "id": "a", "input": DIGEST, "choices": [{"index": 0, "text": ...}], "usage": {...}}
  {"line": 2, "id": null, "input": DIGEST, "error": {"type": ..., "message": ..., "retryable": false}}

examples:
  expertmesh generate --model gpt-oss-20b --input requests.jsonl --output results.jsonl
  expertmesh generate --model run/random-model --input in.jsonl --output out.jsonl --deterministic
  expertmesh generate --model /models/gpt-oss-20b --input in.jsonl --output out.jsonl \\
      --max-running 256 --tokens-per-step 4096 --drafts 4

The exit status is 0 when every line has a result, 1 when lines have failed or the run could not go on,
2 for wrong usage, 130 for Ctrl-C.

Environment: HF_HOME or HF_HUB_CACHE say where pulled models lie; CUDA_VISIBLE_DEVICES which GPUs are seen;
OMP_NUM_THREADS how many cores the CPU's arithmetic takes; EXPERTMESH_CPU_KERNELS which kernels it uses,
EXPERTMESH_CACHE where they are built, CXX with what. Nothing is asked of the network."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "generate",
        help="run a file of requests on a model, resumably",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, metavar="M", help="a folder, or the name of a pulled model")
    parser.add_argument("--input", required=True, type=Path, metavar="FILE", help="requests, one a line")
    parser.add_argument(
        "--output",
        required=True,
        type=Path,
        metavar="FILE",
        help="results; one that is there is gone on with",
    )
    engine = parser.add_argument_group("engine")
    engine.add_argument(
        "--max-running", type=int, default=64, metavar="N", help="sequences in a step (%(default)s)"
    )
    engine.add_argument(
        "--tokens-per-step", type=int, metavar="N", help="tokens in a step (512, or --max-running if more)"
    )
    engine.add_argument(
        "--cache-gb", type=float, metavar="GB", help="for keys and values (what memory allows)"
    )
    engine.add_argument(
        "--context-limit", type=int, metavar="N", help="tokens of a sequence (the model's own)"
    )
    engine.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1 (a GPU if there is one)")
    engine.add_argument("--dtype", choices=DTYPES, help="of activations (bfloat16 on a GPU, else float32)")
    engine.add_argument(
        "--cpu-activations",
        choices=CPU_ACTIVATIONS,
        default="float32",
        help="on a CPU (%(default)s); int8, in dense layers bfloat16, is faster, at a relative error of 1e-2",
    )
    engine.add_argument(
        "--deterministic",
        action="store_true",
        help="the same bits in any batch; slower on a GPU, not on a CPU with g++",
    )
    engine.add_argument(
        "--drafts",
        type=int,
        default=0,
        metavar="N",
        help="guess so many tokens ahead, from what came before (0)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from cluster.environment import keep_freed_memory

    keep_freed_memory()
    from cluster.model_folder import find_model
    from workers.batch.input_file import InputFile
    from workers.batch.output_file import OutputFile

    folder = find_model(arguments.model)
    input_file = InputFile.of(arguments.input)
    if arguments.output.exists() and arguments.output.samefile(arguments.input):
        raise ConfigError(f"the output {arguments.output} is the input itself; name another file")
    with OutputFile.opened(arguments.output, input_file.most_lines) as output:
        summary = _resume(input_file, output)
        if summary.all_done < summary.num_lines and not _generate(
            folder, arguments, input_file, output, summary
        ):
            return STOPPED_BY_PERSON
    print(_report(summary, arguments))
    if summary.all_failed:
        note(f"{summary.all_failed} of {summary.num_lines} lines have failed; {arguments.output} says why")
        return 1
    return 0


def _resume(input_file: "InputFile", output: "OutputFile") -> "BatchSummary":
    """What is to be done, and what is done."""
    from workers.batch.summary import BatchSummary

    if output.num_bytes_cut:
        note(f"the last line of {output.path} was cut short; its {output.num_bytes_cut} bytes are taken off")
    num_lines = output.done.check(input_file, str(output.path))
    if output.done.num_done:
        note(f"{output.done.num_done} of {num_lines} lines have a result in {output.path} already")
    return BatchSummary(num_lines, output.done.num_done, output.done.num_failed)


def _generate(
    folder: Path,
    arguments: argparse.Namespace,
    input_file: "InputFile",
    output: "OutputFile",
    summary: "BatchSummary",
) -> bool:
    """-> False when a person has stopped it."""
    from workers.batch.local_batch import LocalBatch

    batch = LocalBatch(folder, _options(arguments), input_file, output, summary)
    try:
        batch.run(sys.stderr, note)
    except EngineStoppedError as error:
        raise EngineStoppedError(f"{error}. {_how_to_go_on(summary)}") from error
    except KeyboardInterrupt:
        note(f"stopped. {_how_to_go_on(summary)}")
        if batch.is_busy:  # Python would abort if it ended itself now
            output.sync()
            os._exit(STOPPED_BY_PERSON)
        return False
    return True


def _options(arguments: argparse.Namespace) -> "LocalEngineOptions":
    import torch

    from cluster.environment import cpu_kernel_settings
    from kernels.cpu.settings import CpuActivations
    from workers.batch.local_batch import engine_settings
    from workers.engine.local_engine import LocalEngineOptions

    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    _check_device(device)
    if arguments.cache_gb is not None and not 0 < arguments.cache_gb < float("inf"):
        raise ConfigError(f"--cache-gb is {arguments.cache_gb:g}; it must be above 0")
    if arguments.context_limit is not None and arguments.context_limit < 1:
        raise ConfigError(f"--context-limit is {arguments.context_limit}; it must be at least 1")
    return LocalEngineOptions(
        settings=engine_settings(arguments.max_running, arguments.tokens_per_step, arguments.drafts),
        device=device,
        dtype=None if arguments.dtype is None else getattr(torch, arguments.dtype),
        deterministic=arguments.deterministic,
        cache_bytes=None if arguments.cache_gb is None else int(arguments.cache_gb * 1e9),
        context_limit=arguments.context_limit,
        cpu_kernels=replace(cpu_kernel_settings(), activations=CpuActivations(arguments.cpu_activations)),
    )


def _check_device(name: str) -> None:
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"--device {name} is not a device; write cpu, cuda or cuda:1") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"--device {name} is not here: {torch.cuda.device_count()} GPUs are seen by this process"
        )


def _how_to_go_on(summary: "BatchSummary") -> str:
    return (
        f"{summary.all_done} of {summary.num_lines} lines have a result; run the same command again to do "
        f"the rest"
    )


def _report(summary: "BatchSummary", arguments: argparse.Namespace) -> str:
    now, before = summary.num_done, summary.num_done_before
    rows = [f"lines:   {now} done now, {before} before; {summary.all_failed} failed"]
    if now:
        rows += [
            f"tokens:  {summary.num_prompt_tokens} of prompts, {summary.num_cached_tokens} of them cached",
            f"         {summary.num_output_tokens} of output, {summary.tokens_per_s:.1f} a second",
            f"time:    {summary.seconds:.1f} s, the model's loading aside",
        ]
    if now and arguments.drafts:
        rows.append(f"drafts:  {summary.num_drafted} tokens guessed, {summary.num_accepted} of them right")
    return "\n".join([*rows, f"output:  {arguments.output}"])

"""`expertmesh plan`: what a mesh would be on given hardware, before anything is started or bought."""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.config.config import Config
    from cluster.plan.hardware import Device, Hardware, Link
    from cluster.plan.mesh_plan import MeshPlan
    from cluster.plan.wanted import Wanted
    from model.config import ModelConfig

BYTES_OF_GB = 10**9

_DESCRIPTION = """\
Plan a mesh: which worker is on which device, what each takes of its memory, how long a step takes at best,
what goes over the wire, and whether whole copies or a mesh of experts pays. Nothing is started or loaded."""

_EPILOG = """\
examples:
  expertmesh plan --model gpt-oss-20b                              on this machine, without a GPU
  expertmesh plan --model gpt-oss-120b --gpu H100 --nodes 2 --link 100gbe
  expertmesh plan --model gpt-oss-120b --gpu RTX-4090 --gpus-per-node 4 --attention 1 --experts 3
  expertmesh plan --config examples/mesh.yaml --nodes 3 --json

Without --attention, --experts and --config the best layout is shown. docs/plan.md tells how to read it.
A link is 10gbe, 25gbe, 100gbe, infiniband, or MICROSECONDS:GB_PER_S of the wire, such as 50:3.1."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "plan",
        help="what a mesh would be on given hardware",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model", metavar="M", help="a folder, a pulled model, or the shapes gpt-oss-20b, gpt-oss-120b"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="wishes from a configuration file")
    parser.add_argument("--json", action="store_true", help="the same numbers for programs")
    _add_hardware(parser.add_argument_group("hardware"))
    _add_wishes(parser.add_argument_group("wishes"))
    parser.set_defaults(run=run)


def _add_hardware(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--nodes", type=int, default=1, metavar="N", help="all alike (%(default)s)")
    group.add_argument("--gpu", metavar="NAME", help="H100, H200, A100-80, B200, L40S, RTX-4090 (none)")
    group.add_argument("--gpus-per-node", type=int, metavar="N", help="(1 with --gpu)")
    group.add_argument("--gpu-memory", type=float, metavar="GB", help="other than the catalogue's")
    group.add_argument("--gpu-bandwidth", type=float, metavar="TB/S", help="of its memory")
    group.add_argument("--gpu-tflops", type=float, metavar="N", help="dense, in bfloat16")
    group.add_argument(
        "--node-memory", type=float, metavar="GB", help="for workers of a node (what this machine has)"
    )
    group.add_argument("--node-bandwidth", type=float, metavar="GB/S", help="of its memory (40)")
    group.add_argument("--node-gflops", type=float, metavar="N", help="of all its cores (400)")
    group.add_argument("--link", default="10gbe", metavar="L", help="between nodes (%(default)s)")


def _add_wishes(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--attention", type=int, metavar="N", help="attention workers")
    group.add_argument("--stages", type=int, metavar="N", help="processes that cut the layers of each")
    group.add_argument("--experts", type=int, metavar="N", help="expert workers; 0: whole copies")
    group.add_argument("--replicas", type=int, metavar="N", help="workers that host each expert")
    group.add_argument("--expert-device", choices=("cpu", "cuda"), help="(a GPU where there is one)")
    group.add_argument("--dtype", choices=("float32", "bfloat16"), help="(bfloat16 on a GPU, else float32)")
    group.add_argument("--batch", type=int, default=64, metavar="N", help="sequences at once (%(default)s)")
    group.add_argument("--context", type=int, default=4096, metavar="N", help="tokens of each (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    from cluster.config.config_file import load_config
    from cluster.plan.advice import compare
    from cluster.plan.report import Report
    from protos.errors import ConfigError

    config = None if arguments.config is None else load_config(arguments.config)
    model = arguments.model or (config.model if config else None)
    if model is None:
        raise ConfigError("there is no model to plan for; name one with --model, or a --config that does")
    for name in ("batch", "context"):
        if getattr(arguments, name) < 1:
            raise ConfigError(f"--{name} is {getattr(arguments, name)}; it must be at least 1")
    shape = _shape(model)
    hardware = _hardware(arguments)
    wanted = _wanted(arguments, config)
    context = min(arguments.context, shape.max_positions)
    comparison = compare(shape, hardware, wanted, arguments.batch, context)
    is_open = config is None and arguments.attention is None and arguments.experts is None
    best = comparison.mesh if wanted.experts else comparison.best
    plan = best.plan if best and is_open else _plan(shape, hardware, wanted, is_open)
    report = Report(model, plan, comparison, arguments.batch, context)
    print(report.to_json() if arguments.json else report.to_text())


def _plan(shape: "ModelConfig", hardware: "Hardware", wanted: "Wanted", is_open: bool) -> "MeshPlan":
    from cluster.plan.planner import plan_mesh

    num_devices = len(hardware.devices(gpus=hardware.has_gpus))
    if is_open and num_devices > 1:  # nothing fits: the words shall be about all devices together
        wanted = replace(wanted, experts=num_devices)
    return plan_mesh(shape, hardware, wanted)


def _shape(model: str) -> "ModelConfig":
    """A built-in shape only where no folder of that name is; what is pulled has the same shape."""
    from cluster.model_folder import find_model
    from model.config import GPT_OSS_20B, GPT_OSS_120B
    from model.config.config_file import load_config

    built_in = {"gpt-oss-20b": GPT_OSS_20B, "gpt-oss-120b": GPT_OSS_120B}
    shape = built_in.get(model.replace("-safeguard", ""))
    if shape is not None and not Path(model).is_dir():
        return shape
    return load_config(find_model(model))


def _hardware(arguments: argparse.Namespace) -> "Hardware":
    from cluster.plan.catalogue import cpu_of, uniform

    memory = arguments.node_memory * BYTES_OF_GB if arguments.node_memory else _memory_of_this_machine()
    cpu = cpu_of(int(memory))
    if arguments.node_bandwidth:
        cpu = replace(cpu, bandwidth=arguments.node_bandwidth * 1e9)
    if arguments.node_gflops:
        cpu = replace(cpu, flops=arguments.node_gflops * 1e9)
    gpus = (_gpu(arguments),) * _gpus_per_node(arguments) if arguments.gpu else ()
    return uniform(arguments.nodes, gpus, cpu, _link(arguments.link))


def _gpus_per_node(arguments: argparse.Namespace) -> int:
    from protos.errors import ConfigError

    count: int = 1 if arguments.gpus_per_node is None else arguments.gpus_per_node
    if count < 0:
        raise ConfigError(f"--gpus-per-node is {count}; it must be at least 0")
    return count


def _gpu(arguments: argparse.Namespace) -> "Device":
    from cluster.plan.catalogue import gpu_named

    gpu = gpu_named(arguments.gpu)
    if arguments.gpu_memory:
        gpu = replace(gpu, memory_bytes=int(arguments.gpu_memory * BYTES_OF_GB))
    if arguments.gpu_bandwidth:
        gpu = replace(gpu, bandwidth=arguments.gpu_bandwidth * 1e12)
    if arguments.gpu_tflops:
        gpu = replace(gpu, flops=arguments.gpu_tflops * 1e12)
    return gpu


def _link(text: str) -> "Link":
    from cluster.plan.catalogue import LINKS, link_over
    from protos.errors import ConfigError

    if text.lower() in LINKS:
        return LINKS[text.lower()]
    microseconds, colon, gigabytes = text.partition(":")
    try:
        latency_s, bandwidth = float(microseconds) / 1e6, float(gigabytes) * 1e9
    except ValueError:
        latency_s = bandwidth = 0.0
    if not colon or latency_s < 0 or not 0 < bandwidth < float("inf"):
        raise ConfigError(
            f"--link is {text}; write {', '.join(LINKS)}, or MICROSECONDS:GB_PER_S such as 50:3.1"
        )
    return link_over(text, latency_s, bandwidth)


def _wanted(arguments: argparse.Namespace, config: "Config | None") -> "Wanted":
    from cluster.plan.wanted import Wanted, wanted_by

    wanted = Wanted() if config is None else wanted_by(config)
    given = {
        name: getattr(arguments, name)
        for name in ("attention", "stages", "experts", "replicas")
        if getattr(arguments, name) is not None
    }
    if given.keys() & {"stages", "replicas"} and "experts" not in given and not wanted.experts:
        given["experts"] = given.get("replicas", 1)  # a wish for those is one for expert workers
    if arguments.expert_device:
        given["experts_on_gpu"] = arguments.expert_device == "cuda"
    if arguments.dtype:
        given["value_bytes"] = {"bfloat16": 2, "float32": 4}[arguments.dtype]
    return replace(wanted, **given)


def _memory_of_this_machine() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

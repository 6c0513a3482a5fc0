"""`expertmesh pull`: fetch a model from the hub and check it."""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from protos.errors import MissingExtraError

LAYOUTS = ("hugging-face", "original")

_DESCRIPTION = """\
Fetch a gpt-oss checkpoint from the model hub, check every byte of it, and say where it lies.
A pull that was cut goes on where it stopped; a pull of what is already here only checks it."""

_EPILOG = """\
examples:
  expertmesh pull gpt-oss-20b                           into the hub's cache
  expertmesh pull openai/gpt-oss-120b@main --to /models/gpt-oss-120b
  expertmesh pull gpt-oss-20b --layout original         OpenAI's own layout
  HF_TOKEN=hf_... expertmesh pull my-team/my-tune@v2    a private fine-tune

Environment, as huggingface_hub reads it: HF_TOKEN, HF_ENDPOINT (a mirror), HF_HOME or HF_HUB_CACHE
(where the cache lies), HF_HUB_OFFLINE=1, HF_HUB_DISABLE_XET=1 (plain HTTP)."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "pull",
        help="fetch a model from the hub and check it",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "model", metavar="MODEL[@REVISION]", help="owner/name on the hub, or gpt-oss-20b etc."
    )
    parser.add_argument(
        "--to", type=Path, metavar="FOLDER", help="a plain folder, instead of the hub's cache"
    )
    parser.add_argument("--layout", choices=LAYOUTS, default=LAYOUTS[0], help="which copy of the weights")
    parser.add_argument(
        "--offline", action="store_true", help="ask nothing of the network, check what is here"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    _require_huggingface_hub()
    from model.hub.file_progress import format_bytes, progress_on
    from model.hub.layout import Layout
    from model.hub.pull import pull
    from model.hub.reference import ModelReference
    from model.hub.settings import HubSettings

    reference = ModelReference.parse(arguments.model)
    settings = HubSettings(offline=arguments.offline)
    with progress_on(sys.stderr) as progress:
        pulled = pull(reference, arguments.to, Layout(arguments.layout), progress, settings)
    manifest = pulled.manifest
    num_bytes = format_bytes(manifest.num_bytes)
    print(manifest.name)
    print(f"{len(manifest.files)} files, {num_bytes}, all checked; {pulled.num_files_fetched} fetched now")
    print(f"folder: {pulled.folder}")
    print(f"next:   expertmesh verify {pulled.folder}")


def _require_huggingface_hub() -> None:
    if find_spec("huggingface_hub") is None:
        raise MissingExtraError(
            "the package huggingface_hub is not installed, and fetching models needs it: install ExpertMesh "
            "with its extra `hub`: in a clone, `pip install -c constraints.txt '.[hub]'`"
        )

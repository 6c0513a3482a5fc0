"""`expertmesh verify`: check a pulled folder against its manifest; needs no network, nor the extra `hub`."""

import argparse
import sys
from pathlib import Path


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("verify", help="check a pulled model folder, without a network")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder that `expertmesh pull` made")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from model.hub.file_progress import format_bytes, progress_on
    from model.hub.manifest import verify

    with progress_on(sys.stderr) as progress:
        manifest = verify(arguments.folder, progress)
    print(
        f"{arguments.folder} is {manifest.name} as published: "
        f"{len(manifest.files)} files, {format_bytes(manifest.num_bytes)}"
    )

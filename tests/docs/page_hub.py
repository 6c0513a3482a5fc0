"""A hub on loopback that has each released gpt-oss, and gives a tiny model in its place.

python -m tests.docs.page_hub FOLDER PORT       until it is killed; FOLDER holds the tiny model
"""

import sys
import threading
from pathlib import Path

from model.hub.reference import PUBLISHER, SHORT_NAMES
from tests.model.hub.hub_models import repository_files
from tests.model.hub.hub_server import HubServer, serving


def files_of(folder: Path) -> dict[str, bytes]:
    """As the hub would hold them. The weights of the original layout are bytes without a meaning."""
    model = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    original = {path: held for path, held in repository_files().items() if path.startswith("original/")}
    return {**model, **original, "LICENSE": b"Apache-2.0\n"}


if __name__ == "__main__":
    files = files_of(Path(sys.argv[1]))
    repositories = {f"{PUBLISHER}/{name}" for name in SHORT_NAMES}
    with serving(HubServer(files, repositories=repositories, port=int(sys.argv[2]))):
        print("it serves", flush=True)
        threading.Event().wait()

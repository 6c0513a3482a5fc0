"""An expert worker as a process by itself: for tests, benchmarks, and a mesh that Ray does not look after.

    python -m workers.experts.process FOLDER NAME [--port P]

It begins empty, prints `listening on ADDRESS`, and ends when its input is closed. In cluster mode a Ray
actor does the same (`cluster.ray`).
"""

import argparse
import sys
from pathlib import Path

from workers.experts.from_checkpoint import ExpertWorkerOptions, expert_worker
from workers.experts.service import ExpertServer


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m workers.experts.process", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--deterministic", action="store_true")
    arguments = parser.parse_args()
    options = ExpertWorkerOptions(arguments.name, deterministic=arguments.deterministic)
    server = ExpertServer(expert_worker(arguments.folder, options), arguments.host, arguments.port)
    server.start()
    print(f"listening on {server.address}", flush=True)
    sys.stdin.read()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""An expert worker that waits as long as an accelerator would compute: a process for `benchmarks.mesh`.

    python -m benchmarks.simulated_accelerator NAME

Frames, router and gRPC are real; the rows that come back hold nothing. It prints its address, and ends when
its input is closed.
"""

import sys
import threading
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.simulated_step import HIDDEN, expert_seconds
from router.channel import listen, make_server
from router.dispatch_frames import Dispatch, Hello, Reply
from router.frame import Frame
from router.frame_service import add_frame_service
from router.rows import num_bytes

MAX_FRAME_BYTES = 64 << 20


@dataclass(slots=True)
class SimulatedExperts:
    """A `FrameHandler`: one accelerator, which does one frame at a time."""

    name: str
    turn: threading.Lock

    def hello(self) -> Hello:
        return Hello(self.name, "simulated", "simulated", 0, 4, MAX_FRAME_BYTES)

    def answer(self, frame: Frame) -> bytes:
        dispatch = Dispatch.of(frame)
        with self.turn:
            time.sleep(expert_seconds(dispatch.num_assignments, len(np.unique(dispatch.experts))))
        rows = bytes(dispatch.num_reply_rows * num_bytes(dispatch.row_format, HIDDEN))
        return Reply(dispatch.number, 0, dispatch.row_format, (memoryview(rows),)).encode()


def main() -> int:
    server = make_server(16, MAX_FRAME_BYTES)
    port = listen(server, "127.0.0.1:0")
    add_frame_service(server, SimulatedExperts(sys.argv[1], threading.Lock()))
    server.start()
    print(f"127.0.0.1:{port}", flush=True)
    sys.stdin.read()
    server.stop(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())

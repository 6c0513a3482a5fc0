"""`make chaos`: a mesh under load, to which everything happens that may, for as long as one likes.

    python -m tests.cluster.chaos [--minutes M] [--seed S]

It prints what was done, and in the end how many tokens were lost, repeated and changed: each must be 0. The
exit status says so too. A node can be cut off only where network namespaces may be made.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from cluster.controller.wishes import Wishes
from cluster.environment import let_idle_threads_sleep

let_idle_threads_sleep()  # before anything imports torch

from tests.cluster.process_fleet import TWO_NODES, Node  # noqa: E402
from tests.cluster.running_mesh import RunningMesh  # noqa: E402
from tests.cluster.traffic import Toll, some_requests  # noqa: E402
from tests.cluster.two_networks import Cable, two_networks  # noqa: E402
from tests.workers.engine.tiny_engine import (  # noqa: E402
    SPOKEN,
    load_deterministic,
    write_spoken_model,
)

WISHES = Wishes(num_attention=2, num_experts=3, replicas=2)
QUIET_S, END_S = 1.0, 120.0
CUT_OFF_S = 5.0


class Chaos:
    """One mesh, and the ways to trouble it. After each it must come to rest again."""

    def __init__(self, mesh: RunningMesh, cable: Cable | None, seed: int) -> None:
        self._mesh = mesh
        self._cable = cable
        self._random = random.Random(seed)

    @property
    def troubles(self) -> Mapping[str, Callable[[], None]]:
        troubles = {
            "kill an expert worker": lambda: self._kill("expert", 3),
            "kill an attention worker": lambda: self._kill("attention", 2),
            "kill an expert and an attention worker": self._kill_both,
            "stop an expert worker for seconds": self._freeze,
            "kill the controller": self._replace_controller,
            "kill the controller and an expert worker": self._replace_controller_and_kill,
            "an expert worker more, and less again": self._scale,
            "drain an expert worker": self._drain,
            "three replicas, and two again": self._replicate,
        }
        if self._cable is not None:
            troubles["cut a node off"] = self._cut_off
        return troubles

    def trouble(self, name: str) -> float:
        """-> seconds until all is well"""
        began = time.monotonic()
        self.troubles[name]()
        self._mesh.wait_serving()
        return time.monotonic() - began

    def next_trouble(self) -> str:
        return self._random.choice(sorted(self.troubles))

    def _kill(self, kind: str, count: int) -> None:
        name = f"{kind}-{self._random.randrange(count)}"
        pid = self._mesh.pids[name]
        self._mesh.fleet.send(name, signal.SIGKILL)
        self._mesh.wait_until(lambda _: self._mesh.pids[name] not in (pid, 0), f"{name} begun anew")

    def _kill_both(self) -> None:
        self._mesh.fleet.send(f"attention-{self._random.randrange(2)}", signal.SIGKILL)
        self._kill("expert", 3)

    def _freeze(self) -> None:
        name = f"expert-{self._random.randrange(3)}"
        self._mesh.fleet.send(name, signal.SIGSTOP)
        time.sleep(self._random.uniform(0.5, 6.0))
        self._mesh.fleet.send(name, signal.SIGCONT)

    def _replace_controller(self) -> None:
        self._mesh.kill_controller()
        time.sleep(self._random.uniform(0.1, 2.0))
        self._mesh.replace_controller()

    def _replace_controller_and_kill(self) -> None:
        self._mesh.kill_controller()
        name = f"expert-{self._random.randrange(3)}"
        pid = self._mesh.pids[name]
        self._mesh.fleet.send(name, signal.SIGKILL)
        time.sleep(self._random.uniform(0.1, 2.0))
        self._mesh.replace_controller()
        self._mesh.wait_until(lambda _: self._mesh.pids.get(name, pid) not in (pid, 0), f"{name} begun anew")

    def _scale(self) -> None:
        self._mesh.controller.scale(None, 4)
        self._mesh.wait_until(lambda topology: len(topology.workers) == 6, "six workers")
        self._mesh.wait_serving()
        self._mesh.controller.scale(None, 3)
        self._mesh.wait_until(lambda topology: len(topology.workers) == 5, "five workers")

    def _drain(self) -> None:
        name = f"expert-{self._random.randrange(3)}"
        self._mesh.controller.drain([name])
        self._mesh.wait_until(lambda topology: len(topology.workers) == 4, f"{name} gone")
        self._mesh.controller.undrain([name])
        self._mesh.wait_until(lambda topology: len(topology.workers) == 5, f"{name} back")

    def _replicate(self) -> None:
        self._mesh.controller.set_replication(3)
        self._mesh.wait_serving()
        self._mesh.controller.set_replication(2)

    def _cut_off(self) -> None:
        assert self._cable is not None
        self._cable.pull()
        time.sleep(self._random.uniform(0.5, CUT_OFF_S))
        self._cable.plug()
        time.sleep(QUIET_S)


def run(seconds: float, seed: int, say: Callable[[str], None]) -> Toll:
    """One round of every trouble in some order, then others at random, until the time is over."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="expertmesh-chaos-")))
        write_spoken_model(folder)
        model = load_deterministic(folder)
        nodes, cable = _networks(stack, say)
        mesh = RunningMesh(folder, SPOKEN, WISHES, nodes=nodes)
        stack.callback(mesh.close)
        mesh.wait_serving()
        chaos = Chaos(mesh, cable, seed)
        stream = mesh.traffic.begin(some_requests(model, 24, max_tokens=40, seed=seed), at_once=8)
        order = sorted(chaos.troubles)
        random.Random(seed).shuffle(order)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            name = order.pop() if order else chaos.next_trouble()
            say(f"{name}: well again after {chaos.trouble(name):.1f} s")
            time.sleep(QUIET_S)
        return stream.finish(END_S)


def _networks(stack: ExitStack, say: Callable[[str], None]) -> tuple[tuple[Node, ...], Cable | None]:
    try:
        return stack.enter_context(two_networks())
    except pytest.skip.Exception as reason:
        say(f"no node is cut off: {reason}")
        return TWO_NODES, None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster.chaos", description="Trouble a mesh under load."
    )
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parsed = parser.parse_args(arguments)
    toll = run(60 * parsed.minutes, parsed.seed, lambda line: print(line, flush=True))
    print(
        f"\n{toll.num_requests} requests, {toll.num_tokens} tokens; {toll.num_failovers} times a request "
        f"went on elsewhere; longest time without a token {toll.longest_gap_s:.2f} s\n"
        f"lost {toll.num_lost}, repeated {toll.num_repeated}, changed {toll.num_changed}"
    )
    for error in toll.errors:
        print(f"error: {error}")
    return 0 if toll.losses == (0, 0, 0) else 1


if __name__ == "__main__":
    sys.exit(main())

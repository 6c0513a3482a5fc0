"""Runs a program in a network of its own, that has loopback and nothing else, and among processes of its own.

So pages may name their ports as they are for users, many tests may run at once, nothing can be fetched, and
nothing outlives the program.

    python -m tests.docs.own_network PROGRAM ARGUMENTS...       (inside `unshare`)
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys

import pytest

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1


def command_in_own_network(*words: str) -> list[str]:
    """Skips where this machine allows none; with CI=true that is a failure."""
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    unshare = ["unshare", *rights, "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    try:
        subprocess.run([*unshare, "true"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        why = f"pages run in namespaces, which this machine does not allow: {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    return [*unshare, sys.executable, "-m", "tests.docs.own_network", *words]


def raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = fcntl.ioctl(any_socket, _GET_FLAGS, struct.pack("16sH14x", b"lo", 0))
        flags = struct.unpack("16sH14x", asked)[1]
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _UP))


if __name__ == "__main__":
    raise_loopback()
    os.execvp(sys.argv[1], sys.argv[1:])

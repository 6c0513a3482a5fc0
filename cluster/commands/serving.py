"""What the commands that serve clients share: an option, and the pace of their looks.

Called by `serve` and `gateway`.
"""

import argparse
import math

LOOK_EVERY_S = 0.1
"""Between two looks at what is served, while nobody has asked for the end."""


def add_drain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--drain-s",
        type=_seconds,
        default=30.0,
        metavar="S",
        help="for requests to end, at the end (%(default)g)",
    )


def _seconds(text: str) -> float:
    seconds = float(text)  # argparse puts its ValueError into words
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no time to wait; 0 or more seconds are")
    return seconds

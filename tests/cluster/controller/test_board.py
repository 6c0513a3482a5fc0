"""What is published, and who waits for it."""

import threading
from dataclasses import replace

from cluster.controller.board import Board
from workers.membership.members import MeshTopology

NEWS = MeshTopology(num_lost=1)
LONG_S = 30.0


def test_each_change_is_a_generation() -> None:
    board = Board()
    board.publish(NEWS)
    board.publish(NEWS)
    assert (board.topology.generation, board.topology.num_lost) == (1, 1)
    board.publish(replace(NEWS, num_lost=2))
    assert board.topology.generation == 2


def test_boards_of_two_controllers_can_be_told_apart() -> None:
    assert Board().topology.controller != Board().topology.controller


def test_who_knows_less_hears_at_once_and_who_knows_all_waits() -> None:
    board = Board()
    board.publish(NEWS)
    assert board.next_after(0, LONG_S) == board.topology
    assert board.next_after(1, 0.01) is None


def test_a_change_wakes_who_waits() -> None:
    board = Board()
    heard: list[MeshTopology | None] = []
    waiting = threading.Thread(target=lambda: heard.append(board.next_after(0, LONG_S)))
    waiting.start()
    board.publish(NEWS)
    waiting.join(LONG_S)
    assert heard == [board.topology]


def test_nobody_waits_for_a_closed_board() -> None:
    board = Board()
    waiting = threading.Thread(target=board.next_after, args=(0, LONG_S))
    waiting.start()
    board.close()
    waiting.join(LONG_S / 3)
    assert not waiting.is_alive()
    assert board.is_closed

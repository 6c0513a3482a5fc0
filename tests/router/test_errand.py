"""An errand is done once, whoever does it; what makes it up holds each of its places once."""

import numpy as np

from router.dispatch_frames import Reply
from router.dispatch_plan import Share
from router.errand import Errand
from router.rows import RowFormat


def share(*slots: int) -> Share:
    places = np.array(slots)
    return Share(0, places, np.arange(len(slots)), places, places)


def reply(number: int) -> Reply:
    return Reply(number, 0, RowFormat.FLOAT32, ())


def is_done(errand: Errand) -> bool:
    return errand.is_done


def places_of(errand: Errand) -> list[tuple[int, list[int]]]:
    return [(finished.reply.number, finished.share.slots.tolist()) for finished in errand.finished()]


def test_an_answer_makes_it_done() -> None:
    errand = Errand(share(1, 2))
    assert not is_done(errand)
    errand.reply = reply(5)
    assert is_done(errand)
    assert places_of(errand) == [(5, [1, 2])]


def test_so_do_all_of_its_parts_and_not_some() -> None:
    errand = Errand(share(1, 2, 3))
    errand.parts = [errand.part(share(1)), errand.part(share(2, 3))]
    errand.parts[0].reply = reply(6)
    assert not is_done(errand)
    errand.parts[1].parts = [Errand(share(2)), Errand(share(3))]
    for number, part in enumerate(errand.parts[1].parts):
        assert not is_done(errand)
        part.reply = reply(7 + number)
    assert is_done(errand)
    assert places_of(errand) == [(6, [1]), (7, [2]), (8, [3])]


def test_where_a_hedge_and_the_original_both_come_the_original_counts() -> None:
    errand = Errand(share(1, 2))
    errand.parts = [errand.part(share(1)), errand.part(share(2))]
    errand.parts[0].reply = reply(6)
    errand.reply = reply(5)
    errand.parts[1].reply = reply(7)
    assert places_of(errand) == [(5, [1, 2])]


def test_parts_know_what_is_known_of_workers() -> None:
    errand = Errand(share(1, 2), frozenset({"a"}), num_lost=3)
    part = errand.part(share(1))
    assert (set(part.avoid), part.num_lost) == ({"a"}, 3)

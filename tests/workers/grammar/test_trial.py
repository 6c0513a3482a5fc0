import os
import signal
import threading
import time

import pytest

from tests.workers.grammar.walking import ENDLESS
from workers.grammar.grammar_text import grammar_text, schema_grammar
from workers.grammar.spec import GrammarSpec
from workers.grammar.trial import BROKE_THE_COMPILER, TOOK_TOO_LONG, GrammarTrial

SOUND = grammar_text(GrammarSpec.lark('start: <|end|> "a"'))


def kill_child_of(trial: GrammarTrial) -> None:
    assert trial.child_pid is not None
    os.kill(trial.child_pid, signal.SIGKILL)


@pytest.fixture
def trial() -> GrammarTrial:
    return GrammarTrial(["<|end|>"], patience_s=1.0)


def test_it_says_what_is_wrong_and_knows_the_specials(trial: GrammarTrial) -> None:
    assert trial.refusal(SOUND) == ""
    assert "unknown special token" in trial.refusal(SOUND.replace("end", "start"))
    trial.close()


def test_what_would_hang_is_given_up_and_the_next_is_answered(trial: GrammarTrial) -> None:
    assert trial.refusal(SOUND) == ""
    began = time.monotonic()
    assert trial.refusal(schema_grammar(ENDLESS)).startswith(TOOK_TOO_LONG)
    assert time.monotonic() - began < 10  # the compiler alone takes minutes
    assert trial.refusal(SOUND) == ""
    trial.close()


def test_a_child_that_dies_of_a_grammar_is_a_refusal() -> None:
    trial = GrammarTrial(["<|end|>"], patience_s=60)
    assert trial.refusal(SOUND) == ""
    refused = threading.Event()

    def kill_child_after_child() -> None:
        while not refused.wait(0.5):
            kill_child_of(trial)

    killer = threading.Thread(target=kill_child_after_child)
    killer.start()
    assert trial.refusal(schema_grammar(ENDLESS)) == BROKE_THE_COMPILER
    refused.set()
    killer.join()
    assert trial.refusal(SOUND) == ""
    trial.close()


def test_a_child_that_died_meanwhile_is_replaced(trial: GrammarTrial) -> None:
    assert trial.refusal(SOUND) == ""
    kill_child_of(trial)
    assert trial.refusal(SOUND) == ""
    trial.close()
    assert trial.child_pid is None

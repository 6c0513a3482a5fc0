"""Findings as a person and as a program read them."""

import json

from cluster.doctor.finding import Finding
from cluster.doctor.report import as_json, as_table, is_healthy

FINE = Finding.ok("python", "3.12")
ODD = Finding.warning("ports", "taken: 8000", "end what listens there, or configure others")
BAD = Finding.wrong("model", "there is none in the folder that was named", "pull it")
UNSEEN = Finding.unchecked("devices", "no torch")


def test_only_what_is_wrong_is_unhealthy() -> None:
    assert is_healthy([FINE, ODD, UNSEEN])
    assert not is_healthy([FINE, BAD])


def test_a_table_fits_its_width_and_says_what_to_do() -> None:
    table = as_table([FINE, ODD, BAD, UNSEEN], width=50)
    assert table.splitlines() == [
        "CHECK    STATE      FOUND",
        "python   ok         3.12",
        "ports    warning    taken: 8000",
        "                    -> end what listens there, or",
        "                       configure others",
        "model    wrong      there is none in the folder",
        "                    that was named",
        "                    -> pull it",
        "devices  unchecked  no torch",
        "",
        "1 ok, 1 warning, 1 wrong, 1 unchecked",
    ]


def test_json_has_the_same() -> None:
    document = json.loads(as_json([FINE, BAD]))
    assert document["healthy"] is False
    assert document["findings"][0] == {"check": "python", "state": "ok", "found": "3.12", "remedy": None}
    assert document["findings"][1]["remedy"] == "pull it"

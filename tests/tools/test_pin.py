"""constraints.txt as text; resolving needs a package registry, so it is left to `make constraints`."""

from tools.pin import HEADER, render


def test_pins_are_normalised_and_in_order() -> None:
    text = render({"typing_extensions": "4.1", "Jinja2": "3.2", "ray": "2.3"})
    assert text == HEADER + "jinja2==3.2\nray==2.3\ntyping-extensions==4.1\n"


def test_triton_is_pinned_where_it_exists() -> None:
    assert render({"triton": "3.7.1"}) == HEADER + "triton==3.7.1 ; sys_platform == 'linux'\n"


def test_the_header_says_how_to_remake_the_file() -> None:
    assert "make constraints" in HEADER
    assert all(line.startswith("#") for line in HEADER.splitlines())

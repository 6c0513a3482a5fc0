"""A made part stands between its marks, and nothing else of the page is touched."""

import pytest

from tools.docs.made_part import END, MissingPartError, mark, with_part

PAGE = f"# A page\n\nby hand\n\n{mark('one')}\nold\n{END}\n\nby hand too\n\n{mark('two')}\n{END}\n"


def test_a_part_is_put_in_its_place() -> None:
    made = with_part(PAGE, "one", "new\n")
    assert made == PAGE.replace("\nold\n", "\n\nnew\n\n")
    assert with_part(made, "one", "new") == made


def test_one_part_of_several() -> None:
    after = PAGE.partition("by hand too")[2]
    made = with_part(PAGE, "two", "new")
    assert made == PAGE.replace(after, f"\n\n{mark('two')}\n\nnew\n\n{END}\n")


@pytest.mark.parametrize("page", ["# A page", f"{mark('one')}\n"])
def test_a_page_without_a_place_for_it_is_refused(page: str) -> None:
    with pytest.raises(MissingPartError, match="the page lacks"):
        with_part(page, "one", "new")

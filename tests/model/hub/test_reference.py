import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.hub.reference import ModelReference
from protos.errors import HubError


@pytest.mark.parametrize(
    ("text", "repository", "revision"),
    [
        ("gpt-oss-20b", "openai/gpt-oss-20b", "main"),
        ("gpt-oss-safeguard-120b@v1.0", "openai/gpt-oss-safeguard-120b", "v1.0"),
        ("openai/gpt-oss-120b", "openai/gpt-oss-120b", "main"),
        ("my-team/my_tune.2@refs/pr/7", "my-team/my_tune.2", "refs/pr/7"),
    ],
)
def test_names_that_people_type(text: str, repository: str, revision: str) -> None:
    assert ModelReference.parse(text) == ModelReference(repository, revision)


@pytest.mark.parametrize(
    "text", ["/models/gpt-oss", "./gpt-oss-20b", "../x/y", "~/x", ".", "..", "\\\\host\\x"]
)
def test_paths_are_refused_as_paths(text: str) -> None:
    with pytest.raises(HubError, match="is a path"):
        ModelReference.parse(text)


@pytest.mark.parametrize(
    "text", ["", "gpt-oss", "a/b/c", "openai/", "/x", "a b/c", "openai/gpt..oss", "hf://a/b"]
)
def test_malformed_names_are_refused(text: str) -> None:
    with pytest.raises(HubError, match=r"is not the name of a model|is a path"):
        ModelReference.parse(text)


@pytest.mark.parametrize("revision", ["", "a b", "../x", "a..b", "/main", "-x", "a@b", "main\n"])
def test_malformed_revisions_are_refused(revision: str) -> None:
    with pytest.raises(HubError, match="is not a revision"):
        ModelReference.parse(f"gpt-oss-20b@{revision}")


@given(st.text(alphabet="ab-._/@~ \n", max_size=12))
def test_whatever_is_accepted_comes_back_and_stays_inside_the_cache(text: str) -> None:
    try:
        reference = ModelReference.parse(text)
    except HubError:
        return
    assert ModelReference.parse(str(reference)) == reference
    assert reference.repository.count("/") == 1
    assert all(part.strip(".") for part in f"{reference.repository}/{reference.revision}".split("/"))

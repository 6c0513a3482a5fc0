from pathlib import Path

import pytest

from examples.demo.rendering import ExampleRenderer
from examples.demo.vocabulary import write_vocabulary

VOCAB_SIZE = 700


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a small tokenizer of our conversations."""
    folder = tmp_path_factory.mktemp("vocabulary")
    write_vocabulary(folder, VOCAB_SIZE, seed=3, num_examples=400)
    return folder


@pytest.fixture(scope="session")
def renderer(folder: Path) -> ExampleRenderer:
    return ExampleRenderer.of_folder(folder, VOCAB_SIZE)

"""Makes the demo model's tokenizer from its own conversations, and writes it into the model's folder."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from examples.demo.byte_pairs import learn_merges, pattern
from examples.demo.curriculum import examples
from examples.demo.rendering import ExampleRenderer
from examples.demo.split import Split
from model.tokenizer.byte_tokenizer import SPECIAL_NAMES, write_byte_tokenizer

_NUM_BYTES = 256


def write_vocabulary(folder: Path, vocab_size: int, seed: int, num_examples: int) -> None:
    merges = learn_merges(_texts(seed, num_examples), vocab_size - _NUM_BYTES - len(SPECIAL_NAMES))
    write_byte_tokenizer(folder, vocab_size, merges, pattern())


def _texts(seed: int, num_examples: int) -> Iterator[str]:
    """What the renderer makes of them, between control tokens; bytes are tokens enough for that."""
    with TemporaryDirectory() as bare:
        size = _NUM_BYTES + len(SPECIAL_NAMES)
        write_byte_tokenizer(Path(bare), size)
        renderer = ExampleRenderer.of_folder(Path(bare), size)
        tokenizer = renderer.vocabulary.tokenizer
        for example in islice(examples(seed, Split.TRAINING), num_examples):
            rendered = renderer.render(example)
            text = bytearray()
            for token_id in (*rendered.prompt, *rendered.reply):
                if tokenizer.is_special(token_id):
                    yield text.decode()
                    text.clear()
                else:
                    text += tokenizer.token_bytes(token_id)

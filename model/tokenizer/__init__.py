"""From text to tokens and back, and harmony's control tokens. Needs no torch: a gateway imports it too."""

from model.tokenizer.harmony_marks import HarmonyMarks
from model.tokenizer.text_stream import TextStream
from model.tokenizer.tokenizer import Tokenizer

__all__ = ["HarmonyMarks", "TextStream", "Tokenizer"]

"""Tokens as log-probabilities name them: text, bytes, a number that JSON can hold."""

from gateway.served_model import ServedModel
from model.sampling.sampled_tokens import TokenLogprob

_LEAST = -9999.0
"""Stands for an infinite one, as OpenAI writes it."""


class TokenNames:
    """Of one model; looked up, never changed."""

    def __init__(self, model: ServedModel) -> None:
        self._tokenizer = model.tokenizer
        self._specials = {token_id: name for name, token_id in model.tokenizer.special_ids.items()}

    def bytes_of(self, token_id: int) -> bytes:
        """Of a special token its name."""
        name = self._specials.get(token_id)
        return self._tokenizer.token_bytes(token_id) if name is None else name.encode()

    def text_of(self, token_id: int) -> str:
        """Bytes that are no characters alone become U+FFFD."""
        return self.bytes_of(token_id).decode("utf-8", errors="replace")

    def spoken_bytes_of(self, token_id: int) -> bytes:
        """That it adds to a text; a special one adds none."""
        return self._tokenizer.token_bytes(token_id)

    def legacy_text_of(self, token_id: int) -> str:
        """Bytes that are no characters alone are spelled out, so that two tokens have two names."""
        token_bytes = self.bytes_of(token_id)
        try:
            return token_bytes.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token_bytes)

    def entry(self, token: TokenLogprob) -> dict[str, object]:
        return {
            "token": self.text_of(token.token_id),
            "logprob": finite(token.logprob),
            "bytes": list(self.bytes_of(token.token_id)),
        }


def finite(logprob: float) -> float:
    return max(logprob, _LEAST)

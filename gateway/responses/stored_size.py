"""What keeping an item or a response costs in memory, nearly: text as it is, the rest by the piece."""

import json

from gateway.responses.items import CallItem, CallOutputItem, Item, MessageItem, ReasoningItem
from gateway.responses.response import Response

ITEM_BYTES = 400  # the object, its id, its places in tables
RESPONSE_BYTES = 2000  # the same, with its request
LOGPROB_BYTES = 120  # of one token at one position
REFERENCE_BYTES = 8  # to an item that is counted elsewhere


def item_bytes(item: Item) -> int:
    match item:
        case MessageItem():
            num_logprobs = sum(1 + len(position.top) for position in item.logprobs)
            return ITEM_BYTES + sum(map(_text_bytes, item.texts)) + num_logprobs * LOGPROB_BYTES
        case ReasoningItem():
            return ITEM_BYTES + _text_bytes(item.text)
        case CallItem():
            return ITEM_BYTES + _text_bytes(item.arguments)
        case CallOutputItem():
            return ITEM_BYTES + _text_bytes(item.output)


def response_bytes(response: Response, num_items: int) -> int:
    """Without its items."""
    request = response.request
    tools = sum(
        _text_bytes(tool.description) + _text_bytes(json.dumps(tool.parameters)) for tool in request.tools
    )
    metadata = sum(_text_bytes(key) + _text_bytes(value) for key, value in request.labels.metadata.items())
    texts = _text_bytes(request.instructions or "") + _text_bytes(json.dumps(request.text_format.schema))
    return RESPONSE_BYTES + tools + metadata + texts + num_items * REFERENCE_BYTES


def _text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))

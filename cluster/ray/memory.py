"""What the fleet remembers for controllers to come: in Ray's own key-value store, which outlives every actor.

It is lost with Ray's head, as the actors are (unless Ray keeps its store in Redis). An actor that only
remembers would be lost with its node. The functions are Ray's, though it does not document them; Ray Serve
and Ray Tune rest on them too.
"""

from ray.experimental.internal_kv import (
    _internal_kv_del,
    _internal_kv_get,
    _internal_kv_put,
)

_NAMESPACE = b"expertmesh"


def recall(key: bytes) -> str | None:
    found = _internal_kv_get(key, namespace=_NAMESPACE)
    return None if found is None else found.decode()


def remember(key: bytes, text: str) -> None:
    _internal_kv_put(key, text.encode(), overwrite=True, namespace=_NAMESPACE)


def forget(key: bytes) -> None:
    _internal_kv_del(key, namespace=_NAMESPACE)

"""Who hears what: the events of an engine's step, handed to the streams of the gateways that they belong to.

The engine is made with `deliver`. Not here: gRPC, and how a stream sends what it is given (`service`).
"""

import threading
import time
from collections.abc import Callable, Sequence
from itertools import count

from workers.attention.attachment import Attachment
from workers.engine.events import Event


class Switchboard:
    """Knows the open streams by number, which is the first part of every id that the engine sees."""

    def __init__(self, max_reports: int = 4096) -> None:
        """`max_reports`: how many steps a gateway may be behind before it is cut off."""
        self._max_reports = max_reports
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._attachments: dict[str, Attachment] = {}

    @property
    def num_open(self) -> int:
        return len(self._attachments)

    def open(self, overflow: Callable[[], object]) -> Attachment:
        with self._lock:
            attachment = Attachment(next(self._numbers), self._max_reports, overflow)
            self._attachments[str(attachment.number)] = attachment
        return attachment

    def close(self, attachment: Attachment) -> list[str]:
        """-> the requests of it that the engine still has; closing twice is closing once."""
        with self._lock:
            known = self._attachments.pop(str(attachment.number), None)
        return [] if known is None else attachment.close()

    def wait_sent(self, timeout_s: float) -> bool:
        """-> whether every stream has sent what it had been given; for when nothing more is to come."""
        ends_at = time.monotonic() + timeout_s
        with self._lock:
            attachments = [*self._attachments.values()]
        return all(each.wait_sent(ends_at - time.monotonic()) for each in attachments)

    def deliver(self, events: Sequence[Event]) -> None:
        """On the engine's thread. Of a stream that is gone nobody hears."""
        number_to_events: dict[str, list[tuple[str, Event]]] = {}
        for event in events:
            number, _, request_id = event.request_id.partition("/")
            number_to_events.setdefault(number, []).append((request_id, event))
        for number, its_events in number_to_events.items():
            attachment = self._attachments.get(number)
            if attachment is not None:
                attachment.tell(its_events)

"""Headers and a short body are two writes; the second does not wait for the client to confirm the first."""

import socket

from model.tokenizer import Tokenizer
from tests.gateway.engine_link.hearing import until
from tests.gateway.http_face.running_face import running_face
from tests.gateway.http_face.wire import wire_to


async def test_small_writes_go_out_at_once(tokenizer: Tokenizer) -> None:
    async with running_face(tokenizer) as running, wire_to(running.port):
        await until(lambda: running.face.num_connections == 1)
        (connection,) = running.face._connections()
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0

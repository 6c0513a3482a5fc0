"""A model hub on loopback: as much of the real one as huggingface_hub speaks to, with troubles on order.

It serves one repository, under any number of names, and logs every request. As on the real hub, large files
are redirected to another address (the content network), so that a token which leaks there is seen, and may be
offered over xet too.
"""

import hashlib
import json
import re
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

REPOSITORY = "acme/tiny-oss"
FIRST_COMMIT = "1" * 40
SECOND_COMMIT = "2" * 40
LARGE_BYTES = 4096
"""Files of this size and above are in LFS, as on the hub those beyond some megabytes are."""

XET_CHUNK_BYTES = 65536


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    method: str
    path: str  # the file's path where the request is for a file
    first_byte: int
    num_bytes: int  # of the body that was sent
    token: str | None


@dataclass(slots=True)
class Troubles:
    """What goes wrong. Lists are used up one by one, the rest lasts."""

    statuses: list[int] = field(default_factory=list)  # answers to the next requests, whatever they ask
    file_refusal: tuple[int, str] | None = None  # status and X-Error-Code for every file
    path_to_cuts: dict[str, list[int]] = field(default_factory=dict)  # close after so many bytes
    path_to_stalls: dict[str, list[int]] = field(default_factory=dict)  # fall silent after so many bytes
    damaged_paths: set[str] = field(default_factory=set)  # the middle byte is another
    path_to_claimed_bytes: dict[str, int] = field(default_factory=dict)
    ignores_ranges: bool = False
    answers_html: bool = False
    xet_storage_fails: bool = False


class HubServer:
    """Start it with `serving`."""

    def __init__(
        self,
        files: dict[str, bytes],
        offers_xet: bool = False,
        repositories: Collection[str] = (REPOSITORY,),
        port: int = 0,
    ) -> None:
        """All repositories hold the same. `port`: 0 takes any free one."""
        self.commit_to_files = {FIRST_COMMIT: files}
        self.branch_to_commit = {"main": FIRST_COMMIT}
        self.offers_xet = offers_xet
        self.repositories = repositories
        self.port = port
        self.troubles = Troubles()
        self.requests: list[LoggedRequest] = []
        self.stopping = threading.Event()
        self.addresses: list[str] = []  # of the hub, and of its content network

    def move_branch(self, branch: str, files: dict[str, bytes]) -> None:
        self.commit_to_files[SECOND_COMMIT] = files
        self.branch_to_commit[branch] = SECOND_COMMIT

    def num_bytes_sent(self, path: str) -> int:
        return sum(request.num_bytes for request in self.requests if request.path == path)

    def find(self, digest: str) -> tuple[str, bytes] | None:
        """A file by the SHA-256 under which the content network and xet know it."""
        for files in self.commit_to_files.values():
            for path, content in files.items():
                if sha256(content) == digest:
                    return path, content
        return None


@contextmanager
def serving(hub: HubServer) -> Iterator[HubServer]:
    handler = type("Handler", (_Handler,), {"hub": hub})
    servers = [_Server(("127.0.0.1", port), handler) for port in (hub.port, 0)]
    threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in servers]
    hosts = ("127.0.0.1", "localhost")  # by name, so that it is another host than the hub
    hub.addresses = [
        f"http://{host}:{server.server_port}" for host, server in zip(hosts, servers, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        hub.stopping.set()
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_blob_id(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a stalled answer must not hold the end of a test

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests; any other error is ours to see."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # with the next line: an answer leaves at once and in one piece
    disable_nagle_algorithm = True
    hub: HubServer

    def log_message(self, *_: object) -> None: ...

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:  # hf_xet counts its transfers there
        self._send(200, b"", note="telemetry")

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        troubles = self.hub.troubles
        if troubles.statuses:
            self._send(troubles.statuses.pop(0), b"", note=path)
        elif troubles.answers_html:
            self._send(200, b"<html>please log in</html>", note=path)
        elif path.startswith("/content/"):
            self._send_content(path.removeprefix("/content/"))
        elif path.startswith(("/xet/", "/v1/reconstructions/")):
            self._answer_xet(path)
        elif (match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/(.+)", path)) and self._has(match[1]):
            self._answer_api(match[1], match[2])
        elif (match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)) and self._has(match[1]):
            self._send_file(match[1], match[2], match[3])
        else:
            self._refuse(404, "RepoNotFound")

    def _has(self, repository: str) -> bool:
        return repository in self.hub.repositories

    def _answer_api(self, repository: str, asked: str) -> None:
        if re.fullmatch(r"xet-read-token/\w+", asked):
            self._send_xet_token()
        elif asked.startswith("revision/"):
            self._send_info(repository, asked.removeprefix("revision/"))
        else:
            self._refuse(404, "RepoNotFound")

    def _send_info(self, repository: str, revision: str) -> None:
        commit = self.hub.branch_to_commit.get(revision, revision)
        files = self.hub.commit_to_files.get(commit)
        if files is None:
            self._refuse(404, "RevisionNotFound")
            return
        siblings = [self._sibling(path, content) for path, content in files.items()]
        body = {"id": repository, "sha": commit, "siblings": siblings}
        self._send(200, json.dumps(body).encode(), {"Content-Type": "application/json"}, note="model info")

    def _sibling(self, path: str, content: bytes) -> dict[str, object]:
        size = self.hub.troubles.path_to_claimed_bytes.get(path, len(content))
        sibling: dict[str, object] = {"rfilename": path, "size": size, "blobId": git_blob_id(content)}
        if len(content) >= LARGE_BYTES:
            sibling["lfs"] = {"size": size, "sha256": sha256(content), "pointerSize": 134}
        return sibling

    def _send_file(self, repository: str, revision: str, path: str) -> None:
        commit = self.hub.branch_to_commit.get(revision, revision)
        content = self.hub.commit_to_files[commit][path]
        if self.hub.troubles.file_refusal is not None:
            self._refuse(*self.hub.troubles.file_refusal)
            return
        headers = {"X-Repo-Commit": commit}
        if len(content) < LARGE_BYTES:
            self._send_body(path, content, headers | {"ETag": f'"{git_blob_id(content)}"'})
            return
        digest = sha256(content)
        headers |= {
            "Location": f"{self.hub.addresses[1]}/content/{digest}",
            "X-Linked-Size": str(len(content)),
            "X-Linked-Etag": f'"{digest}"',
        }
        if self.hub.offers_xet:
            token_url = f"{self.hub.addresses[0]}/api/models/{repository}/xet-read-token/{commit}"
            headers |= {"X-Xet-Hash": digest, "Link": f'<{token_url}>; rel="xet-auth"'}
        self._send(302, b"", headers, note=path)

    def _send_content(self, digest: str) -> None:
        found = self.hub.find(digest)
        assert found is not None
        self._send_body(*found, headers={"ETag": f'"{digest}"'})

    def _send_body(self, path: str, content: bytes, headers: dict[str, str]) -> None:
        if path in self.hub.troubles.damaged_paths:
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted is None or self.hub.troubles.ignores_ranges:
            self._send(200, content, headers, note=path)
            return
        start = int(wanted[1])
        headers = headers | {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        self._send(206, content[start:], headers, note=path, first_byte=start)

    def _send_xet_token(self) -> None:
        headers = {
            "X-Xet-Cas-Url": self.hub.addresses[1],
            "X-Xet-Access-Token": "xet-token",
            "X-Xet-Token-Expiration": str(int(time.time()) + 3600),
        }
        self._send(200, b"", headers, note="xet token")

    def _answer_xet(self, path: str) -> None:
        """One xorb a file: its chunks in a row, uncompressed, each with a header of eight bytes."""
        digest = path.rpartition("/")[2]
        found = self.hub.find(digest)
        if found is None or self.hub.troubles.xet_storage_fails:
            self._send(403, b"", note="xet")
            return
        name, content = found
        chunks = [content[at : at + XET_CHUNK_BYTES] for at in range(0, len(content), XET_CHUNK_BYTES)]
        xorb = b"".join(_xet_header(len(chunk)) + chunk for chunk in chunks)
        if path.startswith("/xet/"):
            last = len(xorb) - 1
            self._send(206, xorb, {"Content-Range": f"bytes 0-{last}/{len(xorb)}"}, note=f"xet {name}")
            return
        whole = {"start": 0, "end": len(chunks)}
        fetch = {
            "range": whole,
            "url": f"{self.hub.addresses[1]}/xet/{digest}",
            "url_range": {"start": 0, "end": len(xorb) - 1},
        }
        body = {
            "offset_into_first_range": 0,
            "terms": [{"hash": digest, "unpacked_length": len(content), "range": whole}],
            "fetch_info": {digest: [fetch]},
        }
        self._send(200, json.dumps(body).encode(), {"Content-Type": "application/json"}, note="xet")

    def _refuse(self, status: int, error_code: str) -> None:
        headers = {"X-Error-Code": error_code, "Content-Type": "application/json"}
        self._send(status, b'{"error": "as the hub words it"}', headers, note=self.path)

    def _send(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        *,
        note: str,
        first_byte: int = 0,
    ) -> None:
        troubles = self.hub.troubles
        cuts, stalls = troubles.path_to_cuts.get(note), troubles.path_to_stalls.get(note)
        sent = b"" if self.command == "HEAD" else body
        if sent and cuts:
            sent = sent[: cuts.pop(0)]
        elif sent and stalls:
            sent = sent[: stalls.pop(0)]
        token = self.headers.get("Authorization")
        self.hub.requests.append(LoggedRequest(self.command, note, first_byte, len(sent), token))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(sent)
        if self.command != "HEAD" and len(sent) < len(body):
            self.wfile.flush()
            if stalls is not None:
                self.hub.stopping.wait()
            self.close_connection = True


def _xet_header(num_bytes: int) -> bytes:
    """Version 0, stored length, no compression, length."""
    length = num_bytes.to_bytes(3, "little")
    return b"\0" + length + b"\0" + length

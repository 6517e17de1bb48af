"""A stand-in of the Hub on 127.0.0.1, for the real huggingface_hub, transformers and datasets clients.

    with LoopbackHub() as hub:
        commit = hub.repository("org/tiny").commit({"config.json": b"{}"})
        hub.users["hf_..."] = User("ann", ("org",))
        hub.fail("PUT /lfs/", cut=1000)
        subprocess.run([...], env=os.environ | hub.environment(home))

The clients read HF_ENDPOINT and its like when they are imported, so they have to run in a process of
their own. Every request is kept in `hub.requests`. Routes are a table: a further part of the Hub is
a further line in `loopback_reads` or `loopback_writes` and a function.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Files = dict[str, bytes]
REPO = r"(?P<repo>[\w.-]+/[\w.-]+)"
KIND = r"(?P<kind>models|datasets|spaces)"
REVISION = r"(?P<revision>refs/pr/\d+|[^/]+)"
RESOLVE = rf"/(?P<kind>datasets/|spaces/)?{REPO}/resolve/{REVISION}/(?P<file>.+)"


@dataclass(frozen=True)
class User:
    """Whose token it is, and in the name of which organisations they may write."""

    name: str
    organisations: tuple[str, ...] = ()
    write: bool = True

    def owns(self, repo: str) -> bool:
        """Return whether they may write to a repository of this name."""
        return self.write and repo.partition("/")[0] in (self.name, *self.organisations)


@dataclass
class Discussion:
    """A pull request; its commits are at `refs/pr/<number>`."""

    number: int
    title: str
    author: str
    status: str = "open"


@dataclass
class Fault:
    """What goes wrong with requests whose `METHOD path` begins so: an answer, a delay, a cut line, or a deed before."""

    begins: str
    times: int = 1
    status: int | None = None
    delay: float = 0.0
    cut: int | None = None
    lost: bool = False
    before: Callable[[], Any] | None = None


@dataclass
class Repository:
    """One repository: its commits, its branches and tags, and how it answers."""

    name: str
    kind: str
    commits: dict[str, Files] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    status: int | None = None
    private: bool = False
    sdk: str | None = None
    discussions: list[Discussion] = field(default_factory=list)
    messages: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> Files:
        """What main holds."""
        return self.commits[self.refs["main"]]

    def commit(self, files: Files, ref: str = "main") -> str:
        """Add a commit that holds just these files, let a branch or tag point to it and return it."""
        contents = sorted((n, hashlib.sha256(c).hexdigest()) for n, c in files.items())
        history = json.dumps([self.name, len(self.commits), contents])
        sha = hashlib.sha1(history.encode()).hexdigest()
        self.commits[sha] = dict(files)
        self.refs[ref] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        """Return the commit of a branch, tag or commit."""
        return self.refs.get(revision) or (revision if revision in self.commits else None)


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, list[str]]
    token: str | None
    body: bytes
    size: int = 0
    """Bytes as they came over the line, headers and all."""


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class LoopbackHub:
    """The server, its repositories, and what it was asked.

    Without `users` every token may read and none may write; with some, an unknown token is refused.
    """

    def __init__(self) -> None:
        import loopback_reads
        import loopback_writes

        self.repositories: dict[tuple[str, str], Repository] = {}
        self.requests: list[Request] = []
        self.users: dict[str, User] = {}
        self.blobs: Files = {}
        self.faults: list[Fault] = []
        self.lock = threading.RLock()
        self.routes = [*loopback_reads.ROUTES, *loopback_writes.ROUTES]
        self._server = Server(("127.0.0.1", 0), type("Handler", (Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def fail(self, begins: str, **how: Any) -> Fault:
        """Let the next requests that begin so (`PUT /lfs/`) go wrong; see `Fault`."""
        fault = Fault(begins, **how)
        self.faults.append(fault)
        return fault

    def fault(self, method: str, path: str) -> Fault | None:
        """Return what goes wrong with this request, once less."""
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and f"{method} {path}".startswith(fault.begins):
                    fault.times -= 1
                    return fault
        return None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> LoopbackHub:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def repository(self, name: str, kind: str = "models") -> Repository:
        """Return a repository, made on first mention; `kind` is models or datasets."""
        return self.repositories.setdefault((kind, name), Repository(name, kind))

    def environment(self, home: Path, token: str | None = None, offline: bool = False) -> dict[str, str]:
        """Return the whole environment of a process whose Hub this is."""
        ours = {
            "HF_ENDPOINT": self.url,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HOME": str(home / "huggingface"),
            "TRANSFER_SUITE_CACHE": str(home / "features"),
            "NO_PROXY": "127.0.0.1",
            **({"HF_TOKEN": token} if token else {}),
            **({"HF_HUB_OFFLINE": "1"} if offline else {}),
        }
        return {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | ours

    def fetched(self) -> set[str]:
        """Return the names of all files whose content was asked for."""
        found = (re.fullmatch(RESOLVE, r.path) for r in self.requests if r.method == "GET")
        return {match["file"] for match in found if match}

    def answer(self, request: Request) -> Answer:
        """Return the answer of the first route that fits."""
        if self.users and request.token and request.token not in self.users:
            return Answer(401, b"", {"X-Error-Message": "Invalid credentials in Authorization header"})
        with self.lock:
            for method, pattern, function in self.routes:
                match = re.fullmatch(pattern, request.path)
                if match and method == request.method:
                    return function(self, request, match)
        return Answer(404, b"Not Found")

    def user(self, request: Request) -> User | None:
        """Return whose token a request carries."""
        return self.users.get(request.token or "")

    def sent(self) -> int:
        """Return how many bytes came in over the line, headers and all."""
        return sum(request.size for request in self.requests)


class Server(ThreadingHTTPServer):
    """A server that says nothing of clients who went away before they were answered."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection to a Hub; a subclass has the Hub."""

    hub: LoopbackHub
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        split = urlsplit(self.path)
        fault = self.hub.fault(self.command, unquote(split.path)) or Fault("")
        if fault.cut is not None:
            self.rfile.read(fault.cut)
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        body = self._body()
        size = len(self.raw_requestline) + len(bytes(self.headers)) + len(body)
        request = Request(self.command, unquote(split.path), parse_qs(split.query), token, body, size)
        self.hub.requests.append(request)
        if fault.before:
            fault.before()
        time.sleep(fault.delay)
        answer = Answer(fault.status, b"something is wrong here") if fault.status else self.hub.answer(request)
        if fault.lost:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self._send(answer)

    def _body(self) -> bytes:
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, answer: Answer) -> None:
        content, status = answer.body, answer.status
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        headers = {"Content-Type": "application/octet-stream", **answer.headers}
        if wanted and status == 200 and self.command == "GET":
            start, last = int(wanted[1]), int(wanted[2] or len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{last}/{len(content)}"
            content, status = content[start : last + 1], 206
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815  # http.server's names

    def log_message(self, *args: Any) -> None:
        """Say nothing: `hub.requests` has it all."""


Route = Callable[[LoopbackHub, Request, re.Match[str]], Answer]

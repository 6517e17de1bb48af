"""A stand-in of the Hub on 127.0.0.1, for the real huggingface_hub and datasets clients.

    with LoopbackHub() as hub:
        commit = hub.repository("org/tiny").commit({"config.json": b"{}"})
        subprocess.run([...], env=os.environ | hub.environment(home))

The clients read HF_ENDPOINT and its like when they are imported, so they have to run in a process of
their own. Every request is kept in `hub.requests`. Routes are a table: a further part of the Hub is
a further line in `ROUTES` and a function.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Files = dict[str, bytes]
LARGE = 100_000
"""Files from this size on are told as LFS ones, as the Hub does with weights."""


@dataclass
class Repository:
    """One repository: its commits, its branches and tags, and how it answers."""

    name: str
    kind: str
    commits: dict[str, Files] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    status: int | None = None

    def commit(self, files: Files, ref: str = "main") -> str:
        """Add a commit that holds just these files, let a branch or tag point to it and return it."""
        history = json.dumps([self.name, len(self.commits), sorted((n, _sha256(c)) for n, c in files.items())])
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


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class LoopbackHub:
    """The server, its repositories, and what it was asked."""

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.requests: list[Request] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                split = urlsplit(self.path)
                token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, unquote(split.path), parse_qs(split.query), token, body)
                hub.requests.append(request)
                answer = hub.answer(request)
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

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

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
        for method, pattern, function in ROUTES:
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                return function(self, request, match)
        return Answer(404, b"Not Found")


Route = Callable[[LoopbackHub, Request, re.Match[str]], Answer]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()


def _json(value: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


def _error(status: int, code: str, message: str) -> Answer:
    return _json({"error": message}, status, **{"X-Error-Code": code, "X-Error-Message": message})


def _found(hub: LoopbackHub, match: re.Match[str]) -> tuple[Repository, str] | Answer:
    """Return the repository and the commit that a path means, or the error that the Hub would give."""
    parts = match.groupdict()
    kind = (parts.get("kind") or "models").strip("/")
    repository = hub.repositories.get((kind, parts["repo"]))
    if repository is None:
        return _error(401, "RepoNotFound", "Invalid username or password.")
    if repository.status:
        return Answer(repository.status, b"something is wrong here")
    commit = repository.resolve(parts.get("revision") or "main")
    if commit is None:
        return _error(404, "RevisionNotFound", f"Invalid rev id: {parts.get('revision')}")
    return repository, commit


def _info(hub: LoopbackHub, request: Request, match: re.Match[str]) -> Answer:
    found = _found(hub, match)
    if isinstance(found, Answer):
        return found
    repository, commit = found
    siblings = [{"rfilename": name} for name in sorted(repository.commits[commit])]
    about = {"_id": "0", "id": repository.name, "private": False, "gated": "auto" if repository.gated else False}
    return _json({**about, "sha": commit, "siblings": siblings, "tags": [], "downloads": 0, "likes": 0})


def _entry(name: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": _blob(content)}
    if len(content) >= LARGE:
        entry["lfs"] = {"oid": _sha256(content), "size": len(content), "pointerSize": 130}
    return entry


def _tree(hub: LoopbackHub, request: Request, match: re.Match[str]) -> Answer:
    found = _found(hub, match)
    if isinstance(found, Answer):
        return found
    files, below = found[0].commits[found[1]], match["path"] or ""
    inside = {name: content for name, content in files.items() if not below or name.startswith(f"{below}/")}
    if below and not inside:
        return _error(404, "EntryNotFound", f"{below} does not exist")
    deep = request.query.get("recursive", ["false"])[0].lower() == "true"
    depth = below.count("/") + bool(below)
    folders = {"/".join(name.split("/")[: d + 1]) for name in inside for d in range(depth, name.count("/"))}
    listed = [{"type": "directory", "path": path, "size": 0, "oid": _blob(path.encode())} for path in sorted(folders)]
    listed += [_entry(name, content) for name, content in sorted(inside.items())]
    return _json([entry for entry in listed if deep or entry["path"].count("/") == depth])


def _paths_info(hub: LoopbackHub, request: Request, match: re.Match[str]) -> Answer:
    found = _found(hub, match)
    if isinstance(found, Answer):
        return found
    files = found[0].commits[found[1]]
    text = request.body.decode()
    paths = json.loads(text)["paths"] if text.startswith("{") else parse_qs(text).get("paths", [])
    answers: list[dict[str, Any]] = [_entry(path, files[path]) for path in paths if path in files]
    folders = [path for path in paths if any(name.startswith(f"{path}/") for name in files)]
    return _json(answers + [{"type": "directory", "path": path, "size": 0, "oid": "0" * 40} for path in folders])


def _resolve(hub: LoopbackHub, request: Request, match: re.Match[str]) -> Answer:
    found = _found(hub, match)
    if isinstance(found, Answer):
        return found
    repository, commit = found
    if repository.gated:
        return _error(403, "GatedRepo", f"Access to {repository.name} is restricted.")
    content = repository.commits[commit].get(match["file"])
    if content is None:
        return Answer(404, b"Entry not found", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
    etag = _sha256(content) if len(content) >= LARGE else _blob(content)
    return Answer(200, content, {"X-Repo-Commit": commit, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"})


REPO = r"(?P<repo>[\w.-]+/[\w.-]+)"
RESOLVE = rf"/(?P<kind>datasets/)?{REPO}/resolve/(?P<revision>[^/]+)/(?P<file>.+)"
ROUTES: list[tuple[str, str, Route]] = [
    ("GET", rf"/api/(?P<kind>models|datasets)/{REPO}(/revision/(?P<revision>[^/]+))?", _info),
    ("GET", rf"/api/(?P<kind>models|datasets)/{REPO}/tree/(?P<revision>[^/]+)(/(?P<path>.+))?", _tree),
    ("POST", rf"/api/(?P<kind>models|datasets)/{REPO}/paths-info/(?P<revision>[^/]+)", _paths_info),
    ("HEAD", RESOLVE, _resolve),
    ("GET", RESOLVE, _resolve),
]

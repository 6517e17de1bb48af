"""What the stand-in of the Hub answers to those who read: what a repository is, its tree, its files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qs

import yaml
from loopback_hub import KIND, REPO, RESOLVE, REVISION, Answer, LoopbackHub, Repository, Request, Route

LARGE = 100_000
"""Files from this size on are told as LFS ones, as the Hub does with weights."""

BINARY = (".safetensors", ".parquet", ".bin", ".tar", ".gz", ".png", ".jpg", ".webp")
"""Files that the Hub's .gitattributes send to LFS whatever their size."""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()


def as_json(value: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


def error(status: int, code: str, message: str) -> Answer:
    return as_json({"error": message}, status, **{"X-Error-Code": code, "X-Error-Message": message})


def may_read(hub: LoopbackHub, request: Request, repository: Repository) -> bool:
    """Return whether the one who asks is let in."""
    user = hub.user(request)
    return bool(user and repository.name.partition("/")[0] in (user.name, *user.organisations))


def is_large(name: str, content: bytes) -> bool:
    """Return whether the Hub keeps such a file in LFS."""
    return len(content) >= LARGE or name.endswith(BINARY)


def found(hub: LoopbackHub, request: Request, match: re.Match[str]) -> tuple[Repository, str] | Answer:
    """Return the repository and the commit that a path means, or the error that the Hub would give."""
    parts = match.groupdict()
    kind = (parts.get("kind") or "models").strip("/")
    repository = hub.repositories.get((kind, parts["repo"]))
    if repository is None or (repository.private and not may_read(hub, request, repository)):
        return error(404 if hub.user(request) else 401, "RepoNotFound", "Repository not found")
    if repository.status:
        return Answer(repository.status, b"something is wrong here")
    commit = repository.resolve(parts.get("revision") or "main")
    if commit is None:
        return error(404, "RevisionNotFound", f"Invalid rev id: {parts.get('revision')}")
    return repository, commit


def _info(hub: LoopbackHub, request: Request, match: re.Match[str]) -> Answer:
    there = found(hub, request, match)
    if isinstance(there, Answer):
        return there
    repository, commit = there
    siblings = [{"rfilename": name} for name in sorted(repository.commits[commit])]
    about = {
        "_id": "0",
        "id": repository.name,
        "private": repository.private,
        "gated": "auto" if repository.gated else False,
    }
    front = repository.commits[commit].get("README.md", b"").decode(errors="replace").split("---\n")
    if len(front) > 2 and not front[0]:
        with contextlib.suppress(yaml.YAMLError):
            about["cardData"] = yaml.safe_load(front[1])
    return as_json({**about, "sha": commit, "siblings": siblings, "tags": [], "downloads": 0, "likes": 0})


def _entry(name: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": blob(content)}
    if is_large(name, content):
        entry["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": 130}
    return entry


def _tree(hub: LoopbackHub, request: Request, match: re.Match[str]) -> Answer:
    there = found(hub, request, match)
    if isinstance(there, Answer):
        return there
    files, below = there[0].commits[there[1]], match["path"] or ""
    inside = {name: content for name, content in files.items() if not below or name.startswith(f"{below}/")}
    if below and not inside:
        return error(404, "EntryNotFound", f"{below} does not exist")
    deep = request.query.get("recursive", ["false"])[0].lower() == "true"
    depth = below.count("/") + bool(below)
    folders = {"/".join(name.split("/")[: d + 1]) for name in inside for d in range(depth, name.count("/"))}
    listed = [{"type": "directory", "path": path, "size": 0, "oid": blob(path.encode())} for path in sorted(folders)]
    listed += [_entry(name, content) for name, content in sorted(inside.items())]
    return as_json([entry for entry in listed if deep or entry["path"].count("/") == depth])


def _paths_info(hub: LoopbackHub, request: Request, match: re.Match[str]) -> Answer:
    there = found(hub, request, match)
    if isinstance(there, Answer):
        return there
    files = there[0].commits[there[1]]
    text = request.body.decode()
    paths = json.loads(text)["paths"] if text.startswith("{") else parse_qs(text).get("paths", [])
    answers: list[dict[str, Any]] = [_entry(path, files[path]) for path in paths if path in files]
    folders = [path for path in paths if any(name.startswith(f"{path}/") for name in files)]
    return as_json(answers + [{"type": "directory", "path": path, "size": 0, "oid": "0" * 40} for path in folders])


def _resolve(hub: LoopbackHub, request: Request, match: re.Match[str]) -> Answer:
    there = found(hub, request, match)
    if isinstance(there, Answer):
        return there
    repository, commit = there
    if repository.gated and not may_read(hub, request, repository):
        return error(403, "GatedRepo", f"Access to {repository.name} is restricted.")
    content = repository.commits[commit].get(match["file"])
    if content is None:
        return Answer(404, b"Entry not found", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
    etag = sha256(content) if is_large(match["file"], content) else blob(content)
    return Answer(200, content, {"X-Repo-Commit": commit, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"})


ROUTES: list[tuple[str, str, Route]] = [
    ("GET", rf"/api/{KIND}/{REPO}(/revision/{REVISION})?", _info),
    ("GET", rf"/api/{KIND}/{REPO}/tree/{REVISION}(/(?P<path>.+))?", _tree),
    ("POST", rf"/api/{KIND}/{REPO}/paths-info/{REVISION}", _paths_info),
    ("HEAD", RESOLVE, _resolve),
    ("GET", RESOLVE, _resolve),
]

"""What the stand-in of the Hub answers to those who write: repositories, uploads, commits, pull requests."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import yaml
from loopback_hub import (
    KIND,
    REPO,
    REVISION,
    Answer,
    Discussion,
    Files,
    LoopbackHub,
    Repository,
    Request,
    Route,
    User,
)
from loopback_reads import as_json, blob, error, found, is_large, sha256

ATTRIBUTES = b"*.parquet filter=lfs diff=lfs merge=lfs -text\n*.safetensors filter=lfs diff=lfs merge=lfs -text\n"


def _whoami(hub: LoopbackHub, request: Request, match: re.Match[str]) -> Answer:
    user = hub.user(request)
    if user is None:
        return error(401, "", "Invalid username or password.")
    token = {"displayName": "laptop", "role": "write" if user.write else "read"}
    about = {"auth": {"type": "access_token", "accessToken": token}, "orgs": [{"name": n} for n in user.organisations]}
    return as_json({"type": "user", "id": "1", "name": user.name, "fullname": user.name, **about})


def _create(hub: LoopbackHub, request: Request, match: re.Match[str]) -> Answer:
    asked = json.loads(request.body)
    user = hub.user(request)
    if user is None:
        return error(401, "", "Invalid username or password.")
    name = f"{asked.get('organization') or user.name}/{asked['name']}"
    kind = f"{asked.get('type', 'model')}s"
    if not user.owns(name):
        return error(403, "", f'You don\'t have the rights to create a {kind[:-1]} under the namespace "{name}"')
    url = f"{hub.url}/{'' if kind == 'models' else f'{kind}/'}{name}"
    if (kind, name) in hub.repositories:
        return as_json({"error": "You already created this repo", "url": url}, 409)
    repository = hub.repository(name, kind)
    repository.private = asked.get("visibility") == "private" or bool(asked.get("private"))
    repository.sdk = asked.get("sdk")
    repository.commit({".gitattributes": ATTRIBUTES})
    return as_json({"url": url, "name": name, "id": "0"})


def _validate(hub: LoopbackHub, request: Request, match: re.Match[str]) -> Answer:
    """Judge the head of a README as the Hub does where it is strict: YAML, licence, model-index, configs."""
    content = json.loads(request.body)["content"]
    head = re.match(r"---\r?\n(.*?)\r?\n---\r?(\n|$)", content, re.DOTALL)
    if head is None:
        return as_json({"errors": [], "warnings": [{"message": "empty or missing yaml metadata in repo card"}]})
    try:
        problems = _problems(yaml.safe_load(head[1]))
    except yaml.YAMLError as mistake:
        problems = [str(mistake).splitlines()[0]]
    errors = [{"message": problem} for problem in problems]
    return as_json({"errors": errors, "warnings": []}, 400 if errors else 200)


def _problems(head: Any) -> list[str]:
    if not isinstance(head, dict):
        return ["the metadata is no mapping"]
    problems = [f'"{name}" must be a string' for name in ("license", "library_name") if not _is(head.get(name), str)]
    problems += [f'"{name}" must be an array' for name in ("tags", "configs") if not _is(head.get(name), list)]
    for model in head.get("model-index") or []:
        for result in model.get("results") or [{}]:
            if not result.get("task", {}).get("type") or not result.get("dataset", {}).get("type"):
                problems.append('"model-index[0].results[0]" needs task.type and dataset.type')
    return problems


def _is(value: Any, kind: type) -> bool:
    return value is None or isinstance(value, kind)


def _writable(hub: LoopbackHub, request: Request, match: re.Match[str]) -> tuple[Repository, User] | Answer:
    """Return the repository and who writes to it, or the error that the Hub would give."""
    there = found(hub, request, match)
    if isinstance(there, Answer):
        return there
    user, repository = hub.user(request), there[0]
    if user is None:
        return error(401, "", "Invalid username or password.")
    revision = match.groupdict().get("revision") or "main"
    wished = {d.number: d.author for d in repository.discussions}
    own = revision.startswith("refs/pr/") and wished.get(int(revision.rpartition("/")[2])) == user.name
    if not (user.owns(repository.name) or own or request.query.get("create_pr") == ["1"]):
        return error(403, "", "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request")
    return repository, user


def _preupload(hub: LoopbackHub, request: Request, match: re.Match[str]) -> Answer:
    there = _writable(hub, request, match)
    if isinstance(there, Answer):
        return there
    files = there[0].commits[there[0].resolve(match["revision"]) or ""]
    answers = []
    for asked in json.loads(request.body)["files"]:
        base64.b64decode(asked["sample"], validate=True)
        large = is_large(asked["path"], bytes(asked["size"]))
        old = files.get(asked["path"])
        answer = {"path": asked["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
        answers.append(answer | ({"oid": sha256(old) if large else blob(old)} if old is not None else {}))
    return as_json({"files": answers})


def _batch(hub: LoopbackHub, request: Request, match: re.Match[str]) -> Answer:
    if hub.user(request) is None:
        return error(401, "", "Invalid username or password.")
    objects = []
    for asked in json.loads(request.body)["objects"]:
        verify = {"href": f"{hub.url}/lfs-verify", "header": {}}
        actions = {"upload": {"href": f"{hub.url}/lfs/{asked['oid']}?signature=s", "header": {}}, "verify": verify}
        objects.append(asked | ({} if asked["oid"] in hub.blobs else {"actions": actions}))
    return as_json({"transfer": "basic", "objects": objects})


def _put(hub: LoopbackHub, request: Request, match: re.Match[str]) -> Answer:
    if sha256(request.body) != match["oid"]:
        return Answer(400, b"BadDigest")
    hub.blobs[match["oid"]] = request.body
    return Answer(200, b"", {"ETag": '"part"'})


def _verify(hub: LoopbackHub, request: Request, match: re.Match[str]) -> Answer:
    asked = json.loads(request.body)
    whole = len(hub.blobs.get(asked["oid"], b"")) == asked["size"]
    return as_json({"message": "verified"}) if whole else error(404, "", "object is not there")


def _commit(hub: LoopbackHub, request: Request, match: re.Match[str]) -> Answer:
    """Make one commit of all operations, or none."""
    there = _writable(hub, request, match)
    if isinstance(there, Answer):
        return there
    repository, user = there
    lines = [json.loads(line) for line in request.body.splitlines()]
    header, revision = lines[0]["value"], match["revision"]
    parent, head = header.get("parentCommit"), repository.resolve(revision) or ""
    request_wanted = request.query.get("create_pr") == ["1"]
    if parent and parent != head and not request_wanted:
        return error(412, "", "A commit has happened since. Please refresh and try again.")
    files = _applied(hub, repository.commits[parent or head], lines[1:])
    if isinstance(files, Answer):
        return files
    answer: dict[str, Any] = {"success": True}
    page = f"{hub.url}/{'' if repository.kind == 'models' else f'{repository.kind}/'}{repository.name}"
    if request_wanted:
        number = len(repository.discussions) + 1
        repository.discussions.append(Discussion(number, header["summary"], user.name))
        revision = f"refs/pr/{number}"
        answer["pullRequestUrl"] = f"{page}/discussions/{number}"
    sha = repository.commit(files, revision)
    repository.messages[sha] = header["summary"]
    return as_json(answer | {"commitOid": sha, "commitUrl": f"{page}/commit/{sha}"})


def _applied(hub: LoopbackHub, files: Files, operations: list[dict[str, Any]]) -> Files | Answer:
    after = dict(files)
    for operation in operations:
        key, value = operation["key"], operation["value"]
        path = value["path"]
        if key == "file":
            after[path] = base64.b64decode(value["content"], validate=True)
            if is_large(path, after[path]):
                return error(400, "", f"{path} is binary and has to be uploaded by LFS")
        elif key == "lfsFile":
            if value["oid"] not in hub.blobs:
                return error(400, "", f"LFS pointer of {path} points to an object that was never uploaded")
            after[path] = hub.blobs[value["oid"]]
        elif key == "deletedFile" and path in after:
            del after[path]
        else:
            return error(404, "EntryNotFound", f"cannot {key} {path}")
    return after


def _discussions(hub: LoopbackHub, request: Request, match: re.Match[str]) -> Answer:
    there = found(hub, request, match)
    if isinstance(there, Answer):
        return there
    author = request.query.get("author", [None])[0]
    listed = [
        {
            "num": d.number,
            "title": d.title,
            "status": d.status,
            "isPullRequest": True,
            "author": {"name": d.author},
            "createdAt": "2026-01-01T00:00:00.000Z",
            "repo": {"name": there[0].name, "type": there[0].kind[:-1]},
        }
        for d in there[0].discussions
        if author in (None, d.author) and request.query.get("status", [d.status])[0] == d.status
    ]
    return as_json({"discussions": listed, "count": len(listed), "start": 0})


LFS = rf"/(?:datasets/|spaces/)?{REPO}\.git/info/lfs/objects/batch"
ROUTES: list[tuple[str, str, Route]] = [
    ("GET", "/api/whoami-v2", _whoami),
    ("POST", "/api/repos/create", _create),
    ("POST", "/api/validate-yaml", _validate),
    ("POST", rf"/api/{KIND}/{REPO}/preupload/{REVISION}", _preupload),
    ("POST", LFS, _batch),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", _put),
    ("POST", "/lfs-verify", _verify),
    ("POST", rf"/api/{KIND}/{REPO}/commit/{REVISION}", _commit),
    ("GET", rf"/api/{KIND}/{REPO}/discussions", _discussions),
]

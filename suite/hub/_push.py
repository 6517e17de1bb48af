"""One commit, whole or not at all, on the head that was looked at.

    push("org/m", lambda head: {"README.md": merge(head.read("README.md"))}, "Scores of 5 tasks")

What is pushed is made from the head. If somebody pushes meanwhile the Hub refuses, and it is made again from the new
head: nobody's work is overwritten. Files that are there already are not sent, and where all are there is no commit.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from suite.hub._changes import Change, Files, Planned, differing, show
from suite.hub._errors import refused, status_of
from suite.hub._heads import Head, Kind, check_name, look, quiet
from suite.spec import SuiteError

Compose = Callable[[Head], Files]
ATTEMPTS = 8
"""How often a push is made anew because somebody else was faster."""


@dataclass(frozen=True)
class Pushed:
    """What came of a push, or would: what it changes, the commit and where it is to be seen.

    `request` is the number of the pull request that holds it. Without changes nothing was sent.
    """

    head: Head
    changes: tuple[Change, ...] = ()
    commit: str | None = None
    url: str | None = None
    request: int | None = None

    def sentence(self) -> str:
        """Return it in words."""
        where = self.head.label
        if not self.changes:
            waiting = f" in pull request {self.request}, which is open" if self.request else ""
            return f"Nothing to change: {where} has all of it already{waiting}."
        count = f"{len(self.changes)} file{'s' * (len(self.changes) > 1)}"
        if self.commit is None:
            new = " It would be created." if self.head.commit is None else ""
            return f"{count} of {where} would change.{new}"
        if self.request:
            return f"Pull request {self.request} to {where} changes {count}: {self.url}"
        return f"{count} of {where} changed in one commit: {self.url}"


class _MovedError(Exception):
    """Somebody else was faster."""


def push(
    repo: str,
    files: Files | Compose,
    message: str,
    kind: Kind = "model",
    pull_request: bool = False,
    parent: str | None = None,
) -> Pushed:
    """Bring files to the Hub in one commit and return what came of it.

    Args:
        repo: org/name; made if it is not there, unless a pull request is asked for.
        files: path to content, or what makes them from a head. Only the latter can be merged with what others
            pushed meanwhile: of plain files none may have been changed by others.
        message: the commit's, and the title of the pull request. An open one of the same title and author is added to.
        kind: model, dataset or space.
        pull_request: propose the change instead of making it.
        parent: the commit that plain files were made for.

    Raises:
        SuiteError: no token, no right, no such repository, a conflict, the network; nothing was pushed.
    """
    check_name(repo)
    user = log_in(Head(repo, kind).label)
    base = parent
    for attempt in range(ATTEMPTS):
        head = _onto(repo, kind, message if pull_request else None, user)
        if callable(files):
            wanted = files(head)
        else:
            wanted, base = files, base or head.commit
            _check_untouched(files, head, base)
        planned = differing(head, wanted)
        if not planned:
            return Pushed(head, request=_request_of(head))
        try:
            return _send(head, planned, message, pull_request, user)
        except _MovedError:
            time.sleep(random.uniform(0.05, 0.2) * 2**attempt)
    raise SuiteError(
        f"Others kept pushing to {head.label}; after {ATTEMPTS} attempts nothing was published. Try later."
    )


def preview(repo: str, files: Files | Compose, kind: Kind = "model") -> Pushed:
    """Return what a push would change on main, with the differences of texts; nothing is sent.

    Raises:
        SuiteError: that is no repository, or the Hub does not answer.
    """
    head = look(repo, kind)
    planned = differing(head, files(head) if callable(files) else files)
    return Pushed(head, tuple(show(head, one) for one in planned))


def create(repo: str, kind: Kind = "model", private: bool = False) -> Head:
    """Make a repository if there is none, and return it.

    Raises:
        SuiteError: no token, or no right to make it there.
    """
    from huggingface_hub import HfApi

    head = look(repo, kind)
    if head.commit is not None:
        return head
    log_in(head.label)
    try:
        with quiet():
            sdk = "gradio" if kind == "space" else None
            HfApi().create_repo(repo, repo_type=kind, private=private, exist_ok=True, space_sdk=sdk)
    except Exception as error:
        raise refused(error, head.label) from None
    return look(repo, kind)


def log_in(label: str) -> str:
    """Return the user whose token this is.

    Raises:
        SuiteError: there is no token, or the Hub does not take it.
    """
    from huggingface_hub import whoami

    try:
        with quiet():
            return str(whoami(cache=True)["name"])
    except Exception as error:
        raise refused(error, label) from None


def _onto(repo: str, kind: Kind, title: str | None, user: str) -> Head:
    """Return what is pushed onto: main, made if need be, or the open pull request of this title."""
    if title is None:
        return create(repo, kind)
    head = look(repo, kind)
    if head.commit is None:
        raise SuiteError(
            f"The Hub does not know {head.label}, or does not show it to this token: there is nothing to open a pull "
            "request on. Check the spelling, or leave out --pr to create it."
        )
    number = _open_request(head, title, user)
    return look(repo, kind, f"refs/pr/{number}") if number else head


def _open_request(head: Head, title: str, user: str) -> int | None:
    from huggingface_hub import HfApi

    try:
        with quiet():
            found = HfApi().get_repo_discussions(
                head.repo, author=user, discussion_type="pull_request", discussion_status="open", repo_type=head.kind
            )
            return next((one.num for one in found if one.title == title), None)
    except Exception as error:
        raise refused(error, head.label) from None


def _request_of(head: Head) -> int | None:
    return int(head.branch.rpartition("/")[2]) if head.branch.startswith("refs/pr/") else None


def _check_untouched(files: Files, head: Head, base: str | None) -> None:
    """Refuse to overwrite what others changed since a commit."""
    if base in (None, head.commit):
        return
    before, now = Head(head.repo, head.kind, base).states(files), head.states(files)
    theirs = [path for path in files if before.get(path) != now.get(path)]
    if theirs:
        raise SuiteError(f"{theirs[0]} of {head.label} was changed by others meanwhile; run the command again.")


def _send(head: Head, planned: list[Planned], message: str, pull_request: bool, user: str) -> Pushed:
    """Upload, then commit; where the answer to the commit was lost, look whether it was made."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    operations: list[CommitOperationAdd | CommitOperationDelete] = []
    for one in planned:
        source = str(one.content) if isinstance(one.content, Path) else one.content
        operations.append(CommitOperationDelete(one.path) if source is None else CommitOperationAdd(one.path, source))
    opening = pull_request and head.branch == "main"
    try:
        with quiet():
            made = HfApi().create_commit(
                head.repo,
                operations,
                commit_message=message,
                repo_type=head.kind,
                revision=head.branch,
                create_pr=opening,
                parent_commit=head.commit,
            )
    except Exception as error:
        if status_of(error) in (409, 412):
            raise _MovedError from None
        found = _made_nevertheless(error, head, planned, message if pull_request else None, user)
        if found is None:
            raise refused(error, head.label) from None
        return found
    changes = tuple(one.change for one in planned)
    request = made.pr_num if opening else _request_of(head)
    return Pushed(head, changes, made.oid, made.pr_url or made.commit_url, request)


def _made_nevertheless(
    error: Exception, head: Head, planned: list[Planned], title: str | None, user: str
) -> Pushed | None:
    """Return the commit whose answer was lost on the way, None where there is none."""
    if (status_of(error) or 500) < 500:
        return None
    try:
        now = _onto(head.repo, head.kind, title, user)
        if now.commit == head.commit or differing(now, {one.path: one.content for one in planned}):
            return None
    except SuiteError:
        return None
    changes = tuple(one.change for one in planned)
    return Pushed(now, changes, now.commit, f"commit {now.commit}", _request_of(now))

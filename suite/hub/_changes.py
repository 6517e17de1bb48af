"""What a push would change: files that differ from the head's, told in sizes and, of texts, in lines."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from suite.hub._errors import TOKENS
from suite.hub._heads import Content, Head, State, size_of
from suite.spec import SuiteError

Files = Mapping[str, Content | None]
"""Paths in the repository and what is to stand there; None takes the file away."""

MAX_SHOWN = 1_000_000
"""Bytes up to which a file is read as text, to show a difference or to look for a token."""


@dataclass(frozen=True)
class Change:
    """One file that a push changes: bytes after and before (None: not there), and for texts what differs."""

    path: str
    size: int | None
    before: int | None
    diff: str = ""


@dataclass(frozen=True)
class Planned:
    """A file that differs from the head's."""

    path: str
    content: Content | None
    before: State | None

    @property
    def change(self) -> Change:
        """Its sizes, without the lines that differ."""
        size = None if self.content is None else size_of(self.content)
        return Change(self.path, size, self.before.size if self.before else None)


def differing(head: Head, files: Files) -> list[Planned]:
    """Return the files that are not on the Hub as they are here.

    Raises:
        SuiteError: one of them holds a token, or the Hub does not say what it has.
    """
    states = head.states(files)
    planned = []
    for path, content in files.items():
        before = states.get(path)
        if content is None:
            differs = before is not None
        else:
            _check_secret(path, content)
            differs = before is None or not before.holds(content)
        if differs:
            planned.append(Planned(path, content, before))
    return planned


def _check_secret(path: str, content: Content) -> None:
    """Refuse to publish what is, or looks like, a token."""
    if (text := _text(content)) is not None and has_token(text):
        raise SuiteError(f"{path} holds what looks like a token of the Hub; nothing was published.")


def has_token(text: str) -> bool:
    """Return whether a text holds this user's token, or what looks like one."""
    from huggingface_hub import get_token

    own = get_token()
    return bool((own and own in text) or TOKENS.search(text))


def show(head: Head, planned: Planned) -> Change:
    """Return a change with the lines that differ, where both sides are texts.

    Raises:
        SuiteError: the Hub does not give what it has.
    """
    old: str | None = ""
    if planned.before:
        old = _text(head.read(planned.path)) if planned.before.size <= MAX_SHOWN else None
    new = "" if planned.content is None else _text(planned.content)
    known = planned.change
    if old is None or new is None:
        return known
    names = (f"{planned.path} on the Hub", f"{planned.path} as it would be")
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), *names, lineterm="")
    return Change(known.path, known.size, known.before, "\n".join(lines))


def _text(content: Content | None) -> str | None:
    """Return a content as text, None where it is none or too long to be read."""
    if content is None or size_of(content) > MAX_SHOWN:
        return None
    raw = content if isinstance(content, bytes) else content.read_bytes()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text

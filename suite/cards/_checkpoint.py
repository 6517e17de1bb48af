"""Which checkpoint of a store a word means, and its boards: with its twin of random weights, where there is one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from suite import files, hub
from suite.admission import Filter
from suite.evidence import Section, sections
from suite.index import Contents
from suite.spec import SuiteError, unknown

PRETRAINED = "pretrained"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint at a revision: its boards, which hold its random twin's rows too, and what they leave out."""

    name: str
    revision: str
    sections: tuple[Section, ...]
    left_out: tuple[str, ...]

    @property
    def on_hub(self) -> bool:
        """Whether its name is one of the Hub's: a folder is pinned by a hash in the place of a commit."""
        return not self.revision.startswith("sha256:")


def find(contents: Contents, word: str, only: Filter, url: str) -> Checkpoint:
    """Return the checkpoint that a word means: `NAME`, `NAME@REVISION`, or its folder.

    Args:
        contents: what a store holds.
        word: the name, with the beginning of a revision where there are several.
        only: which of its records count.
        url: what the store is called in a message.

    Raises:
        SuiteError: the store holds no record of it, several revisions of it, or none that passes.
    """
    about = {text: json.loads(text)["checkpoint"] for text in {e.head.about for e in contents.entries}}
    store = f"The store '{url}'" if url else "The store"
    name, revision = _only(word, [*about.values()], store)
    of_it = {text for text, one in about.items() if (one["name"], one["revision"]) == (name, revision)}
    entries = [e for e in contents.entries if e.head.about in of_it]
    found, left_out = sections(Contents(entries, contents.again), None, only)
    if not any(line.row.init == PRETRAINED for section in found for line in section.lines):
        raise SuiteError(f"{store} holds no record of '{word}' that fits: {_asked(only)}.")
    return Checkpoint(name, revision, tuple(found), tuple(left_out))


def _only(word: str, about: Sequence[dict[str, Any]], store: str) -> tuple[str, str]:
    """Return the name and the revision that a word means.

    Raises:
        SuiteError: it means none, or several.
    """
    known = sorted({(one["name"], one["revision"]) for one in about if one["init"] == PRETRAINED})
    found = [one for one in known if _is_called(word, *one)] or _by_folder(word, known)
    if not found:
        twins = any(_is_called(word, one["name"], one["revision"]) for one in about)
        if twins:
            raise SuiteError(f"{store} holds only runs of '{word}' from random weights, which have no card.")
        raise unknown("checkpoint in the store", word, {name for name, _ in known})
    if len(found) > 1:
        several = ", ".join(f"'{name}@{revision.removeprefix('sha256:')[:12]}'" for name, revision in found)
        raise SuiteError(f"'{word}' is in the store at {len(found)} revisions; name one: {several}.")
    return found[0]


def _is_called(word: str, name: str, revision: str) -> bool:
    called, _, begin = word.partition("@")
    return word == name or (called == name and bool(begin) and revision.removeprefix("sha256:").startswith(begin))


def _by_folder(word: str, known: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the checkpoints that lie in a folder, whatever it is called here."""
    try:
        there = files.path_of(word).is_dir()
    except (OSError, ValueError, RuntimeError):  # no name that a folder could have
        there = False
    if not there:
        return []
    revision = hub.resolve(word).revision
    return [one for one in known if one[1] == revision]


def _asked(only: Filter) -> str:
    said = [f"{name} {value}" for name, value in (("strategy", only.strategy), ("protocol", only.protocol)) if value]
    return " and ".join(said) or "all of its records are of a cut of the data that this version does not know"

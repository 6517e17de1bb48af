"""What the words for a checkpoint mean in a store: its rows, and which of them stand against each other."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from suite.index import Entry
from suite.spec import SuiteError, digest, unknown


@dataclass(frozen=True)
class Contender:
    """One row of a store: a checkpoint under one strategy with all its entries, whatever their protocol."""

    name: str
    revision: str
    init: str
    strategy: str
    trunk: tuple[str, ...]
    mark: str
    entries: list[Entry] = field(default_factory=list)

    @property
    def model(self) -> str:
        """The checkpoint as a table shows it."""
        return self.name if self.init == "pretrained" else f"{self.name} ({self.init} init)"

    @property
    def way(self) -> str:
        """The strategy as a table shows it."""
        return f"{self.strategy}, joint of {len(self.trunk)}" if self.trunk else self.strategy

    @property
    def label(self) -> str:
        """The row in words."""
        return f"{self.model} · {self.way}"

    def is_called(self, word: str) -> bool:
        """Return whether a word means this checkpoint: its name, with a revision's beginning or a mark if need be."""
        name, _, revision = word.partition("@")
        names = {self.model, f"{self.name} [{self.mark}]", f"{self.model} [{self.mark}]"}
        if revision:
            return name in (self.name, self.model) and self.revision.removeprefix("sha256:").startswith(revision)
        return word in names


def contenders(entries: Sequence[Entry]) -> list[Contender]:
    """Return every row that entries make, by name."""
    found: dict[str, Contender] = {}
    for entry in entries:
        row = entry.head.row
        if row not in found:
            about = json.loads(entry.head.about)
            checkpoint = about["checkpoint"]
            found[row] = Contender(
                checkpoint["name"],
                checkpoint["revision"],
                checkpoint["init"],
                entry.head.strategy,
                tuple(about["trunk"]),
                digest(row.encode())[7:13],
            )
        found[row].entries.append(entry)
    return sorted(found.values(), key=lambda row: (row.model, row.way, row.mark))


def find(word: str, rows: Sequence[Contender]) -> list[Contender]:
    """Return the rows that a word means: `MODEL`, or `MODEL:STRATEGY` for one strategy alone.

    Raises:
        SuiteError: there is none.
    """
    found = [row for row in rows if row.is_called(word)]
    name, _, strategy = word.rpartition(":")
    if not found and name:
        found = [row for row in rows if row.is_called(name) and strategy in (row.strategy, row.way)]
    if not found:
        raise unknown("checkpoint in the store", word, {row.model for row in rows})
    return found


def matched(a: str, b: str, rows: Sequence[Contender]) -> Iterator[tuple[Contender, Contender]]:
    """Yield the pairs of rows that stand against each other: of the same strategy, if both have one in common.

    Raises:
        SuiteError: a word means nothing, both mean one row, or one of them several that are not told apart.
    """
    ours, theirs = find(a, rows), find(b, rows)
    ways = [way for way in dict.fromkeys(row.way for row in ours) if way in {row.way for row in theirs}]
    if not ways:
        ways = [""]  # nothing in common: one against one is still a question
    for way in ways:
        one, other = (_only(word, [row for row in of if way in ("", row.way)]) for word, of in ((a, ours), (b, theirs)))
        if one is other:
            raise SuiteError(f"'{a}' and '{b}' mean the same row: {one.label}. Name two, as in MODEL:STRATEGY.")
        yield one, other


def _only(word: str, rows: Sequence[Contender]) -> Contender:
    if len(rows) == 1:
        return rows[0]
    if len({row.way for row in rows}) > 1:
        ways = ", ".join(f"'{word}:{row.way}'" for row in rows)
        raise SuiteError(f"'{word}' has no strategy in common with the other; name one of each: {ways}.")
    told = ", ".join(f"'{row.model} [{row.mark}]'" for row in rows)
    raise SuiteError(
        f"'{word}' has {len(rows)} rows under {rows[0].way}, which differ in revision, settings or mixture: {told}. "
        "Name one by its mark."
    )


def all_pairs(words: Sequence[str], rows: Sequence[Contender]) -> list[tuple[Contender, Contender]]:
    """Return the pairs of rows of every two words.

    Raises:
        SuiteError: as for `matched`.
    """
    return [pair for a, b in itertools.combinations(words, 2) for pair in matched(a, b, rows)]

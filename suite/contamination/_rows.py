"""A task's rows as they are compared: what a model is given of each, and what it is to answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from suite.data import Split

TARGETS = ("label", "labels", "score", "tags", "answers")
_GROUP = "group"
_ORDER = ("prefix", "text", "text_pair", "choices", "tokens", "question", "context", "image")

Sort = Literal["text", "image", "mixed"]


@dataclass(frozen=True)
class Pool:
    """The different rows of a task, sorted by their hash; n of them.

    `inputs` names the columns that a model is given, `where[i]` says in which split row i stands and at which place.
    """

    inputs: tuple[str, ...]
    hashes: list[str]
    where: list[tuple[Split, int]]

    @cached_property
    def cells(self) -> list[tuple[Any, ...]]:
        """What a model is given of each row, one cell an input column."""
        return [tuple(split.columns[name][i] for name in self.inputs) for split, i in self.where]

    @cached_property
    def answers(self) -> list[str]:
        """What is to be answered to each row."""
        return [repr([_answer(split.columns[n][i]) for n in TARGETS if n in split.columns]) for split, i in self.where]

    @property
    def tagged(self) -> bool:
        """Whether the answer is one a word, so that those to two wordings cannot be compared."""
        return "tags" in self.where[0][0].columns

    @cached_property
    def units(self) -> np.ndarray:
        """A number a row, int64 [n], the same for those that are left out together: a group, or the row by itself."""
        marks = [_unit(split.columns, row, i) for row, (split, i) in zip(self.hashes, self.where, strict=True)]
        return np.unique(np.array(marks, dtype=object), return_inverse=True)[1]

    @property
    def sort(self) -> Sort:
        """Whether the rows are texts, one image each, or something else, of which only equals are found."""
        split, i = self.where[0]
        kinds = [isinstance(split.columns[name][i], bytes) for name in self.inputs]
        if not any(kinds):
            return "text"
        return "image" if len(kinds) == 1 else "mixed"

    @cached_property
    def _places(self) -> dict[str, int]:
        return {row: place for place, row in enumerate(self.hashes)}

    def places(self, hashes: Sequence[str]) -> np.ndarray:
        """Return where rows stand in the pool, int64 [n]."""
        return np.array([self._places[row] for row in hashes], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.hashes)


@dataclass(frozen=True)
class Side:
    """Some rows of a pool, `places` [n] in ascending order, with what was computed of all its rows."""

    pool: Pool
    marks: dict[str, np.ndarray]
    places: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """Near copies: places among the asked and among the learned rows, int64 [k] each, and how alike, fp64 [k]."""

    asked: np.ndarray
    learned: np.ndarray
    similarity: np.ndarray


def pool(splits: Sequence[Split]) -> Pool:
    """Return the different rows of some splits of one task."""
    inputs = tuple(sorted((n for n in splits[0].columns if n not in TARGETS and n != _GROUP), key=_rank))
    where: dict[str, tuple[Split, int]] = {}
    for split in splits:
        for i, row in enumerate(split.hashes):
            where.setdefault(row, (split, i))
    hashes = sorted(where)
    return Pool(inputs, hashes, [where[row] for row in hashes])


def _answer(cell: Any) -> Any:
    """Return an answer without its place in a text."""
    return cell["text"] if isinstance(cell, dict) and "text" in cell else cell


def _rank(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)


def _unit(columns: dict[str, list[Any]], row: str, i: int) -> str:
    group = columns[_GROUP][i] if _GROUP in columns else None
    return row if group is None or group != group else f"group {group}"


def blocks(asked: int, learned: int, at_once: int) -> list[slice]:
    """Return slices over the asked rows, so that a table of each with all learned rows stays small."""
    size = max(1, min(512, at_once // max(learned, 1)))
    return [slice(start, start + size) for start in range(0, asked, size)]


def nearest(rows: np.ndarray, columns: np.ndarray, distances: np.ndarray, most: int) -> np.ndarray:
    """Return which of some pairs [k] to keep, int64: of each row the nearest so many, of equal ones the first."""
    order = np.lexsort((columns, distances, rows))
    starts = np.flatnonzero(np.diff(rows[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    kept: np.ndarray = np.sort(order[rank < most])
    return kept

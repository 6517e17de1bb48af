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

    `inputs` names the columns that a model is given, `cells[i]` holds row i's. `answers[i]` says what is to be
    answered, `units[i]` what row i is left out with: its group, or itself.
    """

    inputs: tuple[str, ...]
    hashes: list[str]
    cells: list[tuple[Any, ...]]
    answers: list[str]
    units: list[str]

    @property
    def sort(self) -> Sort:
        """Whether the rows are texts, one image each, or something else, of which only equals are found."""
        kinds = [isinstance(cell, bytes) for cell in self.cells[0]] if self.cells else []
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
    rows = [where[row] for row in hashes]
    return Pool(
        inputs,
        hashes,
        [tuple(split.columns[name][i] for name in inputs) for split, i in rows],
        [repr([split.columns[name][i] for name in TARGETS if name in split.columns]) for split, i in rows],
        [_unit(split.columns, row, i) for row, (split, i) in zip(hashes, rows, strict=True)],
    )


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

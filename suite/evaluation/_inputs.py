"""Rows as a checkpoint takes them, made when somebody asks for their inputs.

A probe whose features are stored asks for labels and ids, which the rows themselves say. What a record tells beside
them, how many rows were cut and how long an input may be, is noted when rows are first made ready, at an address of all
that it depends on. From then on their processor is loaded, and they are tokenised, only where a model reads them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import JsonValue

from suite import kinds, prepared, processors, timing
from suite.data import Prepared, Split
from suite.prepared import Address
from suite.spec import SEMANTICS, RunSpec, TaskSpec

A_TOKEN = 50
"""About the bytes of a token in lists of Python's numbers, its mask and type included."""


class Inputs:
    """What makes a task's rows ready for a checkpoint, whose processor is loaded on first need."""

    def __init__(self, spec: RunSpec, task: TaskSpec, classes: Sequence[str]) -> None:
        """Take a run, and of its tasks one with its class names."""
        self._spec, self._task, self._classes = spec, task, classes
        self._kind = kinds.get(task.kind)
        self._noted: int | None = None

    @property
    def max_length(self) -> int:
        """The longest input, in tokens."""
        return self._loaded[1] if self._noted is None else self._noted

    def collate(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        """Return a batch of tensors."""
        return self._collate(items)

    def of(self, splits: Sequence[Split]) -> tuple[Prepared, ...]:
        """Return the splits as the checkpoint takes them, made on first need where what else is asked for is known.

        Raises:
            SuiteError: a row has a label that is no class, or the checkpoint's processor cannot be loaded.
        """
        labels = [self._kind.targets(split, self._classes) for split in splits]
        if any(of is None for of in labels):
            return tuple(self._make(split) for split in splits)
        at = self._address(splits)
        note = prepared.note(at)
        if note is None or len(note["truncated"]) != len(splits):
            return self._first(splits, labels, at)
        (self._noted,) = note["max_length"]
        return tuple(map(self._later, splits, labels, note["truncated"]))

    def _first(self, splits: Sequence[Split], labels: Sequence[Any], at: Address) -> tuple[Prepared, ...]:
        """Return splits made now, and note what another process could not tell without making them."""
        made = tuple(self._make(split) for split in splits)
        if all(map(_says_all, made, labels)):
            prepared.keep_note(at, {"max_length": [self.max_length], "truncated": [rows.truncated for rows in made]})
        return made

    def _later(self, split: Split, labels: Any, truncated: int) -> Prepared:
        once = _Once(lambda: self._make(split))
        n = len(split)
        return Prepared(_Later(once, "items", n), labels, _Later(once, "lengths", n), split.ids, truncated)

    @timing.phase("preparing")
    def _make(self, split: Split) -> Prepared:
        processor, max_length = self._loaded
        return self._kind.prepare(split, self._classes, processor, max_length)

    @functools.cached_property
    def _loaded(self) -> tuple[Any, int]:
        return processors.load(self._spec.checkpoint, self._kind.modality, self._spec.protocol.max_length)

    @functools.cached_property
    def _collate(self) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        return self._kind.collate(self._loaded[0])

    def _address(self, splits: Sequence[Split]) -> Address:
        about: dict[str, JsonValue] = {
            "checkpoint": self._spec.checkpoint.revision,
            "kind": self._task.kind,
            "max_length": self._spec.protocol.max_length,
            "classes": list(self._classes),
            "semantics": SEMANTICS,
        }
        return prepared.address("notes", about, ("\n".join(split.hashes).encode() for split in splits))


class _Once:
    """Rows that are made when they are first asked for; `made` is None until then."""

    def __init__(self, make: Callable[[], Prepared]) -> None:
        self._make = make
        self.made: Prepared | None = None

    def __call__(self) -> Prepared:
        if self.made is None:
            self.made = self._make()
        return self.made


class _Later(Sequence[Any]):
    """The items or the lengths of rows that are made on first need; how many they are is known."""

    def __init__(self, rows: _Once, name: Literal["items", "lengths"], count: int) -> None:
        self.rows, self._name, self._count = rows, name, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, row: Any) -> Any:
        return getattr(self.rows(), self._name)[row]

    def __iter__(self) -> Iterator[Any]:
        return iter(getattr(self.rows(), self._name))


def weight(rows: Prepared) -> int:
    """Return about how many bytes the inputs of rows take by now."""
    made = rows.items.rows.made if isinstance(rows.items, _Later) else rows
    if made is None:
        return 0
    found: int = getattr(made.items, "nbytes", A_TOKEN * sum(made.lengths))
    return found


def _says_all(rows: Prepared, labels: Any) -> bool:
    """Return whether these labels and the number of cut rows are all that there is to know beside the inputs."""
    one_each = rows.owners is None and rows.context is None and len(rows.items) == len(rows.ids)
    same = np.asarray(rows.labels).dtype == labels.dtype and np.array_equal(rows.labels, labels)
    return one_each and same

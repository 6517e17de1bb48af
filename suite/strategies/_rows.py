"""What a linear head is fitted on: one row an example, one a choice of an example, or one a word.

Each knows how a head's answers to its rows become the outputs that a kind decodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from suite.features import Reader, Words, words

if TYPE_CHECKING:
    from suite.data import Prepared
    from suite.outputs import Outputs
    from suite.strategies import Job, Part

TOGETHER = ("kfold", "bootstrap", "loo")
"""Ways to resample whose every run has all rows of the task, in one split or another."""

MOST_WORDS = 20_000
"""Words that a head is fitted on; more cost time and hardly move it."""


class Rows(Protocol):
    """A split's features as rows, and what each of them is."""

    @property
    def x(self) -> np.ndarray:
        """All rows [rows, width]."""

    def take(self, examples: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of these examples, and their labels."""

    def outputs(self, answers: np.ndarray) -> Outputs:
        """Return as outputs of the split's items what a head answers to its rows, fp32 [rows, k]."""


@dataclass(frozen=True)
class Examples:
    """One row an example."""

    x: np.ndarray
    labels: np.ndarray

    def take(self, examples: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the examples as they are."""
        return self.x[examples], self.labels[examples]

    def outputs(self, answers: np.ndarray) -> Outputs:
        """Return the answers as they are."""
        return answers


@dataclass(frozen=True)
class Choices:
    """One row a choice: is it the right one?"""

    features: np.ndarray
    labels: np.ndarray

    @property
    def x(self) -> np.ndarray:
        """Every choice of every example."""
        return self.features.reshape(-1, self.features.shape[-1])

    def take(self, examples: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the choices of the examples, and 1 for the right ones."""
        some = self.features[examples]
        right = self.labels[examples, None] == np.arange(some.shape[1])
        return some.reshape(-1, some.shape[-1]), right.ravel().astype(np.int64)

    def outputs(self, answers: np.ndarray) -> Outputs:
        """Return [n, choices]."""
        return answers.reshape(self.features.shape[:2])


@dataclass(frozen=True)
class Tokens:
    """One row a word; of tokens that start none the outputs are zeros."""

    words: Words
    split: Prepared

    @property
    def x(self) -> np.ndarray:
        """Every word of every example."""
        return self.words.values

    def take(self, examples: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the words of the examples, at most `MOST_WORDS` of them by the seed."""
        of = np.repeat(np.arange(len(self.words.counts)), self.words.counts)
        places = np.flatnonzero(np.isin(of, examples))
        if len(places) > MOST_WORDS:
            places = np.sort(np.random.default_rng(seed).permutation(places)[:MOST_WORDS])
        labels = np.concatenate([np.asarray(item["labels"])[words(item)] for item in self.split.items])
        return self.x[places], labels[places]

    def outputs(self, answers: np.ndarray) -> Outputs:
        """Return [tokens, k] an item."""
        found = []
        ends = np.cumsum(self.words.counts)
        for item, some in zip(self.split.items, np.split(answers, ends[:-1]), strict=True):
            starts = words(item)
            one = np.zeros((len(starts), answers.shape[1]), dtype=np.float32)
            one[starts] = some
            found.append(one)
        return found


def read(reader: Reader, job: Job) -> list[Rows]:
    """Return the rows of the train, validation and test split.

    Cuts of the same rows share one computation: the features of all rows that any of the splits has, or of all that
    the task has where that is cheaper in the end.
    """
    part, way, uncut = job.part, job.spec.resample.partition(":")[0], _uncut(job)
    if way in TOGETHER:
        pool = _pooled(uncut or part.splits)
        features, names = _features(reader, pool, part.per_token), pool.ids
        return [_rows(split, _of_rows(features, names, split)) for split in part.splits]
    if uncut:
        wholes = [_features(reader, whole, part.per_token) for whole in uncut]
        return [
            _rows(split, _of_rows(features, whole.ids, split))
            for features, whole, split in zip(wholes, uncut, part.splits, strict=True)
        ]
    return [of(reader, split, part.per_token) for split in part.splits]


def _uncut(job: Job) -> tuple[Prepared, ...] | None:
    """Return the splits as they were before they were cut, where reading these once saves reading rows more often.

    Under limits each fold has rows that no other has. The parts of another seed are other parts of the same rows.
    Recipes that name no solver are older than this, and a row's last bits depend on its batch: they read on as before.
    """
    way, uncut = job.spec.resample.partition(":")[0], job.part.uncut
    if uncut is None or "solver" not in job.spec.settings:
        return None
    worth = {"kfold": True, "bootstrap": True, "partition": False}
    return uncut() if worth.get(way) is bool(job.spec.protocol.limits) else None


def _pooled(splits: Sequence[Prepared]) -> Prepared:
    """Return the different rows of several splits, by name; equal ones have one."""
    first = {row_of(one): (split, i) for split in splits for i, one in enumerate(split.ids)}
    names = sorted(first)
    found = [first[name] for name in names]
    return replace(splits[-1], items=_Picked(found, "items"), lengths=_Picked(found, "lengths"), ids=names)


def _of_rows(features: np.ndarray | Words, names: Sequence[str], split: Prepared) -> np.ndarray | Words:
    """Return the features of a split's rows, given those of all that are named."""
    places = {row_of(name): place for place, name in enumerate(names)}
    return features[np.array([places[row_of(one)] for one in split.ids])]


def of(reader: Reader, split: Prepared, per_token: bool) -> Rows:
    """Return the rows of a split that stands alone."""
    return _rows(split, _features(reader, split, per_token))


class _Picked(Sequence[Any]):
    """Items of several splits or their lengths; what splits make on demand is only made when it is asked for."""

    def __init__(self, places: list[tuple[Prepared, int]], name: Literal["items", "lengths"]) -> None:
        self._places, self._name = places, name

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [getattr(split, self._name)[i] for split, i in self._places[row]]
        split, i = self._places[row]
        return getattr(split, self._name)[i]


def row_of(name: str) -> str:
    """Return what the ids of equal rows have in common: `abc` of `abc-2`."""
    return name.partition("-")[0]


def has_choices(part: Part) -> bool:
    """Return whether the model reads several texts a row."""
    batch = part.collate([part.test.items[0]])
    return "input_ids" in batch and batch["input_ids"].dim() == 3


def _features(reader: Reader, split: Prepared, per_token: bool) -> np.ndarray | Words:
    return (reader.read_words if per_token else reader.read)(split.items, split.lengths, split.ids)


def _rows(split: Prepared, features: np.ndarray | Words) -> Rows:
    if isinstance(features, Words):
        return Tokens(features, split)
    return Examples(features, split.labels) if features.ndim == 2 else Choices(features, split.labels)

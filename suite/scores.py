"""One row's results on one task: their mean, how sure it is, and how two of them differ.

How sure depends on how the data was cut. Held-out results are examples by seeds; each part of a
partition is a training set of its own, like a further seed, while another seed deals the same rows
again. Folds and bootstrap replicates share their rows, which the corrected resampled variance takes
into account.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from suite import resampling
from suite.index import Entry, Examples, unpack
from suite.stats import intervals
from suite.stats.intervals import Estimate, Layout

MOST_VALUES = 500_000
"""Values that are worked on at once: as many as stay near the processor."""


@dataclass(frozen=True)
class _Given:
    """What is kept of what examples give: their number by entry, their clusters and how many training rows hold."""

    counts: list[int]
    clusters: np.ndarray | None
    seen: int


def _given_of(examples: Sequence[Examples]) -> _Given:
    clusters = next((one.in_clusters() for one in examples if one.clusters), None)
    marked = examples[0].marked()
    return _Given([one.n for one in examples], clusters, 0 if marked is None else int(marked.sum()))


@dataclass(frozen=True)
class Scores:
    """Entries that differ in seed and fold alone."""

    entries: Sequence[Entry]

    @functools.cached_property
    def way(self) -> resampling.Resample:
        """How the data was cut."""
        return resampling.parse(self.entries[0].head.resample)

    @functools.cached_property
    def mean(self) -> float:
        """The mean of the stored scores, whatever pseudo-values average to."""
        return float(np.add.reduce([entry.head.score for entry in self.entries]) / len(self.entries))

    @functools.cached_property
    def seeds(self) -> int:
        """The number of seeds."""
        return len({entry.head.seed for entry in self.entries})

    @functools.cached_property
    def missing(self) -> int:
        """How many folds are not there of the seeds that are."""
        return resampling.folds(self.entries[0].head.resample) * self.seeds - len(self._by_fold())

    @property
    def examples(self) -> int:
        """The number of examples that one seed is tested on; of bootstrap replicates, on average."""
        total = sum(self._given.counts)
        return round(total / (self.seeds if self.way.name == "kfold" else len(self.entries)))

    @property
    def clusters(self) -> np.ndarray | None:
        """The cluster of each example, if any of the entries tells."""
        return self._given.clusters

    @property
    def seen(self) -> int:
        """The number of examples that the training rows hold too, as the first entry tells."""
        return self._given.seen

    @functools.cached_property
    def _given(self) -> _Given:
        """What is kept of what the examples give."""
        return _given_of([entry.examples for entry in self.entries])

    @property
    def folded(self) -> bool:
        """Whether each entry is tested on rows of its own."""
        return self.way.name in resampling.FOLDED

    @property
    def _deals(self) -> int:
        """How often one pool of training rows was dealt into the parts that stand for seeds."""
        return self.seeds if self.way.name == "partition" else 1

    def estimate(self) -> Estimate:
        """Return the mean with the shares of its variance."""
        if self.folded:
            folds = np.array(list(self._by_fold().values()))
            found = intervals.corrected_resampled(folds, self._test_to_train())
        else:
            found = self._layout.estimate()
        return found.at(self.mean)

    def minus(self, other: Scores) -> Estimate:
        """Return the difference of two means over the same examples, or over the folds that both have."""
        return self.minus_each([other])[0]

    def minus_each(self, others: Sequence[Scores]) -> list[Estimate]:
        """Return the differences of this mean to others; see `minus`."""
        if self.folded:
            return [self._minus_folds(other) for other in others]
        untold = [(self.clusters is None) != (other.clusters is None) for other in others]
        if any(untold) and len(others) > 1:
            return [self.minus(other) for other in others]
        one, rest = self._layout, [other._layout for other in others]
        if any(untold):  # an older record does not tell its clusters
            clusters = self.clusters if self.clusters is not None else others[0].clusters
            one, rest = self._laid_out(clusters), [others[0]._laid_out(clusters)]
        found = intervals.differences(one, rest, self._span)
        return [each.at(self.mean - other.mean) for each, other in zip(found, others, strict=True)]

    def _minus_folds(self, other: Scores) -> Estimate:
        mine, others = self._by_fold(), other._by_fold()
        folds = np.array([mine[fold] - others[fold] for fold in sorted(mine.keys() & others.keys())])
        if not len(folds):
            return Estimate(self.mean - other.mean)
        return intervals.corrected_resampled(folds, self._test_to_train())

    @property
    def _span(self) -> float | None:
        """How far apart two scores can be, if the metric has bounds."""
        low, high = self.entries[0].main.range
        return None if low is None or high is None else high - low

    @functools.cached_property
    def _layout(self) -> Layout:
        """What means and differences need of the values, which are many and not kept."""
        return self._laid_out(self.clusters)

    def _laid_out(self, clusters: np.ndarray | None) -> Layout:
        """Return the layout of what examples give, or their clusters where examples are not independent."""
        values = unpack([entry.examples for entry in self.entries])
        return intervals.layout(values if clusters is None else intervals.clustered(values, clusters), self._deals)

    def _by_fold(self) -> dict[tuple[int, int], float]:
        """Return each (seed, fold)'s score."""
        return {(e.head.seed, e.head.fold): e.head.score for e in self.entries}

    def _test_to_train(self) -> float:
        """Return how many rows are tested for each different one that was trained or selected on, on average."""
        ratios = []
        for head in (entry.head for entry in self.entries):
            distinct = head.train if head.distinct is None else head.distinct
            trained = min(distinct, head.train)  # a protocol's limits may keep fewer
            ratios.append(head.test / (trained + head.validation))
        return float(np.mean(ratios))


def lay_out(all_scores: Iterable[Scores]) -> None:
    """Read what the examples of many give, each once, and work out what their means need, many at a time.

    What is left out here is worked out when it is asked for: folds, which need no values, and examples in clusters.
    """
    waiting: dict[tuple[int, int, int], list[tuple[Scores, list[Examples]]]] = {}
    for scores in all_scores:
        examples = [entry.examples for entry in scores.entries]
        given = scores.__dict__.setdefault("_given", _given_of(examples))
        if scores.folded or given.clusters is not None or len(set(given.counts)) > 1:
            continue
        shape = (len(examples), given.counts[0], scores._deals)
        same = waiting.setdefault(shape, [])
        same.append((scores, examples))
        if len(same) * shape[0] * shape[1] >= MOST_VALUES:
            _lay_out(waiting.pop(shape))
    for same in waiting.values():
        _lay_out(same)


def _lay_out(same: Sequence[tuple[Scores, list[Examples]]]) -> None:
    """Lay out scores with as many entries and examples each."""
    first, examples = same[0]
    values = unpack([one for _, many in same for one in many]).reshape(len(same), len(examples), -1)
    for (scores, _), found in zip(same, intervals.layouts(values, first._deals), strict=True):
        scores.__dict__["_layout"] = found

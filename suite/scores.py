"""One row's results on one task: their mean, how sure it is, and how two of them differ.

How sure depends on how the data was cut. Held-out results are examples by seeds; each part of a
partition is a training set of its own, like a further seed, while another seed deals the same rows
again. Folds and bootstrap replicates share their rows, which the corrected resampled variance takes
into account.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from suite import resampling
from suite.index import Entry
from suite.stats import intervals
from suite.stats.intervals import Estimate, Layout


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
        return float(np.mean([entry.head.score for entry in self.entries]))

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
        total = sum(entry.n for entry in self.entries)
        return round(total / (self.seeds if self.way.name == "kfold" else len(self.entries)))

    @property
    def clusters(self) -> np.ndarray | None:
        """The cluster of each example, if any of the entries tells."""
        return next((entry.clusters for entry in self.entries if entry.clusters is not None), None)

    @property
    def _deals(self) -> int:
        """How often one pool of training rows was dealt into the parts that stand for seeds."""
        return self.seeds if self.way.name == "partition" else 1

    def estimate(self) -> Estimate:
        """Return the mean with the shares of its variance."""
        if self.way.name in resampling.FOLDED:
            folds = np.array(list(self._by_fold().values()))
            found = intervals.corrected_resampled(folds, self._test_to_train())
        else:
            found = self._layout.estimate()
        return replace(found, mean=self.mean)

    def minus(self, other: Scores) -> Estimate:
        """Return the difference of two means over the same examples, or over the folds that both have."""
        if self.way.name not in resampling.FOLDED:
            one, another = self._layout, other._layout
            if (self.clusters is None) != (other.clusters is None):  # an older record does not tell its clusters
                clusters = self.clusters if self.clusters is not None else other.clusters
                one, another = self._laid_out(clusters), other._laid_out(clusters)
            return replace(one.minus(another, self._span), mean=self.mean - other.mean)
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
        values = np.stack([entry.values for entry in self.entries])
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

"""One row's results on one task: their mean, how sure it is, and how two of them differ.

How sure depends on how the data was cut. Held-out results are examples by seeds; each part of a
partition is a training set of its own, like a further seed, while another seed deals the same rows
again. Folds and bootstrap replicates share their rows, which the corrected resampled variance takes
into account.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from suite import resampling
from suite.index import Entry
from suite.stats import intervals
from suite.stats.intervals import Estimate


@dataclass(frozen=True)
class Scores:
    """Entries that differ in seed and fold alone."""

    entries: Sequence[Entry]

    @property
    def way(self) -> resampling.Resample:
        """How the data was cut."""
        return resampling.parse(self.entries[0].head.resample)

    @property
    def mean(self) -> float:
        """The mean of the stored scores, whatever pseudo-values average to."""
        return float(np.mean([entry.head.score for entry in self.entries]))

    @property
    def seeds(self) -> int:
        """The number of seeds."""
        return len({entry.head.seed for entry in self.entries})

    @property
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
            found = intervals.two_way(self._matrix(self.clusters), self._deals)
        return replace(found, mean=self.mean)

    def minus(self, other: Scores) -> Estimate:
        """Return the difference of two means over the same examples, or over the folds that both have."""
        if self.way.name not in resampling.FOLDED:
            clusters = self.clusters if self.clusters is not None else other.clusters
            both = self._matrix(clusters), other._matrix(clusters)
            found = intervals.paired_difference(*both, (self._deals, other._deals))
            return replace(found, mean=self.mean - other.mean)
        mine, others = self._by_fold(), other._by_fold()
        folds = np.array([mine[fold] - others[fold] for fold in sorted(mine.keys() & others.keys())])
        if not len(folds):
            return Estimate(self.mean - other.mean)
        return intervals.corrected_resampled(folds, self._test_to_train())

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

    def _matrix(self, clusters: np.ndarray | None) -> np.ndarray:
        """Return what examples give [runs, n], or their clusters [runs, C] where examples are not independent."""
        values = np.stack([entry.values for entry in self.entries])
        return values if clusters is None else intervals.clustered(values, clusters)

"""A proportion of hits among so many trials: its intervals, which never have width zero, and the exact test."""

from __future__ import annotations

from dataclasses import dataclass


def clopper_pearson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval for a proportion of hits in n (Clopper & Pearson 1934).

    By quantiles of the beta distribution: scipy's `binomtest` gives the same to 1e-10, but searches for 2 ms.
    """
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else float(betaincinv(hits, n - hits + 1, tail))
    high = 1.0 if hits == n else float(betaincinv(hits + 1, n - hits, 1 - tail))
    return low, high


def wilson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the score interval for a proportion of hits in n (Wilson 1927): narrower, and right on average only."""
    from scipy.stats import binomtest

    found = binomtest(hits, n).proportion_ci(level, method="wilson")
    return float(found.low), float(found.high)


@dataclass(frozen=True)
class Counted:
    """A mean of n values that are `high` at `hits` of the examples and `low` at the others."""

    hits: int
    n: int
    low: float
    high: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return Clopper and Pearson's interval for the mean."""
        ends = [self.low + (self.high - self.low) * share for share in clopper_pearson(self.hits, self.n, level)]
        return min(ends), max(ends)

    def p(self, at: float) -> float:
        """Return the level at which that interval just touches `at`; 0 where no mean can be `at`."""
        from scipy.special import bdtr, bdtrc

        share = (at - self.low) / (self.high - self.low)
        if not 0 <= share <= 1:
            return 0.0
        more = 1.0 if self.hits == 0 else float(bdtrc(self.hits - 1, self.n, share))
        return min(1.0, 2 * more, 2 * float(bdtr(self.hits, self.n, share)))


@dataclass(frozen=True)
class Agreed:
    """A difference of two that agree on all n examples, where one that does not would count `span` at the most."""

    n: int
    span: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return how far apart they might be: `span` times the share of examples that may differ (Clopper-Pearson)."""
        most = self.span * clopper_pearson(0, self.n, level)[1]
        return -most, most

    def p(self, at: float) -> float:
        """Return the level at which that interval just touches `at`."""
        share = abs(at) / self.span
        return 0.0 if share > 1 else float(min(1.0, 2 * (1 - share) ** self.n))

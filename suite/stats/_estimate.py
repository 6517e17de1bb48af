"""A mean with what is known of its error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from suite.stats.proportions import Agreed, Counted
from suite.stats.shares import NOTHING, Share, half_width


@dataclass(frozen=True)
class Estimate:
    """A mean with the shares of its variance; `item` is None where nothing can be said of it.

    The examples' share is what other examples alone would change, where there are seeds to tell; else all of it.
    `counted` stands in where the shares would leave no width, as at a proportion of 0 or 1.
    """

    mean: float
    item: Share | None = None
    seed: Share = NOTHING
    counted: Counted | Agreed | None = None

    def at(self, mean: float) -> Estimate:
        """Return what is known of the error, about another mean."""
        return Estimate(mean, self.item, self.seed, self.counted)

    @property
    def error(self) -> float | None:
        """The standard error of the mean, or None."""
        return None if self.item is None else float(np.sqrt(self.item.variance + self.seed.variance))

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Return the two-sided interval, or None where there is none."""
        if self.counted is not None:
            return self.counted.interval(level)
        if self.item is None:
            return None
        half = half_width((self.item, self.seed), (1 - level) / 2)
        return self.mean - half, self.mean + half

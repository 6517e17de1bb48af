"""Axes: what stands at their ends, and a few round ticks between."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """An axis: what stands at its ends, and ticks as (place, text)."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] = ()

    def at(self, value: float) -> float:
        """Return where a value stands, cut at the ends."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def holds(self, value: float) -> bool:
        """Return whether a value is inside."""
        return self.low <= value <= self.high


def linear(low: float, high: float, about: int = 4) -> Scale:
    """Return an axis with about so many round ticks."""
    span = high - low
    step = 10 ** math.floor(math.log10(span / about))
    step = next((step * times for times in (1, 2, 5, 10) if span / (step * times) <= about + 1), step * 10)
    digits = max(0, -math.floor(math.log10(step)))
    first = math.ceil(low / step)
    values = [first * step + i * step for i in range(int((high - first * step) / step + 1e-9) + 1)]
    return Scale(low, high, tuple(((value - low) / span, f"{value + 0.0:.{digits}f}") for value in values))

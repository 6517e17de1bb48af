"""How sure each rank is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from suite.evidence import Line, Section
from suite.stats import ranking

_Z95 = 1.959964


@dataclass(frozen=True)
class Chances:
    """How often each row came to each rank [rows, ranks] when all are drawn from their intervals."""

    lines: tuple[Line, ...]
    shares: np.ndarray
    expected: np.ndarray


def chances(section: Section, lines: Sequence[Line], most: int) -> Chances | None:
    """Return the chances of the first ranks of as many rows; None below two rows with an interval."""
    sure = [line for line in lines if line.interval is not None and line.mean is not None]
    if len(sure) < 2:
        return None
    middles = np.array([line.mean for line in sure], dtype=float)
    widths = np.array([line.interval[1] - line.interval[0] for line in sure if line.interval])
    draws = ranking.draw_means(middles, widths / (2 * _Z95), draws=4000)
    shares = ranking.rank_distribution(-draws if section.loss else draws)
    return Chances(tuple(sure[:most]), shares[:most, :most], shares @ np.arange(1, len(sure) + 1))

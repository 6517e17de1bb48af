"""Ranks that share ties, and Kendall's tau-b; `scipy.stats`, which has both, takes longer to load than a board to make.

The numbers are scipy's, bit for bit (tests/test_ranking_stats.py).
"""

from __future__ import annotations

import numpy as np


def shared_ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks of values [k], the least being 1, fp64 [k]; equal ones have the mean of theirs."""
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: np.ndarray = (np.cumsum(counts) - (counts - 1) / 2)[codes]
    return ranks


def tau_b(one: np.ndarray, other: np.ndarray) -> float:
    """Return Kendall's tau-b of two rankings [k] (Kendall 1945, Biometrika 33, 239-251), in O(k log^2 k).

    Neither may have all models tied.
    """
    first, second = (np.unique(values, return_inverse=True)[1] for values in (one, other))
    ties = [_tied(codes) for codes in (first, second, first * len(one) + second)]
    pairs = len(one) * (len(one) - 1) // 2
    discordant = _inversions(second[np.lexsort((second, first))])
    more = pairs - ties[0] - ties[1] + ties[2] - 2 * discordant
    tau = more / np.sqrt(pairs - ties[0]) / np.sqrt(pairs - ties[1])
    return float(min(1.0, max(-1.0, tau)))


def _tied(codes: np.ndarray) -> int:
    """Return how many pairs of codes [k] are equal."""
    counts = np.unique(codes, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())


def _inversions(codes: np.ndarray) -> int:
    """Return how many pairs of codes [k], whole and not negative, stand with the larger one first.

    Two codes differ first at some bit: of those that agree above it, a 1 before a 0 is such a pair.
    """
    found = 0
    for bit in range(int(codes.max()).bit_length()):
        above = codes >> (bit + 1)
        order = np.argsort(above, kind="stable")
        ones, groups = (codes[order] >> bit) & 1, above[order]
        before = np.cumsum(ones) - ones
        starts = np.searchsorted(groups, groups)  # where each one's group begins
        found += int((before - before[starts])[ones == 0].sum())
    return found

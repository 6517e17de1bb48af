"""What a model that learns stages in turn gains and loses on the way.

All take R [stages + 1, stages]: the score on stage j's held-out rows after i stages, row 0 being the
model before the first.
"""

from __future__ import annotations

import numpy as np


def forgetting(scores: np.ndarray) -> float:
    """Return how far scores on all but the last stage's rows fell from their best after any earlier stage.

    Chaudhry et al. 2018, arXiv 1801.10112, section 3.
    """
    stages = scores.shape[1]
    best = scores[1:stages, : stages - 1].max(axis=0)
    return float(np.mean(best - scores[stages, : stages - 1]))


def backward_transfer(scores: np.ndarray) -> float:
    """Return what later stages did to earlier ones, on average (Lopez-Paz & Ranzato 2017, arXiv 1706.08840)."""
    stages = scores.shape[1]
    learned = np.array([scores[j + 1, j] for j in range(stages - 1)])
    return float(np.mean(scores[stages, : stages - 1] - learned))


def forward_transfer(scores: np.ndarray) -> float:
    """Return what earlier stages did for later ones before these were learned, on average (same source)."""
    stages = scores.shape[1]
    before = np.array([scores[j, j] for j in range(1, stages)])
    return float(np.mean(before - scores[0, 1:]))

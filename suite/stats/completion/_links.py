"""Which models and tasks scores link: two models that share a task, and so on from one to the next."""

from __future__ import annotations

import numpy as np


def linked(present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the models [k] and tasks [n] of the largest set that scores link: most models, then most scores.

    Two sets that share neither a model nor a task have no common scale. Where two are equally large there is none.
    """
    k, n = present.shape
    if not present.any():
        return np.zeros(k, dtype=bool), np.zeros(n, dtype=bool)
    tasks = _reach(present).argmax(axis=1)
    models = np.where(present.any(axis=1), tasks[present.argmax(axis=1)], -1)
    sizes = [(int((models == c).sum()), int(present[:, tasks == c].sum())) for c in range(n)]
    largest = max(sizes)
    chosen = sizes.index(largest) if sizes.count(largest) == 1 else -2
    return models == chosen, tasks == chosen


def all_linked(present: np.ndarray) -> bool:
    """Return whether every model and every task is linked to all others."""
    return bool(present.any(axis=1).all() and _reach(present).all())


def _reach(present: np.ndarray) -> np.ndarray:
    """Return which task leads to which [n, n], itself included."""
    reach = (present.T.astype(np.float64) @ present > 0) | np.eye(present.shape[1], dtype=bool)
    for _ in range(present.shape[1].bit_length()):
        reach = reach.astype(np.float64) @ reach > 0
    return np.asarray(reach)

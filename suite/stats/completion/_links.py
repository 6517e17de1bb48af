"""Which models and tasks scores link."""

from __future__ import annotations

import numpy as np


def linked(present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the models [k] and tasks [n] of the largest set that scores link: most models, then most scores.

    Two sets that share neither a model nor a task have no common scale. Where two are equally large there is none.
    """
    from scipy.sparse.csgraph import connected_components

    k, n = present.shape
    if not present.any():
        return np.zeros(k, dtype=bool), np.zeros(n, dtype=bool)
    shared = present.T.astype(np.int64) @ present
    tasks = connected_components(shared > 0, directed=False)[1]
    models = np.where(present.any(axis=1), tasks[present.argmax(axis=1)], -1)
    sizes = [(int((models == c).sum()), int(shared.diagonal()[tasks == c].sum())) for c in range(tasks.max() + 1)]
    largest = max(sizes)
    chosen = sizes.index(largest) if sizes.count(largest) == 1 else -2
    return models == chosen, tasks == chosen

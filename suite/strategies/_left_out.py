"""Leave-one-out of a linear probe in closed form: every row is predicted by the fit on all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from suite.spec import SuiteError
from suite.stats import ridge
from suite.strategies import _rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from suite.strategies import Part


def targets(part: Part) -> np.ndarray:
    """Return what ridge regression is to give, fp64 [n, k]: +1 for a row's classes and -1 for others, or the number."""
    labels = np.asarray(part.test.labels)
    if part.target == "number":
        return labels[:, None].astype(np.float64)
    hits = labels if part.target == "labels" else labels[:, None] == np.arange(part.n_outputs)
    return np.where(hits, 1.0, -1.0)


def check(part: Part) -> None:
    """Refuse answers that have no closed form here, and rows that are not all there.

    Raises:
        SuiteError: the answers are tags, texts or one of several choices, or the splits are not the same rows.
    """
    plain = part.target in ("class", "labels", "number")
    if not plain or _rows.has_choices(part):
        what = "choices" if plain else {"tags": "tags of words"}.get(part.target, f"a {part.target}")
        raise SuiteError(
            f"linear_probe leaves out one row at a time for classes, labels and numbers, not for {what}; "
            "use --resample kfold:5."
        )
    if not part.train.ids == part.validation.ids == part.test.ids:
        raise SuiteError(
            f"To leave one out, each of the {len(part.test)} rows must be one to learn from, and the protocol's limits "
            f"keep {len(part.train)}; use a protocol without limits, or --resample kfold:5."
        )


def units(part: Part) -> list[str]:
    """Return for each row what is left out with it: its cluster, or the rows that are equal to it."""
    return part.test.clusters or [_rows.row_of(name) for name in part.test.ids]


def predict(x: np.ndarray, part: Part, strengths: Sequence[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return left-out decision values fp32 [n, k], the number of each row's strength [n], and the errors [strengths].

    Rows of one unit are left out together. A row's strength is the C (alpha = 1/C) with the least squared
    error over the left-out predictions of the other units' rows.
    """
    from threadpoolctl import threadpool_limits

    y, groups = targets(part), units(part)
    with threadpool_limits(1):  # the same bits whatever the number of cores
        found = ridge.left_out(x, y, [1 / strength for strength in strengths], groups)
    errors = ((found - y) ** 2).sum(axis=2)
    chosen = ridge.chosen_without(errors, groups)
    outputs = found[chosen, np.arange(len(y))]
    return outputs.astype(np.float32), chosen, errors.mean(axis=1)

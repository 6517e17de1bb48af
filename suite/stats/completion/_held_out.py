"""What a model's errors are on cells that are there, hidden as the missing ones are.

Some rows get the gaps of others: the tasks that are missing most are hidden most, and together. The
errors say which model to take, and by how much its own standard errors are too small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from suite.stats.completion._links import all_linked
from suite.stats.completion._models import Model

WANTED = 100  # hidden rows, some more than once
SHARE = 0.2  # of the rows, hidden at a time
PASSES = 4
FEWEST = 5  # hidden rows from which a choice is made
PRIOR_ERRORS = 10  # what the model's own word counts for


@dataclass(frozen=True)
class HeldOut:
    """A model's errors on hidden cells: their mean size by row [k], NaN where none was hidden, and two factors.

    `cells` and `totals` are by what factor errors of single cells and of rows' totals are larger than the model
    says, drawn towards 1 as if ten more were just as large as that.
    """

    sizes: np.ndarray
    cells: float
    totals: float


def hide(present: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
    """Return masks [k, n] of cells to hide, each row's being another row's gaps; every row and column stays linked."""
    k = len(present)
    donors = np.flatnonzero(~present.all(axis=1))
    size = min(max(1, round(SHARE * k)), WANTED)
    queue = np.concatenate([random.permutation(k) for _ in range(PASSES)])
    masks: list[np.ndarray] = []
    count = 0
    for start in range(0, len(queue), size):
        mask = _mask(present, queue[start : start + size], donors, random)
        count += int(mask.any(axis=1).sum())
        masks += [mask] if mask.any() else []
        if count >= WANTED:
            break
    return masks


def _mask(present: np.ndarray, rows: np.ndarray, donors: np.ndarray, random: np.random.Generator) -> np.ndarray:
    hidden = np.zeros_like(present)
    for row in rows:
        hidden[row] = present[row] & ~present[random.choice(donors)]
        left = present & ~hidden
        if left.sum(axis=0).min() < 2 or not all_linked(left):
            hidden[row] = False
    return hidden


def held_out(table: np.ndarray, model: Model, masks: list[np.ndarray]) -> HeldOut:
    """Return the errors of a model on a table [k, n] with each mask's cells hidden in turn."""
    k = len(table)
    sizes, counts = np.zeros(k), np.zeros(k)
    cells, totals = [], []
    for mask in masks:
        found = model(np.where(mask, np.nan, table))
        rows = mask.any(axis=1)
        errors = np.where(mask, found.scores - table, 0)
        both = np.where(mask[:, :, None] & mask[:, None, :], found.covariance, 0)
        sizes += np.abs(errors).sum(axis=1)
        counts += mask.sum(axis=1)
        cells.append(_standardised(errors[mask], np.einsum("ijj->ij", both)[mask]))
        totals.append(_standardised(errors[rows].sum(axis=1), both[rows].sum(axis=(1, 2))))
    sizes = np.divide(sizes, counts, out=np.full(k, np.nan), where=counts > 0)
    return HeldOut(sizes, _factor(cells), _factor(totals))


def _standardised(errors: np.ndarray, variances: np.ndarray) -> np.ndarray:
    known = variances > 0
    return np.asarray(errors[known] / np.sqrt(variances[known]))


def _factor(standardised: list[np.ndarray]) -> float:
    values = np.concatenate([np.zeros(0), *standardised])
    return float(np.sqrt((PRIOR_ERRORS + (values**2).sum()) / (PRIOR_ERRORS + len(values))))


def choose(found: dict[str, HeldOut]) -> str:
    """Return the name with the smallest held-out errors, or the first unless that is better by a standard error.

    The one-standard-error rule of Breiman et al. 1984, Classification and Regression Trees, over the
    square roots of the rows' errors, lest one row that is unlike all others decides.
    """
    first = next(iter(found))
    roots = {name: np.sqrt(held.sizes[~np.isnan(held.sizes)]) for name, held in found.items()}
    if len(roots[first]) < FEWEST:
        return first
    best = min(roots, key=lambda name: float(roots[name].mean()))
    gain = roots[first] - roots[best]
    return best if gain.mean() > gain.std(ddof=1) / len(gain) ** 0.5 else first

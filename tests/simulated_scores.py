"""Scores of simulated runs whose true worth is known: whole populations of checkpoints, seeds and test sets.

A latent margin decides whether a run is right: what the example brings, what the seed brings, and what only the two
together bring. `noise` is the standard deviation of the seed's part, in units of the example's. Everything comes in
parts of some repetitions, so that 10 seeds x 2,000 examples fit in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri

from suite.stats.intervals import Estimate, paired_difference, two_way

AT_ONCE = 50
"""Repetitions drawn at a time."""

CELL = 0.5
"""Standard deviation of what an example and a seed bring together."""

CUT = 0.8
"""A run is right where its margin is above minus this: some three times in four."""


@dataclass(frozen=True)
class Setting:
    """How many seeds and examples there are, and how much seeds differ."""

    seeds: int
    items: int
    noise: float

    @property
    def spread(self) -> float:
        """The standard deviation of the whole margin."""
        return math.sqrt(1 + self.noise**2 + CELL**2)


def parts(repetitions: int) -> Iterator[int]:
    """Yield how many repetitions to draw next until all are drawn."""
    for start in range(0, repetitions, AT_ONCE):
        yield min(AT_ONCE, repetitions - start)


def coverage(found: Iterable[Estimate], truth: float) -> float:
    """Return how often the 95% interval holds the truth; an estimate without one does not."""
    bounds = [estimate.interval() or (math.nan, math.nan) for estimate in found]
    return float(np.mean([low <= truth <= high for low, high in bounds]))


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)


Scores = Callable[[np.random.Generator, Setting, int], tuple[Iterator[Estimate], float]]
"""Estimates of so many repetitions, and the truth."""


# -- one checkpoint ----------------------------------------------------------------------------------------------------


def accuracy_estimates(
    rng: np.random.Generator, setting: Setting, repetitions: int
) -> tuple[Iterator[Estimate], float]:
    """Return the estimate of each repetition and the true accuracy."""

    def estimates() -> Iterator[Estimate]:
        for count in parts(repetitions):
            margin = CELL * normal(rng, count, setting.seeds, setting.items)
            margin += normal(rng, count, 1, setting.items) + setting.noise * normal(rng, count, setting.seeds, 1)
            yield from (two_way(x) for x in (margin > -CUT).astype(np.float64))

    return estimates(), float(ndtr(CUT / setting.spread))


SHARES = np.array([0.7, 0.2, 0.1])
CUTS = np.array([1.2, 0.6, 0.2])
NEXT = 0.7
"""Of the answers that are wrong so many name the next class, the others the one after it."""


def f1_of(counts: np.ndarray) -> np.ndarray:
    """Return the macro-F1 of confusion matrices [..., true, predicted]."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    return np.asarray((2 * hits / (counts.sum(axis=-1) + counts.sum(axis=-2))).mean(axis=-1))


def true_f1(noise: float) -> float:
    """Return the macro-F1 of all examples, averaged over seeds: each class has a margin of its own from the seed."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(24)
    seeds = np.stack(np.meshgrid(nodes, nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 3)
    mass = np.prod(np.stack(np.meshgrid(weights, weights, weights, indexing="ij"), axis=-1), axis=-1).ravel()
    right = ndtr((CUTS + noise * seeds) / math.sqrt(1 + CELL**2))
    counts = np.zeros((len(seeds), 3, 3))
    for true in range(3):
        counts[:, true, true] = SHARES[true] * right[:, true]
        counts[:, true, (true + 1) % 3] = SHARES[true] * (1 - right[:, true]) * NEXT
        counts[:, true, (true + 2) % 3] = SHARES[true] * (1 - right[:, true]) * (1 - NEXT)
    return float(np.average(f1_of(counts), weights=mass))


def answers(rng: np.random.Generator, setting: Setting, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels [count, n] and what each seed predicts [count, S, n], of three classes."""
    labels = rng.choice(3, size=(count, setting.items), p=SHARES)
    by_class = setting.noise * normal(rng, count, setting.seeds, 3)
    margin = CELL * normal(rng, count, setting.seeds, setting.items) + normal(rng, count, 1, setting.items)
    margin += np.take_along_axis(by_class, np.broadcast_to(labels[:, None], margin.shape), axis=2)
    wrong = (labels + 1 + (rng.random(labels.shape) > NEXT)) % 3
    right = margin > -CUTS[labels][:, None]
    return labels, np.where(right, labels[:, None], wrong[:, None])


def pseudo_values(labels: np.ndarray, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return macro-F1 [S] and its jackknife pseudo-values [S, n] of labels [n] and predictions [S, n], three classes.

    An example's depends on its label and its prediction alone, so that nine are to be had.
    """
    n, codes = len(labels), 3 * labels + predictions
    counts = np.stack([np.bincount(row, minlength=9) for row in codes]).reshape(-1, 3, 3)
    without = f1_of(counts[:, None] - np.eye(9).reshape(9, 3, 3))
    whole = f1_of(counts)
    return whole, np.take_along_axis(n * whole[:, None] - (n - 1) * without, codes, axis=1)


def f1_estimates(rng: np.random.Generator, setting: Setting, repetitions: int) -> tuple[Iterator[Estimate], float]:
    """Return the estimate of each repetition, about the mean of the seeds' macro-F1, and the true one."""

    def estimates() -> Iterator[Estimate]:
        for count in parts(repetitions):
            for labels, predictions in zip(*answers(rng, setting, count), strict=True):
                whole, values = pseudo_values(labels, predictions)
                yield replace(two_way(values), mean=float(whole.mean()))

    return estimates(), true_f1(setting.noise)


# -- two checkpoints and more ------------------------------------------------------------------------------------------


def checkpoints(
    rng: np.random.Generator, setting: Setting, count: int, likeness: float = 1.0, gap: float = 0.0
) -> np.ndarray:
    """Return right or wrong [count, S, n] of checkpoints on the same examples; all but the last equally good.

    Args:
        rng: where chance comes from.
        setting: seeds, examples and noise.
        count: how many checkpoints.
        likeness: how much of what an example brings is the same for all; 1: they are one procedure.
        gap: how much less accurate the last one truly is.
    """
    margin = CELL * normal(rng, count, setting.seeds, setting.items)
    margin += setting.noise * normal(rng, count, setting.seeds, 1)
    margin += math.sqrt(likeness) * normal(rng, setting.items)
    if likeness < 1:
        margin += math.sqrt(1 - likeness) * normal(rng, count, 1, setting.items)
    cuts = np.full((count, 1, 1), CUT)
    cuts[-1] = setting.spread * ndtri(ndtr(CUT / setting.spread) - gap)
    return (margin > -cuts).astype(np.float64)


def differences(
    rng: np.random.Generator, setting: Setting, repetitions: int, likeness: float = 1.0, gap: float = 0.0
) -> Iterator[Estimate]:
    """Yield each repetition's paired difference of two checkpoints; truly it is `gap`."""
    for _ in range(repetitions):
        yield paired_difference(*checkpoints(rng, setting, 2, likeness, gap))

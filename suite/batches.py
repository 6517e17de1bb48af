"""Which rows make up which batch, and which task each batch is of: decided before training, from a seed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from suite.spec import Mixture, Protocol

GROUP = 32
"""Rows are sorted by length inside windows of this many batches."""


@dataclass(frozen=True)
class Plan:
    """The rows of all batches behind each other, and how many batches each task has.

    Row numbers count through the tasks, one behind the other. `steps` optimiser steps accumulate
    `accumulation` batches each.
    """

    rows: list[int]
    shares: dict[str, int]
    steps: int
    accumulation: int


def plan(lengths: Mapping[str, Sequence[int]], protocol: Protocol, seed: int, mixture: Mixture) -> Plan:
    """Return the batches of a training: as many as the tasks would have alone, each of one task."""
    alone = {task: steps_of(protocol, len(rows)) for task, rows in lengths.items()}
    accumulation = min(mixture.tasks_per_step, sum(alone.values()))
    steps = max(1, round(sum(alone.values()) / accumulation))
    shares = shares_of(alone, mixture, steps * accumulation)
    starts = dict(zip(lengths, itertools.accumulate((len(rows) for rows in lengths.values()), initial=0), strict=False))
    streams = {
        task: iter(row_order(lengths[task], protocol.batch, shares[task], _apart(seed, place)))
        for place, task in enumerate(lengths)
    }
    rows = [starts[task] + row for task in turns(shares, seed) for row in next(streams[task])]
    return Plan(rows, shares, steps, accumulation)


def _apart(seed: int, place: int) -> int | list[int]:
    """Return a seed for the task at a place; the first, and so a single one, has the seed itself."""
    return [seed, place] if place else seed


def steps_of(protocol: Protocol, rows: int) -> int:
    """Return the number of optimiser steps that a protocol spends on so many training rows."""
    steps = math.ceil(protocol.budget.epochs * rows / protocol.batch)
    return max(protocol.budget.min_steps, min(protocol.budget.max_steps, steps))


def shares_of(alone: Mapping[str, int], mixture: Mixture, total: int) -> dict[str, int]:
    """Return how many of `total` batches each task has, by largest remainder and at least one each.

    Args:
        alone: how many batches each task trains on its own.
        mixture: how they are weighed.
        total: how many there are in all.
    """
    power = {"proportional": 1.0, "uniform": 0.0, "temperature": 1 / mixture.temperature}
    rate = mixture.rates if mixture.sampling == "rates" else {t: n ** power[mixture.sampling] for t, n in alone.items()}
    exact = {task: rate[task] / sum(rate.values()) * total for task in alone}
    shares = {task: max(1, math.floor(value)) for task, value in exact.items()}
    by_remainder = sorted(alone, key=lambda task: shares[task] - exact[task])
    for task in itertools.islice(itertools.cycle(by_remainder), max(0, total - sum(shares.values()))):
        shares[task] += 1
    while sum(shares.values()) > total and max(shares.values()) > 1:  # the least of one each took too many
        shares[max(shares, key=lambda task: shares[task])] -= 1
    return shares


def turns(shares: Mapping[str, int], seed: int) -> list[str]:
    """Return whose turn each batch is: every task spread evenly over the training, its turns shifted at random.

    The i-th of a task's q batches falls into the i-th of q equal stretches, so that tasks of equal shares
    come once each in every round.
    """
    generator = np.random.default_rng([seed, len(shares)])
    places = [((i + generator.random()) / count, task) for task, count in shares.items() for i in range(count)]
    return [task for _, task in sorted(places)]


def row_order(lengths: Sequence[int], batch: int, steps: int, seed: int | list[int]) -> list[list[int]]:
    """Return `steps` batches of row numbers: shuffled epochs, rows of like length side by side.

    Epochs follow each other without a gap, so that every batch is full and every row is seen once
    before any is seen again.
    """
    generator = np.random.default_rng(seed)
    stream: list[int] = []
    while len(stream) < steps * batch:
        stream.extend(_epoch(lengths, batch, -len(stream) % batch, generator))
    return [stream[start : start + batch] for start in range(0, steps * batch, batch)]


def _epoch(lengths: Sequence[int], batch: int, gap: int, generator: np.random.Generator) -> list[int]:
    """Return every row once: `gap` rows that fill up the batch before, batches of like length, and what is left."""
    rows: list[int] = generator.permutation(len(lengths)).tolist()
    end = gap + max(0, len(rows) - gap) // batch * batch
    order = rows[:gap]
    for start in range(gap, end, batch * GROUP):
        window = sorted(rows[start : min(end, start + batch * GROUP)], key=lambda row: lengths[row])
        group = [window[i : i + batch] for i in range(0, len(window), batch)]
        order.extend(row for i in generator.permutation(len(group)) for row in group[i])
    return order + rows[end:]

"""The test examples on which two checkpoints disagree most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from suite.comparison import Disagreement
from suite.index import Entry


def disagreements(ours: Sequence[Entry], theirs: Sequence[Entry], most: int) -> list[Disagreement]:
    """Return up to `most` examples that give A and B the most different values of the main metric, largest first.

    Raises:
        SuiteError: the stored predictions cannot be read.
    """
    sides = [[entry.table for entry in entries] for entries in (ours, theirs)]
    means = [_means(tables) for tables in sides]
    shared = [row for row in means[0] if row in means[1]]
    gaps = {row: means[0][row] - means[1][row] for row in shared}
    ordered = sorted((row for row in shared if gaps[row]), key=lambda row: (-abs(gaps[row]), row))[:most]
    said = [_said(tables, set(ordered)) for tables in sides]
    labels = {row: label for table in sides[0] for row, label in zip(table["id"], table["label"], strict=True)}
    task = ours[0].head.task
    return [Disagreement(task, row, labels[row], said[0][row], said[1][row], gaps[row]) for row in ordered]


def _means(tables: Sequence[dict[str, list[Any]]]) -> dict[str, float]:
    """Return each example's mean value over the runs that tested it."""
    found: dict[str, list[float]] = {}
    for table in tables:
        for row, value in zip(table["id"], table["value"], strict=True):
            found.setdefault(row, []).append(value)
    return {row: float(np.mean(values)) for row, values in found.items()}


def _said(tables: Sequence[dict[str, list[Any]]], rows: set[str]) -> dict[str, str]:
    """Return what the runs predict most often for each of these examples; of equals the first in the alphabet."""
    votes: dict[str, Counter[str]] = {}
    for table in tables:
        for row, prediction in zip(table["id"], table["prediction"], strict=True):
            if row in rows:
                votes.setdefault(row, Counter())[prediction] += 1
    return {row: min(count, key=lambda one: (-count[one], one)) for row, count in votes.items()}

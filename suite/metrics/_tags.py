"""Metrics of tags: lists of tag names, one list an example.

Entities are spans as CoNLL's script and seqeval's default mode read them: B- opens one, so does I- after
another type or after O, and E- and S- are understood too. A span is right if type, start and end are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from suite.metrics._ways import Examples, f1, of_sums, ratio

Span = tuple[str, int, int]


def entities(tags: Sequence[str]) -> set[Span]:
    """Return the spans (type, first word, last word) of one example's tags."""
    return set(_spans(tags))


def _spans(tags: Sequence[str]) -> Iterator[Span]:
    before, kind_before, start = "O", "_", 0
    for place, tag in enumerate([*tags, "O"]):
        mark, kind = tag[:1] or "O", tag[1:].split("-", maxsplit=1)[-1] or "_"
        other = kind != kind_before
        if _ends(before, mark, other):
            yield kind_before, start, place - 1
        if _starts(before, mark, other):
            start = place
        before, kind_before = mark, kind


def _ends(before: str, mark: str, other: bool) -> bool:
    """Say whether a span ends between two words whose types are `other` or the same."""
    return before in "ES" or (before in "BI" and mark in "BSO") or (before not in "O." and other)


def _starts(before: str, mark: str, other: bool) -> bool:
    """Say whether a span starts with the second of two words."""
    return mark in "BS" or (before in "ESO" and mark in "EI") or (mark not in "O." and other)


def _entity_counts(labels: Examples, predictions: Examples, scores: Examples) -> np.ndarray:
    """Return how many entities each example has right, predicted and true, fp64 [n, 3]."""
    found = ((entities(p), entities(t)) for t, p in zip(labels, predictions, strict=True))
    return np.array([(len(p & t), len(p), len(t)) for p, t in found], dtype=np.float64)


def _word_counts(labels: Examples, predictions: Examples, scores: Examples) -> np.ndarray:
    """Return how many words each example has right, and how many it has, fp64 [n, 2]."""
    pairs = zip(labels, predictions, strict=True)
    rows = [(sum(a == b for a, b in zip(t, p, strict=True)), len(t)) for t, p in pairs]
    return np.array(rows, dtype=np.float64)


entity_f1 = of_sums(_entity_counts, lambda sums: f1(*sums.T))
accuracy = of_sums(_word_counts, lambda sums: ratio(*sums.T))

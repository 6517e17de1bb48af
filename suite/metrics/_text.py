"""Metrics of answers: a text against a list of gold texts, the best of which counts; an empty list wants no answer.

Texts are compared as SQuAD's official scripts do (Rajpurkar et al. 2016; 2018 for questions without an answer).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from suite.metrics._ways import Examples

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normal(text: str) -> str:
    """Return a text in lower case without punctuation, articles and superfluous spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def f1(labels: Examples, predictions: Examples, scores: Examples) -> np.ndarray:
    """Return the F1 of the words of each answer; 1 or 0 where either has none."""
    return _best(_overlap, labels, predictions)


def exact(labels: Examples, predictions: Examples, scores: Examples) -> np.ndarray:
    """Return whether each answer is one of its gold texts."""
    return _best(lambda gold, answer: float(gold == answer), labels, predictions)


def _best(compare: Callable[[str, str], float], labels: Examples, predictions: Examples) -> np.ndarray:
    pairs = zip(labels, predictions, strict=True)
    return np.array([max(compare(gold, normal(answer)) for gold in _golds(texts)) for texts, answer in pairs])


def _golds(texts: Sequence[str]) -> list[str]:
    """Return gold texts in normal form; those of which nothing is left do not count."""
    return [kept for text in texts if (kept := normal(text))] or [""]


def _overlap(gold: str, answer: str) -> float:
    wanted, found = gold.split(), answer.split()
    if not wanted or not found:
        return float(wanted == found)
    common = (Counter(wanted) & Counter(found)).total()
    if not common:
        return 0.0
    precision, recall = common / len(found), common / len(wanted)
    return 2 * precision * recall / (precision + recall)

"""Every metric equals what the field computes: scikit-learn, scipy, seqeval, and SQuAD's official script."""

from __future__ import annotations

import collections
import re
import string
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st
from test_metrics import CASES, each, examples

from suite import metrics

# -- references --------------------------------------------------------------------------------------------------------


def gorodkin(y: np.ndarray, p: np.ndarray, s: Any) -> float:
    """Return the R_K statistic from its definition: the correlation of one-hot codes (Gorodkin 2004)."""
    classes = np.union1d(y, p)
    a, b = ((z[:, None] == classes).astype(float) for z in (y, p))
    a, b = a - a.mean(0), b - b.mean(0)
    spread = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / spread) if spread > 1e-12 else 0.0


def f1(average: str) -> Callable[..., float]:
    return lambda y, p, s: sk.f1_score(y, p, average=average, zero_division=0)


def by_column(score: Callable[..., float], defined: Callable[[np.ndarray], Any], otherwise: float) -> Any:
    """Return the mean of a binary score over the columns for which it is defined, one-vs-rest for classes."""

    def value(y: np.ndarray, p: np.ndarray, s: np.ndarray) -> float:
        true = y if y.ndim == 2 else (y[:, None] == np.arange(s.shape[1])).astype(int)
        columns = [1] if y.ndim == 1 and s.shape[1] == 2 else range(s.shape[1])
        found = [score(true[:, c], s[:, c]) for c in columns if defined(true[:, c])]
        return float(np.mean(found)) if found else otherwise

    return value


def correlation(function: Callable[..., Any]) -> Callable[..., float]:
    return lambda y, p, s: 0.0 if np.ptp(y) == 0 or np.ptp(p) == 0 else function(y, p).statistic


def calibration(y: np.ndarray, p: np.ndarray, s: np.ndarray) -> float:
    """Return the sum over bins of share * |accuracy - confidence| (Guo et al. 2017, equation 3)."""
    sure, total = s.max(axis=1).astype(float), 0.0
    for low in range(15):
        inside = (sure > low / 15) & (sure <= (low + 1) / 15)
        if inside.any():
            total += inside.mean() * abs((y == p)[inside].mean() - sure[inside].mean())
    return total


def quietly(function: Callable[..., float]) -> Callable[..., float]:
    """Return a function of seqeval without its warnings about tags and divisions."""

    def value(y: list[list[str]], p: list[list[str]], s: Any) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(function(y, p)) if any(y) else 0.0  # nan or an error where there is no word at all

    return value


def normalize_answer(text: str) -> str:
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", text).split())


def compute_exact(gold: str, answer: str) -> int:
    return int(normalize_answer(gold) == normalize_answer(answer))


def compute_f1(gold: str, answer: str) -> float:
    """Return what evaluate-v2.0.py calls compute_f1."""
    gold_tokens, answer_tokens = (normalize_answer(text).split() if text else [] for text in (gold, answer))
    same = sum((collections.Counter(gold_tokens) & collections.Counter(answer_tokens)).values())
    if len(gold_tokens) == 0 or len(answer_tokens) == 0:
        return int(gold_tokens == answer_tokens)
    if same == 0:
        return 0
    precision, recall = same / len(answer_tokens), same / len(gold_tokens)
    return (2 * precision * recall) / (precision + recall)


def squad(compare: Callable[[str, str], float]) -> Callable[..., float]:
    def value(golds: list[list[str]], answers: list[str], s: Any) -> float:
        total = 0.0
        for texts, answer in zip(golds, answers, strict=True):
            kept = [text for text in texts if normalize_answer(text)]
            total += max(compare(gold, answer) for gold in (kept or [""]))
        return total / len(answers)

    return value


def seqeval(name: str) -> Callable[..., float]:
    def value(y: list[list[str]], p: list[list[str]]) -> float:
        import seqeval.metrics

        return float(getattr(seqeval.metrics, name)(y, p))

    return quietly(value)


both, some = (lambda true: 0 < true.sum() < len(true)), (lambda true: true.any())
always = lambda true: True  # noqa: E731
auc, precision = by_column(sk.roc_auc_score, both, 0.5), by_column(sk.average_precision_score, some, 0.0)

REFERENCE: dict[tuple[str, str], Callable[..., float]] = {
    ("accuracy", "class"): lambda y, p, s: (y == p).mean(),
    ("accuracy", "tags"): seqeval("accuracy_score"),
    ("average_precision", "class"): precision,
    ("average_precision", "labels"): precision,
    ("balanced_accuracy", "class"): lambda y, p, s: np.mean([(p[y == c] == c).mean() for c in np.unique(y)]),
    ("brier_loss", "class"): lambda y, p, s: sk.brier_score_loss(y, s, labels=range(s.shape[1]), scale_by_half=False),
    ("brier_loss", "labels"): by_column(sk.mean_squared_error, always, 0.0),
    ("entity_f1", "tags"): seqeval("f1_score"),
    ("exact_match", "labels"): lambda y, p, s: sk.accuracy_score(y, p),
    ("exact_match", "text"): squad(compute_exact),
    ("expected_calibration_error", "class"): calibration,
    ("f1", "class"): lambda y, p, s: sk.f1_score(y, p, pos_label=1, zero_division=0),
    ("f1_macro", "class"): f1("macro"),
    ("f1_macro", "labels"): f1("macro"),
    ("f1_micro", "class"): f1("micro"),
    ("f1_micro", "labels"): f1("micro"),
    ("f1_weighted", "class"): f1("weighted"),
    ("f1_weighted", "labels"): f1("weighted"),
    ("label_ranking_average_precision", "labels"): lambda y, p, s: sk.label_ranking_average_precision_score(y, s),
    ("log_loss", "class"): lambda y, p, s: sk.log_loss(y, s, labels=range(s.shape[1])),
    ("log_loss", "labels"): by_column(lambda y, s: sk.log_loss(y, s, labels=[0, 1]), always, 0.0),
    ("matthews_correlation", "class"): gorodkin,
    ("mean_absolute_error", "number"): lambda y, p, s: sk.mean_absolute_error(y, p),
    ("mean_squared_error", "number"): lambda y, p, s: sk.mean_squared_error(y, p),
    ("pearson", "number"): correlation(scipy.stats.pearsonr),
    ("roc_auc", "class"): auc,
    ("roc_auc", "labels"): auc,
    ("spearman", "number"): correlation(scipy.stats.spearmanr),
    ("squad_f1", "text"): squad(compute_f1),
}

FP32 = ("log_loss", "brier_loss")
"""scikit-learn computes these in the precision of the scores."""


# -- tests -------------------------------------------------------------------------------------------------------------


def test_every_metric_has_a_reference_here() -> None:
    assert sorted(REFERENCE) == sorted(CASES)


@each
@given(st.data())
def test_a_value_is_what_the_field_computes(name: str, target: str, data: st.DataObject) -> None:
    columns = data.draw(examples(name, target, least=2 if target == "number" else 1))  # scipy wants two numbers
    close = 2e-6 if name in FP32 else 1e-9
    assert metrics.value(name, *columns) == pytest.approx(REFERENCE[name, target](*columns), abs=close)


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        (["B-PER", "I-PER", "O", "B-PER"], {("PER", 0, 1), ("PER", 3, 3)}),
        (["I-PER", "I-PER", "B-PER"], {("PER", 0, 1), ("PER", 2, 2)}),  # IOB1
        (["O", "I-PER", "I-LOC"], {("PER", 1, 1), ("LOC", 2, 2)}),
        (["B-PER", "I-LOC"], {("PER", 0, 0), ("LOC", 1, 1)}),
        (["B-PER", "E-PER", "S-PER", "E-LOC"], {("PER", 0, 1), ("PER", 2, 2), ("LOC", 3, 3)}),
        (["B", "I", "O", ""], {("_", 0, 1)}),
        (["B-A-B", "I-A-B"], {("A-B", 0, 1)}),
        ([], set()),
    ],
)
def test_entities_are_read_as_the_conll_script_does(tags: list[str], spans: set[tuple[str, int, int]]) -> None:
    from suite.metrics._tags import entities

    assert entities(tags) == spans


@pytest.mark.parametrize(
    ("golds", "answer", "exact", "overlap"),
    [
        (["The Cat"], "cat!", 1, 1),
        (["cat", "black cat sat"], "a black cat", 0, 4 / 5),
        ([], "", 1, 1),
        ([], "cat", 0, 0),
        (["cat"], "", 0, 0),
        (["the", "..."], "an", 1, 1),  # nothing is left of the gold texts: no answer is wanted
        (["anthem"], "them", 0, 0),
    ],
)
def test_answers_are_compared_as_squads_script_does(golds: list[str], answer: str, exact: int, overlap: float) -> None:
    assert metrics.value("exact_match", [golds], [answer]) == exact
    assert metrics.value("squad_f1", [golds], [answer]) == pytest.approx(overlap)


def test_a_certain_error_costs_a_finite_log_loss() -> None:
    labels, scores = np.array([1]), np.array([[1.0, 0.0]], dtype=np.float32)
    loss = metrics.value("log_loss", labels, np.array([0]), scores)
    assert loss == pytest.approx(sk.log_loss(labels, scores, labels=[0, 1]), abs=1e-5) and 15 < loss < 16


def test_a_top_probability_on_an_edge_falls_below_it() -> None:
    scores = np.array([[0.6, 0.4], [0.6000001, 0.3999999]])  # 9/15 and just above
    value = metrics.value("expected_calibration_error", np.array([0, 1]), np.array([0, 0]), scores)
    assert value == pytest.approx((0.4 + 0.6) / 2, abs=1e-6)

"""Transferability measures against scikit-learn, against their formulas written out, and where there is no answer."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import BayesianRidge

from suite.stats.transferability import h_score, leep, logme


def textbook(x: np.ndarray, column: np.ndarray) -> float:
    ridge = BayesianRidge(
        alpha_1=1e-12,
        alpha_2=1e-12,
        lambda_1=1e-12,
        lambda_2=1e-12,
        fit_intercept=False,
        compute_score=True,
        tol=1e-12,
        max_iter=5000,
    ).fit(x, column)
    return float(ridge.scores_[-1]) / len(x)


def clouds(n: int, d: int, classes: int, apart: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return features around class means `apart` from each other, and class indexes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    return apart * rng.normal(size=(classes, d))[labels] + rng.normal(size=(n, d)) + 0.3, labels


@pytest.mark.parametrize(("n", "d", "classes"), [(200, 10, 2), (150, 40, 5), (60, 60, 3), (40, 100, 3), (9, 2, 3)])
def test_logme_is_the_log_evidence_of_bayesian_ridge(n: int, d: int, classes: int) -> None:
    x, labels = clouds(n, d, classes)
    expected = np.mean([textbook(x, (labels == c).astype(float)) for c in range(classes)])
    assert logme(x, labels) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_logme_of_numbers(scale: float) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(120, 30)) @ np.diag(np.logspace(-2, 1, 30))
    y = scale * (x @ rng.normal(size=30) + rng.normal(size=120))
    assert logme(x, y) == pytest.approx(textbook(x, y), abs=1e-9)
    both = np.stack([y, rng.normal(size=120)], axis=1)
    assert logme(x, both) == pytest.approx(np.mean([textbook(x, both[:, i]) for i in range(2)]), abs=1e-9)


def test_logme_takes_features_that_repeat_each_other_or_say_nothing() -> None:
    x, labels = clouds(80, 5, 2)
    twice = np.hstack([x, x, np.zeros((80, 1)), np.ones((80, 1))])
    expected = np.mean([textbook(twice, (labels == c).astype(float)) for c in range(2)])
    assert logme(twice, labels) == pytest.approx(expected, abs=1e-9)
    for constant in (np.ones((80, 3)), np.zeros((80, 3))):
        told = logme(constant, labels)
        assert told is not None
        assert np.isfinite(told)
        assert told < logme(twice, labels)  # type: ignore[operator]


def test_logme_of_features_that_give_the_target_exactly_is_large_and_finite() -> None:
    x, _ = clouds(80, 5, 2)
    exact = logme(x, x @ np.arange(1.0, 6.0))
    noisy = logme(x, x @ np.arange(1.0, 6.0) + np.random.default_rng(0).normal(0, 0.1, 80))
    assert exact is not None
    assert noisy is not None
    assert noisy < exact < 50


def test_logme_ignores_how_classes_are_numbered_and_columns_that_never_vary() -> None:
    x, labels = clouds(60, 8, 3)
    assert logme(x, labels * 7 + 3) == logme(x, labels)
    columns = np.eye(3)[labels]
    assert logme(x, np.hstack([columns, np.zeros((60, 2))])) == pytest.approx(logme(x, labels), abs=1e-12)


def test_h_score_is_its_formula_written_out() -> None:
    for n, d, classes in ((200, 10, 4), (30, 60, 3)):
        x, labels = clouds(n, d, classes)
        shrunk = LedoitWolf().fit(x)
        centred = x - x.mean(axis=0)
        means = np.stack([centred[labels == c].mean(axis=0) for c in range(classes)])[labels]
        between = means.T @ means / n
        expected = np.trace(np.linalg.inv(shrunk.covariance_) @ ((1 - shrunk.shrinkage_) * between))
        assert h_score(x, labels) == pytest.approx(expected, rel=1e-9)
        assert 0 < h_score(x, labels) <= classes - 1  # type: ignore[operator]


def test_h_score_of_several_labels_is_the_mean_over_those_that_vary() -> None:
    x, labels = clouds(90, 6, 3)
    several = np.stack([labels == 0, labels < 2, np.zeros(90)], axis=1).astype(int)
    expected = np.mean([h_score(x, several[:, i]) for i in range(2)])
    assert h_score(x, several) == pytest.approx(expected, rel=1e-12)
    assert h_score(np.full((90, 4), 7.3), labels) == 0.0


def test_leep_is_its_formula_written_out() -> None:
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(4), size=50)
    labels = rng.integers(0, 3, 50)
    total = 0.0
    for i in range(50):
        likelihood = 0.0
        for z in range(4):
            joint = sum(p[j, z] for j in range(50) if labels[j] == labels[i]) / 50
            likelihood += joint / (p[:, z].sum() / 50) * p[i, z]
        total += np.log(likelihood)
    assert leep(p, labels) == pytest.approx(total / 50, rel=1e-12)


def test_leep_of_a_head_that_knows_and_of_one_that_does_not() -> None:
    labels = np.arange(40) % 2
    assert leep(np.eye(3)[labels], labels) == pytest.approx(0.0)  # a source class that never occurs does no harm
    assert leep(np.full((40, 5), 0.2), labels) == pytest.approx(np.log(0.5))


def test_better_features_score_higher() -> None:
    near, labels = clouds(300, 20, 4, apart=0.1)
    far, _ = clouds(300, 20, 4, apart=1.0)
    for measure in (logme, h_score):
        assert measure(far, labels) > measure(near, labels)  # type: ignore[operator]


def test_where_there_is_no_answer_it_is_none() -> None:
    x, labels = clouds(20, 3, 2)
    same = np.zeros(20, dtype=int)
    assert logme(x, same) is None
    assert logme(x, np.full(20, 0.5)) is None
    assert logme(x[:1], labels[:1]) is None
    assert h_score(x, same) is None
    assert h_score(x[:1], labels[:1]) is None
    assert h_score(x, np.zeros((20, 2), dtype=int)) is None
    assert leep(np.full((20, 2), 0.5), same) is None
    assert leep(np.ones((1, 1)), same[:1]) is None


def test_what_is_no_input_is_refused() -> None:
    x, labels = clouds(20, 3, 2)
    with pytest.raises(ValueError, match=r"expected features \[20, d\], found \(19, 3\)"):
        logme(x[:19], labels)
    with pytest.raises(ValueError, match="not finite"):
        h_score(np.where(x > 1, np.nan, x), labels)
    with pytest.raises(ValueError, match="a target is not finite"):
        logme(x, np.where(labels > 0, np.inf, 0.0))
    with pytest.raises(ValueError, match="no probabilities"):
        leep(np.full((20, 3), 0.5), labels)
    with pytest.raises(ValueError, match=r"expected probabilities \[20, z\]"):
        leep(np.full((3, 2), 0.5), labels)

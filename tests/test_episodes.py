from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestCentroid
from threadpoolctl import threadpool_limits

from suite.stats import episodes
from suite.stats.episodes import Episodes, Shape


def _labels(n: int, classes: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, classes, n)


def _dealt(shape: Shape, classes: int = 8, width: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray, Episodes]:
    """Return features to learn from and to be tested on, the classes of the latter, and episodes."""
    learned, asked = _labels(120, classes, 0), _labels(90, classes, 1)
    generator = np.random.default_rng(2)
    centres = generator.normal(size=(classes, width))
    support, queries = (centres[labels] + generator.normal(size=(len(labels), width)) for labels in (learned, asked))
    chosen = episodes.eligible(learned, asked, shape.shots)
    return support, queries, asked, episodes.draw(learned, asked, chosen, shape, 3)


@given(st.integers(2, 6), st.integers(1, 4), st.integers(1, 20), st.integers(0, 2**64 - 1), st.integers(0, 10))
def test_an_episode_holds_rows_of_its_classes_each_once(
    ways: int, shots: int, queries: int, seed: int, shift: int
) -> None:
    learned, asked = _labels(80, 8, shift), _labels(60, 8, shift + 1)
    chosen = episodes.eligible(learned, asked, shots)
    dealt = episodes.draw(learned, asked, chosen, Shape(ways, shots, queries, 3), seed)
    for classes, support, tested in zip(dealt.classes, dealt.support, dealt.queries, strict=True):
        assert len(set(classes.tolist())) == ways and np.isin(classes, chosen).all()
        assert (learned[support] == classes[:, None]).all() and len(set(support.ravel().tolist())) == ways * shots
        for name, rows in zip(classes, tested, strict=True):
            kept = rows[rows >= 0]
            assert len(kept) == min(queries, (asked == name).sum()) and (rows[len(kept) :] == -1).all()
            assert (asked[kept] == name).all() and len(set(kept.tolist())) == len(kept)


def test_classes_with_too_few_rows_to_learn_from_or_none_to_be_tested_on_take_no_part() -> None:
    learned, asked = np.array([0, 0, 1, 2, 2, 3, 3, 3]), np.array([0, 1, 3, 3])
    assert episodes.eligible(learned, asked, 2).tolist() == [0, 3]
    assert episodes.eligible(learned, asked, 3).tolist() == [3]


def test_more_episodes_leave_the_first_as_they_are_and_another_seed_gives_others() -> None:
    learned, asked, names = _labels(100, 8, 0), _labels(100, 8, 1), np.arange(8)
    few, many = (episodes.draw(learned, asked, names, Shape(3, 2, 4, n), 5) for n in (4, 9))
    other = episodes.draw(learned, asked, names, Shape(3, 2, 4, 4), 6)
    for field in ("classes", "support", "queries"):
        assert np.array_equal(getattr(few, field), getattr(many, field)[:4])
        assert not np.array_equal(getattr(few, field), getattr(other, field))
    assert len({row.tobytes() for row in many.support}) == 9


def test_the_draw_never_moves() -> None:
    dealt = episodes.draw(np.arange(12) % 3, np.arange(6) % 3, np.arange(3), Shape(2, 2, 3, 1), 42)
    assert dealt.classes.tolist() == [[0, 2]]
    assert dealt.support.tolist() == [[[3, 9], [2, 11]]]
    assert dealt.queries.tolist() == [[[0, 3, -1], [2, 5, -1]]]


def test_the_prototype_is_the_nearest_class_mean() -> None:
    shape = Shape(4, 3, 30, episodes.AT_ONCE + 3)  # more than are gathered at a time, and more queries than there are
    support, queries, _, dealt = _dealt(shape)
    values = episodes.prototype(support, queries, dealt)
    for episode in range(shape.episodes):
        asked = dealt.queries[episode].ravel()
        kept = asked >= 0
        learned = support[dealt.support[episode]].reshape(-1, support.shape[1])
        theirs = NearestCentroid().fit(learned, np.repeat(np.arange(4), 3))
        assert np.array_equal(values[episode][kept].argmax(1), theirs.predict(queries[asked[kept]]))
        distance = queries[asked[kept]][:, None] - support[dealt.support[episode]].mean(axis=1)
        assert np.allclose(values[episode][kept], -(distance**2).sum(-1))


def test_the_ridge_head_is_scikit_learns_on_one_hot_classes() -> None:
    shape = Shape(4, 3, 5, episodes.AT_ONCE + 3)
    support, queries, _, dealt = _dealt(shape)
    for strength, values in zip((0.1, 10.0), episodes.ridge(support, queries, dealt, (0.1, 10.0)), strict=True):
        for episode in range(shape.episodes):
            asked = dealt.queries[episode].ravel()
            learned = support[dealt.support[episode]].reshape(-1, support.shape[1])
            theirs = Ridge(alpha=strength, fit_intercept=False).fit(learned, np.repeat(np.eye(4), 3, axis=0))
            kept = asked >= 0
            assert np.allclose(values[episode][kept], theirs.predict(queries[asked[kept]]), atol=1e-8)


def test_an_accuracy_is_the_share_of_right_answers_among_the_rows_that_are_there() -> None:
    dealt = Episodes(np.array([[4, 7]]), np.array([[[0], [1]]]), np.array([[[5, -1], [2, 3]]]))
    assert dealt.asked.tolist() == [[True, False, True, True]]
    values = np.array([[[1, 0], [1, 0], [0, 1], [1, 0]]])  # right, no row, right, wrong
    assert dealt.accuracies(values).tolist() == [pytest.approx(2 / 3)]


def test_features_without_a_signal_get_what_guessing_gets() -> None:
    learned, asked = _labels(500, 10, 0), _labels(500, 10, 1)
    support, queries = (np.random.default_rng(s).normal(size=(500, 20)) for s in (2, 3))
    dealt = episodes.draw(learned, asked, np.arange(10), Shape(5, 5, 15, 200), 0)
    for values in (episodes.prototype(support, queries, dealt), *episodes.ridge(support, queries, dealt, [1.0])):
        assert dealt.accuracies(values).mean() == pytest.approx(0.2, abs=0.03)


def test_centred_rows_have_length_one_but_for_the_mean_itself() -> None:
    x = np.random.default_rng(0).normal(size=(20, 4)) + 3
    mean = x.mean(axis=0)
    found = episodes.centred(np.concatenate([x, mean[None]]), mean)
    assert np.allclose(np.linalg.norm(found[:-1], axis=1), 1) and (found[-1] == 0).all()
    assert np.allclose(found[:-1] * np.linalg.norm(x - mean, axis=1, keepdims=True), x - mean)


def test_600_episodes_of_384_features_take_less_than_ten_seconds_on_one_thread() -> None:
    learned, asked = _labels(4000, 20, 0), _labels(4000, 20, 1)
    support, queries = (np.random.default_rng(s).normal(size=(4000, 384)).astype(np.float32) for s in (2, 3))
    started = time.perf_counter()
    with threadpool_limits(1):
        dealt = episodes.draw(learned, asked, np.arange(20), Shape(5, 5, 15, 600), 0)
        episodes.prototype(support, queries, dealt)
        episodes.ridge(support, queries, dealt, [0.01, 0.1, 1.0, 10.0])
    assert time.perf_counter() - started < 10

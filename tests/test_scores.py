"""One row's results on one task: what is averaged, what the interval is made of, and what is paired with what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_records import PROTOCOL

from suite.index import Entry, entry_of
from suite.scores import Scores
from suite.spec import (
    CheckpointRef,
    DatasetRef,
    MetricInfo,
    Record,
    RunSpec,
    TaskSpec,
)
from suite.stats import intervals
from suite.stats.intervals import Estimate

SPEC = RunSpec(
    checkpoint=CheckpointRef(name="m", revision="0" * 40),
    tasks=(TaskSpec(name="one", version=1, kind="k", dataset=DatasetRef(path="x"), columns={}, main="accuracy"),),
    strategy="full",
    settings={},
    protocol=PROTOCOL,
    seed=0,
)
COUNTS = {"train": 45, "validation": 5, "test": 25}


def entry(resample: str, place: tuple[int, int], values: Any, score: float | None = None, **more: Any) -> Entry:
    """Return the entry of a (seed, fold); its score is the mean of its values unless it is given."""
    seed, fold = place
    values = np.asarray(values, dtype=np.float64)
    clusters = more.pop("clusters", None)
    record = Record(
        key="0" * 64,
        spec=SPEC.model_copy(update={"resample": resample, "seed": seed, "fold": fold}),
        task="one",
        metrics={"accuracy": float(values.mean()) if score is None else score},
        main=MetricInfo(name="accuracy", version=1, greater_is_better=True, range=(0.0, 1.0), chance=0.5),
        collapsed=False,
        collapse_rule="",
        counts=more.pop("counts", COUNTS),
        data=more,
        checkpoint={},
        training={},
        cost={},
        environment={},
        seeds={},
        created="2026-01-01T00:00:00+00:00",
    )
    return entry_of(record, {"value": values} if clusters is None else {"value": values, "cluster": clusters})


def folded(scores: dict[tuple[int, int], float], resample: str = "kfold:3", **more: Any) -> Scores:
    """Return entries of ten examples whose scores are given, a (seed, fold) each."""
    return Scores([entry(resample, place, [score] * 10, **more) for place, score in scores.items()])


def agree(found: Estimate, expected: Estimate) -> None:
    """Check that two estimates are the same but for rounding."""
    assert found.mean == pytest.approx(expected.mean)
    assert found.error == pytest.approx(expected.error)
    assert found.interval() == pytest.approx(expected.interval())


TWO_ROUNDS = {(0, 0): 0.6, (0, 1): 0.7, (0, 2): 0.9, (1, 0): 0.5, (1, 1): 0.8, (1, 2): 0.7}


# -- what is counted ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resample", "places", "sizes", "expected"),
    [
        ("holdout", [(0, 0), (1, 0), (2, 0)], [40] * 3, (3, 0, 40)),
        ("kfold:3", [(s, f) for s in (0, 1) for f in range(3)], [10, 10, 11] * 2, (2, 0, 31)),
        ("kfold:3", [(0, 0), (0, 2), (1, 1)], [10, 11, 10], (2, 3, 16)),
        ("bootstrap:3", [(0, 0), (0, 1), (0, 2)], [35, 37, 39], (1, 0, 37)),
        ("bootstrap:9", [(4, 8)], [35], (1, 8, 35)),
        ("partition:2", [(0, 0), (0, 1), (1, 0)], [40] * 3, (2, 1, 40)),
        ("partition:2:sequential", [(0, 0), (1, 0)], [40] * 2, (2, 0, 40)),
        ("loo", [(0, 0)], [104], (1, 0, 104)),
    ],
)
def test_seeds_missing_folds_and_examples_are_counted(
    resample: str, places: list[tuple[int, int]], sizes: list[int], expected: tuple[int, int, int]
) -> None:
    found = Scores([entry(resample, place, np.zeros(size)) for place, size in zip(places, sizes, strict=True)])
    assert (found.seeds, found.missing, found.examples) == expected


def test_the_mean_is_that_of_the_stored_scores_and_the_interval_lies_around_it() -> None:
    """Pseudo-values of a metric like F1 average near it, not to it."""
    values = np.random.default_rng(0).random((2, 50))
    found = Scores([entry("holdout", (seed, 0), row, score=0.9) for seed, row in enumerate(values)])
    low, high = found.estimate().interval() or (0, 0)
    plain = intervals.two_way(values).interval() or (0, 0)
    assert found.mean == found.estimate().mean == pytest.approx(0.9)
    assert (low + high) / 2 == pytest.approx(0.9)
    assert high - low == pytest.approx(plain[1] - plain[0])


# -- how sure it is ----------------------------------------------------------------------------------------------------


def test_examples_and_seeds_are_crossed_where_rows_are_held_out() -> None:
    values = np.random.default_rng(1).random((3, 40))
    for resample, places in (
        ("holdout", [(s, 0) for s in range(3)]),
        ("partition:3", [(0, part) for part in range(3)]),
    ):
        found = Scores([entry(resample, place, row) for place, row in zip(places, values, strict=True)])
        assert found.estimate() == replace(intervals.two_way(values), mean=pytest.approx(values.mean()))


def test_parts_that_another_seed_dealt_anew_are_of_the_same_rows() -> None:
    """Two seeds of three parts are no six training sets: the seeds' share stays that of one deal."""
    rng = np.random.default_rng(0)
    both = [[(rng.random(40) < level).astype(float) for level in (0.5, 0.7, 0.9) * 2] for _ in range(2)]
    places = [(seed, part) for seed in range(2) for part in range(3)]
    one, other = (
        Scores([entry("partition:3", place, row) for place, row in zip(places, rows, strict=True)]) for rows in both
    )
    assert one.estimate().seed == intervals.two_way(np.array(both[0]), 2).seed
    assert one.estimate().seed.variance > intervals.two_way(np.array(both[0])).seed.variance
    assert one.minus(other).seed == intervals.paired_difference(np.array(both[0]), np.array(both[1]), (2, 2)).seed


def test_folds_of_all_seeds_are_corrected_for_what_they_share() -> None:
    """Half as many are tested as are trained or selected on: 25 to 45 + 5."""
    found = folded(TWO_ROUNDS).estimate()
    agree(found, intervals.corrected_resampled(np.array(list(TWO_ROUNDS.values())), 25 / 50))
    assert found.item is not None and found.item.df == 5


def test_a_row_drawn_twice_is_one_row_more_to_learn_from() -> None:
    scores = np.array([0.6, 0.7, 0.9])
    cells = {(0, fold): score for fold, score in enumerate(scores)}
    found = folded(cells, "bootstrap:3", train_distinct=20).estimate()
    agree(found, intervals.corrected_resampled(scores, 25 / (20 + 5)))


def test_where_a_protocol_limits_the_training_rows_no_more_than_those_count() -> None:
    scores = np.array([0.6, 0.7, 0.9])
    cells = {(0, fold): score for fold, score in enumerate(scores)}
    counts = COUNTS | {"train": 15}
    found = folded(cells, "bootstrap:3", train_distinct=20, counts=counts).estimate()
    agree(found, intervals.corrected_resampled(scores, 25 / (15 + 5)))


def test_folds_of_other_sizes_count_by_their_mean_ratio() -> None:
    sizes = [{"train": 40, "validation": 10, "test": 25}, {"train": 40, "validation": 10, "test": 20}]
    found = Scores([entry("kfold:2", (0, i), [0.5 + i / 4] * 10, counts=counts) for i, counts in enumerate(sizes)])
    agree(found.estimate(), intervals.corrected_resampled(np.array([0.5, 0.75]), (0.5 + 0.4) / 2))


def test_one_fold_alone_has_no_interval() -> None:
    assert folded({(0, 0): 0.7}).estimate() == Estimate(pytest.approx(0.7))


@pytest.mark.parametrize("resample", ["holdout", "loo"])
def test_examples_of_a_cluster_count_together(resample: str) -> None:
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(10), 6)
    values = (rng.random((1, 10)) > 0.4).astype(float)[:, clusters]  # a cluster is right or wrong as a whole
    found, alone = (
        Scores([entry(resample, (0, 0), values[0], clusters=names)]).estimate() for names in (clusters, None)
    )
    assert found == intervals.two_way(values[:, ::6])
    assert found.item and alone.item and found.item.variance > 5 * alone.item.variance


# -- how two differ ----------------------------------------------------------------------------------------------------


def test_a_difference_is_paired_over_examples_and_lies_around_that_of_the_scores() -> None:
    rng = np.random.default_rng(3)
    common = rng.random((1, 60)) > 0.5
    mine, others = ((common ^ (rng.random((2, 60)) > 0.9)).astype(float) for _ in range(2))
    one, other = (
        Scores([entry("holdout", (seed, 0), row, score) for seed, row in enumerate(rows)])
        for rows, score in ((mine, 0.8), (others, 0.55))
    )
    found = one.minus(other)
    assert found == replace(intervals.paired_difference(mine, others), mean=pytest.approx(0.25))
    assert other.minus(one).interval() == pytest.approx(tuple(-end for end in (found.interval() or ())[::-1]))


def test_clusters_are_paired_too() -> None:
    rng = np.random.default_rng(4)
    clusters = np.repeat(np.arange(12), 5)
    a, b = ((rng.random((1, 60)) > share).astype(float) for share in (0.3, 0.6))
    one, other = (Scores([entry("holdout", (0, 0), x[0], clusters=clusters)]) for x in (a, b))
    means = [x.reshape(1, 12, 5).mean(axis=2) for x in (a, b)]
    found, expected = one.minus(other), intervals.paired_difference(*means)
    assert found.interval() == pytest.approx(expected.interval())


def test_folds_are_paired_by_seed_and_number_whatever_their_order() -> None:
    other = {place: score - 0.1 - 0.01 * i for i, (place, score) in enumerate(TWO_ROUNDS.items())}
    found = folded(TWO_ROUNDS).minus(folded(dict(reversed(other.items()))))
    agree(found, intervals.corrected_resampled(0.1 + 0.01 * np.arange(6), 0.5))
    assert found.interval()[0] > 0  # type: ignore[index]  # told apart, though the folds vary more than the two differ


def test_only_the_folds_that_both_have_are_compared() -> None:
    mine = {(0, 0): 0.9, (0, 1): 0.8, (1, 0): 0.1}
    others = {(0, 0): 0.7, (0, 1): 0.7, (2, 0): 0.99}
    found = folded(mine).minus(folded(others))
    assert found.mean == pytest.approx(0.15)
    assert found.item is not None and found.item.df == 1


def test_without_a_fold_in_common_nothing_can_be_said_of_a_difference() -> None:
    found = folded({(0, 0): 0.9, (0, 1): 0.8}).minus(folded({(1, 0): 0.2, (1, 1): 0.3}))
    assert found == Estimate(pytest.approx(0.6))
    assert found.interval() is None


def test_folds_that_differ_by_one_amount_alone_are_not_told_apart() -> None:
    """0.9 - 0.8 and 0.7 - 0.6 differ by rounding, which is no error to be sure by."""
    found = folded({(0, 0): 0.9, (0, 1): 0.7, (0, 2): 0.3}).minus(folded({(0, 0): 0.8, (0, 1): 0.6, (0, 2): 0.2}))
    assert found.mean == pytest.approx(0.1)
    assert found.interval() is None

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import parts
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from suite import evaluation, strategies
from suite.environment import Machine
from suite.features import Reader
from suite.spec import RunSpec, SuiteError
from suite.strategies import _rows, linear_probe, lora
from suite.strategies._heads.lbfgs import outputs, regression
from suite.strategies.linear_probe import chosen_rows, standardiser


def _evaluate(spec: RunSpec, machine: Machine) -> Any:
    (result,) = evaluation.evaluate(spec, machine, lambda event: None)
    return result


# -- linear probe ------------------------------------------------------------------------------------------------------


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Collect the features that a probe reads: train, validation, test."""
    found: list[np.ndarray] = []
    inner = Reader.read

    def kept(self: Reader, *args: Any) -> np.ndarray:
        found.append(inner(self, *args))
        return found[-1]

    monkeypatch.setattr(Reader, "read", kept)
    return found


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect the jobs that probes are given."""
    found: list[Any] = []
    inner = linear_probe.LinearProbe.fit
    monkeypatch.setattr(linear_probe.LinearProbe, "fit", lambda self, job: (found.append(job), inner(self, job))[1])
    return found


EXACTLY = {"tol": 1e-10, "max_iter": 10_000}
"""What it takes for scikit-learn to arrive at the optimum."""


@pytest.mark.parametrize("which", ["text", "image"])
@pytest.mark.parametrize("solver", ["path", "lbfgs", None])
def test_the_probe_is_scikit_learns_logistic_regression_on_standardised_features(
    which: str,
    solver: str | None,
    planned: Any,
    tiny_bert: Path,
    text_task: Path,
    tiny_resnet: Path,
    image_task: Path,
    machine: Machine,
    read: list[np.ndarray],
    jobs: list[Any],
) -> None:
    pair = (tiny_bert, text_task) if which == "text" else (tiny_resnet, image_task)
    (spec,) = planned(*pair, "linear_probe", settings={"solver": solver, "tolerance": 1e-8})
    if solver is None:  # a recipe from before there were several
        settings = {name: value for name, value in spec.settings.items() if name not in ("solver", "tolerance")}
        spec = spec.model_copy(update={"settings": settings})
    result = _evaluate(spec, machine)
    (job,), (train, validation, test) = jobs, (x.astype(np.float64) for x in read)
    rows = chosen_rows(len(train), 0.9, spec.seeds()["split"])
    best, best_score = None, -1.0
    how = EXACTLY if solver == "path" else {"max_iter": 1000}
    for strength in spec.settings["C"]:
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=strength, **how))
        probe.fit(train[rows], job.part.train.labels[rows])
        if (score := probe.score(validation, job.part.validation.labels)) > best_score:
            best, best_score, best_strength = probe, score, strength
    assert result.record.training["C"] == best_strength
    assert result.record.training["validation"] == pytest.approx(best_score)
    classes = result.record.data["classes"]
    assert result.columns["prediction"] == [classes[i] for i in best.predict(test)]
    assert np.allclose(result.columns["scores"], best.predict_proba(test), atol=1e-4)


def test_the_colours_of_the_image_task_can_be_told_apart(
    planned: Any, tiny_resnet: Path, image_task: Path, machine: Machine
) -> None:
    (spec,) = planned(tiny_resnet, image_task, "linear_probe")
    assert _evaluate(spec, machine).record.metrics["accuracy"] > 0.9


def test_each_seed_fits_on_a_share_of_its_own(
    planned: Any, tiny_bert: Path, text_task: Path, machine: Machine, jobs: list[Any]
) -> None:
    results = [_evaluate(spec, machine) for spec in planned(tiny_bert, text_task, "linear_probe", seeds=2)]
    shares = [chosen_rows(len(jobs[0].part.train), 0.9, job.seeds["split"]).tolist() for job in jobs]
    assert shares[0] != shares[1]
    assert results[0].columns["scores"] != results[1].columns["scores"]


def test_with_all_rows_every_seed_gives_the_same(
    planned: Any, tiny_bert: Path, text_task: Path, machine: Machine
) -> None:
    specs = planned(tiny_bert, text_task, "linear_probe", seeds=2, settings={"train_share": 1.0})
    first, second = (_evaluate(spec, machine) for spec in specs)
    assert first.columns["scores"] == second.columns["scores"]


@given(st.integers(1, 400), st.floats(0.01, 1.0), st.integers(0, 2**32 - 1))
def test_chosen_rows_are_a_sorted_share_without_repetition(n: int, share: float, seed: int) -> None:
    rows = chosen_rows(n, share, seed)
    assert len(rows) == max(1, round(n * share))
    assert (np.diff(rows) > 0).all() and rows.min() >= 0 and rows.max() < n
    assert np.array_equal(rows, chosen_rows(n, share, seed))


def test_chosen_rows_never_move() -> None:
    assert chosen_rows(10, 0.5, 7).tolist() == [0, 1, 3, 7, 8]


@given(st.integers(2, 60), st.floats(-100, 100, width=32))
def test_a_column_that_is_constant_is_left_where_it_is(n: int, constant: float) -> None:
    x = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    x[:, 1] = constant
    scale = standardiser(x)
    assert np.allclose(scale(x), StandardScaler().fit_transform(x.astype(np.float64)))
    x[:, 1] += 0.5  # rows that were not seen may differ a little; that must not be blown up
    assert np.abs(scale(x)[:, 1]).max() < 1


def test_outputs_of_a_class_that_no_chosen_row_has_are_the_lowest() -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    labels = np.where(x[:, 0] > 0, 3, 1)
    logits = outputs(regression(x, labels, 1.0, 100), x, 4)
    assert logits.shape == (40, 4) and logits.dtype == np.float32 and np.isfinite(logits).all()
    assert set(logits.argmax(1)) == {1, 3}
    assert (softmax(logits.astype(np.float64), axis=1)[:, [0, 2]] == 0).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_outputs_stay_finite_where_a_class_is_all_but_impossible(classes: int) -> None:
    x = np.random.default_rng(0).normal(size=(60, 2))
    labels = np.digitize(x[:, 0], [-0.5, 0.5]) if classes == 3 else (x[:, 0] > 0).astype(int)
    probe = regression(x, labels, 1.0, 1000)
    logits = outputs(probe, x * 1e6, classes)
    assert np.isfinite(logits).all()
    assert np.array_equal(logits.argmax(1), probe.predict(x * 1e6))
    assert np.allclose(softmax(outputs(probe, x, classes), axis=1), probe.predict_proba(x), atol=1e-6)


def test_a_probe_that_does_not_converge_says_nothing() -> None:
    x = np.random.default_rng(0).normal(size=(60, 5)) * [1, 10, 100, 1000, 10000]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regression(x, (x.sum(1) > 0).astype(int), 1e6, 2)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("pooling", "max"),
        ("C", []),
        ("C", [0.0]),
        ("C", ["1"]),
        ("train_share", 0.0),
        ("train_share", 1.5),
        ("max_iter", 0),
        ("solver", "newton"),
        ("tolerance", 0.0),
    ],
)
def test_probe_settings_that_mean_nothing_are_refused(setting: str, value: Any) -> None:
    probe = strategies.get("linear_probe")
    with pytest.raises(SuiteError, match=f"linear_probe.{setting} is"):
        probe.check(probe.recipe("text") | {setting: value})


@pytest.fixture
def clouds() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Return a function that makes features [n, 6] and a hidden number [n, 3] that they tell, more or less."""

    def make(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        generator = np.random.default_rng(seed)
        x = generator.normal(size=(n, 6)).astype(np.float32)
        return x, x[:, :3] + 0.5 * generator.normal(size=(n, 3))

    return make


def _same_sign(truth: np.ndarray) -> Callable[[Any], float]:
    return lambda found: float(((np.asarray(found) > 0) == truth).mean())


def test_labels_have_a_regression_each(monkeypatch: pytest.MonkeyPatch, clouds: Any) -> None:
    (x, hidden), (held, told), (asked, _) = (clouds(80, seed) for seed in (0, 1, 2))
    labels, truth = (hidden > 0).astype(int), (told > 0).astype(int)
    of = parts.part(
        "labels", 3, parts.rows(x, labels), parts.rows(held, truth), parts.rows(asked, labels), score=_same_sign(truth)
    )
    found = parts.fit(monkeypatch, "linear_probe", of, tolerance=1e-8)
    rows = chosen_rows(80, 0.9, 7)
    strength = found.log["C"]
    for column in range(3):
        theirs = make_pipeline(StandardScaler(), LogisticRegression(C=strength, **EXACTLY)).fit(
            x[rows].astype(np.float64), labels[rows, column]
        )
        assert np.allclose(found.outputs["t"][:, column], theirs.decision_function(asked), atol=1e-4)
    assert found.log["validation"] == max(one["validation"] for one in found.log["tried"]) > 0.7
    assert found.trainable_params == 3 * 7


def test_a_label_that_all_rows_have_or_none_has_a_finite_constant_logit(
    monkeypatch: pytest.MonkeyPatch, clouds: Any
) -> None:
    x, hidden = clouds(80, 0)
    labels = np.stack([np.zeros(80), np.ones(80), hidden[:, 0] > 0], axis=1).astype(int)
    found = parts.fit(monkeypatch, "linear_probe", parts.part("labels", 3, parts.rows(x, labels))).outputs["t"]
    assert found.dtype == np.float32
    assert found[:, 0] == pytest.approx(np.log(0.5 / 72.5), abs=1e-5)
    assert found[:, 1] == pytest.approx(np.log(72.5 / 0.5), abs=1e-5)
    assert found[:, 2].std() > 0


def test_a_number_is_told_by_ridge_regression(monkeypatch: pytest.MonkeyPatch, clouds: Any) -> None:
    (x, hidden), (held, told), (asked, _) = (clouds(80, seed) for seed in (0, 1, 2))
    labels, truth = 100 + 20 * hidden[:, 0], 100 + 20 * told[:, 0]
    of = parts.part(
        "number",
        1,
        parts.rows(x, labels),
        parts.rows(held, truth),
        parts.rows(asked, labels),
        score=lambda found: -float(((found[:, 0] - truth) ** 2).mean()),
    )
    found = parts.fit(monkeypatch, "linear_probe", of)
    rows = chosen_rows(80, 0.9, 7)
    theirs = make_pipeline(StandardScaler(), Ridge(alpha=1 / found.log["C"])).fit(x[rows], labels[rows])
    assert found.outputs["t"].shape == (80, 1) and found.outputs["t"].dtype == np.float32
    assert np.allclose(found.outputs["t"][:, 0], theirs.predict(asked), atol=1e-3)
    assert found.log["validation"] == max(one["validation"] for one in found.log["tried"])
    assert found.trainable_params == 7


def test_choices_share_one_scorer(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(120, 4, 6)).astype(np.float32)
    labels = x[:, :, 0].argmax(axis=1)
    splits = [parts.rows(x[i : i + 40], labels[i : i + 40], name) for i, name in ((0, "a"), (40, "b"), (80, "c"))]
    of = parts.part(
        "class", 4, *splits, score=lambda found: float((found.argmax(1) == labels[40:80]).mean()), choices=True
    )
    found = parts.fit(monkeypatch, "linear_probe", of, tolerance=1e-8)
    rows = chosen_rows(40, 0.9, 7)
    right = (labels[:40, None] == np.arange(4))[rows].ravel()
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=found.log["C"], **EXACTLY)).fit(
        x[:40][rows].reshape(-1, 6).astype(np.float64), right
    )
    assert found.outputs["t"].dtype == np.float32
    assert np.allclose(found.outputs["t"], theirs.decision_function(x[80:].reshape(-1, 6)).reshape(40, 4), atol=1e-4)
    assert (found.outputs["t"].argmax(axis=1) == labels[80:]).mean() > 0.8
    assert (found.trainable_params, found.log["rows"]) == (7, 36)


@pytest.fixture
def tagged() -> Callable[..., Any]:
    """Return a function that makes rows of 1 to 5 words, the tag being told by the first feature."""

    def make(n: int, seed: int) -> Any:
        generator = np.random.default_rng(seed)
        x = [generator.normal(size=(generator.integers(1, 6), 6)).astype(np.float32) for _ in range(n)]
        return x, [np.digitize(row[:, 0], [-0.5, 0.5]).tolist() for row in x]

    return make


def test_tags_are_those_of_words_and_other_tokens_get_zeros(monkeypatch: pytest.MonkeyPatch, tagged: Any) -> None:
    (x, tags), (asked, truth) = tagged(60, 0), tagged(30, 1)
    of = parts.part("tags", 3, parts.sentences(x, tags), parts.sentences(x, tags), parts.sentences(asked, truth))
    found = parts.fit(monkeypatch, "linear_probe", of, C=[1.0], tolerance=1e-8)
    rows = chosen_rows(60, 0.9, 7)
    words, labels = np.concatenate([x[i] for i in rows], dtype=np.float64), np.concatenate([tags[i] for i in rows])
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, **EXACTLY)).fit(words, labels)
    assert found.log["words"] == len(words) and found.log["rows"] == 54
    hits = []
    for place, (features, own, out) in enumerate(zip(asked, truth, found.outputs["t"], strict=True)):
        assert out.shape == (2 * len(own) + (place == 0), 3) and out.dtype == np.float32
        at = out[: 2 * len(own) : 2]
        assert np.allclose(at, theirs.predict_log_proba(features), atol=1e-4)
        assert (out[1::2] == 0).all() and (out[2 * len(own) :] == 0).all()
        hits += (at.argmax(axis=1) == own).tolist()
    assert np.mean(hits) > 0.8


def test_a_head_of_words_is_fitted_on_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch, tagged: Any) -> None:
    of = parts.part("tags", 3, parts.sentences(*tagged(60, 0)))
    monkeypatch.setattr(_rows, "MOST_WORDS", 50)
    one, two, again = (parts.fit(monkeypatch, "linear_probe", of, train_share=1.0, seed=seed) for seed in (0, 1, 0))
    assert (one.log["words"], one.log["most_words"]) == (50, 50)
    assert not all(np.array_equal(a, b) for a, b in zip(one.outputs["t"], two.outputs["t"], strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(one.outputs["t"], again.outputs["t"], strict=True))


def test_words_of_one_tag_only_are_refused(monkeypatch: pytest.MonkeyPatch, tagged: Any) -> None:
    x, tags = tagged(20, 0)
    of = parts.part("tags", 3, parts.sentences(x, [[1] * len(row) for row in tags]))
    with pytest.raises(SuiteError, match="one class only"):
        parts.fit(monkeypatch, "linear_probe", of)


# -- linear probe, leaving one out -------------------------------------------------------------------------------------


def _left_out_by_hand(x: np.ndarray, y: np.ndarray, grid: list[float], units: list[str]) -> np.ndarray:
    """Fit on all but each unit under every strength; then choose each row's strength by all other units' errors."""
    x = StandardScaler().fit_transform(x.astype(np.float64))
    found = np.empty((len(grid), *y.shape))
    for place, strength in enumerate(grid):
        for unit in set(units):
            out = np.array([one == unit for one in units])
            theirs = Ridge(alpha=1 / strength, solver="svd").fit(x[~out], y[~out])
            found[place, out] = theirs.predict(x[out]).reshape(out.sum(), -1)
    errors = ((found - y) ** 2).sum(axis=2)
    others = [[errors[a, [u != unit for u in units]].sum() for a in range(len(grid))] for unit in units]
    return found[np.argmin(others, axis=1), np.arange(len(x))]


GRID = [0.0001, 0.01, 1.0]


@pytest.mark.parametrize("target", ["class", "labels", "number"])
def test_leaving_one_out_is_what_a_loop_gives(target: str, monkeypatch: pytest.MonkeyPatch, clouds: Any) -> None:
    x, hidden = clouds(100, 0)
    labels: np.ndarray = {"class": hidden.argmax(1), "labels": (hidden > 0).astype(int), "number": hidden[:, 0]}[target]
    y = {"class": 2.0 * (labels[:, None] == np.arange(3)) - 1, "labels": 2.0 * labels - 1, "number": labels[:, None]}
    split = parts.rows(x, labels)
    of = parts.part(target, y[target].shape[1], split)
    found = parts.fit(monkeypatch, "linear_probe", of, "loo", C=GRID)
    by_hand = _left_out_by_hand(x, y[target], GRID, split.ids)
    assert found.outputs["t"].dtype == np.float32 and found.outputs["t"].shape == y[target].shape
    assert np.allclose(found.outputs["t"], by_hand, rtol=1e-6, atol=1e-8)  # rtol: as exact as fp32 is
    assert sum(one["rows"] for one in found.log["tried"]) == found.log["rows"] == 100


def test_rows_of_a_cluster_are_left_out_together(monkeypatch: pytest.MonkeyPatch, clouds: Any) -> None:
    x, hidden = clouds(60, 0)
    clusters = [f"patient {i // 4}" for i in range(60)]
    of = parts.part("number", 1, parts.rows(x, hidden[:, 0], clusters=clusters))
    found = parts.fit(monkeypatch, "linear_probe", of, "loo", C=GRID)
    assert np.allclose(found.outputs["t"], _left_out_by_hand(x, hidden[:, :1], GRID, clusters), rtol=1e-5, atol=1e-8)


def test_equal_rows_are_left_out_together(monkeypatch: pytest.MonkeyPatch, clouds: Any) -> None:
    x, hidden = (np.repeat(one, 2, axis=0) for one in clouds(30, 0))
    split = replace(parts.rows(x, hidden[:, 0]), ids=[f"r{i // 2}{'-2' * (i % 2)}" for i in range(60)])
    found = parts.fit(monkeypatch, "linear_probe", parts.part("number", 1, split), "loo", C=GRID)
    units = [f"r{i // 2}" for i in range(60)]
    assert np.allclose(found.outputs["t"], _left_out_by_hand(x, hidden[:, :1], GRID, units), rtol=1e-5, atol=1e-8)


def test_no_seed_has_a_part_in_leaving_one_out(monkeypatch: pytest.MonkeyPatch, clouds: Any) -> None:
    x, hidden = clouds(50, 0)
    of = parts.part("class", 3, parts.rows(x, hidden.argmax(1)))
    one, two = (parts.fit(monkeypatch, "linear_probe", of, "loo", seed=seed).outputs["t"] for seed in (0, 1))
    assert np.array_equal(one, two)


def test_leaving_one_out_of_2000_rows_takes_less_than_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(2000, 384)).astype(np.float32)
    of = parts.part("class", 10, parts.rows(x, np.arange(2000) % 10))
    started = time.perf_counter()
    found = parts.fit(monkeypatch, "linear_probe", of, "loo")
    assert time.perf_counter() - started < 5
    assert (found.outputs["t"].argmax(1) == np.arange(2000) % 10).mean() == pytest.approx(0.1, abs=0.03)  # noise


def test_leaving_one_out_of_tags_choices_and_texts_is_refused(monkeypatch: pytest.MonkeyPatch, tagged: Any) -> None:
    x = np.zeros((4, 3, 6), dtype=np.float32)
    refused = {
        "tags of words": parts.part("tags", 3, parts.sentences(*tagged(4, 0))),
        "choices": parts.part("class", 3, parts.rows(x, [0, 1, 2, 0]), choices=True),
        "a text": parts.part("text", 2, parts.rows(x[:, 0], [0, 1, 2, 0])),
    }
    for what, of in refused.items():
        with pytest.raises(SuiteError, match=f"leaves out one row at a time for .*, not for {what}; use"):
            parts.fit(monkeypatch, "linear_probe", of, "loo")


def test_leaving_one_out_of_rows_that_are_limited_is_refused(monkeypatch: pytest.MonkeyPatch, clouds: Any) -> None:
    x, hidden = clouds(50, 0)
    rows = parts.rows(x, hidden[:, 0])
    some = parts.rows(x[:20], hidden[:20, 0])
    of = parts.part("number", 1, some, some, rows)
    with pytest.raises(SuiteError, match=r"each of the 50 rows .* limits keep 20; use a protocol without"):
        parts.fit(monkeypatch, "linear_probe", of, "loo")


def test_the_folds_of_a_task_share_the_features_of_its_rows(
    planned: Any, tiny_bert: Path, text_task: Path, machine: Machine, own_cache: Path
) -> None:
    (spec,) = planned(tiny_bert, text_task, "linear_probe")
    ways = [("kfold:3", fold) for fold in range(3)] + [("bootstrap:2", 0), ("bootstrap:2", 1), ("loo", 0)]
    results = [_evaluate(spec.model_copy(update={"resample": way, "fold": fold}), machine) for way, fold in ways]
    assert len(list(own_cache.rglob("*.safetensors"))) == 1
    assert [result.record.training["features_stored"] for result in results] == [False] + [True] * 5
    tested = [row for result in results[:3] for row in result.columns["id"]]
    assert len(set(tested)) == len(tested) == results[-1].record.counts["test"] == 104
    assert sorted(results[-1].columns["id"]) == sorted(tested)


def test_the_folds_of_limited_rows_share_the_features_of_all(
    planned: Any, tiny_bert: Path, text_task: Path, machine: Machine, own_cache: Path
) -> None:
    seeds = planned(tiny_bert, text_task, "linear_probe", seeds=2, limits={"train": 20, "validation": 5})
    cuts = [{"resample": way, "fold": fold} for way in ("kfold:3", "bootstrap:2") for fold in range(2)]
    results = [_evaluate(spec.model_copy(update=cut), machine) for cut in cuts for spec in seeds]
    assert len(list(own_cache.rglob("*.safetensors"))) == 1
    assert all(result.record.counts["train"] == 20 for result in results)
    assert [result.record.training["features_stored"] for result in results] == [False] + [True] * 7


def test_the_parts_of_every_seed_share_the_features_of_the_whole_splits(
    planned: Any, tiny_bert: Path, text_task: Path, machine: Machine, own_cache: Path
) -> None:
    seeds = planned(tiny_bert, text_task, "linear_probe", seeds=2)
    parts_ = [spec.model_copy(update={"resample": "partition:2", "fold": fold}) for fold in range(2) for spec in seeds]
    results = [_evaluate(spec, machine) for spec in (seeds[0], *parts_)]  # held out first: the splits are its own
    assert len(list(own_cache.rglob("*.safetensors"))) == 3
    assert [result.record.training["features_stored"] for result in results] == [False] + [True] * 4
    assert len({result.record.counts["train"] for result in results}) > 1


def test_pooled_features_are_each_rows_own(
    planned: Any, tiny_bert: Path, text_task: Path, machine: Machine, own_cache: Path, jobs: list[Any]
) -> None:
    (spec,) = planned(tiny_bert, text_task, "linear_probe", limits={"train": 20, "validation": 5})
    for way in ("kfold:3", "partition:2"):
        _evaluate(spec.model_copy(update={"resample": way}), machine)
    (spec,) = planned(tiny_bert, text_task, "linear_probe")
    _evaluate(spec.model_copy(update={"resample": "partition:2"}), machine)
    for job in jobs:
        reader = Reader(job.build, "mean", job.part.collate, job.device, None)
        for rows, split in zip(_rows.read(reader, job), job.part.splits, strict=True):
            assert np.allclose(rows.x, reader.read(split.items, split.lengths, split.ids), atol=1e-5)


def test_an_old_recipe_pools_the_rows_of_its_own_cut(
    planned: Any, tiny_bert: Path, text_task: Path, machine: Machine, own_cache: Path
) -> None:
    (spec,) = planned(tiny_bert, text_task, "linear_probe", limits={"train": 20, "validation": 5})
    settings = {name: value for name, value in spec.settings.items() if name not in ("solver", "tolerance")}
    for fold in range(2):
        _evaluate(spec.model_copy(update={"settings": settings, "resample": "kfold:3", "fold": fold}), machine)
    assert len(list(own_cache.rglob("*.safetensors"))) == 2


# -- LoRA --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("lora", "rank", 0),
        ("lora", "alpha", 0),
        ("lora", "dropout", 1.0),
        ("lora", "dropout", -0.1),
        *((name, setting, -1.0) for name in ("full", "lora") for setting in ("learning_rate", "head_multiplier")),
        ("full", "learning_rate", 0.0),
    ],
)
def test_settings_of_training_that_mean_nothing_are_refused(name: str, setting: str, value: Any) -> None:
    strategy = strategies.get(name)
    with pytest.raises(SuiteError, match=rf"{name}\.{setting} is {value}"):
        strategy.check(strategy.recipe("text") | {setting: value})


@pytest.mark.parametrize("name", strategies.names())
@pytest.mark.parametrize("modality", ["text", "image"])
def test_every_default_recipe_passes_its_own_check(name: str, modality: Any) -> None:
    strategies.get(name).check(strategies.get(name).recipe(modality))


def test_adapters_start_as_no_change(tiny_bert: Path) -> None:
    import torch

    from suite import models
    from suite.hub import resolve

    batch = {"input_ids": torch.tensor([[2, 9, 3], [2, 8, 3]])}
    plain, wrapped = (models.load(resolve(str(tiny_bert)), 2, 0).eval() for _ in range(2))
    lora.adapt(wrapped, {"rank": 4, "alpha": 8, "dropout": 0.0}).eval()
    with torch.no_grad():
        assert torch.equal(plain.logits(**batch), wrapped.logits(**batch))


def test_the_rank_sets_the_size_of_the_adapters(tiny_bert: Path) -> None:
    from suite import models
    from suite.hub import resolve

    sizes = []
    for rank in (1, 4):
        model = lora.adapt(models.load(resolve(str(tiny_bert)), 2, 0), {"rank": rank, "alpha": 8, "dropout": 0.0})
        sizes.append(sum(p.numel() for n, p in model.named_parameters() if "lora_" in n and p.requires_grad))
    assert sizes[1] == 4 * sizes[0] > 0


def test_a_body_without_a_layer_to_adapt_is_a_suite_error() -> None:
    from torch import nn

    from suite.models import TimmModel

    bare = TimmModel(nn.ModuleDict({"norm": nn.LayerNorm(3), "head": nn.Linear(3, 2)}), frozenset(), ("head",))
    with pytest.raises(SuiteError, match="use -s full"):
        lora.targets(bare, ["head"])

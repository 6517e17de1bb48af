from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from suite import evaluation, strategies
from suite.environment import Machine
from suite.features import Reader
from suite.spec import RunSpec, SuiteError
from suite.strategies import linear_probe, lora
from suite.strategies.linear_probe import chosen_rows, outputs, regression, standardiser


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


@pytest.mark.parametrize("which", ["text", "image"])
def test_the_probe_is_scikit_learns_logistic_regression_on_standardised_features(
    which: str,
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
    (spec,) = planned(*pair, "linear_probe")
    result = _evaluate(spec, machine)
    (job,), (train, validation, test) = jobs, (x.astype(np.float64) for x in read)
    rows = chosen_rows(len(train), 0.9, spec.seeds()["split"])
    best, best_score = None, -1.0
    for strength in spec.settings["C"]:
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
        probe.fit(train[rows], job.train.labels[rows])
        if (score := probe.score(validation, job.validation.labels)) > best_score:
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
    shares = [chosen_rows(len(jobs[0].train), 0.9, job.seeds["split"]).tolist() for job in jobs]
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
    ],
)
def test_probe_settings_that_mean_nothing_are_refused(setting: str, value: Any) -> None:
    probe = strategies.get("linear_probe")
    with pytest.raises(SuiteError, match=f"linear_probe.{setting} is"):
        probe.check(probe.recipe("text") | {setting: value})


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

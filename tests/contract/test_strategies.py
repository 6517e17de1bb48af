"""Every strategy in the folder keeps the same promises, on texts and on images."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suite import evaluation, plugins, strategies
from suite.environment import Machine
from suite.spec import Protocol, RunSpec, SuiteError, canonical_json
from suite.strategies import Adapted
from suite.tasks import load_protocol

STRATEGIES = plugins.names("strategies")
MODALITIES = ("text", "image")

both = pytest.mark.parametrize("modality", MODALITIES)
each = pytest.mark.parametrize("name", STRATEGIES)


@pytest.fixture(scope="session")
def jobs(inputs: Any, planned: Callable[..., list[RunSpec]], job_of: Callable[[RunSpec], Any]) -> Any:
    """Return the job of a strategy on a modality."""

    def make(name: str, modality: str) -> Any:
        (spec,) = planned(*inputs[modality], name)
        return job_of(spec)

    return make


@pytest.fixture(scope="session")
def adapted(jobs: Any) -> Callable[[str, str], tuple[Any, Adapted]]:
    """Return a job and what came of it, computed once for all tests."""
    kept: dict[tuple[str, str], tuple[Any, Adapted]] = {}

    def run(name: str, modality: str) -> tuple[Any, Adapted]:
        if (name, modality) not in kept:
            job = jobs(name, modality)
            kept[name, modality] = job, strategies.get(name).fit(job)
        return kept[name, modality]

    return run


def _protocol(path: Path, name: str, **settings: Any) -> Protocol:
    return load_protocol(str(path)).model_copy(update={"settings": {name: settings}})


@each
def test_importing_a_strategy_loads_no_heavy_library(name: str, loaded_by: Callable[[str], set[str]]) -> None:
    assert loaded_by(f"suite.strategies.{name}") == set()


def test_an_unknown_strategy_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SuiteError, match="Did you mean 'lora'"):
        strategies.get("lorra")


@both
@each
def test_the_recipe_is_plain_json_and_made_anew_each_time(name: str, modality: Any) -> None:
    strategy = strategies.get(name)
    recipe = strategy.recipe(modality)
    assert json.loads(canonical_json(recipe)) == recipe
    recipe.clear()
    assert strategy.recipe(modality)


@both
@each
def test_every_setting_can_be_set_by_a_protocol(name: str, modality: Any, tiny_protocol: Path) -> None:
    recipe = strategies.get(name).recipe(modality)
    for setting, value in recipe.items():
        other = value / 2 if isinstance(value, float) else value
        found = strategies.settings(name, modality, _protocol(tiny_protocol, name, **{setting: other}))
        assert found == recipe | {setting: other}


@each
def test_a_setting_that_a_strategy_lacks_is_refused(name: str, tiny_protocol: Path) -> None:
    known = next(iter(strategies.get(name).recipe("text")))
    with pytest.raises(SuiteError, match=rf"No setting of {name} named '{known}x'. Did you mean '{known}'"):
        strategies.settings(name, "text", _protocol(tiny_protocol, name, **{f"{known}x": 1}))


@each
def test_a_setting_of_another_type_is_refused(name: str, tiny_protocol: Path) -> None:
    for setting in strategies.get(name).recipe("text"):
        with pytest.raises(SuiteError, match=f"{name}.{setting} is"):
            strategies.settings(name, "text", _protocol(tiny_protocol, name, **{setting: {"a": 1}}))


@both
@each
def test_fit_gives_finite_float32_logits_for_every_test_row(name: str, modality: str, adapted: Any) -> None:
    job, outcome = adapted(name, modality)
    assert outcome.logits.shape == (len(job.test), job.n_outputs)
    assert outcome.logits.dtype == np.float32 and np.isfinite(outcome.logits).all()
    assert (outcome.logits.std(axis=0) > 0).all(), "every row got the same logits"


@both
@each
def test_fit_again_gives_bit_equal_logits(name: str, modality: str, adapted: Any, jobs: Any, own_cache: Path) -> None:
    assert np.array_equal(adapted(name, modality)[1].logits, strategies.get(name).fit(jobs(name, modality)).logits)


@both
@each
def test_sizes_are_recorded(name: str, modality: str, adapted: Any) -> None:
    job, outcome = adapted(name, modality)
    body_and_head = sum(p.numel() for p in job.build().parameters())
    assert 0 < outcome.trainable_params <= outcome.total_params
    assert outcome.total_params >= 0.9 * body_and_head


@both
@each
def test_the_log_is_plain_json_and_tells_the_score_on_validation(name: str, modality: str, adapted: Any) -> None:
    _, outcome = adapted(name, modality)
    assert json.loads(canonical_json(outcome.log)) == outcome.log
    assert 0 <= outcome.log["validation"] <= 1


@both
@each
def test_fit_leaves_the_rows_as_they_were(name: str, modality: str, jobs: Any, own_cache: Path) -> None:
    job = jobs(name, modality)
    before = copy.deepcopy([[dict(item) for item in split.items] for split in job.splits])
    strategies.get(name).fit(job)
    for old, split in zip(before, job.splits, strict=True):
        for item, now in zip(old, split.items, strict=True):
            assert item.keys() == now.keys() and all(np.array_equal(item[key], now[key]) for key in item)


@each
def test_another_seed_gives_other_logits(name: str, adapted: Any, inputs: Any, planned: Any, job_of: Any) -> None:
    _, second = planned(*inputs["text"], name, seeds=2)
    other = strategies.get(name).fit(job_of(second))
    assert not np.array_equal(adapted(name, "text")[1].logits, other.logits)


@both
@each
def test_an_evaluation_records_scores_and_a_row_an_example(
    name: str, modality: str, inputs: Any, planned: Any, machine: Machine
) -> None:
    (spec,) = planned(*inputs[modality], name)
    (result,) = evaluation.evaluate(spec, machine, lambda event: None)
    record = result.record
    assert record.key == spec.key()
    assert all(np.isfinite(value) for value in record.metrics.values())
    assert record.counts["failed"] == 0
    assert {len(column) for column in result.columns.values()} == {record.counts["test"]}
    assert np.mean(result.columns["value"]) == pytest.approx(record.metrics["accuracy"])


@each
def test_pairs_of_texts_are_evaluated_too(
    name: str, planned: Any, tiny_bert: Path, pair_task: Path, machine: Machine
) -> None:
    (spec,) = planned(tiny_bert, pair_task, name)
    (result,) = evaluation.evaluate(spec, machine, lambda event: None)
    assert result.record.counts["failed"] == 0
    assert result.record.data["classes"] == ["other", "same"]

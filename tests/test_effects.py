"""What sharing a trunk did: joint against single, over the same examples, and against a mixture of one task less."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pytest
from made_records import PROTOCOL

from suite.effects import Effect, transfer
from suite.spec import (
    CheckpointRef,
    DatasetRef,
    MetricInfo,
    Mixture,
    Record,
    Result,
    RunSpec,
    TaskSpec,
)
from suite.store import Store

N = 400


@pytest.fixture
def store() -> Store:
    return Store(f"memory://effects-{uuid.uuid4().hex}")


def _task(name: str, version: int = 1) -> TaskSpec:
    dataset = DatasetRef(path="x", revision="d")
    return TaskSpec(name=name, version=version, kind="k", dataset=dataset, columns={}, main="m")


def _put(store: Store, trunk: str, task: str, rate: float, seed: int = 0, **changes: Any) -> None:
    """Put a record of a task trained in a mixture (`"ab"`: tasks a and b), right on a share of the examples."""
    up = changes.pop("greater_is_better", True)
    version = changes.pop("version", 1)
    rows = np.random.default_rng([ord(task), 0]).random(N) + np.random.default_rng([seed, len(trunk)]).normal(
        0, 0.02, N
    )
    values = (rows < rate).astype(float)
    values = values if up else 1 - values
    spec = RunSpec(
        checkpoint=CheckpointRef(name="org/m", revision="0" * 40),
        tasks=tuple(_task(name, version) for name in trunk),
        strategy="full",
        settings=changes.pop("settings", {}),
        protocol=PROTOCOL,
        mixture=Mixture() if len(trunk) > 1 else None,
        seed=seed,
    )
    record = Record(
        key=spec.key(task),
        spec=spec,
        task=task,
        metrics={"m": float(values.mean())},
        main=MetricInfo(name="m", version=1, greater_is_better=up, range=(0.0, 1.0), chance=None),
        collapsed=False,
        collapse_rule="",
        counts={"train": 8, "validation": 2, "test": N, "scored": N, "failed": 0, "truncated": 0},
        data={"ids_sha256": {"test": changes.pop("ids", "same")}},
        checkpoint={"params": 1, "trainable_params": 1},
        training={},
        cost={"seconds": 1.0},
        environment={},
        seeds={},
        created="2026-01-01T00:00:00+00:00",
    )
    ids = [str(i) for i in range(N)]
    same = ["x"] * N
    columns = {"id": ids, "label": same, "prediction": same, "scores": [[1.0]] * N, "value": values.tolist()}
    store.put(Result(record, columns))


def _one(effects: list[Effect], task: str, base: str) -> Effect:
    (found,) = [e for e in effects if e.task == task and e.base == tuple(base)]
    return found


def test_the_difference_is_joint_minus_single_with_an_interval_over_paired_examples(store: Store) -> None:
    for seed in range(3):
        _put(store, "a", "a", 0.6, seed)
        _put(store, "b", "b", 0.8, seed)
        _put(store, "ab", "a", 0.7, seed)
        _put(store, "ab", "b", 0.6, seed)
    found = transfer(store)
    assert found.missing == []
    better, worse = _one(found.effects, "a", "a"), _one(found.effects, "b", "b")
    assert better.difference == pytest.approx(better.joint_mean - better.base_mean)
    assert better.interval is not None and 0 < better.interval[0] < 0.1 < better.interval[1] < 0.2
    assert (better.verdict, worse.verdict) == ("helps", "harms")
    assert (better.added, worse.added) == (("b",), ("a",))
    assert better.seeds == (3, 3)
    assert len(found.to_pandas()) == 2


def test_a_difference_that_is_not_clear_of_zero_is_undecided(store: Store) -> None:
    for seed in range(3):
        _put(store, "a", "a", 0.6, seed)
        _put(store, "ab", "a", 0.605, seed)
    (effect,) = transfer(store).effects
    assert effect.verdict == "undecided"
    assert effect.interval is not None and effect.interval[0] < 0 < effect.interval[1]


def test_of_a_loss_less_is_better(store: Store) -> None:
    for seed in range(3):
        _put(store, "a", "a", 0.6, seed, greater_is_better=False)
        _put(store, "ab", "a", 0.8, seed, greater_is_better=False)
    (effect,) = transfer(store).effects
    assert effect.difference < 0 and effect.verdict == "helps"


def test_one_more_task_in_the_mixture_is_an_effect_of_its_own(store: Store) -> None:
    for seed in range(2):
        _put(store, "a", "a", 0.6, seed)
        _put(store, "ab", "a", 0.7, seed)
        _put(store, "abc", "a", 0.5, seed)
    effects = transfer(store).effects
    assert {(e.base, e.added) for e in effects} == {(("a",), ("b",)), (("a",), ("b", "c")), (("a", "b"), ("c",))}
    assert _one(effects, "a", "ab").verdict == "harms"


@pytest.mark.parametrize("other", [{"version": 2}, {"ids": "others"}, {"settings": {"rank": 8}}])
def test_what_is_not_alike_is_not_compared_and_that_is_said(store: Store, other: dict[str, Any]) -> None:
    _put(store, "a", "a", 0.6, **other)
    _put(store, "ab", "a", 0.7)
    found = transfer(store)
    assert found.effects == []
    assert found.missing == [
        "org/m full: a has no single run to compare the mixture a+b with; run it without --joint under the same "
        "protocol."
    ]


def test_one_seed_gives_a_difference_over_examples_alone(store: Store) -> None:
    _put(store, "a", "a", 0.6)
    _put(store, "ab", "a", 0.8)
    (effect,) = transfer(store, ["a"]).effects
    assert effect.seeds == (1, 1) and effect.interval is not None
    assert transfer(store, ["z"]).effects == []

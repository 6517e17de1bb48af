"""Which rows make up which batch, and whose turn it is."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite import batches
from suite.batches import GROUP
from suite.spec import Budget, Mixture, Protocol, Selection


def _protocol(**changes: Any) -> Protocol:
    values: dict[str, Any] = {
        "name": "p",
        "version": 1,
        "seeds": 1,
        "batch": 8,
        "budget": Budget(epochs=1, min_steps=5, max_steps=50),
        "selection": Selection(looks=1),
    }
    return Protocol(**(values | changes))


# -- the order of rows -------------------------------------------------------------------------------------------------

orders = st.tuples(
    st.lists(st.integers(1, 50), min_size=1, max_size=120), st.integers(1, 9), st.integers(1, 60), st.integers(0, 99)
)


@given(orders)
def test_every_batch_is_full_and_there_are_as_many_as_steps(given: Any) -> None:
    lengths, batch, steps, seed = given
    made = batches.row_order(lengths, batch, steps, seed)
    assert [len(rows) for rows in made] == [batch] * steps
    assert {row for rows in made for row in rows} <= set(range(len(lengths)))


@given(orders)
def test_every_row_is_seen_once_before_any_is_seen_again(given: Any) -> None:
    lengths, batch, steps, seed = given
    seen = [row for rows in batches.row_order(lengths, batch, steps, seed) for row in rows]
    for start in range(0, len(seen), len(lengths)):
        epoch = seen[start : start + len(lengths)]
        assert len(set(epoch)) == len(epoch)


@given(orders)
def test_the_order_depends_on_the_seed_alone(given: Any) -> None:
    lengths, batch, steps, seed = given
    assert batches.row_order(lengths, batch, steps, seed) == batches.row_order(lengths, batch, steps, seed)


def test_another_seed_gives_another_order() -> None:
    assert batches.row_order([1] * 50, 8, 5, 0) != batches.row_order([1] * 50, 8, 5, 1)


@pytest.mark.parametrize("rows", [3 * 8 * GROUP, 20 * 8 + 3])
def test_rows_of_like_length_share_a_batch(rows: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 100, rows).tolist()
    made = batches.row_order(lengths, 8, rows // 8, 0)
    spreads = [max(lengths[i] for i in batch) - min(lengths[i] for i in batch) for batch in made]
    assert np.median(spreads) <= 100 / min(GROUP, rows // 8) + 1


def test_short_and_long_batches_are_mixed() -> None:
    lengths = list(range(800))
    means = [np.mean(batch) for batch in batches.row_order(lengths, 8, 100, 0)]
    assert abs(np.corrcoef(means, range(100))[0, 1]) < 0.5


@pytest.mark.parametrize(
    ("epochs", "rows", "steps"), [(1, 80, 10), (1, 81, 11), (3, 80, 20), (0.1, 80, 4), (0.5, 80, 5)]
)
def test_steps_follow_the_epochs_within_the_budget(epochs: float, rows: int, steps: int) -> None:
    protocol = _protocol(budget=Budget(epochs=epochs, min_steps=4, max_steps=20))
    assert batches.steps_of(protocol, rows) == steps


# -- several tasks -----------------------------------------------------------------------------------------------------

alones = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(1, 400), min_size=1, max_size=6)


@given(alones)
def test_in_proportion_every_task_has_as_many_batches_as_alone(alone: dict[str, int]) -> None:
    assert batches.shares_of(alone, Mixture(), sum(alone.values())) == alone


@given(alones, st.sampled_from(["proportional", "uniform", "temperature"]), st.floats(0.5, 20), st.integers(0, 300))
def test_shares_add_up_and_leave_no_task_out(alone: dict[str, int], sampling: Any, heat: float, more: int) -> None:
    total = len(alone) + more
    shares = batches.shares_of(alone, Mixture(sampling=sampling, temperature=heat), total)
    assert sum(shares.values()) == total
    assert shares.keys() == alone.keys() and min(shares.values()) >= 1


def test_uniform_and_rates_and_temperature_mean_what_they_say() -> None:
    alone = {"a": 10, "b": 1000}
    assert batches.shares_of(alone, Mixture(sampling="uniform"), 100) == {"a": 50, "b": 50}
    assert batches.shares_of(alone, Mixture(sampling="rates", rates={"a": 3.0, "b": 1.0}), 100) == {"a": 75, "b": 25}
    heated = batches.shares_of(alone, Mixture(sampling="temperature", temperature=2.0), 1100)
    assert heated == {"a": 100, "b": 1000}  # the ratio 100 becomes its square root


@given(alones, st.integers(0, 99))
def test_turns_are_spread_evenly(alone: dict[str, int], seed: int) -> None:
    made = batches.turns(alone, seed)
    assert Counter(made) == alone
    assert made == batches.turns(alone, seed)
    for task, count in alone.items():
        places = [i for i, whose in enumerate(made) if whose == task]
        for i, place in enumerate(places):  # the i-th turn is at most a stretch and the others' jitter away
            assert abs(place - i / count * len(made)) <= len(made) / count + len(alone)


def test_tasks_of_equal_shares_come_once_a_round() -> None:
    made = batches.turns({"a": 20, "b": 20, "c": 20}, 3)
    assert all(set(made[i : i + 3]) == {"a", "b", "c"} for i in range(0, 60, 3))
    assert len({tuple(made[i : i + 3]) for i in range(0, 60, 3)}) > 1


def test_a_single_task_has_the_batches_of_its_row_order() -> None:
    lengths = list(range(1, 60))
    plan = batches.plan({"only": lengths}, _protocol(), 7, Mixture())
    assert plan.rows == [row for rows in batches.row_order(lengths, 8, plan.steps, 7) for row in rows]
    assert (plan.steps, plan.accumulation, plan.shares) == (8, 1, {"only": 8})


@given(st.lists(st.integers(1, 300), min_size=2, max_size=4), st.integers(1, 4), st.integers(0, 9))
def test_each_batch_is_of_one_task_and_together_they_cost_what_the_tasks_cost_alone(
    sizes: list[int], per_step: int, seed: int
) -> None:
    lengths = {f"t{i}": [1] * n for i, n in enumerate(sizes)}
    protocol = _protocol()
    plan = batches.plan(lengths, protocol, seed, Mixture(tasks_per_step=per_step))
    alone = sum(batches.steps_of(protocol, n) for n in sizes)
    starts = np.cumsum([0, *sizes])
    whose = np.searchsorted(starts, plan.rows, side="right") - 1
    assert all(len(set(whose[i : i + 8])) == 1 for i in range(0, len(whose), 8))
    assert len(plan.rows) == plan.steps * plan.accumulation * 8 == sum(plan.shares.values()) * 8
    assert abs(len(plan.rows) / 8 - alone) <= per_step / 2 + 1e-9


def test_one_optimiser_step_can_see_every_task() -> None:
    mixture = Mixture(sampling="uniform", tasks_per_step=3)
    plan = batches.plan({"a": [1] * 80, "b": [1] * 80, "c": [1] * 80}, _protocol(), 0, mixture)
    whose = (np.array(plan.rows) // 80).reshape(plan.steps, 3, 8)
    assert all(len(set(step.reshape(-1).tolist())) == 3 for step in whose)

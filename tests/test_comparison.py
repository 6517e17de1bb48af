"""Two checkpoints: comparable or the field that differs; different, the same or undecided, in numbers and in words."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call
from made_records import LOSS, PROTOCOL, SHARE, grid, made

from suite.comparison import Comparison, compare
from suite.spec import Result, SuiteError
from suite.stats import intervals
from suite.store import Store


@pytest.fixture
def store() -> Store:
    return Store(f"memory://compare-{uuid.uuid4().hex}")


def fill(store: Store, results: Sequence[Result]) -> None:
    for result in results:
        store.put(result)


def only(store: Store, *models: str, **words: Any) -> Comparison:
    (pair,) = compare(*(models or ("a", "b")), store=store, **words).pairs
    return pair


def test_a_clear_difference_is_different_and_says_so_in_words(store: Store) -> None:
    fill(store, grid({"a": 0.9, "b": 0.6}, ["one", "two"]))
    pair = only(store)
    assert pair.verdict == "different"
    assert pair.difference == pytest.approx(0.6, abs=0.1)  # chance is .5, so that M counts double
    assert pair.interval is not None and 0 < pair.interval[0] < pair.difference < pair.interval[1]
    assert pair.p is not None and pair.p < 0.001
    assert (pair.p_a_better, pair.seeds_needed) == (1.0, None)
    assert pair.p_a_better_interval is not None and 0.3 < pair.p_a_better_interval[0] < 0.95
    assert pair.words.startswith("A is a · full, B is b · full. Different: A is better than B by ")
    assert {task: one.verdict for task, one in pair.tasks.items()} == {"one": "different", "two": "different"}


def test_the_difference_is_that_of_paired_examples_and_independent_seeds(store: Store) -> None:
    random = np.random.default_rng(0)
    a, b = (random.random((3, 300)) < 0.7 for _ in range(2))
    for name, matrix in (("a", a), ("b", b)):
        fill(store, [made(name, "one", row.astype(float), seed=seed) for seed, row in enumerate(matrix)])
    one = only(store).tasks["one"]
    expected = intervals.paired_difference(a.astype(float), b.astype(float))
    assert one.difference == pytest.approx(expected.mean, abs=1e-12)
    assert one.interval == pytest.approx(expected.interval(), abs=1e-12)
    assert one.p == pytest.approx(intervals.p_value(expected))  # one task: nothing to adjust


def test_swapping_the_two_turns_everything_round(store: Store) -> None:
    fill(store, grid({"a": 0.8, "b": 0.77}, ["one", "two", "three"]))
    pair, turned = only(store), only(store, "b", "a")
    assert pair.difference is not None and turned.difference == pytest.approx(-pair.difference)
    assert pair.interval is not None and turned.interval == pytest.approx((-pair.interval[1], -pair.interval[0]))
    assert (turned.verdict, turned.p) == (pair.verdict, pytest.approx(pair.p))
    assert pair.p_a_better is not None and turned.p_a_better == pytest.approx(1 - pair.p_a_better)
    assert pair.over_tasks is not None and turned.over_tasks == pytest.approx(pair.over_tasks[::-1], abs=0.02)


def test_nearly_equal_answers_over_many_examples_are_the_same(store: Store) -> None:
    values = (np.random.default_rng(1).random(5000) < 0.8).astype(float)
    for name, flips in (("a", 0), ("b", 6)):
        changed = values.copy()
        changed[:flips] = 1 - changed[:flips]
        fill(store, [made(name, "one", changed)])
    pair = only(store)
    assert (pair.verdict, pair.tasks["one"].verdict) == ("same", "same")
    assert "The same: they differ by" in pair.words and "less than 2.0 with 95% confidence" in pair.words


def test_equal_answers_on_every_example_are_no_zero_width_interval(store: Store) -> None:
    values = (np.random.default_rng(1).random(2000) < 0.8).astype(float)
    fill(store, [made(name, "one", values, seed=seed) for name in "ab" for seed in range(2)])
    one = only(store).tasks["one"]
    assert (one.verdict, one.difference) == ("same", 0)
    assert one.interval is not None and -0.01 < one.interval[0] < 0 < one.interval[1] < 0.01


def test_few_equal_answers_decide_nothing(store: Store) -> None:
    fill(store, [made(name, "one", [1.0, 0.0, 1.0]) for name in "ab"])
    one = only(store).tasks["one"]
    assert one.verdict == "undecided"
    assert one.interval is not None and one.interval[1] > 0.5


def test_undecided_says_with_how_many_seeds_it_would_be(store: Store) -> None:
    random = np.random.default_rng(3)
    hard = random.random(4000)
    for name, skill in (("a", 0.80), ("b", 0.76)):
        for seed in range(3):
            level = skill + random.normal(0, 0.03)  # the seeds' noise hides the difference
            fill(store, [made(name, "one", (hard < level).astype(float), seed=seed)])
    pair = only(store)
    assert pair.verdict == "undecided"
    assert pair.seeds_needed is not None and pair.seeds_needed > 3
    assert f"{pair.seeds_needed} seeds a side decide it" in pair.words


def test_where_examples_are_too_few_no_number_of_seeds_is_named(store: Store) -> None:
    fill(store, grid({"a": 0.80, "b": 0.78}, ["one"], n=60))
    pair = only(store)
    assert (pair.verdict, pair.seeds_needed) == ("undecided", None)
    assert "no number of seeds decides it" in pair.words


def test_p_values_are_adjusted_over_tasks_and_pairs(store: Store) -> None:
    fill(store, grid({"a": 0.85, "b": 0.75, "c": 0.7}, ["one", "two"]))
    alone = only(store)
    together = next(pair for pair in compare("a", "b", "c", store=store).pairs if (pair.a[0], pair.b[0]) == ("a", "b"))
    assert len(compare("a", "b", "c", store=store).pairs) == 3
    assert alone.p is not None and together.p is not None and together.p > alone.p
    for task, one in together.tasks.items():
        p = alone.tasks[task].p
        assert p is not None and one.p is not None and one.p >= p


def test_equal_checkpoints_are_seldom_told_apart() -> None:
    """Family-wise: on 60 boards of five equal checkpoints some pair differs at most 7 times (3 expected)."""
    wrong = 0
    for board in range(60):
        random = np.random.default_rng(board)
        level, names = random.random(150), [f"m{i}" for i in range(5)]
        store = Store(f"memory://{uuid.uuid4().hex}")
        for name in names:
            for seed in range(3):
                values = (level + random.normal(0, 0.2, 150) + random.normal(0, 0.01) < 0.7).astype(float)
                store.put(made(name, "one", values, seed=seed))
        wrong += any(pair.verdict == "different" for pair in compare(*names, store=store).pairs)
    assert wrong <= 7


# -- not comparable ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"protocol": PROTOCOL.model_copy(update={"batch": 8})}, r"protocol\.batch differs \(4; 8\)"),
        ({"task_fields": {"version": 2}}, r"one: task\.version differs \(1; 2\)"),
        ({"task_fields": {"columns": {"text": "t"}}}, r"task\.columns\.text differs \(null; \"t\"\)"),
        ({"main": SHARE.model_copy(update={"version": 2})}, r"metric\.version differs \(1; 2\)"),
        ({"data": {"ids_sha256": {"test": "sha256:1"}, "classes": []}}, r"data\.classes differs"),
        ({"spec_fields": {"semantics": 2}}, r"semantics differs \(1; 2\)"),
        ({"spec_fields": {"resample": "kfold:5"}}, r"resample differs \(holdout; kfold:5\)"),
    ],
)
def test_the_field_that_differs_is_named(store: Store, change: dict[str, Any], field: str) -> None:
    values = [1.0, 0.0] * 20
    fill(store, [made("a", "one", values), made("b", "one", values, **change)])
    pair = only(store)
    assert pair.verdict == "not comparable"
    assert pair.reason is not None
    assert re.search(field, pair.reason), pair.reason
    assert (pair.difference, pair.interval, pair.p) == (None, None, None)
    assert pair.words.endswith(f"Not comparable: {pair.reason}.")


def test_tasks_that_only_one_has_are_named_and_the_others_compared(store: Store) -> None:
    fill(store, [*grid({"a": 0.9, "b": 0.6}, ["one"]), *grid({"a": 0.9}, ["two"])])
    pair = only(store)
    assert (pair.verdict, pair.tasks["two"].verdict) == ("different", "not comparable")
    assert "Left out: two (only A has it)." in pair.words


def test_nothing_in_common_names_both_sides_tasks(store: Store) -> None:
    fill(store, [*grid({"a": 0.9}, ["one"]), *grid({"b": 0.9}, ["two"])])
    assert only(store).reason == "tasks differ (one; two)"


def test_training_rows_that_hold_more_of_the_test_are_not_comparable(store: Store) -> None:
    values = [1.0, 0.0] * 20
    clean, dirty = ({"method": "m", "exact": exact, "near": 0} for exact in (0, 5))
    fill(store, [made("a", "one", values, contamination=clean), made("b", "one", values, contamination=dirty)])
    assert only(store).reason == "one: contamination.exact differs (0; 5)"


def test_a_protocol_that_both_have_is_found_among_others(store: Store) -> None:
    other = PROTOCOL.model_copy(update={"name": "q"})
    fill(store, [*grid({"a": 0.9, "b": 0.6}, ["one"]), *grid({"a": 0.9}, ["one", "two"], protocol=other)])
    pair = only(store)
    assert pair.verdict == "different" and pair.protocol is not None and pair.protocol.startswith("p v1")
    assert only(store, protocol="p").verdict == "different"


# -- what the words for a checkpoint mean ------------------------------------------------------------------------------


def test_each_strategy_that_both_have_is_compared_apart(store: Store) -> None:
    for strategy in ("full", "lora"):
        fill(store, grid({"a": 0.9, "b": 0.6}, ["one"], strategy=strategy))
    assert [pair.a for pair in compare("a", "b", store=store).pairs] == ["a · full", "a · lora"]
    assert only(store, strategy="lora").a == "a · lora"
    assert (only(store, "a:full", "a:lora").a, only(store, "a:full", "b:lora").b) == ("a · full", "b · lora")


def test_one_strategy_each_and_none_in_common_is_still_a_question(store: Store) -> None:
    fill(store, [*grid({"a": 0.9}, ["one"], strategy="full"), *grid({"b": 0.6}, ["one"], strategy="lora")])
    assert only(store).verdict == "different"


def test_rows_that_differ_in_settings_are_told_apart_by_their_mark(store: Store) -> None:
    for rank in (4, 8):
        fill(store, grid({"a": 0.9}, ["one"], spec_fields={"settings": {"rank": rank}}))
    fill(store, grid({"b": 0.6}, ["one"]))
    with pytest.raises(
        SuiteError, match=r"'a' has 2 rows under full, which differ in revision, settings or mixture: 'a \["
    ) as told:
        only(store)
    mark = str(told.value).split("'")[3]
    assert only(store, mark, "b").verdict == "different"


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (("a",), "A comparison takes two checkpoints at least"),
        (("a", "a"), "'a' is named twice"),
        (("a", "c"), "No checkpoint in the store named 'c'"),
        (("a", "a:full"), "mean the same row: a · full"),
    ],
)
def test_words_that_name_no_two_rows(store: Store, models: tuple[str, ...], message: str) -> None:
    fill(store, grid({"a": 0.9, "b": 0.6}, ["one"]))
    with pytest.raises(SuiteError, match=message):
        compare(*models, store=store)


# -- losses, one example, one seed -------------------------------------------------------------------------------------


def test_losses_are_compared_in_their_own_units_and_less_is_better(store: Store) -> None:
    random = np.random.default_rng(0)
    base = random.random(400)
    for name, more in (("a", 0.0), ("b", 0.5)):
        values = base + more + random.normal(0, 0.1, 400)
        fill(store, [made(name, "one", values, seed=seed, main=LOSS) for seed in range(2)])
    pair = only(store)
    one = pair.tasks["one"]
    assert one.difference == pytest.approx(-0.5, abs=0.05) and not one.greater_is_better
    assert pair.verdict == "different" and pair.difference == pytest.approx(0.5, abs=0.05)
    assert "A is better than B" in pair.words and one.p_a_better == 1.0


def test_losses_do_not_enter_the_mean_of_scores(store: Store) -> None:
    fill(store, [*grid({"a": 0.9, "b": 0.6}, ["one"]), *grid({"a": 0.9, "b": 0.1}, ["two"], main=LOSS)])
    both, alone = only(store), only(store)
    assert both.difference == alone.difference
    assert both.over_tasks is None  # one score task


def test_one_example_says_nothing(store: Store) -> None:
    fill(store, [made("a", "one", [1.0]), made("b", "one", [0.0])])
    pair = only(store)
    assert (pair.verdict, pair.interval, pair.p) == ("undecided", None, None)
    assert pair.tasks["one"].reason == "one test example says nothing of others"
    assert "nan" not in pair.words.lower()


def test_one_seed_a_side_has_no_probability_over_seeds(store: Store) -> None:
    fill(store, grid({"a": 0.9, "b": 0.6}, ["one"], seeds=1))
    pair = only(store)
    assert (pair.verdict, pair.p_a_better, pair.seeds_needed) == ("different", None, None)


def test_all_runs_collapsed_is_the_same_and_not_an_error(store: Store) -> None:
    for name in "ab":
        values = (np.random.default_rng(0).random(500) < 0.5).astype(float)
        fill(store, [made(name, "one", values, seed=seed, collapsed=True) for seed in range(3)])
    assert only(store).verdict in ("same", "undecided")


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(Store(str(tmp_path / "store")), grid({"a": 0.9, "b": 0.6}, ["one", "two"]))
    return tmp_path / "store"


def test_json_has_the_promised_fields(folder: Path) -> None:
    (told,) = call("compare", "a", "b", "--store", folder, "--json").objects
    assert {"verdict", "difference", "interval", "p", "p_a_better", "seeds_needed", "tasks", "reason"} <= told.keys()
    assert told["verdict"] == "different" and set(told["tasks"]) == {"one", "two"}


def test_the_table_shows_each_task(folder: Path) -> None:
    told = call("compare", "a", "b", "--store", folder)
    assert told.code == 0
    assert "A is a · full, B is b · full. Different" in told.out
    assert [line.split()[0] for line in told.out.splitlines() if " accuracy " in line] == ["one", "two"]


def test_examples_of_disagreement_come_largest_first(folder: Path) -> None:
    (told,) = call("compare", "a", "b", "--store", folder, "--json", "--examples", "3").objects
    gaps = [abs(one["difference"]) for one in told["examples"] if one["task"] == "one"]
    assert len(gaps) == 3 and gaps == sorted(gaps, reverse=True) and gaps[0] == 1
    assert told["examples"][0]["a"] == "yes" and told["examples"][0]["b"] == "no"


def test_examples_whose_rows_are_not_here_are_named_all_the_same(folder: Path) -> None:
    told = call("compare", "a", "b", "--store", folder, "--examples", "1", "--offline")
    assert told.code == 0 and "one r" in told.out and "The rows of one are not shown" in told.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a", "z"), "No checkpoint in the store named 'z'"),
        (("a", "b", "--examples", "-1"), "--examples is -1; expected 0 or more."),
        (("a", "b", "-t", "no-such"), "No task or collection named 'no-such'"),
    ],
)
def test_wrong_words_are_one_sentence(folder: Path, words: tuple[str, ...], message: str) -> None:
    told = call("compare", *words, "--store", folder)
    assert told.code == 2 and message in told.mistakes[0]


def test_not_comparable_is_an_answer_not_a_mistake(tmp_path: Path) -> None:
    fill(Store(str(tmp_path)), [made("a", "one", [1.0, 0.0]), made("b", "one", [1.0, 0.0], task_fields={"version": 2})])
    told = call("compare", "a", "b", "--store", tmp_path)
    assert told.code == 0 and "Not comparable: one: task.version differs (1; 2)." in told.out
    assert json.loads(call("compare", "a", "b", "--store", tmp_path, "--json").out)["verdict"] == "not comparable"

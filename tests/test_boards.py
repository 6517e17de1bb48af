"""What stands beside M on a board: losses, provisional rows, collapses, stability, sources; what stands apart."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call
from made_records import LOSS, PROTOCOL, SHARE, grid, made

from suite import tables
from suite.admission import Filter
from suite.boards import boards
from suite.cli._boards import print_boards
from suite.index import Entry, entry_of, pack
from suite.leaderboard import Board, rank
from suite.spec import MetricInfo, Result
from suite.standing import Standing, tie_groups
from suite.store import Store

TASKS = ["one", "two", "three", "four"]
NOWHERE: Any = None
SKILL = {f"m{i}": 0.6 + 0.05 * i for i in range(6)}


@pytest.fixture
def store() -> Store:
    return Store(f"memory://boards-{uuid.uuid4().hex}")


def fill(store: Store, results: Sequence[Result]) -> Board:
    for result in results:
        store.put(result)
    return rank(store)


def without(results: Sequence[Result], model: str, *tasks: str) -> list[Result]:
    return [r for r in results if not (r.record.spec.checkpoint.name == model and r.record.task in tasks)]


# -- losses ------------------------------------------------------------------------------------------------------------


def test_losses_have_a_mean_of_their_own_that_is_no_part_of_m(store: Store) -> None:
    scores = grid({"a": 0.9, "b": 0.6}, ["one"])
    alone = fill(Store(f"memory://{uuid.uuid4().hex}"), scores)
    board = fill(store, [*scores, *grid({"a": 0.9, "b": 0.4}, ["lost"], main=LOSS)])
    assert (board.tasks, board.losses) == (["one"], ["lost"])
    assert [row.model for row in board.rows] == ["a", "b"]
    for row, before in zip(board.rows, alone.rows, strict=True):
        assert (row.mean, row.interval, row.coverage) == (before.mean, before.interval, 1.0)
        assert row.mean_loss == pytest.approx(row.tasks["lost"].mean)
        assert row.loss_interval is not None and row.loss_interval[0] < row.tasks["lost"].mean < row.loss_interval[1]
    assert [(row.model, row.loss_rank) for row in board.rows] == [("a", 2), ("b", 1)]  # the least loss is first
    assert [line[1] for line in tables.loss_cells(board)] == ["b", "a"]


def test_a_board_of_losses_alone_is_ranked_by_them(store: Store) -> None:
    board = fill(store, grid({"a": 0.9, "b": 0.4}, ["lost"], main=LOSS))
    assert [(row.model, row.mean, row.provisional) for row in board.rows] == [("b", None, False), ("a", None, False)]
    assert tables.cells(board) == []
    markdown = tables.to_markdown([board])
    assert "mean loss" in markdown and "| M |" not in markdown


def test_a_column_that_no_row_has_a_score_in_does_not_stop_a_table(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = store.put(made("a", "lost", [0.5, 0.25], main=LOSS)).task_spec
    other = made("a", "other", [1.0, 0.0]).record.task_spec
    print_boards([other, lost], store.contents(), Filter())
    assert "mean loss" in capsys.readouterr().out


def test_the_command_prints_losses_in_a_table_of_their_own(tmp_path: Path) -> None:
    fill(Store(str(tmp_path)), [*grid({"a": 0.9}, ["one"]), *grid({"a": 0.4}, ["lost"], main=LOSS)])
    told = call("leaderboard", "--store", tmp_path)
    assert "mean loss" in told.out and tables.LOSS_LEGEND.split(".")[0] in told.out
    (row,) = json.loads(call("leaderboard", "--store", tmp_path, "--format", "json").out)
    assert row["mean_loss"] == pytest.approx(row["tasks"]["lost"]["mean"])


# -- provisional rows --------------------------------------------------------------------------------------------------


def test_a_row_without_a_hard_task_is_completed_and_not_flattered(store: Store) -> None:
    offsets = dict(zip(TASKS, (0.0, 0.05, -0.05, -0.25), strict=True))  # the fourth is hard
    results = [r for task in TASKS for r in grid({m: s + offsets[task] for m, s in SKILL.items()}, [task], n=400)]
    whole = fill(Store(f"memory://{uuid.uuid4().hex}"), results)
    truth = {row.model: row.mean for row in whole.rows}
    board = fill(store, without(results, "m2", "four"))
    row = next(row for row in board.rows if row.model == "m2")
    assert (row.provisional, row.rank, row.coverage) == (True, None, 0.75)
    assert row.mean is not None and row.interval is not None and row.raw_mean is None
    present = float(np.mean([2 * cell.mean - 1 for cell in row.tasks.values()]))
    assert abs(row.mean - truth["m2"]) < 0.05 < abs(present - truth["m2"])
    full = next(row for row in whole.rows if row.model == "m2").interval
    assert full is not None and row.interval[1] - row.interval[0] > full[1] - full[0]  # less is known
    assert row.interval[0] < truth["m2"] < row.interval[1]


def test_provisional_rows_stand_where_their_m_is_without_a_rank(store: Store) -> None:
    board = fill(store, without(grid(SKILL, TASKS), "m5", "one"))
    assert [row.model for row in board.rows] == ["m5", "m4", "m3", "m2", "m1", "m0"]
    assert [row.rank for row in board.rows] == [None, 1, 2, 3, 4, 5]
    assert [line[0] for line in tables.cells(board)][:2] == ["?", "1"]
    assert all(row.strength is not None for row in board.rows)  # Bradley-Terry, since scores are missing
    strengths = [row.strength for row in board.rows]
    assert strengths == sorted(strengths, reverse=True)


def test_a_complete_board_needs_no_strengths(store: Store) -> None:
    assert all(row.strength is None for row in fill(store, grid(SKILL, TASKS)).rows)


def test_too_little_to_complete_from_gives_no_m(store: Store) -> None:
    board = fill(store, without(grid({"a": 0.9, "b": 0.7}, ["one", "two"]), "b", "two"))
    row = next(row for row in board.rows if row.model == "b")
    assert (row.mean, row.interval, row.provisional) == (None, None, True)


def test_rows_that_share_no_task_have_no_common_scale(store: Store) -> None:
    board = fill(store, [*grid({"a": 0.9}, ["one"]), *grid({"b": 0.9}, ["two"])])
    assert [(row.mean, row.strength) for row in board.rows] == [(None, None)] * 2


# -- collapses, failed examples, test rows that training holds ---------------------------------------------------------


def test_collapsed_runs_count_in_the_mean_and_are_told_apart(store: Store) -> None:
    runs = [made("a", "one", [1.0] * (90 + i) + [0.0] * (10 - i), seed=i) for i in range(4)]
    fell = made("a", "one", [1.0, 0.0] * 50, seed=4, collapsed=True)
    board = fill(store, [*runs, fell])
    cell = board.rows[0].tasks["one"]
    assert cell.mean == pytest.approx(np.mean([0.90, 0.91, 0.92, 0.93, 0.5]))
    assert (cell.collapsed, cell.seeds) == (1, 5)
    assert cell.collapses is not None and cell.collapses.mean == pytest.approx(0.915)
    assert cell.collapses.rate_interval[0] < 0.2 < cell.collapses.rate_interval[1]
    (note,) = [note for note in tables.notes(board) if "collapsed" in note]
    assert note.startswith(
        "a, full: collapsed runs, which count in the mean: one 1 of 5 (95% interval of the rate 1 to 72%"
    )
    assert "; the others: 91.5 ±" in note


def test_a_row_whose_runs_all_collapsed_is_shown(store: Store) -> None:
    board = fill(store, [made("a", "one", [1.0, 0.0] * 50, seed=seed, collapsed=True) for seed in range(3)])
    assert board.rows[0].tasks["one"].collapsed == 3
    (note,) = [note for note in tables.notes(board) if "collapsed" in note]
    assert "one 3 of 3 (" in note and "nan" not in note.lower() and "the others" not in note


def test_failed_examples_are_told(store: Store) -> None:
    counts = {"train": 1, "validation": 1, "test": 4, "scored": 2, "failed": 2}
    board = fill(store, [made("a", "one", [1.0, 1.0, 0.0, 0.0], counts=counts)])
    assert board.rows[0].tasks["one"].failed == 2
    assert any(note.endswith("which count as scored 0: one 2.") for note in tables.notes(board))


def test_test_rows_that_training_holds_are_told_with_the_clean_score(store: Store) -> None:
    values = [1.0] * 60 + [0.0] * 40
    found = {"method": "m", "exact": 3, "near": 1, "clean": {"n": 96, "metrics": {"accuracy": 56 / 96}}}
    seen = {"seen": [True] * 4 + [False] * 96}
    board = fill(store, [made("a", "one", values, contamination=found, columns=seen)])
    cell = board.rows[0].tasks["one"]
    assert (cell.seen, cell.clean) == (4, pytest.approx(56 / 96))
    (note,) = [note for note in tables.notes(board) if "training rows hold" in note]
    assert note == "one: the training rows hold 4 of 100 test rows, exactly or nearly; without them scores move by " + (
        "-1.7 points at the most."
    )


# -- stability, sources, cost, tags ------------------------------------------------------------------------------------


def test_stability_names_the_task_without_which_another_would_be_first(store: Store) -> None:
    results = [*grid({"a": 0.7, "b": 0.65}, ["one", "two"]), *grid({"a": 0.6, "b": 0.9}, ["three"])]
    board = fill(store, results)
    assert board.stability is not None and board.stability.top_stays == 2
    (note,) = [note for note in tables.notes(board) if "left out in turn" in note]
    assert "the top stays the top 2 of 3 times (not without three)" in note


def test_tasks_of_one_source_count_once(store: Store) -> None:
    fields = {"cluster": "glue"}
    board = fill(store, [*grid({"a": 0.7}, ["one", "two"], task_fields=fields), *grid({"a": 0.7}, ["three"])])
    assert board.sources == 2
    assert "3 tasks from 2 sources." in tables.notes(board)


def test_cost_has_parameters_seconds_and_memory(store: Store) -> None:
    board = fill(store, grid({"a": 0.7}, ["one"]))
    row = board.rows[0]
    assert (row.params, row.trainable_params, row.seconds, row.peak_memory) == (1000, 10, 2.0, 1_000_000_000)
    assert tables.cells(board)[0][-len(tables.COSTS) :] == ["3", "10", "1k", "2.0", "1.0"]


def test_a_tag_keeps_the_tasks_that_have_it(store: Store) -> None:
    fill(store, [*grid({"a": 0.7}, ["one"], task_fields={"tags": ("x", "y")}), *grid({"a": 0.7}, ["two"])])
    assert rank(store, tags=["x"]).tasks == ["one"]
    assert rank(store, tags=["x", "y"]).tasks == ["one"]
    assert rank(store, tags=["x", "z"]).rows == []


def test_the_command_filters_by_tag(tmp_path: Path) -> None:
    results = [*grid({"a": 0.7}, ["one"], task_fields={"tags": ("x",)}), *grid({"a": 0.7}, ["two"])]
    fill(Store(str(tmp_path)), results)
    (row,) = json.loads(call("leaderboard", "--store", tmp_path, "--tag", "x", "--format", "json").out)
    assert list(row["tasks"]) == ["one"]


# -- ties --------------------------------------------------------------------------------------------------------------


def test_of_equal_rows_none_is_told_from_the_leader_95_percent_of_the_time() -> None:
    """On 200 boards of 20 equal rows, some row leaves the first group on at most 16 (10 expected, or fewer)."""
    held = made("m", "one", [0.0] * 200)
    head = entry_of(held.record, held.columns).head

    def row(values: np.ndarray) -> Standing:
        return Standing({"one": [Entry(head, pack({"value": values}), NOWHERE)]})

    apart = 0
    for number in range(200):
        random = np.random.default_rng(number)
        hard = random.random(200)
        rows = [row((hard + random.normal(0, 0.2, 200) < 0.7).astype(float)) for _ in range(20)]
        rows.sort(key=lambda one: -one.cells["one"][0].values.mean())
        apart += max(tie_groups(rows, ["one"])) > 1
    assert apart <= 16


# -- what is left out, and what stands apart ---------------------------------------------------------------------------


def test_a_further_attempt_that_disagrees_is_named(store: Store) -> None:
    store.put(made("a", "one", [1.0, 0.0] * 10))
    store.put(made("a", "one", [1.0, 1.0] * 10), again=True)
    board = rank(store)
    assert board.rows[0].tasks["one"].mean == 0.5
    assert any("attempt 2 came to 1.0000, the first to 0.5000 (shown: the first)" in note for note in board.left_out)


def test_a_further_attempt_that_agrees_is_no_news(store: Store) -> None:
    for again in (False, True):
        store.put(made("a", "one", [1.0, 0.0] * 10), again=again)
    assert rank(store).left_out == []


def test_every_format_ranks_texts_and_images_apart(tmp_path: Path) -> None:
    texts = grid({"a": 0.7}, ["one"])
    fill(Store(str(tmp_path)), [*texts, *grid({"b": 0.6}, ["two"], task_fields={"kind": "image_classification"})])
    rows = json.loads(call("leaderboard", "--store", tmp_path, "--format", "json").out)
    assert sorted((row["model"], row["rank"], *row["tasks"]) for row in rows) == [("a", 1, "one"), ("b", 1, "two")]
    assert [row["board"] for row in rows] == [1, 2]
    lines = list(csv.DictReader(io.StringIO(call("leaderboard", "--store", tmp_path, "--format", "csv").out)))
    assert [(line["board"], line["model"], line["rank"]) for line in lines] == [
        (str(row["board"]), row["model"], "1") for row in rows
    ]
    markdown = call("leaderboard", "--store", tmp_path, "--format", "markdown").out
    heads = [line.split(" | ")[6] for line in markdown.splitlines() if line.startswith("| #")]
    assert heads == [task for row in rows for task in row["tasks"]]


def test_texts_images_and_kinds_to_come_have_boards_of_their_own(store: Store) -> None:
    for kind, task in (
        ("text_classification", "one"),
        ("image_classification", "two"),
        ("smell_classification", "six"),
    ):
        for result in grid({"a": 0.7}, [task], task_fields={"kind": kind}):
            store.put(result)
    assert [board.tasks for board in boards(store)] == [["six"], ["one"], ["two"]] or sorted(
        board.tasks[0] for board in boards(store)
    ) == ["one", "six", "two"]


def test_few_shot_stands_apart_unless_it_is_asked_for(store: Store) -> None:
    for strategy in ("full", "few_shot"):
        for result in grid({"a": 0.7}, ["one"], strategy=strategy):
            store.put(result)
    assert [[row.strategy for row in board.rows] for board in boards(store)] == [["few_shot"], ["full"]] or [
        [row.strategy for row in board.rows] for board in boards(store)
    ] == [["full"], ["few_shot"]]
    assert [row.strategy for row in boards(store, only=Filter(strategy="few_shot"))[0].rows] == ["few_shot"]


def test_an_empty_store_has_one_board_without_rows(store: Store) -> None:
    (board,) = boards(store)
    assert (board.rows, board.tasks, board.protocol) == ([], [], None)


# -- one of everything -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "results",
    [
        [made("a", "one", [1.0])],
        [made("a", "one", [1.0]), made("b", "one", [0.0])],
        [made("a", "one", [0.3] * 50, seed=seed) for seed in range(3)],
        [made(model, "one", [1.0, 0.0] * 20, seed=seed) for model in "abc" for seed in range(2)],
        [made("a", "one", [1.0] * 50), made("b", "one", [0.0] * 50)],
        [made("a", "one", [0.5, 2.5], main=LOSS)],
        [made("a", "one", [1.0, 0.0], main=MetricInfo(**{**SHARE.model_dump(), "chance": 1.0}))],
        [made("a", "one", [1.0, 0.0]), made("a", "two", [1.0, 0.0]), made("b", "two", [0.0, 1.0])],
    ],
    ids=["one", "two", "alike", "equal", "edges", "loss", "no-room-above-chance", "gap"],
)
def test_no_board_has_a_nan_or_an_interval_without_a_width(store: Store, results: list[Result]) -> None:
    board = fill(store, results)
    text = tables.to_markdown([board]) + tables.to_csv([board]) + tables.to_json([board])
    assert "nan" not in text.lower().replace("finance", "")
    for row in board.rows:
        for ends in (row.interval, row.raw_interval, row.loss_interval, *(c.interval for c in row.tasks.values())):
            assert ends is None or ends[0] < ends[1]


def test_rows_of_other_protocols_are_left_out_with_the_reason(store: Store) -> None:
    other = PROTOCOL.model_copy(update={"name": "q", "version": 3})
    for result in [*grid({"a": 0.7, "b": 0.8}, ["one"]), *grid({"c": 0.9}, ["one"], protocol=other)]:
        store.put(result)
    board = rank(store)
    assert {row.model for row in board.rows} == {"a", "b"}
    (note,) = board.left_out
    assert note.startswith("3 records of another protocol: q v3 (")
    assert {row.model for row in rank(store, protocol="q").rows} == {"c"}


def keys(value: Any) -> set[str]:
    return set(value) if isinstance(value, dict) else set()


def test_json_rows_keep_the_promised_fields(store: Store) -> None:
    (row,) = json.loads(tables.to_json([fill(store, grid({"a": 0.7}, ["one"]))]))
    promised = "model revision strategy mean interval mean_rank rank tie_group coverage provisional tasks params"
    assert {*promised.split(), "trainable_params", "seconds"} <= keys(row)
    assert {"mean", "interval", "seeds", "n"} <= keys(row["tasks"]["one"])

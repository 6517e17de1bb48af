"""The board: what it adds up, what it ties, what it leaves out and says so."""

import csv
import io
import json
import uuid

import numpy as np
import pytest
from pydantic import JsonValue

from suite import leaderboard, tables
from suite.leaderboard import Board
from suite.spec import (
    SEMANTICS,
    Budget,
    CheckpointRef,
    DatasetRef,
    MetricInfo,
    Protocol,
    Record,
    Result,
    RunSpec,
    Selection,
    TaskSpec,
)
from suite.store import Store

PROTOCOL = Protocol(
    name="p",
    version=1,
    seeds=2,
    batch=4,
    budget=Budget(epochs=1, min_steps=1, max_steps=2),
    selection=Selection(looks=1),
)


@pytest.fixture
def store() -> Store:
    return Store(f"memory://board-{uuid.uuid4().hex}")


def named(task: str, version: int = 1, data: str = "d") -> TaskSpec:
    """Return a task whose rows are those of a revision."""
    dataset = DatasetRef(path="x", revision=data)
    return TaskSpec(name=task, version=version, kind="k", dataset=dataset, columns={}, main="accuracy")


def put(
    store: Store,
    model: str,
    task: str,
    right: int,
    *,
    seed: int = 0,
    protocol: Protocol = PROTOCOL,
    rows: str = "a",
    chance: float | None = 0.5,
    collapsed: bool = False,
    version: int = 1,
    data: str = "d",
    semantics: int = SEMANTICS,
    settings: dict[str, JsonValue] | None = None,
) -> None:
    """Put a record of 100 examples of which the first `right` are right."""
    values = [1.0] * right + [0.0] * (100 - right)
    spec = RunSpec(
        checkpoint=CheckpointRef(name=model, revision="0" * 40),
        tasks=(named(task, version, data),),
        strategy="full",
        semantics=semantics,
        settings=settings or {},
        protocol=protocol,
        seed=seed,
    )
    record = Record(
        key=RunSpec.key(spec) if rows == "a" else "f" * 63 + str(seed),
        spec=spec,
        task=task,
        metrics={"accuracy": right / 100},
        main=MetricInfo(name="accuracy", version=1, greater_is_better=True, range=(0.0, 1.0), chance=chance),
        collapsed=collapsed,
        collapse_rule="",
        counts={"test": 100, "failed": 0},
        data={"ids_sha256": {"test": f"sha256:{rows * 64}"}},
        checkpoint={"params": 1000, "trainable_params": 10},
        training={},
        cost={"seconds": 2.0},
        environment={},
        seeds={},
        created="2026-01-01T00:00:00+00:00",
    )
    ids = [str(i) for i in range(100)]
    columns = {"id": ids, "label": ["x"] * 100, "prediction": ["x"] * 100, "scores": [[1.0]] * 100, "value": values}
    store.put(Result(record, columns))


def rank(store: Store) -> Board:
    return leaderboard.rank(store)


def test_m_is_the_mean_of_chance_corrected_scores(store: Store) -> None:
    put(store, "a", "one", 75)
    put(store, "a", "two", 100, chance=0.0)
    (row,) = rank(store).rows
    assert row.mean == pytest.approx((0.5 + 1.0) / 2)
    assert row.raw_mean == pytest.approx(0.875)
    assert row.interval is not None
    assert row.interval[0] < row.mean < row.interval[1]
    assert row.params == 1000 and row.trainable_params == 10 and row.seconds == 2.0


def test_without_a_chance_level_the_raw_score_counts(store: Store) -> None:
    put(store, "a", "one", 75, chance=None)
    assert rank(store).rows[0].mean == pytest.approx(0.75)


def test_seeds_are_averaged_and_counted(store: Store) -> None:
    put(store, "a", "one", 70, seed=0)
    put(store, "a", "one", 80, seed=1)
    cell = rank(store).rows[0].tasks["one"]
    assert (cell.mean, cell.seeds, cell.n) == (pytest.approx(0.75), 2, 100)


def test_near_scores_tie_and_far_ones_do_not(store: Store) -> None:
    for model, right in (("best", 90), ("near", 89), ("far", 40)):
        put(store, model, "one", right)
    rows = rank(store).rows
    assert [(r.model, r.rank, r.tie_group) for r in rows] == [("best", 1, 1), ("near", 2, 1), ("far", 3, 2)]


def test_mean_rank_shares_ties(store: Store) -> None:
    for model, one, two in (("a", 90, 60), ("b", 80, 60), ("c", 70, 90)):
        put(store, model, "one", one)
        put(store, model, "two", two)
    ranks = {row.model: row.mean_rank for row in rank(store).rows}
    assert ranks == {"a": (1 + 2.5) / 2, "b": (2 + 2.5) / 2, "c": (3 + 1) / 2}


def test_a_row_that_lacks_a_task_has_no_m_and_is_provisional(store: Store) -> None:
    put(store, "a", "one", 60)
    put(store, "a", "two", 60)
    put(store, "b", "one", 99)
    first, last = rank(store).rows
    assert (first.model, first.provisional, first.coverage) == ("a", False, 1.0)
    assert (last.model, last.mean, last.rank, last.provisional, last.coverage) == ("b", None, None, True, 0.5)


def test_another_protocol_is_left_out_and_named(store: Store) -> None:
    put(store, "a", "one", 60)
    put(store, "b", "one", 60)
    put(store, "c", "one", 99, protocol=PROTOCOL.model_copy(update={"name": "other"}))
    board = rank(store)
    assert {row.model for row in board.rows} == {"a", "b"}
    assert any("1 records of another protocol: other" in note for note in board.left_out)
    assert [r.model for r in leaderboard.rank(store, protocol="other").rows] == ["c"]


def test_a_protocol_of_the_same_name_with_another_content_does_not_mix(store: Store) -> None:
    put(store, "a", "one", 60)
    put(store, "b", "one", 60)
    put(store, "c", "one", 99, protocol=PROTOCOL.model_copy(update={"batch": 5}))
    board = rank(store)
    assert len(board.rows) == 2
    assert board.left_out


def test_other_test_rows_are_left_out_and_named(store: Store) -> None:
    put(store, "a", "one", 60)
    put(store, "a", "one", 61, seed=1)
    put(store, "b", "one", 99, rows="b", seed=2)
    board = rank(store)
    assert [row.model for row in board.rows] == ["a"]
    assert any("version or data of one" in note for note in board.left_out)


def test_other_training_data_do_not_mix_though_the_test_rows_are_the_same(store: Store) -> None:
    put(store, "a", "one", 60)
    put(store, "a", "one", 99, data="edited")
    put(store, "b", "one", 70)
    board = rank(store)
    assert {row.model: row.tasks["one"].seeds for row in board.rows} == {"a": 1, "b": 1}
    assert next(row for row in board.rows if row.model == "a").tasks["one"].mean == 0.6
    assert len(board.left_out) == 1


def test_the_version_that_is_asked_for_is_shown_though_another_has_more_records(store: Store) -> None:
    for seed in range(3):
        put(store, "a", "one", 99, seed=seed)
    put(store, "a", "one", 60, version=2)
    board = leaderboard.rank(store, [named("one", version=2)])
    assert board.rows[0].tasks["one"].mean == 0.6
    assert "3 records of another version or data of one" in board.left_out[0]


def test_numbers_that_mean_something_else_by_now_are_left_out(store: Store) -> None:
    put(store, "a", "one", 60)
    put(store, "a", "one", 61, seed=1)
    put(store, "a", "one", 99, semantics=SEMANTICS + 1)
    board = rank(store)
    assert board.rows[0].tasks["one"].seeds == 2
    assert f"semantics {SEMANTICS + 1}" in board.left_out[0]


def test_rows_that_differ_in_settings_alone_are_told_apart(store: Store) -> None:
    put(store, "a", "one", 60, settings={"rank": 4})
    put(store, "a", "one", 90, settings={"rank": 8})
    put(store, "b", "one", 70)
    rows = rank(store).rows
    assert [row.settings.get("rank") for row in rows] == [8, None, 4]
    assert rows[0].mark and rows[2].mark and rows[0].mark != rows[2].mark and rows[1].mark is None
    assert f"a [{rows[0].mark}]" == rows[0].label


def test_all_right_has_an_interval_with_a_width(store: Store) -> None:
    put(store, "a", "one", 100)
    row = rank(store).rows[0]
    low, high = row.tasks["one"].interval or (0, 0)
    assert low < high <= 1


def test_collapsed_runs_are_counted(store: Store) -> None:
    put(store, "a", "one", 50, collapsed=True)
    assert rank(store).rows[0].tasks["one"].collapsed == 1


def test_an_empty_store_gives_an_empty_board(store: Store) -> None:
    board = rank(store)
    assert board.rows == [] and board.left_out == []
    assert json.loads(tables.to_json(board)) == []


def test_every_format_says_the_same(store: Store) -> None:
    put(store, "evil|<script>*x*", "one", 75)
    put(store, "plain", "one", 25)
    board = rank(store)
    rows = json.loads(tables.to_json(board))
    lines = list(csv.DictReader(io.StringIO(tables.to_csv(board))))
    assert [r["model"] for r in rows] == [line["model"] for line in lines]
    assert float(lines[0]["one"]) == rows[0]["tasks"]["one"]["mean"] == 0.75
    markdown = tables.to_markdown(board)
    assert "<script>" not in markdown.replace("\\<script\\>", "")
    assert "evil\\|\\<script\\>\\*x\\*" in markdown
    assert np.allclose(board.to_pandas()["one"], [0.75, 0.25])
    assert "<script>" not in board._repr_html_()


@pytest.mark.parametrize(
    ("n", "text"), [(None, "-"), (999, "999"), (1161, "1.16k"), (22_714_371, "22.7M"), (7_000_000_000, "7G")]
)
def test_counts_are_short(n: int | None, text: str) -> None:
    assert tables.count(n) == text

"""The board: what it adds up, what it ties, what it leaves out and says so."""

import csv
import io
import json
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from made_records import PROTOCOL
from pydantic import JsonValue

from suite import leaderboard, tables
from suite.leaderboard import Board
from suite.spec import (
    SEMANTICS,
    CheckpointRef,
    DatasetRef,
    MetricInfo,
    Mixture,
    Protocol,
    Record,
    Result,
    RunSpec,
    SuiteError,
    TaskSpec,
)
from suite.store import Store


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
    strategy: str = "full",
    cut: tuple[str, int] = ("holdout", 0),
    partners: Sequence[TaskSpec] = (),
    mixture: Mixture | None = None,
    clusters: int = 0,
    stages: tuple[list[float], list[list[float]]] | None = None,
    pool: str = "p",
) -> None:
    """Put a record of 100 examples of which the first `right` are right.

    `cut` is how the data was cut and which fold it is, `partners` share the trunk, and `clusters` is how many
    the examples fall into. `stages` are scores on the way. `rows` are those that are tested, of all in `pool`.
    """
    values = [1.0] * right + [0.0] * (100 - right)
    spec = RunSpec(
        checkpoint=CheckpointRef(name=model, revision="0" * 40),
        tasks=tuple(sorted((named(task, version, data), *partners), key=lambda one: one.name)),
        strategy=strategy,
        semantics=semantics,
        settings=settings or {},
        protocol=protocol,
        resample=cut[0],
        fold=cut[1],
        mixture=(mixture or Mixture()) if partners else None,
        seed=seed,
    )
    record = Record(
        key=spec.key(task),
        spec=spec,
        task=task,
        metrics={"accuracy": right / 100},
        main=MetricInfo(name="accuracy", version=1, greater_is_better=True, range=(0.0, 1.0), chance=chance),
        collapsed=collapsed,
        collapse_rule="",
        counts={"train": 180, "validation": 20, "test": 100, "failed": 0},
        data={"ids_sha256": {"test": f"sha256:{rows * 64}"}, "rows_sha256": {"train": pool}},
        checkpoint={"params": 1000, "trainable_params": 10},
        training={"stage_scores": stages[0], "stage_validation": stages[1]} if stages else {},  # type: ignore[dict-item]
        cost={"seconds": 2.0},
        environment={},
        seeds={},
        created="2026-01-01T00:00:00+00:00",
    )
    ids = [str(i) for i in range(100)]
    columns = {"id": ids, "label": ["x"] * 100, "prediction": ["x"] * 100, "scores": [[1.0]] * 100, "value": values}
    names = {"cluster": [f"e{i * clusters // 100:03d}" for i in range(100)]} if clusters else {}
    store.put(Result(record, columns | names))


def put_folds(store: Store, model: str, rights: Sequence[int], *, resample: str = "kfold:3", **more: Any) -> None:
    """Put the folds of seed 0 and then of further seeds, each tested on rows of its own."""
    runs = int(resample.partition(":")[2])
    for i, right in enumerate(rights):
        put(store, model, "one", right, seed=i // runs, cut=(resample, i % runs), rows="abcdef"[i % runs], **more)


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
    assert json.loads(tables.to_json([board])) == []


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", " ="])
def test_a_spreadsheet_takes_no_name_for_a_formula_and_every_number_for_one(store: Store, sign: str) -> None:
    put(store, f"{sign}HYPERLINK(1)", "one", 25)
    put(store, "plain-1", "one", 75)
    lines = list(csv.DictReader(io.StringIO(tables.to_csv([rank(store)]))))
    assert [line["model"] for line in lines] == ["plain-1", f"'{' ' if sign.isspace() else sign}HYPERLINK(1)"]
    assert [float(line["mean"]) for line in lines] == [0.5, -0.5]
    made = tables.csv_of([{"=1": -1.0, "b": None}, {"c": "-1"}])
    assert made.splitlines() == ["'=1,b,c", "-1.0,,", ",,'-1"]


def test_every_format_says_the_same(store: Store) -> None:
    put(store, "evil|<script>*x*", "one", 75)
    put(store, "plain", "one", 25)
    board = rank(store)
    rows = json.loads(tables.to_json([board]))
    lines = list(csv.DictReader(io.StringIO(tables.to_csv([board]))))
    assert [r["model"] for r in rows] == [line["model"] for line in lines]
    assert float(lines[0]["one"]) == rows[0]["tasks"]["one"]["mean"] == 0.75
    markdown = tables.to_markdown([board])
    assert "<script>" not in markdown.replace("\\<script\\>", "")
    assert "evil\\|\\<script\\>\\*x\\*" in markdown
    assert np.allclose(board.to_pandas()["one"], [0.75, 0.25])
    assert "<script>" not in board._repr_html_()


# -- folds, replicates and parts ---------------------------------------------------------------------------------------


def test_the_folds_of_a_row_share_a_column_though_each_tests_rows_of_its_own(store: Store) -> None:
    put_folds(store, "a", [60, 70, 80, 65, 75, 70])
    (row,) = rank(store).rows
    cell = row.tasks["one"]
    assert (cell.mean, cell.seeds, cell.folds, cell.missing_folds, cell.n) == (pytest.approx(0.7), 2, 3, 0, 300)
    assert cell.interval is not None and cell.interval[0] < 0.7 < cell.interval[1]
    assert (row.resample, row.provisional, row.rank) == ("kfold:3", False, 1)
    assert rank(store).left_out == []


@pytest.mark.parametrize("other", [{"data": "edited"}, {"pool": "q"}], ids=["revision", "rows"])
def test_folds_of_other_data_do_not_mix(store: Store, other: dict[str, Any]) -> None:
    put_folds(store, "a", [60, 70, 80])
    put_folds(store, "b", [60, 70], **other)
    board = rank(store)
    assert [row.model for row in board.rows] == ["a"]
    assert "2 records of another version or data of one" in board.left_out[0]


@pytest.mark.parametrize(
    ("resample", "given"), [("kfold:3", 2), ("kfold:3", 5), ("bootstrap:4", 3), ("partition:3", 1)]
)
def test_a_row_that_lacks_a_fold_has_no_m_and_is_provisional(store: Store, resample: str, given: int) -> None:
    for model, count in (("whole", 6 if given > 3 else int(resample[-1])), ("part", given)):
        for i in range(count):
            runs = int(resample[-1])
            rows = "a" if resample.startswith("partition") else "abcdef"[i % runs]
            put(store, model, "one", 60 + i, seed=i // runs, cut=(resample, i % runs), rows=rows)
    first, last = rank(store).rows
    assert (first.model, first.rank, first.provisional, first.tasks["one"].missing_folds) == ("whole", 1, False, 0)
    assert (last.model, last.rank, last.provisional, last.coverage) == ("part", None, True, 1.0)
    assert (last.mean, last.interval, last.raw_mean, last.mean_rank, last.tie_group) == (None,) * 5
    assert last.tasks["one"].missing_folds == 1 if given != 1 else 2
    whole, part = tables.cells(rank(store), "scores")
    assert part[0] == "?" and part[3] == "-" and part[4].endswith("?")
    assert whole[0] == "1" and "?" not in "".join(whole)


def test_held_out_rows_and_folds_never_share_a_board(store: Store) -> None:
    put_folds(store, "a", [60, 70, 80])
    put_folds(store, "a", [60, 70, 80], resample="bootstrap:3")
    for seed in range(4):
        put(store, "a", "one", 90, seed=seed)
    for word, mean in ((None, 0.9), ("holdout", 0.9), ("kfold:3", 0.7), ("bootstrap:3", 0.7)):
        board = leaderboard.rank(store, resample=word)
        assert [(row.resample, row.tasks["one"].mean) for row in board.rows] == [
            (word or "holdout", pytest.approx(mean))
        ]
    assert len(leaderboard.rank(store).left_out) == 2
    assert any("p v1" in note and "kfold:3 (shown: p v1" in note for note in leaderboard.rank(store).left_out)
    assert leaderboard.rank(store, resample="kfold:5").rows == []


def test_a_way_to_cut_that_means_nothing_is_refused(store: Store) -> None:
    with pytest.raises(SuiteError, match=r"--resample is 'kfold'; expected .* Did you mean 'kfold:5'\?"):
        leaderboard.rank(store, resample="kfold")


def test_data_cut_in_a_way_to_come_is_left_out_and_named(store: Store) -> None:
    put(store, "a", "one", 60)
    for fold in range(3):
        put(store, "b", "one", 99, cut=("nested:3x3", fold))
    board = rank(store)
    assert [row.model for row in board.rows] == ["a"]
    assert board.left_out == ["3 records of data cut in a way that this version does not know: nested:3x3"]


def test_folds_are_tied_by_their_paired_differences(store: Store) -> None:
    """Another is a little worse in every fold, far less than folds differ; or on average only, by as much."""
    put_folds(store, "a", [60, 70, 90, 60, 70, 90])
    put_folds(store, "b", [57, 66, 87, 56, 67, 87])
    rows = rank(store).rows
    low, high = rows[1].tasks["one"].interval or (0, 0)
    assert low < rows[0].tasks["one"].mean < high
    assert [(row.model, row.tie_group) for row in rows] == [("a", 1), ("b", 2)]


def test_folds_that_are_worse_on_average_only_are_tied(store: Store) -> None:
    put_folds(store, "a", [60, 70, 90, 60, 70, 90])
    put_folds(store, "b", [87, 57, 66, 87, 56, 67])
    assert [(row.model, row.tie_group) for row in rank(store).rows] == [("a", 1), ("b", 1)]


def test_folds_that_all_differ_by_one_amount_are_tied(store: Store) -> None:
    """There is no spread to be sure by, but for what rounding leaves."""
    put_folds(store, "a", [90, 70, 30])
    put_folds(store, "b", [80, 60, 20])
    assert [row.tie_group for row in rank(store).rows] == [1, 1]


def test_parts_count_like_seeds(store: Store) -> None:
    for part, right in enumerate((60, 70, 80)):
        put(store, "a", "one", right, cut=("partition:3", part))
    (row,) = rank(store).rows
    cell = row.tasks["one"]
    assert (cell.seeds, cell.folds, cell.n, cell.missing_folds) == (1, 3, 100, 0)
    put(store, "b", "one", 70)
    held_out = leaderboard.rank(store, resample="holdout").rows[0].tasks["one"]
    assert cell.interval and held_out.interval
    assert cell.interval[1] - cell.interval[0] > held_out.interval[1] - held_out.interval[0]  # parts differ


def test_one_seed_is_marked_where_nothing_else_varies(store: Store) -> None:
    put(store, "held out", "one", 70)
    put(store, "in parts", "one", 60, cut=("partition:2", 0))
    put(store, "in parts", "one", 80, cut=("partition:2", 1))
    put(store, "all", "one", 80, cut=("loo", 0))
    for word, marked in (("holdout", True), ("partition:2", False), ("loo", True)):
        ((_, _, _, _, score, *_),) = tables.cells(leaderboard.rank(store, resample=word), "scores")
        assert ("*" in score) == marked


# -- clusters and episodes ---------------------------------------------------------------------------------------------


def test_examples_of_one_cluster_are_not_counted_as_independent(store: Store) -> None:
    """Ten clusters of ten, five of them right as a whole, are ten answers and not a hundred."""
    put(store, "examples", "one", 50)
    put(store, "clusters", "one", 50, clusters=10)
    half = {row.model: (row.tasks["one"].interval or (0.0, 0.0))[1] - 0.5 for row in rank(store).rows}
    assert half["examples"] == pytest.approx(1.9842 * (0.25 / 99) ** 0.5, rel=1e-3)
    assert half["clusters"] == pytest.approx(2.2622 * (0.25 / 9) ** 0.5, rel=1e-3)


@pytest.mark.parametrize("told", ["a", "b"])
def test_a_record_that_does_not_tell_its_clusters_is_paired_by_those_of_the_other(store: Store, told: str) -> None:
    for model, right in (("a", 60), ("b", 50)):
        put(store, model, "one", right, clusters=10 * (model == told))
    assert [(row.model, row.tie_group) for row in rank(store).rows] == [("a", 1), ("b", 1)]  # by examples 1 and 2


def test_episodes_never_share_a_column_with_held_out_rows(store: Store) -> None:
    put(store, "a", "one", 60)
    put(store, "b", "one", 60)
    put(store, "a", "one", 99, strategy="few_shot", rows="e", clusters=20)
    board = rank(store)
    assert [(row.model, row.strategy) for row in board.rows] == [("a", "full"), ("b", "full")]
    assert "1 records of another version or data of one" in board.left_out[0]
    (row,) = leaderboard.rank(store, strategy="few_shot").rows
    assert row.tasks["one"].mean == 0.99 and row.tasks["one"].interval


# -- shared trunks -----------------------------------------------------------------------------------------------------


def test_joint_runs_are_rows_of_their_own(store: Store) -> None:
    put(store, "a", "one", 60)
    put(store, "a", "two", 60)
    put(store, "a", "one", 80, partners=[named("two")])
    put(store, "a", "two", 80, partners=[named("one")])
    joint, single = rank(store).rows
    assert (joint.trunk, joint.way, joint.mixture) == (("one", "two"), "full, joint of 2", Mixture().model_dump())
    assert (single.trunk, single.way, single.mixture) == ((), "full", None)
    assert (joint.mark, single.mark) == (None, None)
    assert [cell.mean for cell in joint.tasks.values()] == [0.8, 0.8]
    assert [line[2] for line in tables.cells(rank(store))] == ["full, joint of 2", "full"]
    assert "| a | full, joint of 2 |" in tables.to_markdown([rank(store)])
    rows = json.loads(tables.to_json([rank(store)]))
    assert [row["trunk"] for row in rows] == [["one", "two"], []]
    lines = list(csv.DictReader(io.StringIO(tables.to_csv([rank(store)]))))
    assert [line["trunk"] for line in lines] == ["one+two", ""]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"mixture": Mixture(sampling="uniform")}, {"mixture": Mixture(weights={"one": 2.0})}),
        ({"partners": [named("two")]}, {"partners": [named("three")]}),
        ({"partners": [named("two")]}, {"partners": [named("two", version=2)]}),
        ({"partners": [named("two")]}, {"partners": [named("two", data="edited")]}),
    ],
    ids=["mixture", "trunk", "version", "data"],
)
def test_marks_tell_two_mixtures_apart(store: Store, one: dict[str, Any], other: dict[str, Any]) -> None:
    common: dict[str, Any] = {"partners": [named("two")]}
    put(store, "a", "one", 80, **(common | one))
    put(store, "a", "one", 60, **(common | other))
    put(store, "a", "one", 70)
    rows = rank(store).rows
    assert [(row.tasks["one"].mean, row.tasks["one"].seeds) for row in rows] == [(0.8, 1), (0.7, 1), (0.6, 1)]
    marks = [row.mark for row in rows]
    assert marks[0] and marks[2] and marks[0] != marks[2] and marks[1] is None
    assert len({row.label for row in rows}) == 3


def test_words_about_a_partner_make_no_other_row(store: Store) -> None:
    put(store, "a", "one", 80, partners=[named("two")])
    put(store, "a", "one", 60, partners=[named("two").model_copy(update={"description": "better said"})], seed=1)
    (row,) = rank(store).rows
    assert row.tasks["one"].seeds == 2


# -- stages ------------------------------------------------------------------------------------------------------------

WAY: tuple[list[float], list[list[float]]] = ([0.5, 0.6, 0.9], [[0.5, 0.4], [0.9, 0.5], [0.7, 0.8]])


def staged(store: Store) -> tuple[list[str], list[list[str]]]:
    return tables.stages(store.contents().entries)


def test_stages_show_the_way_of_the_test_score_and_what_was_forgotten(store: Store) -> None:
    put(store, "a", "one", 90, cut=("partition:2:sequential", 0), stages=WAY)
    head, lines = staged(store)
    assert head == [
        *("model", "strategy", "task", "metric", "after 0", "after 1", "after 2"),
        *("forgetting", "backward", "forward"),
    ]
    assert lines == [["a", "full", "one", "accuracy", "50.0", "60.0", "90.0", "20.0", "-20.0", "10.0"]]


def test_stages_of_several_seeds_have_students_interval(store: Store) -> None:
    put(store, "a", "one", 90, cut=("partition:2:sequential", 0), stages=WAY)
    other = ([0.5, 0.7, 0.8], [[0.5, 0.4], [0.9, 0.5], [0.8, 0.8]])
    put(store, "a", "one", 80, cut=("partition:2:sequential", 0), stages=other, seed=1)
    _, ((*_, before, first, last, forgetting, backward, forward),) = staged(store)
    half = 12.706 * 0.05 * 100  # t of one degree of freedom, times the error of two values 0.1 apart
    assert (before, first, last) == ("50.0", f"65.0 ±{half:.1f}", f"85.0 ±{half:.1f}")
    assert (forgetting, backward, forward) == (f"15.0 ±{half:.1f}", f"-15.0 ±{half:.1f}", "10.0")


def test_stages_of_other_numbers_keep_their_columns(store: Store) -> None:
    three = ([0.1, 0.2, 0.3, 0.4], [[0.0] * 3, [0.9, 0.0, 0.0], [0.9, 0.9, 0.0], [0.9, 0.9, 0.9]])
    put(store, "a", "one", 90, cut=("partition:2:sequential", 0), stages=WAY)
    put(store, "a", "one", 40, cut=("partition:3:sequential", 0), stages=three)
    head, lines = staged(store)
    assert all(len(line) == len(head) == 11 for line in lines)
    assert sorted(line[4:8] for line in lines) == [["10.0", "20.0", "30.0", "40.0"], ["50.0", "60.0", "90.0", "-"]]
    assert sorted(line[8] for line in lines) == ["0.0", "20.0"]


def test_stages_are_told_a_checkpoint_strategy_and_task(store: Store) -> None:
    for model, task, strategy in (
        ("a", "one", "full"),
        ("a", "two", "full"),
        ("b", "one", "full"),
        ("a", "one", "lora"),
    ):
        put(store, model, task, 90, cut=("partition:2:sequential", 0), stages=WAY, strategy=strategy)
    _, lines = staged(store)
    assert sorted(line[:3] for line in lines) == [
        ["a", "full", "one"],
        ["a", "full", "two"],
        ["a", "lora", "one"],
        ["b", "full", "one"],
    ]


@pytest.mark.parametrize(
    ("n", "text"), [(None, "-"), (999, "999"), (1161, "1.16k"), (22_714_371, "22.7M"), (7_000_000_000, "7G")]
)
def test_counts_are_short(n: int | None, text: str) -> None:
    assert tables.count(n) == text

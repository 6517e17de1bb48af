"""Cuts of a task's rows: what each promises of any rows, what is refused, and whole runs of each."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Told, call, records
from hypothesis import given
from hypothesis import strategies as st

from suite import resampling
from suite.cuts import Cut, cut
from suite.data import Split, TaskData, hash_ids
from suite.resampling import Resample, folds, parse
from suite.spec import DatasetRef, SuiteError, TaskSpec, canonical_json
from suite.store import Store

LINES = {"dataset": 4, "splits": 7, "columns": 8, "columns.label": 9, "columns.group": 10}
TASK = TaskSpec(
    name="toy",
    version=1,
    kind="text_classification",
    dataset=DatasetRef(path="csv"),
    columns={},
    file="toy.yaml",
    lines=LINES,
)
Row = dict[str, Any]


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "meant", "runs"),
    [
        ("holdout", Resample("holdout"), 1),
        ("loo", Resample("loo"), 1),
        ("kfold:2", Resample("kfold", 2), 2),
        ("kfold:10", Resample("kfold", 10), 10),
        ("bootstrap:100", Resample("bootstrap", 100), 100),
        ("partition:3", Resample("partition", 3), 3),
        ("partition:3:sequential", Resample("sequential", 3), 1),
        ("bootstrap:9999", Resample("bootstrap", 9999), 9999),
    ],
)
def test_a_word_means_a_way_and_a_number_of_runs(word: str, meant: Resample, runs: int) -> None:
    assert parse(word) == meant
    assert folds(word) == runs


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("kfold", "kfold:5"),
        ("kfold:1", "kfold:2"),
        ("kfold:0", "kfold:5"),
        ("kfold:05", "kfold:5"),
        ("k-fold:10", "kfold:10"),
        ("KFold:3", "kfold:3"),
        ("5-fold", "kfold:5"),
        ("kfold=4", "kfold:4"),
        ("kfold:5 ", "kfold:5"),
        ("kfold:5:sequential", "kfold:5"),
        ("bootstrp:30", "bootstrap:30"),
        ("bootstrap:1", "bootstrap:2"),
        ("bootstrap:100000", "bootstrap:9999"),
        ("partition", "partition:5"),
        ("partition:3:seq", "partition:3:sequential"),
        ("partition:3-sequential", "partition:3:sequential"),
        ("partitions:4", "partition:4"),
        ("loocv", "loo"),
        ("hold-out", "holdout"),
        ("holdout:2", "holdout"),
        ("kfold:" + "9" * 5000, "kfold:9999"),
    ],
)
def test_a_mistake_is_told_with_the_nearest_form(word: str, near: str) -> None:
    with pytest.raises(SuiteError) as told:
        parse(word)
    assert str(told.value) == f"--resample is '{word}'; expected {resampling.FORMS}. Did you mean '{near}'?"
    assert parse(near)


@pytest.mark.parametrize("word", ["", "cv", "five", "::", "10", "\n"])
def test_what_is_near_nothing_is_told_without_a_guess(word: str) -> None:
    with pytest.raises(SuiteError) as told:
        parse(word)
    assert str(told.value) == f"--resample is '{word}'; expected {resampling.FORMS}."


@pytest.mark.parametrize(("word", "fold"), [("kfold:3", 3), ("loo", 1), ("partition:2:sequential", 1), ("kfold:3", -1)])
def test_a_fold_that_is_not_there_is_refused(word: str, fold: int) -> None:
    with pytest.raises(SuiteError, match=rf"{word} has no fold {fold}; expected 0 to {folds(word) - 1}\."):
        cut(TASK, table(plain(20)), Cut(word, fold, 0))


# -- rows --------------------------------------------------------------------------------------------------------------


def split_of(name: str, rows: list[Row]) -> Split:
    """Return a split of rows, each known by the hash of its cells."""
    cells = {column: [row[column] for row in rows] for column in rows[0]}
    return Split(name, cells, [hashlib.sha256(canonical_json(row).encode()).hexdigest() for row in rows])


def table(rows: list[Row], shuffled: int | None = None) -> TaskData:
    """Return rows as a task's data: 3/5 to train on, 1/5 each for validation and test."""
    if shuffled is not None:
        rows = [rows[i] for i in np.random.default_rng(shuffled).permutation(len(rows))]
    a, b = 3 * len(rows) // 5, 4 * len(rows) // 5
    names = ("train", "validation", "test")
    parts = [split_of(name, part) for name, part in zip(names, (rows[:a], rows[a:b], rows[b:]), strict=True)]
    pins = {"revision": "r", "rows_sha256": {"train": "x"}, "ids_sha256": {p.name: hash_ids(p.ids) for p in parts}}
    return TaskData(*parts, None, pins)


def plain(n: int, classes: int = 2) -> list[Row]:
    """Return n different rows of so many classes, one as large as the other."""
    return [{"text": f"row {i}", "label": f"c{i % classes}"} for i in range(n)]


def groups_of(*labels: str) -> list[Row]:
    """Return four rows a group, each group having the labels of one word's letters in turn."""
    return [
        {"text": f"{g} {i}", "label": word[i % len(word)], "group": f"g{g}"}
        for g, word in enumerate(labels)
        for i in range(4)
    ]


@st.composite
def row_lists(draw: st.DrawFn, classes: bool = True) -> list[Row]:
    """Draw 24 to 60 different rows, of up to three classes of at least eight rows, some of them several times."""
    sizes = draw(st.lists(st.integers(8, 20), min_size=3, max_size=3) if classes else st.just([30]))
    rows: list[Row] = [{"text": f"{c} {i}", "label": f"c{c}"} for c, size in enumerate(sizes) for i in range(size)]
    if not classes:
        rows = [{"text": row["text"], "score": i / 7} for i, row in enumerate(rows)]
    again = draw(st.lists(st.integers(0, len(rows) - 1), max_size=12))
    return rows + [rows[i] for i in again]


@st.composite
def grouped_lists(draw: st.DrawFn) -> list[Row]:
    """Draw 6 to 12 groups of 2 to 9 rows of both classes, and a few rows of no group."""
    sizes = draw(st.lists(st.integers(2, 9), min_size=6, max_size=12))
    rows = [
        {"text": f"{g} {i}", "label": f"c{i % 2}", "group": f"g{g}"}
        for g, size in enumerate(sizes)
        for i in range(size)
    ]
    alone = draw(st.integers(0, 4))
    return rows + [{"text": f"alone {i}", "label": f"c{i % 2}", "group": None} for i in range(alone)]


def units(split: Split) -> set[str]:
    """Return what may not be torn apart: the groups, or the hashes of rows without one."""
    groups = split.columns.get("group", [None] * len(split))
    return {row if group is None else group for group, row in zip(groups, split.hashes, strict=True)}


def apart(rows: TaskData) -> None:
    """Check that no group and no row is in two of train, validation and test, and that each has rows."""
    train, validation, test = (units(split) for split in rows.splits)
    assert train and validation and test
    assert not (train & validation) | (train & test) | (validation & test)


def content(rows: TaskData) -> list[tuple[list[str], dict[str, list[Any]]]]:
    return [(split.ids, split.columns) for split in rows.splits]


any_rows = st.one_of(row_lists(), row_lists(classes=False), grouped_lists())
seeds = st.integers(0, 2**32 - 1)


# -- folds -------------------------------------------------------------------------------------------------------------


@given(any_rows, st.integers(2, 5), seeds)
def test_folds_test_every_row_once_and_keep_apart_what_belongs_together(rows: list[Row], k: int, seed: int) -> None:
    whole = table(rows)
    everything = sorted(split_of("all", rows).hashes)
    tested: list[str] = []
    for fold in range(k):
        (made,) = cut(TASK, whole, Cut(f"kfold:{k}", fold, seed))
        apart(made)
        assert [split.name for split in made.splits] == ["train", "validation", "test"]
        assert sorted(made.train.hashes + made.validation.hashes + made.test.hashes) == everything
        tested += made.test.ids
    assert len(set(tested)) == len(tested)  # ids of equal rows differ, so none is there twice
    assert sorted(tested) == sorted(split_of("all", rows).ids)


@given(any_rows, st.sampled_from(["kfold:3", "bootstrap:2", "loo"]), seeds, st.integers(0, 99))
def test_the_order_of_rows_and_the_splits_they_come_from_do_not_move_a_cut(
    rows: list[Row], word: str, seed: int, order: int
) -> None:
    how = Cut(word, 0, seed)
    (one,), (other,) = cut(TASK, table(rows), how), cut(TASK, table(rows, shuffled=order), how)
    assert content(one) == content(other)
    assert one.pins["ids_sha256"] == other.pins["ids_sha256"]


@given(st.integers(8, 30), st.integers(8, 30), st.integers(2, 6), seeds)
def test_classes_are_spread_evenly_over_folds(a: int, b: int, k: int, seed: int) -> None:
    rows = [{"text": f"{i}", "label": "a" if i < a else "b"} for i in range(a + b)]
    counts = [Counter(cut(TASK, table(rows), Cut(f"kfold:{k}", j, seed))[0].test.columns["label"]) for j in range(k)]
    for label in "ab":
        of_class = [count[label] for count in counts]
        assert max(of_class) - min(of_class) <= 1


@given(row_lists(), seeds)
def test_validation_rows_are_about_a_tenth_and_never_the_last_of_a_class(rows: list[Row], seed: int) -> None:
    (made,) = cut(TASK, table(rows), Cut("kfold:4", 1, seed))
    assert set(made.train.columns["label"]) == {row["label"] for row in rows}
    assert 1 <= len(units(made.validation)) <= 0.4 * len(units(made.train))


def test_a_tenth_of_many_rows_is_held_for_validation() -> None:
    (made,) = cut(TASK, table(plain(4000)), Cut("kfold:5", 0, 3))
    assert len(made.test) == 800
    assert len(made.validation) / 3200 == pytest.approx(0.1, abs=0.015)


def test_another_seed_or_fold_gives_another_cut_and_the_same_gives_the_same() -> None:
    whole = table(plain(60))
    for word in ("kfold:3", "bootstrap:3", "partition:3"):
        made = {
            (f, s): cut(TASK, whole, Cut(word, f, s))[0].pins["ids_sha256"]["train"] for f in (0, 1) for s in (5, 6)
        }
        assert len(set(made.values())) == 4
        assert cut(TASK, whole, Cut(word, 1, 5))[0].pins["ids_sha256"]["train"] == made[1, 5]


@pytest.mark.parametrize(
    ("word", "trained"),
    [
        ("kfold:3", ["588b79d2"]),
        ("bootstrap:3", ["b57da577"]),
        ("partition:3", ["46b2c874"]),
        ("partition:2:sequential", ["1de8ca4a", "f194067e"]),
        ("loo", ["f95e2897"]),
    ],
)
def test_the_cut_of_some_rows_is_the_one_it_always_was(word: str, trained: list[str]) -> None:
    """Where a library draws otherwise, stored folds are no longer those of today: bump SEMANTICS."""
    stages = cut(TASK, table(plain(60)), Cut(word, 0, 7))
    assert [stage.pins["ids_sha256"]["train"][7:15] for stage in stages] == trained


@pytest.mark.parametrize(
    ("sizes", "labels", "seed"),
    [((4, 5, 2, 8), "abab", 40), ((4, 5, 10, 2), "abba", 30), ((6, 9, 13, 3), "baab", 27), ((8, 5, 11, 8), "aabb", 36)],
)
def test_few_groups_never_leave_a_fold_without_rows(sizes: tuple[int, ...], labels: str, seed: int) -> None:
    """As spreading their classes alone would: two of these groups would share a fold, and one have none."""
    rows = [
        {"group": f"g{g}", "label": labels[g], "text": f"{g} {i}"} for g, size in enumerate(sizes) for i in range(size)
    ]
    tested = [units(cut(TASK, table(rows), Cut("kfold:4", fold, seed))[0].test) for fold in range(4)]
    assert sorted(map(list, tested)) == [["g0"], ["g1"], ["g2"], ["g3"]]


# -- bootstrap ---------------------------------------------------------------------------------------------------------


@given(any_rows, seeds, st.integers(0, 4))
def test_a_replicate_tests_what_it_did_not_draw(rows: list[Row], seed: int, fold: int) -> None:
    (made,) = cut(TASK, table(rows), Cut("bootstrap:5", fold, seed))
    apart(made)
    counted = Counter(split_of("all", rows).hashes)
    train = Counter(made.train.hashes)
    assert set(train) | set(made.validation.hashes) | set(made.test.hashes) == set(counted)
    for split in (made.validation, made.test):
        assert all(count == counted[row] for row, count in Counter(split.hashes).items())
    times = {row: count / counted[row] for row, count in train.items()}
    assert all(time == int(time) for time in times.values())
    assert len({*made.train.ids}) == len(made.train)
    assert made.pins["train_distinct"] == sum(counted[row] for row in train)
    by_unit: dict[str, set[float]] = {}
    for unit, row in zip(made.train.columns.get("group", made.train.hashes), made.train.hashes, strict=True):
        by_unit.setdefault(unit or row, set()).add(times[row])
    assert all(len(often) == 1 for often in by_unit.values())  # a group is drawn whole


def test_replicates_leave_out_what_drawing_with_replacement_leaves_out() -> None:
    rows = table(plain(1500, classes=3))
    for seed in range(4):
        made = [cut(TASK, rows, Cut("bootstrap:5", fold, seed))[0] for fold in range(5)]
        shares = [len(one.test) / 1500 for one in made]
        assert np.mean(shares) == pytest.approx(np.exp(-1), abs=0.012)
        for one in made:
            drawn = np.bincount(list(Counter(one.train.hashes).values())) / 1500
            assert drawn[1:4] == pytest.approx(0.9 * np.exp(-1) / np.array([1, 2, 6]), abs=0.03)  # Poisson's, 90% of it
            assert min(Counter(one.test.columns["label"]).values()) > 120


def test_every_class_is_drawn() -> None:
    rows = [{"text": f"{i}", "label": "rare" if i < 2 else "common"} for i in range(60)]
    for fold in range(30):
        (made,) = cut(TASK, table(rows), Cut("bootstrap:30", fold, 1))
        assert "rare" in made.train.columns["label"]


@pytest.mark.parametrize("rows", [plain(4), plain(2, classes=1) + plain(3, classes=1)], ids=["four", "three"])
def test_a_draw_that_leaves_nothing_to_test_or_validate_is_drawn_anew(rows: list[Row]) -> None:
    """Two rows of a class are both drawn every other time."""
    for fold in range(40):
        (made,) = cut(TASK, table(rows * 3), Cut("bootstrap:40", fold, 0))
        apart(made)


def test_a_draw_of_groups_that_leaves_a_class_untrained_is_drawn_anew() -> None:
    rows = table(groups_of("a", "a", "a", "a", "b"))
    for fold in range(30):
        (made,) = cut(TASK, rows, Cut("bootstrap:30", fold, 0))
        apart(made)
        assert set(made.train.columns["label"]) == {"a", "b"}


# -- parts -------------------------------------------------------------------------------------------------------------


@given(any_rows, st.integers(2, 3), seeds)
def test_parts_are_disjoint_and_cover_the_training_rows_and_leave_the_test_split(
    rows: list[Row], parts: int, seed: int
) -> None:
    whole = table(rows, shuffled=0)
    try:
        made = [cut(TASK, whole, Cut(f"partition:{parts}", part, seed))[0] for part in range(parts)]
    except SuiteError as error:
        assert "ask for fewer, or use holdout." in str(error)
        return
    for name in ("train", "validation"):
        parts_of = [getattr(one, name) for one in made]
        found = [unit for part in parts_of for unit in units(part)]
        assert len(found) == len(set(found))
        assert sorted(row for part in parts_of for row in part.hashes) == sorted(getattr(whole, name).hashes)
    for one in made:
        assert (one.test.ids, one.test.columns) == (whole.test.ids, whole.test.columns)
        assert one.pins["ids_sha256"]["test"] == whole.pins["ids_sha256"]["test"]


def test_stages_are_the_parts_in_turn() -> None:
    whole = table(plain(100))
    parts = [cut(TASK, whole, Cut("partition:3", part, 4))[0] for part in range(3)]
    stages = cut(TASK, whole, Cut("partition:3:sequential", 0, 4))
    assert [content(stage) for stage in stages] == [content(part) for part in parts]
    for stage, part in zip(stages, parts, strict=True):
        assert stage.pins["ids_sha256"] == part.pins["ids_sha256"]
        assert stage.pins["stages_sha256"] == [one.pins["ids_sha256"] for one in parts]
        assert (stage.pins["resample"], stage.pins["fold"]) == ("partition:3:sequential", 0)


def test_classes_are_spread_over_parts() -> None:
    whole = table(plain(90, classes=3), shuffled=2)
    for part in range(3):
        (made,) = cut(TASK, whole, Cut("partition:3", part, 8))
        counts, all_of = Counter(made.train.columns["label"]), Counter(whole.train.columns["label"])
        assert all(abs(counts[label] - all_of[label] / 3) < 1 for label in all_of)


# -- all rows, and pins ------------------------------------------------------------------------------------------------


@given(any_rows)
def test_to_leave_one_out_every_split_is_all_rows(rows: list[Row]) -> None:
    (made,) = cut(TASK, table(rows), Cut("loo", 0, 0))
    assert made.train.ids == made.validation.ids == made.test.ids
    assert sorted(made.test.ids) == sorted(split_of("all", rows).ids)


@pytest.mark.parametrize("word", ["holdout", "kfold:3", "bootstrap:3", "partition:3", "loo"])
def test_pins_say_how_the_rows_were_cut_and_keep_what_was_pinned(word: str) -> None:
    whole = table(plain(60))
    fold = folds(word) - 1
    (made,) = cut(TASK, whole, Cut(word, fold, 0))
    assert (made.pins["resample"], made.pins["fold"], made.pins["revision"]) == (word, fold, "r")
    assert made.pins["rows_sha256"] == whole.pins["rows_sha256"]
    assert made.pins["ids_sha256"] == {split.name: hash_ids(split.ids) for split in made.splits}
    assert ("train_distinct" in made.pins) == (word == "bootstrap:3")
    assert "resample" not in whole.pins


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "word", "expected"),
    [
        (
            plain(8),
            "kfold:9",
            "toy.yaml:7: toy has 8 different rows to cut by kfold:9, which needs 9; ask for fewer, or use holdout.",
        ),
        (
            plain(5) * 3,
            "kfold:6",
            "toy.yaml:7: toy has 5 different rows to cut by kfold:6, which needs 6; ask for fewer, or use holdout.",
        ),
        (
            plain(1) * 5,
            "loo",
            "toy.yaml:7: toy has 1 different rows to cut by loo, which needs 2; ask for fewer, or use holdout.",
        ),
        (
            [{"text": str(i), "label": "rare" if i < 2 else "often"} for i in range(30)],
            "kfold:3",
            "toy.yaml:9: the class 'rare' of toy has 2 different rows to cut by kfold:3, which needs 3; "
            "ask for fewer, or use holdout.",
        ),
        (
            [{"text": str(i // 20), "label": "rare"} for i in range(40)] + plain(30),
            "kfold:3",
            "toy.yaml:9: the class 'rare' of toy has 2 different rows to cut by kfold:3, which needs 3; "
            "ask for fewer, or use holdout.",
        ),
        (
            plain(20),
            "partition:5",
            "toy.yaml:7: toy has 4 different validation rows to cut by partition:5, which needs 5; "
            "ask for fewer, or use holdout.",
        ),
        (
            plain(20),
            "partition:13:sequential",
            "toy.yaml:7: toy has 12 different train rows to cut by partition:13:sequential, which needs 13; "
            "ask for fewer, or use holdout.",
        ),
        (
            groups_of("ab", "ab", "ab"),
            "kfold:4",
            "toy.yaml:10: toy has 3 groups to cut by kfold:4, which needs 4; ask for fewer, or use holdout.",
        ),
        (
            groups_of("a", "a", "a", "b"),
            "kfold:4",
            "toy.yaml:10: kfold:4 leaves training rows of toy without the class 'b', whose rows lie in too few groups; "
            "ask for fewer, or use holdout.",
        ),
        (
            plain(6, classes=1)[:2] * 3,
            "kfold:2",
            "toy.yaml:4: fold 0 of kfold:2 leaves toy no validation rows: without any of its 1 different rows for "
            "training, these would be none or lack a class.",
        ),
        (
            plain(4, classes=2),
            "kfold:2",
            "toy.yaml:4: fold 0 of kfold:2 leaves toy no validation rows: without any of its 2 different rows for "
            "training, these would be none or lack a class.",
        ),
        (
            plain(6, classes=6),
            "bootstrap:2",
            "toy.yaml:4: replicate 0 of bootstrap:2 draws all 6 different rows of toy, so that none is left to test "
            "on; use a task with more.",
        ),
    ],
)
def test_rows_that_cannot_be_cut_are_one_sentence_with_the_place(rows: list[Row], word: str, expected: str) -> None:
    for fold in range(folds(word)):  # each of them: no fold is refused when others have run
        with pytest.raises(SuiteError) as told:
            cut(TASK, table(rows), Cut(word, fold, 0))
        assert str(told.value) == re.sub("(fold|replicate) 0", rf"\1 {fold}", expected)


def test_a_class_whose_rows_are_few_is_no_matter_where_there_is_no_class() -> None:
    rows = [{"text": str(i), "choices": ["x", "y"], "label": 0 if i < 29 else 1} for i in range(30)]
    (made,) = cut(TASK, table(rows), Cut("kfold:3", 0, 0))  # which choice is right is no class
    assert len(made.test) == 10


def test_a_task_without_a_file_is_named() -> None:
    nowhere = TASK.model_copy(update={"file": "", "lines": {}})
    with pytest.raises(SuiteError, match=r"^task toy: toy has 8 different rows"):
        cut(nowhere, table(plain(8)), Cut("kfold:9", 0, 0))


# -- whole runs --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tiny_bert: Path, text_task: Path, tiny_protocol: Path) -> Callable[..., Told]:
    """Return `suite run` of the tiny checkpoint on the tiny task, and more words."""

    def with_words(store: Path, strategy: str, resample: str, *more: Any, task: Path = text_task) -> Told:
        words = ("run", "-t", task, "-s", strategy, "--protocol", tiny_protocol, "--device", "cpu", "--threads", 1)
        model = () if "-m" in more else ("-m", tiny_bert)
        return call(*words, *model, "--store", store, "--resample", resample, *more)

    return with_words


@pytest.fixture(scope="module")
def filled(run: Callable[..., Told], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Told]]:
    """A store of every way to cut, and what each command said."""
    store = tmp_path_factory.mktemp("cut") / "results"
    asked = {
        "kfold:3": ("linear_probe",),
        "bootstrap:3": ("linear_probe",),
        "partition:3": ("lora", "--seeds", 1),
        "partition:2:sequential": ("full",),
        "loo": ("linear_probe",),
        "holdout": ("linear_probe",),
    }
    told = {word: run(store, strategy, word, *more, "--json") for word, (strategy, *more) in asked.items()}
    assert [(word, one.code, one.err) for word, one in told.items()] == [(word, 0, "") for word in told]
    return store, told


def board(store: Path, *words: Any) -> list[dict[str, Any]]:
    told = call("leaderboard", "--store", store, "--format", "json", *words)
    assert told.code == 0, told.err
    rows: list[dict[str, Any]] = json.loads(told.out)
    return rows


RUNS = {"kfold:3": 6, "bootstrap:3": 6, "partition:3": 3, "partition:2:sequential": 2, "loo": 1, "holdout": 2}
CELLS = {  # folds, seeds, n
    "kfold:3": (3, 2, 104),
    "partition:3": (3, 1, 40),
    "partition:2:sequential": (1, 2, 40),
    "loo": (1, 1, 104),
    "holdout": (1, 2, 40),
}


@pytest.mark.parametrize("word", RUNS)
def test_every_way_gives_a_row_with_an_interval(filled: tuple[Path, dict[str, Told]], word: str) -> None:
    store, told = filled
    lines = told[word].objects
    assert len(lines) == RUNS[word]
    assert {line["resample"] for line in lines} == {word}
    assert sorted({line["fold"] for line in lines}) == list(range(folds(word)))
    (row,) = board(store, "--resample", word)
    assert (row["resample"], row["provisional"], row["rank"], row["coverage"]) == (word, False, 1, 1.0)
    cell = row["tasks"]["mood"]
    assert cell["mean"] == pytest.approx(np.mean([line["metrics"][line["main"]] for line in lines]))
    assert cell["interval"][0] < cell["mean"] < cell["interval"][1]
    assert cell["missing_folds"] == 0
    if word in CELLS:
        assert (cell["folds"], cell["seeds"], cell["n"]) == CELLS[word]
    else:
        assert (cell["folds"], cell["seeds"]) == (3, 2)
        assert cell["n"] == pytest.approx(104 * 0.368, abs=8)


def test_the_folds_of_a_seed_test_every_row_once(filled: tuple[Path, dict[str, Told]]) -> None:
    store, told = filled
    for seed in (0, 1):
        lines = [line for line in told["kfold:3"].objects if line["seed"] == seed]
        tested = [row for line in lines for row in Store(str(store)).predictions(line["key"])["id"]]
        assert len(tested) == len(set(tested)) == 104


def test_the_data_of_a_record_say_how_they_were_cut(filled: tuple[Path, dict[str, Told]]) -> None:
    store, told = filled
    for word in RUNS:
        for line in told[word].objects:
            record = Store(str(store)).get(line["key"])
            assert record.counts["test"] == line["n_test"]
            if word != "holdout":
                assert (record.data["resample"], record.data["fold"]) == (word, line["fold"])
            columns = Store(str(store)).predictions(line["key"])
            ids: Any = record.data["ids_sha256"]
            assert ids["test"] == hash_ids(columns["id"])


def test_every_record_holds(filled: tuple[Path, dict[str, Told]]) -> None:
    told = call("verify", "--all", "--store", filled[0])
    assert (told.code, told.out) == (0, "20 of 20 records hold at level rescore.\n")


def test_ways_to_cut_never_share_a_board(filled: tuple[Path, dict[str, Told]]) -> None:
    told = call("leaderboard", "--store", filled[0], "--format", "json", "-s", "linear_probe")
    (row,) = json.loads(told.out)
    assert row["resample"] in ("kfold:3", "bootstrap:3")  # six records each
    left_out = [line for line in told.err.splitlines() if line.startswith("Left out: ")]
    assert len(left_out) == 3
    for word in {"kfold:3", "bootstrap:3", "loo", "holdout"} - {row["resample"]}:
        assert any(f", {word} (shown" in line for line in left_out)


def test_the_same_command_again_stores_nothing_new(
    filled: tuple[Path, dict[str, Told]], run: Callable[..., Told]
) -> None:
    store, told = filled
    before = records(store)
    again = run(store, "linear_probe", "kfold:3", "--json")
    assert again.objects == [line | {"stored": True} for line in told["kfold:3"].objects]
    assert records(store) == before
    shown = run(store, "linear_probe", "kfold:3")
    assert "0 run, 6 stored before, 0 failed." in shown.err
    assert "kfold:3" in shown.out


def test_a_stage_run_shows_the_way_there(filled: tuple[Path, dict[str, Told]], run: Callable[..., Told]) -> None:
    store, told = filled
    shown = run(store, "full", "partition:2:sequential")
    assert shown.code == 0
    assert "Stages" in shown.out
    for head in ("after 0", "after 1", "after 2", "forgetting", "backward", "forward"):
        assert head in shown.out
    training = Store(str(store)).get(told["partition:2:sequential"].objects[0]["key"]).training
    assert len(training["stage_scores"]) == 3  # type: ignore[arg-type]
    assert np.array(training["stage_validation"]).shape == (3, 2)


def test_a_fold_that_is_gone_makes_the_row_provisional(
    filled: tuple[Path, dict[str, Told]], run: Callable[..., Told], tmp_path: Path
) -> None:
    store = tmp_path / "results"
    shutil.copytree(filled[0], store)
    gone = filled[1]["kfold:3"].objects[4]["key"]
    shutil.rmtree(store / "records" / gone[:2] / f"{gone}-1")
    (row,) = board(store, "--resample", "kfold:3")
    assert (row["provisional"], row["rank"], row["mean"], row["coverage"]) == (True, None, None, 1.0)
    assert (row["tasks"]["mood"]["missing_folds"], row["tasks"]["mood"]["seeds"]) == (1, 2)
    shown = call("leaderboard", "--store", store, "--resample", "kfold:3").out
    (line,) = [line for line in shown.splitlines() if line.lstrip().startswith("?")]
    assert line.split()[0] == "?" and "?" in line.split("linear_probe")[1]
    made = run(store, "linear_probe", "kfold:3", "--json").objects
    assert [one["key"] for one in made if not one["stored"]] == [gone]
    assert board(store, "--resample", "kfold:3")[0]["provisional"] is False


def test_images_are_cut_too(run: Callable[..., Told], tiny_resnet: Path, image_task: Path, tmp_path: Path) -> None:
    for word, runs in (("kfold:3", 3), ("bootstrap:2", 2)):
        told = run(tmp_path, "linear_probe", word, "--seeds", 1, "--json", "-m", tiny_resnet, task=image_task)
        assert (told.code, len(told.objects)) == (0, runs), told.err
        (row,) = board(tmp_path, "--resample", word)
        assert row["tasks"]["colour"]["interval"] and not row["provisional"]
    assert call("verify", "--all", "--store", tmp_path).code == 0


def test_two_strategies_are_cut_alike(
    run: Callable[..., Told], filled: tuple[Path, dict[str, Told]], tmp_path: Path
) -> None:
    told = run(tmp_path, "full", "kfold:3", "--seeds", 1, "--json")
    probes = filled[1]["kfold:3"].objects[:3]
    for line, probe in zip(told.objects, probes, strict=True):
        one, other = Store(str(tmp_path)).get(line["key"]), Store(str(filled[0])).get(probe["key"])
        assert one.data["ids_sha256"] == other.data["ids_sha256"]


def test_groups_stay_whole_and_are_the_clusters_of_an_interval(
    run: Callable[..., Told], tiny: Callable[..., Path], tmp_path: Path
) -> None:
    store = tmp_path / "results"
    task = tiny(groups_of(*["ab", "ba", "aab"] * 4, "b"))
    for word in ("holdout", "kfold:3", "bootstrap:2", "partition:2", "loo"):
        told = run(store, "linear_probe", word, "--seeds", 1, task=task)
        assert told.code == 0, told.err
    entries = Store(str(store)).contents().entries
    tested: dict[str, list[set[str]]] = {}
    for record in (entry.record for entry in entries):
        names = Store(str(store)).predictions(record.key)["cluster"]
        tested.setdefault(record.spec.resample, []).append(set(names))
    assert all(entry.clusters is not None for entry in entries)
    assert sum(map(len, tested["kfold:3"])) == len(set.union(*tested["kfold:3"])) == 13
    assert len(*tested["loo"]) == 13
    assert tested["partition:2"] == tested["holdout"] * 2
    assert call("verify", "--all", "--store", store).code == 0


def test_a_protocol_may_limit_the_rows_that_are_cut(
    run: Callable[..., Told], tiny_protocol: Path, tmp_path: Path
) -> None:
    protocol = tmp_path / "few.yaml"
    text = tiny_protocol.read_text(encoding="utf-8").replace("name: tiny", "name: few")
    protocol.write_text(text + "limits: {train: 30}\n", encoding="utf-8")
    store = tmp_path / "results"
    for word in ("kfold:2", "bootstrap:2", "partition:2", "loo"):
        told = run(store, "linear_probe", word, "--seeds", 1, "--protocol", protocol)
        assert told.code == 0, told.err
        (row,) = board(store, "--resample", word)
        assert row["tasks"]["mood"]["interval"]
    held = [entry.record for entry in Store(str(store)).contents().entries]
    for record in held:
        ids: Any = record.data["ids_sha256"]
        assert ids["test"] == hash_ids(Store(str(store)).predictions(record.key)["id"])
    counts = {record.spec.resample: record.counts for record in held}
    assert {word: count["train"] for word, count in counts.items()} == dict.fromkeys(counts, 30) | {"partition:2": 22}
    assert counts["kfold:2"]["test"] == 52
    assert counts["loo"]["test"] == counts["loo"]["validation"] == 30


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a task of some rows: three fifths to train on, a fifth each for the others."""

    def write(rows: list[Row]) -> Path:
        import pandas as pd

        for split in table(rows).splits:
            pd.DataFrame(split.columns).to_csv(tmp_path / f"{split.name}.csv", index=False)
        path = tmp_path / "toy.yaml"
        columns = "{" + ", ".join(f"{name}: {name}" for name in rows[0]) + "}"
        path.write_text(
            "name: toy\nversion: 1\nkind: text_classification\ndataset:\n  path: csv\n"
            "  data_files: {train: train.csv, validation: validation.csv, test: test.csv}\n"
            f"splits: {{train: train, validation: validation, test: test}}\ncolumns: {columns}\n"
        )
        return path

    return write


@pytest.mark.parametrize(
    ("rows", "word", "expected"),
    [
        (plain(30), "kfold:31", "toy.yaml:7: toy has 30 different rows to cut by kfold:31, which needs 31"),
        (plain(30), "kfold:16", "toy.yaml:8: the class 'c0' of toy has 15 different rows to cut by kfold:16"),
        (plain(30), "partition:7", "toy.yaml:7: toy has 6 different validation rows to cut by partition:7"),
        (plain(8, classes=4), "kfold:2", "toy.yaml:4: fold 0 of kfold:2 leaves toy no validation rows"),
        (groups_of("a", "a", "b"), "kfold:3", "toy.yaml:8: kfold:3 leaves training rows of toy without the class 'b'"),
        (groups_of("ab", "ab", "ab"), "bootstrap:1", "--resample is 'bootstrap:1'; expected holdout, kfold:K"),
        (groups_of("ab", "ab", "ab"), "kfold:4", "toy.yaml:8: toy has 3 groups to cut by kfold:4, which needs 4"),
    ],
)
def test_the_command_refuses_in_one_sentence_and_runs_nothing(
    run: Callable[..., Told], tiny: Callable[..., Path], tmp_path: Path, rows: list[Row], word: str, expected: str
) -> None:
    told = run(tmp_path / "results", "linear_probe", word, task=tiny(rows))
    assert (told.code, told.out) == (2, "")
    (mistake,) = told.mistakes
    assert expected in mistake
    assert mistake.endswith((".", "?"))
    assert not records(tmp_path / "results")


@pytest.mark.parametrize(
    ("strategy", "word", "expected"),
    [
        ("linear_probe", "partition:2:sequential", "linear_probe does not work with --resample partition:2:sequential"),
        ("full", "loo", "full does not work with --resample loo; it takes"),
        ("few_shot", "kfold:3", "few_shot does not work with --resample kfold:3; it takes holdout."),
        ("linear_probe", "kfold", "--resample is 'kfold'; expected"),
    ],
)
def test_what_a_strategy_cannot_is_refused(
    run: Callable[..., Told], tmp_path: Path, strategy: str, word: str, expected: str
) -> None:
    told = run(tmp_path / "results", strategy, word)
    assert (told.code, told.out) == (2, "")
    (mistake,) = told.mistakes
    assert mistake.startswith(expected)


def test_the_board_of_a_word_that_means_nothing_is_refused(tmp_path: Path) -> None:
    told = call("leaderboard", "--store", tmp_path, "--resample", "kfold3")
    assert told.code == 2
    assert told.mistakes == [f"--resample is 'kfold3'; expected {resampling.FORMS}. Did you mean 'kfold:3'?"]

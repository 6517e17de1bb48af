"""Rows are known by their content: carving, limits and ids follow from it, whatever else is in the file."""

from __future__ import annotations

import random
import string
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from suite import data, tasks
from suite.data import Split, TaskData, _limit, _row_hashes, fraction
from suite.spec import SuiteError, TaskSpec

Rows = list[dict[str, Any]]


def rows(n: int, salt: str = "", classes: int = 3) -> Rows:
    return [{"text": f"row {salt}{i}", "label": f"c{i % classes}"} for i in range(n)]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., TaskData]:
    """Return a function that writes a task of these rows and reads it."""
    count = iter(range(1000))

    def load(
        train: Rows,
        test: Rows | None = None,
        more: str = "",
        limits: dict[str, int] | None = None,
        dev: Rows | None = None,
    ) -> TaskData:
        folder = tmp_path / str(next(count))
        folder.mkdir()
        pd.DataFrame(train).to_parquet(folder / "train.parquet", index=False)
        pd.DataFrame(test or rows(9, "t")).to_parquet(folder / "test.parquet", index=False)
        pd.DataFrame(dev or rows(9, "v")).to_parquet(folder / "dev.parquet", index=False)
        task = write(folder, more)
        return data.load(task, tasks.data_files(task), limits or {})

    return load


def write(folder: Path, more: str = "", columns: str = "{text: text, label: label}") -> TaskSpec:
    (folder / "some.yaml").write_text(
        "name: some\nversion: 1\nkind: text_classification\n"
        "dataset: {path: parquet, data_files: {train: train.parquet, dev: dev.parquet, test: test.parquet}}\n"
        f"columns: {columns}\n{more}"
    )
    return tasks.load_file(folder / "some.yaml")


def split(n: int, classes: int = 3, seed: int = 0) -> Split:
    made = rows(n, f"{seed}-", classes)
    random.Random(seed).shuffle(made)
    columns = {name: [row[name] for row in made] for name in ("text", "label")}
    return Split("train", columns, list(_row_hashes(columns)))


# -- hashes and ids ----------------------------------------------------------------------------------------------------


@given(st.one_of(*(st.tuples(of, of) for of in (st.text(max_size=3), st.integers(-3, 3), st.floats(), st.binary()))))
def test_rows_differ_in_their_hash_as_in_their_content(pair: tuple[Any, Any]) -> None:
    one, other = pair
    same = one == other or (one != one and other != other)
    assume(not (isinstance(one, float) and one == other == 0))  # 0.0 and -0.0 are written differently
    first, second = _row_hashes({"text": [one, other]})
    assert (first == second) == same


def test_the_order_of_columns_does_not_enter_the_hash() -> None:
    assert list(_row_hashes({"a": [1], "b": [2]})) == list(_row_hashes({"b": [2], "a": [1]}))
    assert list(_row_hashes({"a": [1], "b": [2]})) != list(_row_hashes({"a": [2], "b": [1]}))


@pytest.mark.parametrize(
    "cell",
    [
        pd.Timestamp("2024-01-01").to_pydatetime(),
        {"bytes": b"x", "path": None},
        [b"x", {"y": pd.Timestamp(0)}],
        b"\xff",
        (1,),
    ],
    ids=str,
)
def test_any_cell_has_a_hash(cell: Any) -> None:
    assert len(next(_row_hashes({"text": [cell]}))) == 64


def test_the_hash_of_a_row_is_known() -> None:
    assert list(_row_hashes({"text": ["a sunny day"], "label": ["good"]})) == [
        "a216f6709a8cc91a3989bc950b46792291f9f8c79c3edd030460a6079f724652"
    ]


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=20))
def test_ids_are_unique_and_the_same_whatever_follows(texts: list[str]) -> None:
    made = Split("test", {"text": texts}, list(_row_hashes({"text": texts})))
    assert len(set(made.ids)) == len(texts)
    longer = Split("test", {"text": [*texts, "a"]}, list(_row_hashes({"text": [*texts, "a"]})))
    assert longer.ids[: len(texts)] == made.ids


@given(st.text(max_size=8), st.text(string.hexdigits, max_size=8))
def test_a_fraction_is_a_fraction(salt: str, row: str) -> None:
    assert 0 <= fraction(salt, row) < 1


# -- carving -----------------------------------------------------------------------------------------------------------


def test_every_row_falls_on_one_side(read: Callable[..., TaskData]) -> None:
    made = read(rows(400))
    train, validation = (set(part.columns["text"]) for part in (made.train, made.validation))
    assert not train & validation
    assert train | validation == {row["text"] for row in rows(400)}
    assert 0.05 < len(validation) / 400 < 0.15


def test_carving_does_not_move_when_rows_are_added_or_shuffled(read: Callable[..., TaskData]) -> None:
    before = read(rows(200))
    more = rows(200) + rows(150, "new")
    random.Random(0).shuffle(more)
    after = read(more)
    for part in ("train", "validation"):
        old, new = (set(getattr(made, part).columns["text"]) for made in (before, after))
        assert old == {text for text in new if not text.startswith("row new")}


def test_another_seed_carves_otherwise_and_a_larger_fraction_holds_the_smaller_one(
    read: Callable[..., TaskData],
) -> None:
    def carved(fraction: float, seed: int) -> set[str]:
        more = f"splits: {{validation: {{from: train, fraction: {fraction}, seed: {seed}}}}}\n"
        return set(read(rows(300), more=more).validation.columns["text"])

    assert carved(0.2, 0) != carved(0.2, 1)
    assert carved(0.1, 0) < carved(0.3, 0)


def test_repeated_rows_fall_on_one_side(read: Callable[..., TaskData]) -> None:
    made = read([row for row in rows(120) for _ in range(3)])
    for part in (made.train, made.validation):
        assert set(Counter(part.columns["text"]).values()) == {3}
        assert len(set(part.ids)) == len(part)


def test_a_validation_split_of_its_own_is_left_alone(read: Callable[..., TaskData]) -> None:
    made = read(rows(30), more="splits: {validation: dev}\n", dev=rows(7, "v"))
    assert [len(part) for part in made.splits] == [30, 7, 9]
    assert made.validation.columns["text"] == [row["text"] for row in rows(7, "v")]


def test_validation_carved_out_of_test_leaves_train_whole(read: Callable[..., TaskData]) -> None:
    made = read(rows(30), rows(200, "t"), more="splits: {validation: {from: test, fraction: 0.2}}\n")
    assert len(made.train) == 30
    assert len(made.test) + len(made.validation) == 200
    assert not set(made.test.columns["text"]) & set(made.validation.columns["text"])


def test_a_data_set_of_one_split_gives_train_validation_and_test(read: Callable[..., TaskData]) -> None:
    more = (
        "splits: {train: train, validation: {from: train, fraction: 0.2, seed: 0}, "
        "test: {from: train, fraction: 0.3, seed: 0}}\n"
    )
    for n in (300, 600):
        found = read(rows(n), more=more)
        parts = [set(part.hashes) for part in found.splits]
        assert sum(map(len, parts)) == len(set.union(*parts)) == n
        assert len(found.test) == pytest.approx(0.3 * n, rel=0.25)
        assert len(found.validation) == pytest.approx(0.2 * 0.7 * n, rel=0.35)
        if n == 300:
            before = parts
    assert all(old <= new for old, new in zip(before, parts, strict=True))


def test_rows_of_one_group_are_carved_together(tmp_path: Path) -> None:
    made = [row | {"page": f"p{i // 5}"} for i, row in enumerate(rows(200))]
    for name in ("train", "dev", "test"):
        pd.DataFrame(made).to_parquet(tmp_path / f"{name}.parquet", index=False)
    more = "splits: {train: train, test: {from: train, fraction: 0.3, seed: 0}}\n"
    task = write(tmp_path, more, "{text: text, label: label, group: page}")
    found = data.load(task, tasks.data_files(task), {})
    pages = [set(part.columns["group"]) for part in found.splits]
    assert sum(map(len, pages)) == len(set.union(*pages)) == 40
    assert all(pages)


def test_a_carved_split_without_a_row_is_told(read: Callable[..., TaskData]) -> None:
    with pytest.raises(
        SuiteError, match=r"some.yaml:6: the validation split of some is empty: a fraction of 0.0001 took none"
    ):
        read(rows(4), more="splits: {validation: {from: train, fraction: 0.0001}}\n")


# -- limits ------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 80), st.integers(1, 100), st.integers(1, 5), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_limits_are_kept_and_stratified(n: int, most: int, classes: int, seed: int) -> None:
    made = split(n, classes, seed)
    kept = made.take(_limit(made, most))
    columns, hashes = kept.columns, kept.hashes
    assert len(hashes) == min(n, most)
    assert hashes == [h for h in made.hashes if h in set(hashes)]  # in their old order
    before, after = Counter(made.columns["label"]), Counter(columns["label"])
    for label, count in before.items():
        assert abs(after[label] - count * len(hashes) / n) <= 1 + 1e-9


@given(st.integers(2, 60), st.integers(1, 60), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_limits_do_not_depend_on_the_order_of_the_rows(n: int, most: int, seed: int) -> None:
    made = split(n, 3, seed)
    order = list(range(n))
    random.Random(seed + 1).shuffle(order)
    shuffled = made.take(order)
    assert set(made.take(_limit(made, most)).hashes) == set(shuffled.take(_limit(shuffled, most)).hashes)


@given(st.integers(4, 60), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_a_smaller_limit_is_part_of_a_larger_one(n: int, most: int) -> None:
    made = split(n)
    assert set(_limit(made, most)) <= set(_limit(made, most + 1))


def test_the_smaller_of_two_limits_counts(read: Callable[..., TaskData]) -> None:
    more = "limits: {train: 40, test: 5}\n"
    made = read(rows(100), more=more, limits={"train": 20, "validation": 3})
    assert [len(part) for part in made.splits] == [20, 3, 5]
    assert len(read(rows(100), more=more, limits={"train": 60}).train) == 40


def test_limits_do_not_change_what_the_source_hash_says(read: Callable[..., TaskData]) -> None:
    whole, some = read(rows(60)), read(rows(60), limits={"train": 10})
    assert whole.pins["rows_sha256"] == some.pins["rows_sha256"]
    assert whole.pins["ids_sha256"]["train"] != some.pins["ids_sha256"]["train"]
    assert whole.pins["ids_sha256"]["test"] == some.pins["ids_sha256"]["test"]


# -- columns -----------------------------------------------------------------------------------------------------------


def test_columns_come_under_the_kinds_names_and_nothing_else_comes_along(tmp_path: Path) -> None:
    for part in ("train", "dev", "test"):
        table = pd.DataFrame([{"sentence": f"{part} {i}", "stars": i % 2, "secret": i} for i in range(30)])
        table.to_parquet(tmp_path / f"{part}.parquet", index=False)
    task = write(tmp_path, columns="{text: sentence, label: stars}")
    made = data.load(task, tasks.data_files(task), {})
    assert made.test.columns.keys() == {"text", "label"}
    assert made.test.columns["text"][3] == "test 3"
    assert made.labels is None


def test_images_without_the_features_name_are_read(tmp_path: Path, image_task: Path) -> None:
    import datasets
    import pyarrow.parquet as pq

    (named,) = tasks.load(str(image_task))
    expected = data.load(named, tasks.data_files(named), {})
    for part in ("train", "test"):
        table = pq.read_table(image_task.parent / f"{part}.parquet").replace_schema_metadata(None)
        pq.write_table(table, tmp_path / f"{part}.parquet")
    path = tmp_path / image_task.name
    path.write_text(image_task.read_text())
    task = tasks.load_file(path)
    made = data.load(task, tasks.data_files(task), {})
    assert made.test.columns["image"] == expected.test.columns["image"]
    assert isinstance(made.test.columns["image"][0], bytes)
    assert datasets.Image is not None


def test_a_row_without_an_image_is_named(tmp_path: Path, image_task: Path) -> None:
    import datasets

    for part in ("train", "test"):
        found = datasets.Dataset.from_parquet(
            str(image_task.parent / f"{part}.parquet"), cache_dir=str(tmp_path / "arrow")
        )
        listed = found.cast_column("image", datasets.Image(decode=False)).to_list()
        if part == "test":
            listed[4]["image"] = None
        datasets.Dataset.from_list(listed, features=found.features).to_parquet(tmp_path / f"{part}.parquet")
    path = tmp_path / image_task.name
    path.write_text(image_task.read_text())
    task = tasks.load_file(path)
    with pytest.raises(SuiteError, match=r"colour.yaml:9: row 4 of split 'test' holds no image"):
        data.load(task, tasks.data_files(task), {})


def test_what_was_read_is_kept_for_the_next_run(read: Callable[..., TaskData], tmp_path: Path) -> None:
    made = read(rows(50))
    task = tasks.load_file(tmp_path / "0" / "some.yaml")
    assert data.load(task, tasks.data_files(task), {}) is made
    assert data.load(task, tasks.data_files(task), {"train": 5}) is not made

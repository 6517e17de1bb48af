"""Task files: what is bundled is sound and pinned, and no text whatever gives anything but a sentence."""

from __future__ import annotations

import shutil
import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from suite import data, kinds, metrics, tasks
from suite.data import TaskData
from suite.spec import Carve, SuiteError

TASKS = sorted(name for name, path in tasks.task_files().items() if path.parent.name == "bundled")
GOLDEN = Path(__file__).parent / "golden" / "input" / "golden.yaml"


@pytest.fixture(scope="module")
def loaded() -> dict[str, TaskData]:
    found = {}
    for name in TASKS:
        (task,) = tasks.load(name)
        found[name] = data.load(task, tasks.data_files(task), {})
    return found


# -- what is bundled ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TASKS)
def test_a_bundled_task_is_whole(name: str) -> None:
    (task,) = tasks.load(name)
    assert task.name == name
    assert task.description
    assert task.dataset.license
    assert task.dataset.source
    assert task.dataset.revision
    whole = kinds.get(task.kind).complete(task)
    metrics.check(whole, kinds.get(task.kind).target)
    assert whole.main in whole.metrics
    assert whole.delta


@pytest.mark.parametrize("name", TASKS)
def test_a_bundled_tasks_rows_can_all_be_used(name: str, loaded: dict[str, TaskData]) -> None:
    (task,) = tasks.load(name)
    kind = kinds.get(task.kind)
    kind.check(kind.complete(task), loaded[name])


@pytest.mark.parametrize("name", TASKS)
def test_no_row_is_shared_between_the_splits(name: str, loaded: dict[str, TaskData]) -> None:
    inputs = [_inputs(split.columns) for split in loaded[name].splits]
    for i, one in enumerate(inputs):
        for other in inputs[i + 1 :]:
            assert not one & other
    for split in loaded[name].splits:
        assert len(set(split.ids)) == len(split)


def _inputs(columns: dict[str, list[Any]]) -> set[str]:
    """Return the rows without their targets: a leak is one even under another label."""
    targets = ("label", "labels", "tags", "answers", "score")
    rows = zip(*(values for name, values in sorted(columns.items()) if name not in targets), strict=True)
    return {repr(row) for row in rows}


@pytest.mark.parametrize("name", TASKS)
def test_the_stated_chance_is_that_of_the_classes(name: str, loaded: dict[str, TaskData]) -> None:
    (task,) = tasks.load(name)
    kind = kinds.get(task.kind)
    if kind.target != "class":
        assert task.chance is None  # the kind knows, or nobody does
        return
    assert task.chance == pytest.approx(1 / len(kind.classes(task, loaded[name])), abs=1e-3)


@pytest.mark.parametrize("name", sorted(tasks.collection_files()))
def test_a_collection_names_tasks_and_a_protocol_that_exist(name: str) -> None:
    collection = tasks.load_collection(name)
    assert collection.name == name
    assert collection.description
    assert [task.name for task in tasks.load(name)] == list(collection.tasks)
    assert len(set(collection.tasks)) == len(collection.tasks)
    assert collection.protocol is None or tasks.load_protocol(collection.protocol).name == collection.protocol


@pytest.mark.parametrize("name", sorted(tasks.protocol_files()))
def test_a_protocol_is_named_as_its_file(name: str) -> None:
    protocol = tasks.load_protocol(name)
    assert protocol.name == name
    assert protocol.description


def test_names_of_tasks_and_collections_do_not_meet() -> None:
    assert not tasks.task_files().keys() & tasks.collection_files().keys()


# -- pins --------------------------------------------------------------------------------------------------------------


def test_the_hash_of_a_tasks_data_is_known() -> None:
    pin = "sha256:d856dd8fb82f30dd296f7703fb900a1e78da06a0eab8138264678bddd0aabc56"
    assert tasks.load_file(GOLDEN).dataset.revision == pin


def test_the_hash_is_of_names_and_bytes_and_not_of_the_place(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(GOLDEN.parent, tmp_path / "copy"))
    pin = tasks.load_file(GOLDEN).dataset.revision
    assert tasks.load_file(copy / "golden.yaml").dataset.revision == pin
    with (copy / "train.csv").open("a") as file:
        file.write("one more day,good\n")
    assert tasks.load_file(copy / "golden.yaml").dataset.revision != pin


def test_splits_that_are_swapped_have_another_hash(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(GOLDEN.parent, tmp_path / "copy"))
    text = (copy / "golden.yaml").read_text()
    (copy / "golden.yaml").write_text(
        text.replace("train: train.csv, test: test.csv", "train: test.csv, test: train.csv")
    )
    assert tasks.load_file(copy / "golden.yaml").dataset.revision != tasks.load_file(GOLDEN).dataset.revision


def test_an_image_in_another_folder_has_another_label_and_so_another_hash(tmp_path: Path) -> None:
    from PIL import Image

    for i, place in enumerate(("train/cat", "train/dog", "test/cat", "test/dog")):
        (tmp_path / place).mkdir(parents=True)
        for row in range(12 if place.startswith("train") else 2):
            Image.new("RGB", (8, 8), (i * 40, row * 20, 9)).save(tmp_path / place / f"{i}-{row}.png")
    path = tmp_path / "pets.yaml"
    path.write_text(
        "name: pets\nversion: 1\nkind: image_classification\n"
        "dataset: {path: imagefolder, data_files: {train: 'train/*/*.png', test: 'test/*/*.png'}}\n"
        "columns: {image: image, label: label}\n"
    )
    before = tasks.load_file(path)
    rows = data.load(before, tasks.data_files(before), {})
    assert rows.labels == ("cat", "dog")
    assert rows.test.columns["label"] == ["cat", "cat", "dog", "dog"]
    assert len(rows.train) + len(rows.validation) == 24
    for folder, name, other in (("cat", "2-0.png", "dog"), ("dog", "3-0.png", "cat")):
        (tmp_path / "test" / folder / name).rename(tmp_path / "test" / other / name)
    assert tasks.load_file(path).dataset.revision != before.dataset.revision


def test_a_pin_that_the_file_states_itself_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "films.yaml"
    commit = "0123456789" * 4
    path.write_text(
        f"name: films\nversion: 1\nkind: text_classification\ndataset: {{path: org/films, revision: '{commit}'}}\n"
        "columns: {text: text, label: label}\n"
    )
    assert tasks.load_file(path).dataset.revision == commit


def test_what_is_left_out_comes_from_the_kind() -> None:
    task = tasks.load_file(GOLDEN).model_copy(update={"metrics": (), "main": None})
    whole = kinds.get(task.kind).complete(task)
    assert (whole.main, whole.delta) == ("accuracy", 0.01)
    assert "f1_macro" in whole.metrics
    assert task.splits.validation == Carve(origin="train", fraction=0.1, seed=0)


def test_a_main_metric_that_is_not_listed_is_scored_too() -> None:
    task = tasks.load_file(GOLDEN).model_copy(update={"metrics": ("accuracy",), "main": "f1_macro"})
    assert kinds.get(task.kind).complete(task).metrics == ("f1_macro", "accuracy")


def test_a_field_has_its_line() -> None:
    task = tasks.load_file(GOLDEN)
    lines = Path(GOLDEN).read_text().splitlines()
    for path in (("name",), ("dataset",), ("dataset", "data_files"), ("metrics",), ("columns",)):
        place = int(task.where(*path).rpartition(":")[2])
        assert lines[place - 1].strip().startswith(f"{path[-1]}:")
    assert task.where("columns", "text").endswith(":7")
    assert task.where("nothing") == task.file


# -- any text at all ---------------------------------------------------------------------------------------------------

FIELDS = [*tasks.TaskSpec.model_fields, "from", "fraction", "path", "revision", "data_files", "train", "test", "text"]
keys = st.one_of(
    st.sampled_from(FIELDS), st.text(string.printable, max_size=6), st.integers(), st.booleans(), st.dates()
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=10),
    st.dates(),
    st.datetimes(),
    st.binary(max_size=4),
    st.sampled_from(["csv", "train", "text_classification", "train.csv", "..", "/", "**", "~", "x\0y", "a" * 5000]),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=20
)


def only_suite_errors(path: Path) -> None:
    try:
        task = tasks.load_file(path)
        tasks.data_files(task)
    except SuiteError as error:
        assert str(error).strip()
        assert path.name in str(error) or "no file matches" in str(error)


@given(st.dictionaries(keys, values, max_size=12))
@settings(max_examples=200, deadline=None)
def test_any_yaml_is_a_task_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, content: dict[Any, Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    only_suite_errors(path)


BASE: dict[str, Any] = yaml.safe_load(GOLDEN.read_text())
PLACES = [(name,) for name in BASE] + [("dataset", name) for name in BASE["dataset"]]
PLACES += [("dataset", "data_files", "train"), ("columns", "text"), ("splits",), ("splits", "validation"), ("limits",)]


@given(st.sampled_from(PLACES), values)
@settings(max_examples=300, deadline=None)
@example(("dataset", "data_files", "train"), "")
@example(("dataset", "data_files", "train"), "**a")
@example(("dataset", "data_files", "train"), ["x\0y", "/", ".", ".."])
@example(("dataset", "data_files", "train"), "a" * 5000)
@example(("columns",), {})
def test_one_odd_value_in_a_good_file_is_a_task_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[str, ...], value: Any
) -> None:
    content = yaml.safe_load(GOLDEN.read_text())
    at = content
    for name in place[:-1]:
        at = at.setdefault(name, {})
    at[place[-1]] = value
    path = tmp_path_factory.getbasetemp() / "golden.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    only_suite_errors(path)


@given(st.one_of(st.text(max_size=60), st.text(":{}[]-&*!|>'\"%@`,?# \n\tab0", max_size=60)))
@settings(max_examples=300, deadline=None)
@example('"\\ud800": 1')
@example("version: 0x" + "f" * 5000)
@example("version: " + "9" * 5000)
@example("a: " + "{" * 3000)
@example("name: 2024-13-45")
@example("? [a, b]\n: c")
@example("--- a: 1\n--- b: 2")
@example("<<: {name: x}")
@example("<<: 3")
@example("!!binary x: y")
@example("name: !!timestamp 5")
@example("name: !!float x")
@example("name: !!bool x")
@example("name: !!int ''")
def test_any_text_is_a_task_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "text.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    only_suite_errors(path)


@given(st.text(max_size=30))
@settings(max_examples=100, deadline=None)
def test_any_word_is_a_task_or_a_sentence(word: str) -> None:
    try:
        tasks.load(word)
        tasks.load_protocol(word)
    except SuiteError as error:
        assert str(error)

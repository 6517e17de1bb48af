"""Every task kind in the folder keeps the same promises."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from suite import kinds, metrics, models, plugins, processors
from suite.data import Prepared, Split, TaskData
from suite.hub import resolve
from suite.kinds import Kind
from suite.spec import DatasetRef, SuiteError, TaskSpec

KINDS = plugins.names("kinds")
CLASSES = ("left", "middle", "right")


def _png(row: int) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (20 + row, 24), (row * 7 % 256, 90, 30)).save(stream, "PNG")
    return stream.getvalue()


CELLS: dict[str, Callable[[int], Any]] = {
    "text": lambda row: f"a sunny day in the town {'with music ' * (row % 4)}".strip(),
    "text_pair": lambda row: f"weather {'was cold ' * (row % 3)}".strip(),
    "image": _png,
    "label": lambda row: CLASSES[row % len(CLASSES)],
}
"""What a cell of a column holds; a kind with a column of its own adds it here."""


def _split(kind: Kind, name: str = "train", n: int = 12, columns: tuple[str, ...] | None = None) -> Split:
    cells = {column: [CELLS[column](row) for row in range(n)] for column in columns or kind.needs}
    return Split(name, cells, [f"{row:064x}" for row in range(n)])


def _data(kind: Kind) -> TaskData:
    return TaskData(_split(kind), _split(kind, "validation", 6), _split(kind, "test", 9), None)


def _task(kind: Kind, **changes: Any) -> TaskSpec:
    columns = {column: column for column in kind.needs}
    name = next(name for name in KINDS if kinds.get(name) is kind)
    values: dict[str, Any] = {"name": "t", "version": 1, "kind": name, "columns": columns, "file": "t.yaml"}
    return kind.complete(TaskSpec(**(values | {"dataset": DatasetRef(path="csv")} | changes)))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return kinds.get(request.param)


@pytest.fixture
def prepared(kind: Kind, inputs: dict[str, Any]) -> tuple[Prepared, Any]:
    checkpoint = resolve(str(inputs[kind.modality][0]))
    processor, length = processors.load(checkpoint, kind.modality, 32)
    return kind.prepare(_split(kind), CLASSES, processor, length), processor


@pytest.mark.parametrize("name", KINDS)
def test_importing_a_kind_loads_no_heavy_library(name: str, loaded_by: Callable[[str], set[str]]) -> None:
    assert loaded_by(f"suite.kinds.{name}") == set()


def test_an_unknown_kind_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SuiteError, match="Did you mean 'text_classification'"):
        kinds.get("text_clasification")


def test_a_kind_declares_what_it_needs(kind: Kind) -> None:
    assert kind.modality in ("text", "image")
    assert kind.needs and not set(kind.needs) & set(kind.takes)
    assert kind.main in kind.metrics and set(kind.metrics) <= set(metrics.names())
    assert kind.delta > 0


def test_complete_fills_in_metrics_main_and_delta(kind: Kind) -> None:
    task = _task(kind)
    assert (task.metrics, task.main, task.delta) == (kind.metrics, kind.main, kind.delta)
    assert kind.complete(task) == task


def test_complete_keeps_what_the_task_file_says(kind: Kind) -> None:
    other = next(name for name in metrics.names() if name != kind.main)
    task = _task(kind, main=other, metrics=(kind.main,), delta=0.5)
    assert (task.main, task.metrics, task.delta) == (other, (other, kind.main), 0.5)


def test_complete_refuses_a_missing_and_an_unknown_column(kind: Kind) -> None:
    with pytest.raises(SuiteError, match=f"needs the column '{kind.needs[0]}'"):
        _task(kind, columns={})
    with pytest.raises(SuiteError, match="has no column 'colour'"):
        _task(kind, columns={column: column for column in kind.needs} | {"colour": "x"})


def test_classes_do_not_depend_on_the_order_of_rows(kind: Kind) -> None:
    data = _data(kind)
    turned = TaskData(data.train.take(range(len(data.train))[::-1]), data.validation, data.test, None)
    assert kind.classes(_task(kind), data) == kind.classes(_task(kind), turned) == CLASSES


def test_named_classes_keep_their_order(kind: Kind) -> None:
    assert kind.classes(_task(kind, labels=CLASSES[::-1]), _data(kind)) == CLASSES[::-1]


def test_check_accepts_good_rows(kind: Kind) -> None:
    kind.check(_task(kind), _data(kind))


def test_check_names_split_and_row_of_a_cell_that_is_missing(kind: Kind) -> None:
    for column in kind.needs:
        data = _data(kind)
        data.test.columns[column][4] = None
        with pytest.raises(SuiteError, match="row 4 of the test split"):
            kind.check(_task(kind), data)


def test_prepare_gives_one_item_label_length_and_id_a_row(kind: Kind, prepared: tuple[Prepared, Any]) -> None:
    rows, _ = prepared
    assert len(rows) == len(rows.items) == len(rows.labels) == len(rows.lengths) == len(rows.ids) == 12
    assert rows.ids == _split(kind).ids
    assert rows.labels.tolist() == [row % len(CLASSES) for row in range(12)]


def test_prepare_again_gives_equal_items(kind: Kind, prepared: tuple[Prepared, Any]) -> None:
    rows, processor = prepared
    again = kind.prepare(_split(kind, "test"), CLASSES, processor, 32)
    for first, second in zip(rows.items, again.items, strict=True):
        assert first.keys() == second.keys()
        assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", [name for name in KINDS if kinds.get(name).takes])
def test_columns_that_a_kind_merely_takes_change_its_inputs(name: str, inputs: dict[str, Any]) -> None:
    kind = kinds.get(name)
    checkpoint = resolve(str(inputs[kind.modality][0]))
    processor, length = processors.load(checkpoint, kind.modality, 32)
    plain = kind.prepare(_split(kind), CLASSES, processor, length)
    for column in kind.takes:
        more = kind.prepare(_split(kind, columns=(*kind.needs, column)), CLASSES, processor, length)
        assert len(more) == len(plain) and more.lengths != plain.lengths


def test_collate_gives_tensors_of_one_batch_that_the_model_takes(
    kind: Kind, prepared: tuple[Prepared, Any], inputs: dict[str, Any]
) -> None:
    import torch

    rows, processor = prepared
    batch = kind.collate(processor)([rows.items[row] for row in (0, 3, 5)])
    assert all(isinstance(value, torch.Tensor) and len(value) == 3 for value in batch.values())
    assert batch["labels"].tolist() == rows.labels[[0, 3, 5]].tolist()
    model = models.load(resolve(str(inputs[kind.modality][0])), len(CLASSES), 0)
    out = model(**batch)
    assert out["logits"].shape == (3, len(CLASSES)) and torch.isfinite(out["loss"])


def test_decode_gives_a_prediction_and_float32_scores_a_row(kind: Kind) -> None:
    logits = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    predictions, scores = kind.decode(logits)
    assert len(predictions) == len(scores) == 20
    assert scores.dtype == np.float32 and np.isfinite(scores).all()
    again, half = kind.decode(logits[10:])
    assert np.array_equal(again, predictions[10:]) and np.array_equal(half, scores[10:])


def test_decode_survives_huge_logits(kind: Kind) -> None:
    logits = np.array([[1e30, -1e30, 0.0], [np.finfo(np.float32).min, 0.0, 1.0]], dtype=np.float32)
    predictions, scores = kind.decode(logits)
    assert np.isfinite(scores).all() and predictions.tolist() == [0, 2]


def test_chance_lies_in_the_range_of_its_metric(kind: Kind) -> None:
    labels = np.arange(12) % 3
    for name, level in kind.chance(_task(kind), labels, 3).items():
        low, high = metrics.get(name).range
        assert (low is None or low <= level) and (high is None or level <= high)


def test_chance_is_what_guessing_gets(kind: Kind) -> None:
    generator = np.random.default_rng(0)
    labels, guesses = generator.integers(0, 3, 30_000), generator.integers(0, 3, 30_000)
    for name, level in kind.chance(_task(kind), labels, 3).items():
        assert metrics.value(name, labels, guesses) == pytest.approx(level, abs=0.02)


def test_the_task_file_has_the_last_word_on_chance(kind: Kind) -> None:
    assert kind.chance(_task(kind, chance=0.4), np.arange(12) % 3, 3)[kind.main] == 0.4

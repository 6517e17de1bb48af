"""Every task kind in the folder keeps the same promises."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import GOOD, write_task

from suite import evaluation, kinds, metrics, models, plugins, processors, strategies
from suite.data import Prepared, Split, TaskData
from suite.environment import Machine
from suite.hub import resolve
from suite.kinds import Kind
from suite.outputs import Outputs, map_batches
from suite.spec import DatasetRef, RunSpec, SuiteError, TaskSpec
from suite.store import Store
from suite.verification import verify

KINDS = plugins.names("kinds")
CLASSES = ("left", "middle", "right")
TAGS = {**dict.fromkeys(GOOD, "B-MOOD"), "day": "I-MOOD", "town": "B-PLACE"}
SHORT = 16


def _png(row: int) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (20 + row, 24), (row * 7 % 256, 90, 30)).save(stream, "PNG")
    return stream.getvalue()


def _text(row: int) -> str:
    return f"a {GOOD[row % 10]} day in the town {'with music ' * (row % 4 * 2)}".strip()


def _answers(row: int) -> dict[str, list[Any]]:
    at = _text(row).index(GOOD[row % 10])
    return {"text": [], "answer_start": []} if row % 5 == 4 else {"text": [GOOD[row % 10]], "answer_start": [at]}


CELLS: dict[str, Callable[[int], Any]] = {
    "text": _text,
    "text_pair": lambda row: f"weather {'was cold ' * (row % 3)}".strip(),
    "image": _png,
    "label": lambda row: CLASSES[row % len(CLASSES)],
    "labels": lambda row: [name for place, name in enumerate(CLASSES) if (row + place) % 4 > 1 and row % 5],
    "score": lambda row: row % 7 / 2,
    "choices": lambda row: [f"it was {GOOD[(row + place) % 10]}" for place in range(3)],
    "prefix": lambda row: "in the street " * (row % 3),
    "tokens": lambda row: _text(row).split(),
    "tags": lambda row: [TAGS.get(word, "O") for word in _text(row).split()],
    "question": lambda row: f"was it {'a day with music ' * (row % 4)}".strip(),
    "context": _text,
    "answers": _answers,
}
"""What a cell of a column holds; a kind with a column of its own adds it here."""

CELLS_OF: dict[str, dict[str, Callable[[int], Any]]] = {"multiple_choice": {"label": lambda row: row % 3}}
"""Kinds that mean something else by a column."""


def _split(kind: Kind, name: str = "train", n: int = 12, columns: tuple[str, ...] | None = None) -> Split:
    make = CELLS | CELLS_OF.get(_name(kind), {})
    cells = {column: [make[column](row) for row in range(n)] for column in columns or kind.needs}
    return Split(name, cells, [f"{row:064x}" for row in range(n)])


def _data(kind: Kind, columns: tuple[str, ...] | None = None) -> TaskData:
    parts = (("train", 12), ("validation", 6), ("test", 9))
    return TaskData(*(_split(kind, name, n, columns) for name, n in parts), None)


def _name(kind: Kind) -> str:
    return next(name for name in KINDS if kinds.get(name) is kind)


def _task(kind: Kind, **changes: Any) -> TaskSpec:
    columns = {column: column for column in kind.needs}
    values: dict[str, Any] = {"name": "t", "version": 1, "kind": _name(kind), "columns": columns, "file": "t.yaml"}
    return kind.complete(TaskSpec(**(values | {"dataset": DatasetRef(path="csv")} | changes)))


def _classes(kind: Kind) -> tuple[str, ...]:
    return kind.classes(_task(kind), _data(kind))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return kinds.get(request.param)


@pytest.fixture
def prepare(kind: Kind, inputs: dict[str, Any]) -> Callable[..., Prepared]:
    """Return a function that prepares a split with the tiny checkpoint's processor."""
    processor, _ = processors.load(resolve(str(inputs[kind.modality][0])), kind.modality, 64)

    def make(split: Split, length: int = 64) -> Prepared:
        return kind.prepare(split, _classes(kind), processor, length)

    return make


@pytest.fixture
def rows(kind: Kind, prepare: Any) -> Prepared:
    return prepare(_split(kind))  # type: ignore[no-any-return]


@pytest.fixture
def collate(kind: Kind, inputs: dict[str, Any]) -> Callable[[list[Any]], dict[str, Any]]:
    return kind.collate(processors.load(resolve(str(inputs[kind.modality][0])), kind.modality, 64)[0])


@pytest.fixture
def model(kind: Kind, inputs: dict[str, Any]) -> models.Model:
    checkpoint = resolve(str(inputs[kind.modality][0]))
    return models.load(checkpoint, kind.n_outputs(_classes(kind)), 0, kind.auto, kind.loss).eval()


def _outputs(kind: Kind, rows: Prepared, seed: int = 0) -> Outputs:
    """Return random outputs of the shape that the model gives."""
    generator, width = np.random.default_rng(seed), kind.n_outputs(_classes(kind))
    if kind.per_token:
        return [generator.normal(size=(length, width)).astype(np.float32) for length in rows.lengths]
    return generator.normal(size=(len(rows.items), width)).astype(np.float32)


def _equal(first: Any, second: Any) -> bool:
    """Return whether labels, predictions or scores are the same, arrays and ragged lists alike."""
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


# -- what it says of itself --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_importing_a_kind_loads_no_heavy_library(name: str, loaded_by: Callable[[str], set[str]]) -> None:
    assert loaded_by(f"suite.kinds.{name}") == set()


def test_an_unknown_kind_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SuiteError, match="Did you mean 'text_classification'"):
        kinds.get("text_clasification")


def test_a_kind_declares_what_it_needs(kind: Kind) -> None:
    assert kind.modality in ("text", "image")
    assert kind.needs and not set(kind.needs) & set(kind.takes) and kinds.GROUP not in (*kind.needs, *kind.takes)
    assert kind.main in kind.metrics and set(kind.metrics) <= set(metrics.names(kind.target))
    assert kind.delta > 0


def test_complete_fills_in_metrics_main_and_delta(kind: Kind) -> None:
    task = _task(kind)
    assert (task.metrics, task.main, task.delta) == (kind.metrics, kind.main, kind.delta)
    assert kind.complete(task) == task


def test_complete_keeps_what_the_task_file_says(kind: Kind) -> None:
    other = next(name for name in metrics.names(kind.target) if name != kind.main)
    task = _task(kind, main=other, metrics=(kind.main,), delta=0.5)
    assert (task.main, task.metrics, task.delta) == (other, (other, kind.main), 0.5)


def test_complete_refuses_a_missing_and_an_unknown_column(kind: Kind) -> None:
    with pytest.raises(SuiteError, match=f"needs the column '{kind.needs[0]}'"):
        _task(kind, columns={})
    with pytest.raises(SuiteError, match="has no column 'colour'"):
        _task(kind, columns={column: column for column in kind.needs} | {"colour": "x"})


def test_every_kind_takes_groups(kind: Kind) -> None:
    columns = {column: column for column in (*kind.needs, *kind.takes, kinds.GROUP)}
    assert _task(kind, columns=columns).columns == columns


# -- its rows ----------------------------------------------------------------------------------------------------------


def test_targets_are_what_rows_are_prepared_with_or_not_told_without_preparing(kind: Kind, rows: Prepared) -> None:
    told = kind.targets(_split(kind), _classes(kind))
    if told is None:
        assert rows.owners is not None or rows.context is not None
    else:
        assert told.dtype == rows.labels.dtype and np.array_equal(told, rows.labels)
        assert rows.owners is None and rows.context is None and len(rows.items) == len(told)


def test_classes_do_not_depend_on_the_order_of_rows(kind: Kind) -> None:
    data = _data(kind)
    turned = TaskData(data.train.take(range(len(data.train))[::-1]), data.validation, data.test, None)
    assert kind.classes(_task(kind), data) == kind.classes(_task(kind), turned)


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("text_similarity", "question_answering")])
def test_named_classes_keep_their_order(name: str) -> None:
    kind = kinds.get(name)
    turned = _classes(kind)[::-1]
    assert kind.classes(_task(kind, labels=turned), _data(kind)) == turned
    data = _data(kind)
    declared = TaskData(*data.splits, turned)
    assert kind.classes(_task(kind), declared) == turned


def test_check_accepts_good_rows(kind: Kind) -> None:
    kind.check(_task(kind), _data(kind))
    kind.check(_task(kind), _data(kind, (*kind.needs, *kind.takes)))


def test_check_names_split_and_row_of_a_cell_that_is_missing(kind: Kind) -> None:
    columns = (*kind.needs, *kind.takes)
    for column in columns:
        data = _data(kind, columns)
        data.test.columns[column][4] = None
        with pytest.raises(SuiteError, match="row 4 of the test split"):
            kind.check(_task(kind), data)


def test_prepare_gives_a_label_and_an_id_an_example_and_a_length_an_item(kind: Kind, rows: Prepared) -> None:
    assert len(rows) == len(rows.labels) == len(rows.ids) == 12 and rows.ids == _split(kind).ids
    assert len(rows.items) == len(rows.lengths)
    owners = list(range(12)) if rows.owners is None else rows.owners
    assert len(owners) == len(rows.items) and set(owners) == set(range(12))


def test_prepare_again_gives_equal_items(kind: Kind, rows: Prepared, prepare: Any) -> None:
    again = prepare(_split(kind, "test"))
    for first, second in zip(rows.items, again.items, strict=True):
        assert first.keys() == second.keys()
        assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", [name for name in KINDS if kinds.get(name).takes])
def test_columns_that_a_kind_merely_takes_change_its_inputs(name: str, inputs: dict[str, Any]) -> None:
    kind = kinds.get(name)
    processor, length = processors.load(resolve(str(inputs[kind.modality][0])), kind.modality, 64)
    plain = kind.prepare(_split(kind), _classes(kind), processor, length)
    for column in kind.takes:
        more = kind.prepare(_split(kind, columns=(*kind.needs, column)), _classes(kind), processor, length)
        assert len(more) == len(plain) and more.lengths != plain.lengths


def test_cut_examples_are_counted(kind: Kind, rows: Prepared, prepare: Any) -> None:
    cut = prepare(_split(kind), SHORT)
    assert rows.truncated == 0 and max(cut.lengths) <= SHORT
    if rows.owners is None:
        assert cut.truncated == sum(length > SHORT for length in rows.lengths)
    assert (cut.truncated > 0) == (kind.modality == "text")


# -- its batches -------------------------------------------------------------------------------------------------------


def test_collate_gives_tensors_of_one_batch_that_the_model_takes(
    kind: Kind, rows: Prepared, collate: Any, model: models.Model
) -> None:
    import torch

    batch = collate([rows.items[row] for row in (0, 3, 5)])
    assert all(isinstance(value, torch.Tensor) and len(value) == 3 for value in batch.values())
    out = model(**batch)
    logits, width = out["logits"], kind.n_outputs(_classes(kind))
    tokens = batch["attention_mask"].shape[1:] if kind.per_token else ()
    assert logits.shape == (3, *tokens, width) and torch.isfinite(out["loss"])


def test_collating_leaves_items_as_they_were(rows: Prepared, collate: Any) -> None:
    chosen = [rows.items[row] for row in range(3)]
    before = copy.deepcopy(chosen)
    collate(chosen)
    for old, now in zip(before, chosen, strict=True):
        assert old.keys() == now.keys() and all(np.array_equal(old[name], now[name]) for name in old)


def test_the_loss_is_the_mean_over_rows(kind: Kind, rows: Prepared, collate: Any, model: models.Model) -> None:
    import torch

    batch = collate([rows.items[row] for row in range(len(rows.items))])
    logits = torch.randn(model(**batch)["logits"].shape, generator=torch.Generator().manual_seed(0))
    labels, n = batch["labels"], len(rows.items)
    whole, *halves = (kind.loss(logits[part], labels[part]).item() for part in (slice(n), slice(5), slice(5, n)))
    assert abs(halves[0] - halves[1]) > 1e-3
    assert whole == pytest.approx((5 * halves[0] + (n - 5) * halves[1]) / n, abs=1e-5)


# -- what its outputs mean ---------------------------------------------------------------------------------------------


def test_decode_gives_a_prediction_and_finite_float32_scores_an_example(kind: Kind, rows: Prepared) -> None:
    predictions, scores = kind.decode(_outputs(kind, rows), rows)
    assert len(predictions) == len(scores) == len(rows)
    assert all(np.asarray(row).dtype == np.float32 and np.isfinite(row).all() for row in scores)


def test_decode_takes_what_the_model_gives(kind: Kind, rows: Prepared, collate: Any, model: models.Model) -> None:
    def logits(batch: dict[str, Any]) -> Any:
        batch.pop("labels")
        return model(**batch)["logits"]

    outputs = map_batches(model, logits, rows.items, rows.lengths, collate, kind.per_token)
    shapes = [np.shape(out) for out in _outputs(kind, rows)]
    assert [np.shape(out) for out in outputs] == shapes
    predictions, scores = kind.decode(outputs, rows)
    assert len(predictions) == len(scores) == len(rows)


def test_an_example_is_decoded_alike_whatever_stands_beside_it(kind: Kind, rows: Prepared, prepare: Any) -> None:
    outputs = _outputs(kind, rows)
    predictions, scores = kind.decode(outputs, rows)
    owners = list(range(12)) if rows.owners is None else rows.owners
    mine: Any = [out for out, owner in zip(outputs, owners, strict=True) if owner >= 5]
    some = prepare(_split(kind).take(range(5, 12)))
    again, half = kind.decode(mine if kind.per_token else np.stack(mine), some)
    assert _equal(again, predictions[5:]) and _equal(half, scores[5:])


def test_decode_survives_huge_outputs(kind: Kind, rows: Prepared) -> None:
    huge = [1e30, -1e30, float(np.finfo(np.float32).min), 0.0]
    generator = np.random.default_rng(0)
    drawn: Any = [generator.choice(huge, np.shape(out)).astype(np.float32) for out in _outputs(kind, rows)]
    predictions, scores = kind.decode(drawn if kind.per_token else np.stack(drawn), rows)
    assert all(np.isfinite(row).all() for row in scores)
    assert kind.contradictions(predictions, [row.tolist() for row in scores]) == 0


def test_what_is_shown_reads_as_it_was(kind: Kind, rows: Prepared) -> None:
    classes = _classes(kind)
    predictions, _ = kind.decode(_outputs(kind, rows), rows)
    for values in (rows.labels, predictions):
        texts = kind.shown(values, classes)
        assert len(texts) == 12 and all(isinstance(text, str) for text in texts)
        again = kind.read(texts, classes)
        assert type(again) is type(values) and _equal(again, values)
        if isinstance(values, np.ndarray):
            assert again.dtype == values.dtype


@pytest.mark.parametrize("strange", ["{strange", '"', "[1, 2]", '{"a": 1}', "[[[", "nothing like it", "1_0"])
def test_a_text_that_was_never_shown_is_refused(kind: Kind, rows: Prepared, strange: str) -> None:
    texts = kind.shown(rows.labels, _classes(kind))
    with pytest.raises(SuiteError, match="is no"):
        kind.read([*texts[:2], strange], _classes(kind))


def test_what_was_decoded_does_not_contradict_its_scores(kind: Kind, rows: Prepared) -> None:
    for seed in range(20):
        predictions, scores = kind.decode(_outputs(kind, rows, seed), rows)
        assert kind.contradictions(predictions, [row.tolist() for row in scores]) == 0


@pytest.mark.parametrize("name", [name for name in KINDS if kinds.get(name).target in ("class", "labels", "number")])
def test_predictions_that_were_changed_contradict_their_scores(name: str, inputs: dict[str, Any]) -> None:
    kind = kinds.get(name)
    processor, length = processors.load(resolve(str(inputs[kind.modality][0])), kind.modality, 64)
    rows = kind.prepare(_split(kind), _classes(kind), processor, length)
    predictions, scores = kind.decode(_outputs(kind, rows), rows)
    turned = np.roll(predictions, 1, axis=0)
    changed = sum(not np.array_equal(old, new) for old, new in zip(predictions, turned, strict=True))
    assert kind.contradictions(turned, [row.tolist() for row in scores]) == changed > 0


def test_predictions_score_by_every_metric_of_the_kind(kind: Kind, rows: Prepared) -> None:
    predictions, scores = kind.decode(_outputs(kind, rows), rows)
    for name in kind.metrics:
        value = metrics.value(name, rows.labels, predictions, scores)
        low, high = metrics.get(name).range
        assert np.isfinite(value) and (low is None or low <= value) and (high is None or value <= high)
        assert len(metrics.contributions(name, rows.labels, predictions, scores)) == 12


# -- what guessing gets ------------------------------------------------------------------------------------------------


def _guessed(target: str, n: int = 30_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels of three classes, and predictions and scores that know nothing of them."""
    generator = np.random.default_rng(0)
    if target == "class":
        scores = generator.dirichlet([1.0] * 3, n)
        return generator.integers(0, 3, n), scores.argmax(axis=1), scores
    if target == "labels":
        labels, scores = (generator.random((n, 3)) < [0.1, 0.5, 0.3]).astype(np.int64), generator.random((n, 3))
        return labels, (scores > 0.5).astype(np.int64), scores
    scores = generator.normal(size=(n, 1))
    return generator.normal(size=n), scores[:, 0], scores


def test_chance_lies_in_the_range_of_its_metric(kind: Kind, rows: Prepared) -> None:
    for name, level in kind.chance(_task(kind), rows.labels, len(_classes(kind))).items():
        low, high = metrics.get(name).range
        assert (low is None or low <= level) and (high is None or level <= high)


@pytest.mark.parametrize("name", [name for name in KINDS if kinds.get(name).target in ("class", "labels", "number")])
def test_chance_is_what_guessing_gets(name: str) -> None:
    kind = kinds.get(name)
    labels, predictions, scores = _guessed(kind.target)
    known = kind.chance(_task(kind), labels, 3)
    assert known
    for metric, level in known.items():
        assert metrics.value(metric, labels, predictions, scores) == pytest.approx(level, abs=0.02)


def test_the_task_file_has_the_last_word_on_chance(kind: Kind, rows: Prepared) -> None:
    assert kind.chance(_task(kind, chance=0.4), rows.labels, len(_classes(kind)))[kind.main] == 0.4


# -- whole evaluations -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def task_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Path]:
    """Return a function that writes a kind's rows as a user has them, and the task file beside."""
    made: dict[str, Path] = {}

    def write(kind: Kind) -> Path:
        import datasets

        name = _name(kind)
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            columns = (*kind.needs, *kind.takes)
            for part, n in (("train", 40), ("test", 15)):
                rows = datasets.Dataset.from_dict(_split(kind, part, n, columns).columns)
                if "image" in columns:
                    rows = rows.cast_column("image", datasets.Image())
                rows.to_parquet(folder / f"{part}.parquet")
            said = ", ".join(f"{column}: {column}" for column in columns)
            made[name] = write_task(folder, name.replace("_", "-"), name, f"{{{said}}}", "parquet")
        return made[name]

    return write


@pytest.mark.parametrize("strategy", ["full", "lora", "linear_probe"])
def test_an_evaluation_from_files_to_a_record_that_holds(
    kind: Kind,
    strategy: str,
    task_of: Callable[[Kind], Path],
    inputs: dict[str, Any],
    planned: Callable[..., list[RunSpec]],
    machine: Machine,
    tmp_path: Path,
) -> None:
    checkpoint, able = inputs[kind.modality][0], strategies.get(strategy).targets
    if able and kind.target not in able:
        with pytest.raises(SuiteError, match=rf"{strategy} cannot be asked of .* \({_name(kind)}\)"):
            planned(checkpoint, task_of(kind), strategy)
        return
    (spec,) = planned(checkpoint, task_of(kind), strategy)
    kind.check(spec.tasks[0], evaluation.load_data(spec.tasks[0], spec.protocol))
    (result,) = evaluation.evaluate(spec, machine, lambda event: None)
    record = result.record
    assert set(record.metrics) == set(kind.metrics) and all(np.isfinite(value) for value in record.metrics.values())
    assert record.counts["test"] == record.counts["scored"] == 15
    store = Store(str(tmp_path / "store"))
    store.put(result)
    (told,) = verify(store)
    assert told.ok, told.detail

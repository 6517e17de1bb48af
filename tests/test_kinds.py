from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import WORDS
from PIL import Image

from suite import kinds, models, processors, tasks
from suite.data import Prepared, Split, TaskData, load
from suite.hub import resolve
from suite.kinds import _images as images
from suite.kinds import _texts
from suite.outputs import map_batches
from suite.spec import DatasetRef, SuiteError, TaskSpec

TEXT, IMAGE = kinds.get("text_classification"), kinds.get("image_classification")
MULTI, SIMILARITY = kinds.get("multi_label_classification"), kinds.get("text_similarity")
CHOICE = kinds.get("multiple_choice")


def _split(name: str = "train", **columns: list[Any]) -> Split:
    n = len(next(iter(columns.values())))
    return Split(name, columns, [f"{i:064x}" for i in range(n)])


def _task(**changes: Any) -> TaskSpec:
    values: dict[str, Any] = {"name": "t", "version": 1, "kind": "text_classification", "file": "t.yaml"}
    lines = {"columns": 5, "columns.text": 6, "columns.label": 7, "splits": 8, "labels": 9}
    return TaskSpec(
        **(
            values
            | {"dataset": DatasetRef(path="csv"), "columns": {"text": "a", "label": "b"}, "lines": lines}
            | changes
        )
    )


def _labelled(labels: list[Any], test: list[Any] | None = None, named: tuple[str, ...] | None = None) -> TaskData:
    parts = {"train": labels, "validation": labels, "test": labels if test is None else test}
    splits = [_split(name, text=["word"] * len(values), label=values) for name, values in parts.items()]
    return TaskData(*splits, named)


_PREPARED = Prepared([], np.zeros(0), [], [])
"""No rows: what decodes each row by its own outputs asks for none."""


def _png(image: Image.Image, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, form)
    return stream.getvalue()


@pytest.fixture(scope="module")
def tokenizer(tiny_bert: Path) -> Any:
    return processors.load(resolve(str(tiny_bert)), "text", 32)[0]


# -- classes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["b", "a", "b"], ("a", "b")),
        ([10, 9, 2], ("2", "9", "10")),
        (["10", "9", "x"], ("9", "10", "x")),
        ([1.0, 0.0], ("0", "1")),
        ([True, False], ("False", "True")),
    ],
)
def test_classes_that_nobody_names_are_those_of_train_in_natural_order(values: Any, classes: Any) -> None:
    assert TEXT.classes(_task(), _labelled(values)) == classes


def test_the_task_files_labels_go_before_the_data_sets() -> None:
    assert TEXT.classes(_task(), _labelled(["a", "b"], named=("b", "a"))) == ("b", "a")
    assert TEXT.classes(_task(labels=("a", "b")), _labelled(["a", "b"], named=("b", "a"))) == ("a", "b")


def test_whole_numbers_are_indexes_of_named_classes() -> None:
    data, task = _labelled([0, 1, 1.0, "neg"]), _task(labels=("neg", "pos"))
    TEXT.check(task, data)
    assert TEXT.targets(data.train, ("neg", "pos")).tolist() == [0, 1, 1, 0]  # type: ignore[attr-defined]


def test_numbers_that_are_class_names_are_no_indexes() -> None:
    data = _labelled([1, 2, 1])
    assert TEXT.targets(data.train, ("2", "1")).tolist() == [1, 0, 1]  # type: ignore[attr-defined]


def test_one_class_only_is_refused() -> None:
    with pytest.raises(SuiteError, match=r"^t\.yaml:8: .* has one class only \(a\)"):
        TEXT.classes(_task(), _labelled(["a", "a"]))


def test_a_class_named_twice_is_refused() -> None:
    with pytest.raises(SuiteError, match=r"^t\.yaml:9: .* name a class twice"):
        TEXT.classes(_task(labels=("a", "a")), _labelled(["a", "a"]))


@pytest.mark.parametrize("bad", [None, float("nan"), "c", 7])
def test_a_label_that_cannot_be_used_is_named_by_split_row_and_line(bad: Any) -> None:
    with pytest.raises(SuiteError, match=r"^t\.yaml:7: row 1 of the test split has the label"):
        TEXT.check(_task(labels=("a", "b")), _labelled(["a", "b"], ["a", bad]))


def test_a_class_that_train_lacks_is_refused() -> None:
    with pytest.raises(SuiteError, match="'c', which no row of the train split has"):
        TEXT.check(_task(labels=("a", "b", "c")), _labelled(["a", "b"], ["a", "c"]))


def test_preparing_rows_of_another_class_is_refused(tokenizer: Any) -> None:
    with pytest.raises(SuiteError, match=r"^Row 1 of the test split .* No label named 'c'"):
        TEXT.prepare(_split("test", text=["a", "b"], label=["a", "c"]), ("a", "b"), tokenizer, 32)


def test_of_two_classes_the_precision_of_guessing_is_the_share_of_the_second() -> None:
    assert TEXT.chance(_task(), np.array([0, 1, 0, 0]), 2)["average_precision"] == 0.25
    assert TEXT.chance(_task(), np.array([0, 1, 0, 0]), 3)["average_precision"] == 0.5
    assert "average_precision" not in TEXT.chance(_task(), np.zeros(4, dtype=np.int64), 2)


# -- texts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["", "  \n", None, 3, float("nan")])
def test_a_text_that_is_none_is_named_by_split_and_row(bad: Any) -> None:
    data = _labelled(["a", "b"])
    data.validation.columns["text"][1] = bad
    with pytest.raises(SuiteError, match=r"^t\.yaml:6: row 1 of the validation split"):
        TEXT.check(_task(), data)


def test_texts_are_cut_at_the_longest_length_and_counted(tokenizer: Any) -> None:
    split = _split(text=["sunny day", "a sunny day in the town", "day " * 50], label=["x", "y", "x"])
    rows = TEXT.prepare(split, ("x", "y"), tokenizer, 6)
    assert rows.lengths == [4, 6, 6] and rows.truncated == 2
    assert rows.items[1]["input_ids"] == [WORDS.index(w) for w in ("[CLS]", "a", "sunny", "day", "in", "[SEP]")]


def test_a_text_that_just_fits_is_not_cut(tokenizer: Any) -> None:
    rows = TEXT.prepare(_split(text=["day " * 4, "day"], label=["x", "y"]), ("x", "y"), tokenizer, 6)
    assert rows.lengths == [6, 3] and rows.truncated == 0


def test_of_a_pair_the_longer_text_is_cut_first(tokenizer: Any) -> None:
    split = _split(text=["sunny day"], text_pair=["town " * 20], label=["x"])
    (item,) = TEXT.prepare(split, ("x", "y"), tokenizer, 10).items
    assert [WORDS[i] for i in item["input_ids"]] == ["[CLS]", "sunny", "day", "[SEP]", *["town"] * 5, "[SEP]"]
    assert item["token_type_ids"] == [0] * 4 + [1] * 6


def test_a_batch_is_padded_to_its_own_longest_row(tokenizer: Any) -> None:
    rows = TEXT.prepare(
        _split(text=["day", "sunny day", "day " * 20], label=["x", "y", "x"]), ("x", "y"), tokenizer, 32
    )
    batch = TEXT.collate(tokenizer)(list(rows.items[:2]))
    assert batch["input_ids"].tolist() == [[2, WORDS.index("day"), 3, 0], [2, *map(WORDS.index, ("sunny", "day")), 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1] * 4]
    assert batch["labels"].tolist() == [0, 1]


def test_a_text_of_one_column_is_taken_as_it_is() -> None:
    assert _texts.joined("  a \n b ") == "  a \n b "
    assert _texts.joined(["a", "", None, "b"]) == "a b"


def test_the_texts_of_several_columns_are_joined_with_a_space(tokenizer: Any) -> None:
    cells = [["sunny", "day"], ["sunny day", "", None], [None, "sunny day"]]
    several = TEXT.prepare(_split(text=cells, text_pair=cells, label=["x"] * 3), ("x", "y"), tokenizer, 32)
    one = TEXT.prepare(_split(text=["sunny day"], text_pair=["sunny day"], label=["x"]), ("x", "y"), tokenizer, 32)
    assert list(several.items) == list(one.items) * 3


@pytest.mark.parametrize(
    ("cell", "good"), [(["", "day"], True), ([None, " "], False), (["day", 3], False), ([], False)]
)
def test_of_several_columns_one_must_hold_a_text(cell: Any, good: bool) -> None:
    data = _labelled(["a", "b"])
    data.test.columns["text"][1] = cell
    if good:
        TEXT.check(_task(), data)
    else:
        with pytest.raises(SuiteError, match=r"^t\.yaml:6: row 1 of the test split"):
            TEXT.check(_task(), data)


# -- several labels a row ----------------------------------------------------------------------------------------------


def _multi(**changes: Any) -> TaskSpec:
    values: dict[str, Any] = {"kind": "multi_label_classification", "columns": {"text": "a", "labels": "b"}}
    lines = {"columns": 5, "columns.text": 6, "columns.labels": 7, "splits": 8, "labels": 9}
    return _task(**(values | {"lines": lines} | changes))


def _tagged(train: list[Any], test: list[Any] | None = None, named: tuple[str, ...] | None = None) -> TaskData:
    parts = {"train": train, "validation": train, "test": train if test is None else test}
    splits = [_split(name, text=["word"] * len(cells), labels=cells) for name, cells in parts.items()]
    return TaskData(*splits, named)


def _targets(task: TaskSpec, data: TaskData) -> list[list[int]]:
    MULTI.check(task, data)
    return MULTI.targets(data.train, MULTI.classes(task, data)).tolist()  # type: ignore[attr-defined,no-any-return]


def test_lists_of_names_of_indexes_and_columns_of_flags_say_the_same() -> None:
    wanted = [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert _targets(_multi(), _tagged([["c", "a"], [], ["b"]])) == wanted
    assert _targets(_multi(labels=("a", "b", "c")), _tagged([[2, 0], [], [1]])) == wanted
    assert _targets(_multi(), _tagged([["c", "a"], [], ["b"]], named=("a", "b", "c"))) == wanted
    several = _multi(columns={"text": "t", "labels": ("a", "b", "c")})
    for kind in (int, bool, float):
        assert _targets(several, _tagged([[kind(flag) for flag in row] for row in wanted])) == wanted


def test_classes_are_names_in_order_columns_or_what_the_task_file_says() -> None:
    assert MULTI.classes(_multi(), _tagged([["10"], ["9", "2"]])) == ("2", "9", "10")
    several, data = {"text": "t", "labels": ("toxic", "insult")}, _tagged([[0, 1], [1, 1]])
    assert MULTI.classes(_multi(columns=several), data) == ("toxic", "insult")
    assert MULTI.classes(_multi(columns=several, labels=("x", "y")), data) == ("x", "y")
    assert MULTI.classes(_multi(labels=("b", "a")), _tagged([["a"]], named=("a", "b"))) == ("b", "a")


def test_labels_that_are_not_one_a_column_are_refused() -> None:
    task = _multi(columns={"text": "t", "labels": ("a", "b")}, labels=("x", "y", "z"))
    with pytest.raises(SuiteError, match=r"^t\.yaml:9: t names 3 labels for 2 columns"):
        MULTI.classes(task, _tagged([[0, 1]]))
    with pytest.raises(SuiteError, match=r"^t\.yaml:9: .* name a class twice"):
        MULTI.classes(_multi(labels=("a", "a")), _tagged([["a"]]))


@pytest.mark.parametrize("columns", ["b", ("x", "y", "z")])
def test_a_train_split_without_any_label_is_refused(columns: Any) -> None:
    with pytest.raises(SuiteError, match=r"^t\.yaml:8: no row of the train split of t has a label"):
        MULTI.classes(
            _multi(columns={"text": "t", "labels": columns}), _tagged([[], [0, 0, 0][: 3 * (columns != "b")]])
        )


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (None, "Expected a list"),
        ("a", "Expected a list"),
        ([None], "Expected a list"),
        (["a", float("nan")], "Expected a list"),
        (["d"], "No label named 'd'"),
        ([7], "No label named '7'"),
        (["a", "b", "a"], "name a class twice"),
        ([0, "a"], "name a class twice"),
        ([0, 1, 1], "could be indexes, or 0 and 1 a class"),
    ],
)
def test_labels_that_cannot_be_used_are_named_by_split_row_and_line(bad: Any, why: str) -> None:
    data = _tagged([["a"], ["b", "c"]], [["a"], bad])
    with pytest.raises(SuiteError, match=rf"^t\.yaml:7: row 1 of the test split has the labels .*{why}"):
        MULTI.check(_multi(labels=("a", "b", "c")), data)


@pytest.mark.parametrize("bad", [None, [0, 1], [0, 1, 2], [0, 1, None], ["0", "1", "0"], [1, 1, 0, 0], ["a"]])
def test_flags_that_are_none_are_named_by_split_row_and_line(bad: Any) -> None:
    task = _multi(columns={"text": "t", "labels": ("a", "b", "c")})
    with pytest.raises(SuiteError, match=r"^t\.yaml:7: row 1 of the test split .* Expected 0 or 1 in each"):
        MULTI.check(task, _tagged([[1, 1, 1]], [[0, 0, 0], bad]))


def test_two_numbers_for_two_classes_are_not_guessed_at() -> None:
    with pytest.raises(SuiteError, match="could be indexes, or 0 and 1 a class"):
        MULTI.check(_multi(labels=("a", "b")), _tagged([[0, 1]]))


def test_a_class_that_rows_have_and_train_rows_lack_is_refused() -> None:
    task = _multi(labels=("a", "b", "c"))
    MULTI.check(task, _tagged([["a"], ["b"]], [["a"], ["b"]]))
    with pytest.raises(SuiteError, match=r"^t\.yaml:8: row 1 of the test split has the label 'c', which no row of"):
        MULTI.check(task, _tagged([["a"], ["b"]], [["a"], ["b", "c"]]))


def test_the_loss_of_several_labels_is_the_mean_over_classes_and_rows(tokenizer: Any) -> None:
    import torch

    rows = MULTI.prepare(_split(text=["day", "town"], labels=[["a"], []]), ("a", "b"), tokenizer, 32)
    batch = MULTI.collate(tokenizer)(list(rows.items))
    assert batch["labels"].dtype == torch.float32 and batch["labels"].tolist() == [[1, 0], [0, 0]]
    assert rows.labels.dtype == np.int64
    logits = torch.tensor([[2.0, -1.0], [0.5, 3.0]])
    p = 1 / (1 + np.exp(-logits.double().numpy()))
    wanted = -np.mean([np.log(p[0, 0]), np.log(1 - p[0, 1]), np.log(1 - p[1, 0]), np.log(1 - p[1, 1])])
    assert MULTI.loss(logits, batch["labels"]).item() == pytest.approx(wanted, abs=1e-6)


def test_a_class_is_predicted_above_one_half() -> None:
    predictions, scores = MULTI.decode(np.array([[0.0, 1e-3], [-1e-3, 9.0]], dtype=np.float32), _PREPARED)
    assert predictions.tolist() == [[0, 1], [0, 1]] and scores[0, 0] == 0.5
    assert MULTI.contradictions(predictions, scores.tolist()) == 0
    assert MULTI.contradictions(1 - predictions, scores.tolist()) == 2


def test_labels_are_shown_in_the_order_of_the_classes_and_read_so_only() -> None:
    classes = ("b", "ä", 'say "a"')
    assert MULTI.shown(np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]]), classes) == ['["b", "say \\"a\\""]', '["ä"]', "[]"]
    for strange in ('["ä", "b"]', '["b","ä"]', '["b", "b"]', '"b"', "3", "", "[" * 100_000):
        with pytest.raises(SuiteError, match="is no list of the record's classes in their order"):
            MULTI.read(["[]", strange], classes)


def test_chance_of_several_labels_is_how_often_classes_are_right() -> None:
    known = MULTI.chance(_multi(), np.array([[1, 1, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]]), 3)
    assert known == {"average_precision": (0.25 + 1) / 2, "roc_auc": 0.5}
    assert MULTI.chance(_multi(), np.zeros((4, 3), dtype=np.int64), 3) == {"roc_auc": 0.5}


# -- similarity --------------------------------------------------------------------------------------------------------


def _scored(train: list[Any], test: list[Any] | None = None) -> TaskData:
    parts = {"train": train, "validation": train, "test": train if test is None else test}
    splits = [
        _split(name, text=["a"] * len(cells), text_pair=["b"] * len(cells), score=cells)
        for name, cells in parts.items()
    ]
    return TaskData(*splits, None)


def _similarity() -> TaskSpec:
    columns = {"text": "a", "text_pair": "b", "score": "c"}
    return _task(kind="text_similarity", columns=columns, lines={"columns.score": 7, "splits": 8})


@pytest.mark.parametrize("bad", [None, float("nan"), float("inf"), True, "3.5", [1.0]])
def test_a_score_that_is_no_number_is_named_by_split_row_and_line(bad: Any) -> None:
    with pytest.raises(
        SuiteError, match=r"^t\.yaml:7: row 1 of the test split .* a regression target that is no number"
    ):
        SIMILARITY.check(_similarity(), _scored([0, 2.5], [1, bad]))


def test_scores_that_are_all_the_same_are_refused() -> None:
    with pytest.raises(SuiteError, match=r"^t\.yaml:8: .* do not differ in their score"):
        SIMILARITY.check(_similarity(), _scored([2, 2.0], [1, 3]))


def test_a_number_is_learned_as_it_is_by_one_output(tokenizer: Any) -> None:
    import torch

    data = _scored([0, 5, 2.5])
    SIMILARITY.check(_similarity(), data)
    assert SIMILARITY.classes(_similarity(), data) == () and SIMILARITY.n_outputs(()) == 1
    rows = SIMILARITY.prepare(data.train, (), tokenizer, 32)
    batch = SIMILARITY.collate(tokenizer)(list(rows.items))
    assert rows.labels.dtype == np.float64 and rows.labels.tolist() == [0, 5, 2.5]
    assert batch["labels"].dtype == torch.float32 and batch["labels"].tolist() == [0, 5, 2.5]
    loss = SIMILARITY.loss(torch.tensor([[1.0], [3.0], [2.0]]), batch["labels"])
    assert loss.item() == pytest.approx((1 + 4 + 0.25) / 3)
    predictions, scores = SIMILARITY.decode(np.array([[0.1], [7.0]], dtype=np.float32), rows)
    assert predictions.dtype == np.float64 and predictions.tolist() == [float(np.float32(0.1)), 7.0]
    assert scores.shape == (2, 1)


def test_numbers_are_shown_to_the_last_digit() -> None:
    values = np.array([0.1, float(np.float32(0.1)), 1e-300, -0.0, 3.0, 1e30, np.nan, np.inf])
    texts = SIMILARITY.shown(values, ())
    assert texts[:2] == ["0.1", "0.10000000149011612"]
    assert SIMILARITY.read(texts, ()).tobytes() == values.tobytes()
    for strange in ("3", "0.10", " 0.1", "1_0.0", "", "one", "1e400"):
        with pytest.raises(SuiteError, match="is no number as the record writes it"):
            SIMILARITY.read([strange], ())


def test_an_output_that_is_no_number_contradicts_nothing() -> None:
    predictions, scores = SIMILARITY.decode(np.array([[np.nan], [1.0]], dtype=np.float32), _PREPARED)
    assert SIMILARITY.contradictions(predictions, scores.tolist()) == 0
    assert SIMILARITY.contradictions(predictions + 1, scores.tolist()) == 1


# -- choices -----------------------------------------------------------------------------------------------------------


def _asked(labels: list[Any], choices: list[Any] | None = None, named: tuple[str, ...] | None = None) -> TaskData:
    cells = choices or [["day", "night", "town"]] * len(labels)
    splits = [
        _split(name, text=["it was"] * len(labels), choices=cells, label=labels)
        for name in ("train", "validation", "test")
    ]
    return TaskData(*splits, named)


def _question(**changes: Any) -> TaskSpec:
    columns = {"text": "a", "choices": "b", "label": "c"}
    lines = {"columns": 5, "columns.choices": 6, "columns.label": 7, "labels": 9}
    return _task(**({"kind": "multiple_choice", "columns": columns, "lines": lines} | changes))


@pytest.mark.parametrize(
    ("labels", "cells"),
    [
        (None, [2, 0, 1]),
        (None, ["2", "0", "1"]),
        (None, [2.0, 0.0, 1.0]),
        (("A", "B", "C"), ["C", "A", "B"]),
        (("A", "B", "C"), [2, 0, 1]),
        (("1", "2", "3"), ["3", "1", "2"]),
        (("1", "2", "3"), [3, 1, 2]),
    ],
)
def test_the_right_choice_is_told_by_place_or_by_name(labels: Any, cells: list[Any]) -> None:
    task, data = _question(labels=labels), _asked(cells)
    CHOICE.check(task, data)
    classes = CHOICE.classes(task, data)
    assert classes == (labels or ("0", "1", "2"))
    assert CHOICE.targets(data.train, classes).tolist() == [2, 0, 1]  # type: ignore[attr-defined]


def test_names_that_the_data_set_declares_are_those_of_the_choices() -> None:
    assert CHOICE.classes(_question(), _asked(["A", "B"], named=("A", "B", "C"))) == ("A", "B", "C")


@pytest.mark.parametrize(("labels", "bad"), [(None, 3), (None, "A"), (None, -1), (None, None), (("A", "B", "C"), "1")])
def test_a_label_that_is_no_choice_is_named_by_split_row_and_line(labels: Any, bad: Any) -> None:
    with pytest.raises(SuiteError, match=r"^t\.yaml:7: row 1 of the train split has the label"):
        CHOICE.check(_question(labels=labels), _asked([0, bad, 1]))


def test_a_place_where_no_train_row_has_its_answer_is_fine() -> None:
    data = _asked([0, 0])
    data.test.columns["label"][1] = 2
    CHOICE.check(_question(), data)


@pytest.mark.parametrize("bad", [["day", "town"], ["day"] * 4, ["day", "night", None], "day", None, [1, 2, 3]])
def test_choices_that_cannot_be_used_are_named_by_split_row_and_line(bad: Any) -> None:
    data = _asked([0, 1], [["day", "night", "town"], bad])
    with pytest.raises(SuiteError, match=r"^t\.yaml:6: row 1 of the train split has .* for 'choices'; expected"):
        CHOICE.check(_question(), data)


@pytest.mark.parametrize("bad", [["day"], None])
def test_a_first_row_without_choices_is_refused(bad: Any) -> None:
    with pytest.raises(SuiteError, match=r"^t\.yaml:6: row 0 of the train split .* at least two texts"):
        CHOICE.classes(_question(), _asked([0], [bad]))


@pytest.mark.parametrize(("labels", "why"), [(("A", "B"), "names 2 labels"), (("A", "A", "B"), "name a choice twice")])
def test_labels_that_are_not_one_a_choice_are_refused(labels: Any, why: str) -> None:
    with pytest.raises(SuiteError, match=rf"^t\.yaml:9: .*{why}"):
        CHOICE.classes(_question(labels=labels), _asked([0, 1]))


def _choices(tokenizer: Any, length: int = 32, **more: Any) -> Any:
    choices = [["sunny day", "cold"], ["town", "a warm day in town"], ["", "river"]]
    split = _split(text=["it was", "music", "the street"], choices=choices, label=[0, 1, 1], **more)
    return CHOICE.prepare(split, ("0", "1"), tokenizer, length)


def _read(ids: list[int]) -> str:
    return " ".join(WORDS[i] for i in ids)


def test_the_model_reads_the_text_with_the_prefix_and_each_choice(tokenizer: Any) -> None:
    rows = _choices(tokenizer, prefix=["in a", "", "of"])
    assert [[_read(ids) for ids in item["input_ids"]] for item in rows.items] == [
        ["[CLS] it was [SEP] in a sunny day [SEP]", "[CLS] it was [SEP] in a cold [SEP]"],
        ["[CLS] music [SEP] town [SEP]", "[CLS] music [SEP] a warm day in town [SEP]"],
        ["[CLS] the street [SEP] of [SEP]", "[CLS] the street [SEP] of river [SEP]"],
    ]
    assert rows.items[1]["token_type_ids"] == [[0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 1, 1, 1, 1]]
    assert rows.lengths == [9, 9, 7] and rows.labels.tolist() == [0, 1, 1]


def test_cut_choices_count_once_a_row(tokenizer: Any) -> None:
    rows = _choices(tokenizer, 8)
    assert rows.truncated == 1 and rows.lengths == [7, 8, 6]
    both = CHOICE.prepare(_split(text=["day " * 30], choices=[["a", "in"]], label=[0]), ("0", "1"), tokenizer, 8)
    assert both.truncated == 1 and [len(ids) for ids in both.items[0]["input_ids"]] == [8, 8]


def test_a_batch_of_choices_is_padded_to_its_longest(tokenizer: Any) -> None:
    rows = _choices(tokenizer)
    batch = CHOICE.collate(tokenizer)([rows.items[0], rows.items[2]])
    assert batch["input_ids"].shape == batch["attention_mask"].shape == batch["token_type_ids"].shape == (2, 2, 7)
    assert batch["attention_mask"].sum(-1).tolist() == [[7, 6], [5, 6]]
    assert batch["labels"].tolist() == [0, 1]


@pytest.fixture(scope="module")
def chooser(tiny_bert: Path) -> Any:
    return models.load(resolve(str(tiny_bert)), 2, 0, CHOICE.auto, CHOICE.loss).eval()


def test_every_choice_gets_the_number_that_it_gets_alone(chooser: Any, tokenizer: Any) -> None:
    import torch

    rows = _choices(tokenizer)
    batch = CHOICE.collate(tokenizer)(list(rows.items))
    with torch.no_grad():
        logits = chooser(**batch)["logits"]
        for row, item in enumerate(rows.items):
            for place in range(2):
                one = {n: torch.tensor([[cells[place]]]) for n, cells in item.items() if n != "labels"}
                assert chooser(**one)["logits"].item() == pytest.approx(logits[row, place].item(), abs=1e-6)
    assert logits.shape == (3, 2)


@pytest.mark.parametrize("pooling", ["mean", "cls", "tokens"])
def test_every_choice_has_features_of_its_own(pooling: str, chooser: Any, tokenizer: Any) -> None:
    import torch

    rows = _choices(tokenizer)
    batch = CHOICE.collate(tokenizer)(list(rows.items))
    batch.pop("labels")
    with torch.no_grad():
        features = chooser.features(pooling, **batch)
        flat = chooser.features(pooling, **{name: value.flatten(0, 1) for name, value in batch.items()})
    assert features.shape[:2] == (3, 2) and features.shape[-1] == 32
    assert torch.equal(features.flatten(0, 1), flat)
    assert not torch.allclose(features[0, 0], features[0, 1], atol=1e-3)


def test_features_of_choices_do_not_depend_on_the_batch(chooser: Any, tokenizer: Any) -> None:
    rows = _choices(tokenizer)

    def pooled(batch: dict[str, Any]) -> Any:
        batch.pop("labels")
        return chooser.features("mean", **batch)

    together = map_batches(chooser, pooled, rows.items, rows.lengths, CHOICE.collate(tokenizer))
    alone = map_batches(chooser, pooled, rows.items[1:2], rows.lengths[1:2], CHOICE.collate(tokenizer))
    assert isinstance(together, np.ndarray) and together.shape == (3, 2, 32)
    assert np.allclose(together[1], alone[0], atol=1e-6)


# -- from a task file --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "columns", "classes", "label"),
    [
        ("text_classification", "{text: [one, two], label: right}", ("1", "2"), 1),
        ("multi_label_classification", "{text: one, labels: [toxic, insult]}", ("toxic", "insult"), [0, 1]),
        ("multi_label_classification", "{text: one, labels: genres}", ("film", "music"), [1, 1]),
        (
            "multiple_choice",
            "{text: one, choices: [a, b], prefix: two, label: right}\nlabels: ['1', '2']",
            ("1", "2"),
            1,
        ),
        ("multiple_choice", "{text: one, choices: options.text, label: place}", ("0", "1"), 0),
        ("text_similarity", "{text: one, text_pair: [one, two], score: place}", (), 0.0),
    ],
)
def test_several_columns_and_fields_of_structs_are_read_from_a_task_file(
    kind: str, columns: str, classes: Any, label: Any, tokenizer: Any, tmp_path: Path
) -> None:
    import pandas as pd

    row = {"one": "sunny day", "two": "in the town", "toxic": 0, "insult": 1, "genres": ["music", "film"]}
    row |= {"a": "day", "b": "night", "options": {"text": ["day", "night"]}, "right": 2, "place": 0, "name": "yes"}
    other = {"one": "cold", "toxic": 1, "insult": 0, "genres": [], "right": 1, "place": 1}
    rows = [row, row | other]
    for split in ("train", "validation", "test"):
        pd.DataFrame([{**one, "two": f"{one['two']} {split}"} for one in rows]).to_parquet(
            tmp_path / f"{split}.parquet"
        )
    files = "{train: train.parquet, validation: validation.parquet, test: test.parquet}"
    (tmp_path / "some.yaml").write_text(
        f"name: some\nversion: 1\nkind: {kind}\ndataset: {{path: parquet, data_files: {files}}}\n"
        f"splits: {{train: train, validation: validation, test: test}}\ncolumns: {columns}\n"
        + ("labels: ['no', 'yes']\n" if "name" in columns else "")
    )
    reader = kinds.get(kind)
    task = reader.complete(tasks.load_file(tmp_path / "some.yaml"))
    found = load(task, tasks.local_files(task), {})
    reader.check(task, found)
    assert reader.classes(task, found) == classes
    prepared = reader.prepare(found.train, classes, tokenizer, 32)
    assert prepared.labels[0].tolist() == label and prepared.truncated == 0


# -- images ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def transform(tiny_resnet: Path) -> Callable[[Any], np.ndarray]:
    processor: Callable[[Any], np.ndarray] = processors.load(resolve(str(tiny_resnet)), "image", 32)[0]
    return processor


def _images(*contents: bytes) -> Split:
    return _split(image=list(contents), label=[f"c{i % 2}" for i in range(len(contents))])


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "I;16"])
def test_images_of_every_mode_become_three_channels(mode: str, transform: Any) -> None:
    content = _png(Image.new(mode, (40, 30)), "JPEG" if mode == "CMYK" else "PNG")
    item = IMAGE.prepare(_images(content), ("c0", "c1"), transform, 0).items[0]
    assert item["pixel_values"].shape == (3, 32, 32) and item["pixel_values"].dtype == np.float32


def test_a_broken_image_is_named_by_split_and_row() -> None:
    whole = _png(Image.new("RGB", (8, 8)))
    splits = [_images(whole, whole), _images(whole, whole), _images(whole, whole[:40])]
    data = TaskData(
        *(Split(n, s.columns, s.hashes) for n, s in zip(("train", "validation", "test"), splits, strict=True)), None
    )
    with pytest.raises(SuiteError, match="row 1 of the test split is no usable image"):
        IMAGE.check(_task(kind="image_classification", columns={"image": "i", "label": "b"}), data)


def test_images_may_have_several_labels_or_none(transform: Any) -> None:
    several = kinds.get("image_multi_label_classification")
    pixels = _png(Image.new("RGB", (8, 8), "red"))
    rows = several.prepare(_split(image=[pixels] * 2, labels=[["a", "b"], []]), ("a", "b"), transform, 0)
    batch = several.collate(transform)([rows.items[0], rows.items[1]])
    assert batch["labels"].tolist() == [[1.0, 1.0], [0.0, 0.0]] and batch["labels"].is_floating_point()
    assert batch["pixel_values"].shape == (2, 3, 32, 32)


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 99)
    split = _images(_png(Image.new("RGB", (10, 10))), _png(Image.new("RGB", (3, 3))))
    with pytest.raises(SuiteError, match="10 x 10 pixels"):
        IMAGE.check(
            _task(kind="image_classification", columns={"image": "i", "label": "b"}),
            TaskData(split, split, split, None),
        )


@pytest.mark.parametrize(("kept", "decodes"), [(10**9, 2), (0, 4), (3 * 32 * 32 * 4, 3)])
def test_decoded_images_are_kept_as_far_as_they_fit(
    kept: int, decodes: int, transform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "KEPT_BYTES", kept)
    made: list[int] = []

    def counted(image: Any) -> np.ndarray:
        made.append(1)
        return transform(image)  # type: ignore[no-any-return]

    contents = [_png(Image.new("RGB", (8, 8), colour)) for colour in ("red", "blue")]
    items = IMAGE.prepare(_images(*contents), ("c0", "c1"), counted, 0).items
    first, second = ([item["pixel_values"] for item in items] for _ in range(2))
    assert len(made) == decodes
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], first[1])

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import WORDS
from PIL import Image

from suite import kinds, processors
from suite.data import Split, TaskData
from suite.hub import resolve
from suite.kinds import image_classification
from suite.spec import DatasetRef, SuiteError, TaskSpec

TEXT, IMAGE = kinds.get("text_classification"), kinds.get("image_classification")


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


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_classification, "MAX_PIXELS", 99)
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
    monkeypatch.setattr(image_classification, "KEPT_BYTES", kept)
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

"""Kept weights that answer: as their record has it, in types and in words, and no input that is too large or broken."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call
from kept_runs import CASES, KeptRuns, kept_runs
from made_records import made

from suite import prediction
from suite.prediction import KeptModel, Labelled, Number, Span, Tagged, _inputs, as_json
from suite.spec import SuiteError
from suite.store import Store


@pytest.fixture(scope="module")
def runs(tiny_bert: Path, tiny_resnet: Path, tiny_protocol: Path) -> KeptRuns:
    return kept_runs(tiny_bert, tiny_resnet, tiny_protocol)


_OPENED: dict[tuple[str, str], KeptModel] = {}


def opened(runs: KeptRuns, kind: str, way: str = "full") -> KeptModel:
    if (kind, way) not in _OPENED:
        key = runs.records[kind, way].key
        _OPENED[kind, way] = prediction.open_kept(
            runs.store, key[:10], bases=[str(runs.base(kind))], device="cpu", threads=1
        )
    return _OPENED[kind, way]


def picture(size: tuple[int, int] = (32, 32), form: str = "PNG") -> bytes:
    from PIL import Image

    content = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(content, form)
    return content.getvalue()


# -- as the record has it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "way"), CASES)
def test_test_rows_are_answered_as_the_record_has_them(kind: str, way: str, runs: KeptRuns) -> None:
    model, result = opened(runs, kind, way), runs.result(kind, way)
    found = model.predict(runs.inputs(kind, way))
    assert found.seconds > 0
    assert found.cut == 0
    for answer, shown, scores in zip(
        found.answers, result.columns["prediction"], result.columns["scores"], strict=True
    ):
        told, numbers = as_stored(model, answer, scores)
        assert told == shown
        np.testing.assert_allclose(numbers, scores[: len(numbers)], atol=2e-5, rtol=1e-5)


def as_stored(model: KeptModel, answer: Any, scores: list[float]) -> tuple[str, list[float]]:
    """Return an answer as the per-example table has it: the text, and the scores that it tells."""
    if isinstance(answer, Labelled):
        several = model.predictor.kind.target == "labels"
        told = json.dumps(list(answer.labels), ensure_ascii=False) if several else answer.labels[0]
        assert list(answer.probabilities.values()) == sorted(answer.probabilities.values(), reverse=True)
        return told, [answer.probabilities[name] for name in model.classes]
    if isinstance(answer, Number):
        return repr(answer.value), [answer.value]
    if isinstance(answer, Span):
        return json.dumps(answer.text, ensure_ascii=False), [answer.score]
    assert isinstance(answer, Tagged)
    best = np.array(scores).reshape(len(answer.words), -1).max(axis=1)
    np.testing.assert_allclose([word.probability for word in answer.words], best, atol=2e-5)
    return json.dumps([word.tag for word in answer.words], ensure_ascii=False), []


def test_spans_are_where_they_are_said_to_be(runs: KeptRuns) -> None:
    inputs = runs.inputs("question_answering", "full")
    found = opened(runs, "question_answering").predict(inputs)
    for one, answer in zip(inputs, found.answers, strict=True):
        assert isinstance(answer, Span)
        assert answer.no_answer is not None
        if answer.text:
            assert one["context"][answer.start : answer.end] == answer.text
        else:
            assert (answer.start, answer.end) == (None, None)


def test_the_span_that_is_meant_is_marked_where_a_text_stands_twice(runs: KeptRuns) -> None:
    model = opened(runs, "question_answering")
    context = "sunny day " * 9
    (answer,) = model.predict([{"question": "it was", "context": context}]).answers
    rows = model.predictor.prepare({"question": ["it was"], "context": [context]})
    best = max(
        (
            _score(logits, window)
            for logits, window in zip(model.predictor.outputs(rows), rows.context.windows, strict=True)
        ),
        key=lambda one: one[0],
    )
    assert isinstance(answer, Span)
    if answer.text:
        assert (answer.start, answer.end) == (best[1].start, best[1].stop)


def _score(logits: np.ndarray, window: Any) -> tuple[float, slice]:
    """Return the best span of a window by looking at every one."""
    found = [
        (float(logits[window.first + i, 0]) + float(logits[window.first + j, 1]), i, j)
        for i in range(len(window.spans))
        for j in range(i, min(i + 30, len(window.spans)))
    ]
    total, i, j = max(found)
    return total, slice(int(window.spans[i, 0]), int(window.spans[j, 1]))


def test_a_text_is_read_as_words_and_its_entities_are_placed(runs: KeptRuns) -> None:
    text = 'it was (a "lovely day"), in town.'
    (answer,) = opened(runs, "token_classification").predict([text]).answers
    assert isinstance(answer, Tagged)
    words = ["it", "was", "(", "a", '"', "lovely", "day", '"', ")", ",", "in", "town", "."]
    assert [word.text for word in answer.words] == words
    assert all(text[word.start : word.end] == word.text for word in answer.words)
    for entity in answer.entities:
        assert text[entity.start : entity.end] == entity.text
        inside = [word for word in answer.words if entity.start <= word.start and word.end <= entity.end]
        assert entity.probability == min(word.probability for word in inside)
        assert inside[0].tag.endswith(entity.label)


def test_words_of_any_script_stay_whole() -> None:
    text = "“नमस्ते दुनिया!” — l'été, 3.5% U.S."
    _, spans = _inputs._placed(text)
    words = [text[start:end] for start, end in spans]
    assert words == ["“", "नमस्ते", "दुनिया", "!", "”", "—", "l'été", ",", "3.5", "%", "U.S", "."]


def test_a_choice_is_told_with_its_text(runs: KeptRuns) -> None:
    inputs = runs.inputs("multiple_choice", "full")[:4]
    for one, answer in zip(inputs, opened(runs, "multiple_choice").predict(inputs).answers, strict=True):
        assert isinstance(answer, Labelled)
        assert answer.choice == one["choices"][int(answer.labels[0])]


def test_a_picture_is_read_from_its_file_and_from_its_bytes(runs: KeptRuns, tmp_path: Path) -> None:
    path = tmp_path / "red.jpg"
    path.write_bytes(picture(form="JPEG"))
    model = opened(runs, "image_classification")
    found = model.predict([path, str(path), path.read_bytes(), {"image": path.read_bytes()}]).answers
    assert len(set(map(str, found))) == 1


def test_a_folder_that_was_copied_away_answers_alike(runs: KeptRuns) -> None:
    folder = runs.folder("text_classification", "lora")
    model = prediction.open_folder(folder, bases=[str(runs.base("text_classification"))], device="cpu", threads=1)
    texts = [one["text"] for one in runs.inputs("text_classification", "lora")]
    again = opened(runs, "text_classification", "lora").predict(texts).answers
    assert model.predict(texts).answers == again
    assert model.record is None
    assert model.columns == ("text",)
    assert model.modality == "text"


def test_a_text_that_is_longer_than_what_is_read_is_counted(runs: KeptRuns) -> None:
    assert opened(runs, "text_classification").predict(["a day " * 40, "a day"]).cut == 1


def test_answers_are_json_without_nan(runs: KeptRuns) -> None:
    for kind, way in CASES:
        for answer in opened(runs, kind, way).predict(runs.inputs(kind, way)[:3]).answers:
            json.dumps(as_json(answer), allow_nan=False)


# -- what is refused ---------------------------------------------------------------------------------------------------

REFUSED: list[tuple[str, Any, str]] = [
    ("text_classification", [], "Nothing is asked"),
    ("text_classification", ["  "], "input 1: 'text' is empty; expected a text"),
    ("text_classification", ["a day", "x" * 1_000_000], r"input 2: 'text' has 1,000,000 bytes; .* \(1 MB\) or more"),
    ("text_classification", ["é" * 500_000], "1,000,000 bytes"),
    ("text_classification", ["\ud800"], "holds signs that are no text"),
    ("text_classification", [b"\x89PNG"], "is a file; this model reads texts"),
    ("text_classification", [Path("x.png")], "is a file; this model reads texts"),
    ("text_classification", [7], "is int; expected a text"),
    ("text_classification", [{"text": "a", "text_pair": "b"}], "has 'text_pair'; text_classification reads text"),
    ("text_classification", [{}], "lacks 'text'"),
    ("text_classification", [{"text": "a", "label": "good"}], "has 'label'"),
    ("text_similarity", ["a day"], "is one text alone; text_similarity reads text and text_pair"),
    ("text_similarity", [{"text": "a day"}], "lacks 'text_pair'"),
    ("multiple_choice", [{"text": "a", "choices": ["b"]}], "are 1; this model was trained on 2 a row"),
    ("multiple_choice", [{"text": "a", "choices": "bc"}], "is str; expected a list of texts"),
    ("multiple_choice", [{"text": "a", "choices": ["x" * 600_000] * 2}], "1 MB"),
    ("question_answering", [{"question": "a", "context": ""}], "'context' is empty"),
    ("token_classification", [{"tokens": []}], "expected a list of texts"),
    ("token_classification", [{"tokens": ["a", " "]}], "is empty"),
    ("image_classification", ["a sunny day"], "there is no file 'a sunny day'; this model reads pictures"),
    ("image_classification", [b"no picture"], "no usable picture: its bytes are of no format"),
    ("image_classification", [b""], "no usable picture"),
    ("image_classification", [b"\0" * 50_000_000], r"has 50,000,000 bytes; .* \(50 MB\) or more is not read"),
    ("image_classification", [picture((9000, 8000))], "has 72,000,000 pixels; at most 64,000,000 are read"),
    ("image_classification", [picture()[:-30]], "no usable picture"),
    ("image_classification", [picture()[:40]], "no usable picture"),
    ("image_classification", [7], "is int; expected a picture's file or its bytes"),
]


@pytest.mark.parametrize(("kind", "inputs", "why"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_read_is_one_sentence(kind: str, inputs: Any, why: str, runs: KeptRuns) -> None:
    with pytest.raises(SuiteError, match=why) as told:
        opened(runs, kind).predict(inputs)
    assert "\n" not in str(told.value)


def test_a_large_file_is_refused_unread(runs: KeptRuns, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    with pytest.raises(SuiteError, match="50,000,000 bytes"):
        opened(runs, "image_classification").predict([path])


def test_what_is_just_small_enough_is_read(runs: KeptRuns) -> None:
    found = opened(runs, "text_classification").predict(["sunny " * 166_666 + "day"])
    assert found.cut == 1


def test_a_picture_that_ends_too_early_is_named_among_others(runs: KeptRuns) -> None:
    whole = picture((64, 64), "JPEG")
    with pytest.raises(SuiteError, match="input 2"):
        opened(runs, "image_classification").predict([whole, whole[: len(whole) // 3], whole])


def test_inputs_that_differ_in_their_columns_are_refused(runs: KeptRuns) -> None:
    folder = runs.folder("text_classification", "full")
    model = prediction.open_folder(folder, device="cpu", threads=1)
    model.predict([{"text": "a", "text_pair": "b"}])  # of a folder alone nobody knows whether texts come in pairs
    with pytest.raises(SuiteError, match=r"input 2 has text; input 1 has text, text_pair\. Ask them apart"):
        model.predict([{"text": "a", "text_pair": "b"}, {"text": "a"}])


def test_weights_that_diverged_give_no_nan(runs: KeptRuns, tmp_path: Path) -> None:
    import shutil

    from safetensors.numpy import load_file, save_file

    shutil.copytree(runs.folder("text_classification", "full"), tmp_path / "weights")
    path = tmp_path / "weights" / "model.safetensors"
    arrays = load_file(path)
    save_file({name: np.full_like(value, np.nan) for name, value in arrays.items()}, path, {"format": "pt"})
    model = prediction.open_folder(tmp_path / "weights", device="cpu", threads=1)
    with pytest.raises(SuiteError, match="no finite numbers for input 1"):
        model.predict(["a day"])


# -- which weights -----------------------------------------------------------------------------------------------------


def test_a_key_that_means_no_kept_weights_is_one_sentence(runs: KeptRuns, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "s"))
    bare = store.put(made("m", "t", [1.0, 0.0]))
    few = store.put(made("m", "t", [1.0, 0.0], strategy="few_shot"))
    for word, why in (
        ("sunny", "is no key; expected at least 6 hexadecimal digits"),
        ("abc12", "is no key"),
        ("0" * 64, "has a key that begins with"),
        (bare.key, "kept no weights; run it again with --keep-weights"),
        (few.key[:9], "kept no weights: few_shot leaves none"),
    ):
        with pytest.raises(SuiteError, match=why):
            prediction.open_kept(store, word)


def test_an_ambiguous_key_is_told_with_what_it_could_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path))
    monkeypatch.setattr(store, "find", lambda prefix: [f"{prefix}{end:058d}" for end in (1, 2)])
    with pytest.raises(SuiteError, match=r"2 keys in .* begin with 'abcdef' \(abcdef000000, abcdef000000\)"):
        prediction.open_kept(store, "abcdef")


def test_a_base_that_was_a_folder_has_to_be_named(runs: KeptRuns) -> None:
    key = runs.records["text_classification", "lora"].key
    with pytest.raises(SuiteError, match="was a folder, and none that is named is it; name it with --base"):
        prediction.open_kept(runs.store, key, bases=[str(runs.base("image_classification"))])


def test_changed_weights_are_not_used(runs: KeptRuns, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(runs.store.url, tmp_path / "store")
    key = runs.records["text_classification", "full"].key
    (tmp_path / "store" / "records" / key[:2] / f"{key}-1" / "weights" / "config.json").write_text("{}")
    with pytest.raises(SuiteError, match=r"are not those of the record: weights/config\.json is not the file"):
        prediction.open_kept(str(tmp_path / "store"), key)


# -- the command -------------------------------------------------------------------------------------------------------


def ask(runs: KeptRuns, kind: str, *words: str | Path, way: str = "full") -> Any:
    key, where = runs.records[kind, way].key[:8], ("--store", runs.store.url, "--base", runs.base(kind))
    return call("predict", key, *where, "--device", "cpu", "--threads", "1", *words)


def test_the_command_prints_what_it_is_asked_for(runs: KeptRuns, tmp_path: Path) -> None:
    red = tmp_path / "red.png"
    red.write_bytes(picture())
    for kind, words, shown in (
        ("text_classification", ("a sunny day", "it was grim"), ("%  good", "%  bad", "a sunny day")),
        ("multi_label_classification", ("a sunny day",), ("  = ", "%  long")),
        ("text_similarity", ("a day", "--pair", "a town"), ("  = ",)),
        ("token_classification", ("a sunny day",), ("a/", "sunny/", "day/")),
        ("multiple_choice", ("a day", "--choice", "sunny", "--choice", "grim"), ("%  0", "%  1")),
        ("question_answering", ("it was", "--context", "a sunny day"), ("  = ", "of no answer")),
        ("image_classification", (red,), ("%  red", "red.png")),
    ):
        answer = ask(runs, kind, *words)
        assert answer.code == 0, answer.err
        assert all(text in answer.out for text in shown), (kind, answer.out)
        assert " s; loaded in " in answer.err


def test_json_has_an_object_an_input_with_the_time_it_took(runs: KeptRuns) -> None:
    texts = [one["text"] for one in runs.inputs("text_classification", "full")]
    answer = ask(runs, "text_classification", *texts, "--json")
    stored = runs.result("text_classification", "full").columns
    assert [one["input"] for one in answer.objects] == texts
    assert [one["labels"] for one in answer.objects] == [[label] for label in stored["prediction"]]
    assert all(one["seconds"] > 0 and set(one["probabilities"]) == {"good", "bad"} for one in answer.objects)
    pair = json.dumps({"text": "a day", "text_pair": "a town"})
    (one,) = ask(runs, "text_similarity", pair, "--json").objects
    assert one["input"] == {"text": "a day", "text_pair": "a town"}
    assert isinstance(one["value"], float)


def test_lines_come_from_the_standard_input(runs: KeptRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    given = b"a sunny day\n\nit was grim\r\na warm day"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    told = ask(runs, "text_classification", "a dull day", "-", "--json").objects
    assert [one["input"] for one in told] == ["a dull day", "a sunny day", "it was grim", "a warm day"]
    for wrong, why in (
        (b"\xff\xfe", "is no UTF-8 text"),
        (b"x" * 3_000_000, "3,000,000 bytes"),
        (b"", "Nothing is asked"),
    ):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(wrong)))
        answer = ask(runs, "text_classification", "-")
        assert answer.code == 2
        assert why in answer.mistakes[0]


def test_words_that_cannot_be_followed_are_one_sentence_and_exit_2(runs: KeptRuns, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("a sunny day")
    for kind, words, why in (
        ("text_classification", (file,), "is a file, and this model reads texts"),
        ("text_similarity", ("a day",), "say --pair too, or give JSON"),
        ("question_answering", ("who?",), "say --context too"),
        ("multiple_choice", ("who?",), "say --choice too"),
        ("text_classification", ("a day", "--pair", "b"), "has 'text_pair'"),
        ("image_classification", ("a day",), "there is no file 'a day'"),
        ("image_classification", (file,), "no usable picture"),
        ("text_classification", ("a day", "--threads", "9999"), "--threads is 9999"),
        ("text_classification", ("a day", "--device", "tpu"), "--device is 'tpu'"),
    ):
        answer = ask(runs, kind, *words)
        assert answer.code == 2, (words, answer)
        assert answer.out == ""
        (mistake,) = answer.mistakes
        assert why in mistake

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import byte_level
import numpy as np
import pytest
from conftest import BAD, GOOD, sentences, write_task
from hypothesis import given
from hypothesis import strategies as st

from suite import evaluation, kinds, processors
from suite.data import Prepared, Split, TaskData
from suite.environment import Machine
from suite.hub import resolve
from suite.spec import DatasetRef, RunSpec, SuiteError, TaskSpec

KIND = kinds.get("token_classification")
CLASSES = ("O", "B-MOOD", "I-MOOD", "B-PLACE")
TAGS = {"sunny": "B-MOOD", "warm": "I-MOOD", "town": "B-PLACE"}
ROWS = ["a sunny warm day in the town", "it was cold", "the town", "a sunny morning"]


def _split(rows: list[list[str]] | None = None, tags: list[list[Any]] | None = None, name: str = "train") -> Split:
    rows = [text.split() for text in ROWS] if rows is None else rows
    tags = [[TAGS.get(word, "O") for word in words] for words in rows] if tags is None else tags
    return Split(name, {"tokens": rows, "tags": tags}, [f"{row:064x}" for row in range(len(rows))])


def _data(train: Split | None = None, test: Split | None = None, labels: tuple[str, ...] | None = None) -> TaskData:
    return TaskData(train or _split(), _split(name="validation"), test or _split(name="test"), labels)


def _task(**changes: Any) -> TaskSpec:
    values: dict[str, Any] = {"name": "t", "version": 1, "kind": "token_classification", "file": "t.yaml"}
    values |= {"columns": {"tokens": "tokens", "tags": "tags"}, "dataset": DatasetRef(path="json")}
    return KIND.complete(TaskSpec(**(values | changes)))


@pytest.fixture(scope="module")
def words() -> Any:
    """The word pieces of the bundled checkpoint."""
    return processors.load(resolve("bundled/tiny-bert"), "text", 128)[0]


def _outputs(rows: Prepared, k: int, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.normal(size=(length, k)).astype(np.float32) for length in rows.lengths]


# -- words and tokens --------------------------------------------------------------------------------------------------


def test_the_first_piece_of_a_word_carries_its_tag(words: Any) -> None:
    text = ["sunny", "unhappiness", "town"]
    rows = KIND.prepare(_split([text], [["B-MOOD", "I-MOOD", "O"]]), CLASSES, words, 128)
    pieces = words.convert_ids_to_tokens(rows.items[0]["input_ids"])
    assert any(piece.startswith("##") for piece in pieces)
    labels = rows.items[0]["labels"]
    begins = [not piece.startswith(("##", "[")) for piece in pieces]
    assert [label for label, begin in zip(labels, begins, strict=True) if begin] == [1, 2, 0]
    assert {label for label, begin in zip(labels, begins, strict=True) if not begin} == {-100}


def test_byte_level_words_are_tokenised_as_in_running_text() -> None:
    tokenizer = byte_level.tokenizer()
    text = ["the", "town", "was", "sunny"]
    rows = KIND.prepare(_split([text], [["O"] * 4]), CLASSES, tokenizer, 64)
    assert rows.items[0]["input_ids"] == tokenizer("the town was sunny")["input_ids"]
    assert tokenizer([text], is_split_into_words=True)["input_ids"] != tokenizer(["the town was sunny"])["input_ids"]


def test_word_pieces_get_the_words_as_they_are(words: Any) -> None:
    rows = KIND.prepare(_split(), CLASSES, words, 128)
    assert [item["input_ids"] for item in rows.items] == words(ROWS)["input_ids"]


def test_words_that_are_cut_off_or_have_no_token_still_count(words: Any) -> None:
    text = ["the", "\u200b", "town", *["sunny"] * 20]
    rows = KIND.prepare(_split([text, ["the", "town"]]), CLASSES, words, 8)
    assert rows.truncated == 1 and len(rows.items[0]["input_ids"]) == 8
    seen = rows.context.places[0]
    assert seen[:2] == [0, 2] and 2 < len(seen) < 8
    sure = [np.full((length, 4), [0, 0, 0, 9], dtype=np.float32) for length in rows.lengths]
    predictions, scores = KIND.decode(sure, rows)
    assert predictions[0] == ["B-PLACE" if word in seen else "O" for word in range(23)]
    assert predictions[1] == ["B-PLACE"] * 2
    lost = scores[0].reshape(23, 4)[1]
    assert lost.tolist() == [1, 0, 0, 0] and lost.dtype == np.float32
    assert KIND.contradictions(predictions, [row.tolist() for row in scores]) == 0


def test_without_an_outside_tag_lost_words_get_the_first_class(words: Any) -> None:
    rows = KIND.prepare(_split([["town", "\u200b"]], [["noun", "verb"]]), ("verb", "noun"), words, 8)
    predictions, _ = KIND.decode([np.full((length, 2), [0, 9], dtype=np.float32) for length in rows.lengths], rows)
    assert predictions == [["noun", "verb"]]


def test_a_row_of_nothing_but_lost_words_is_decoded_and_trained_on(words: Any) -> None:
    import torch

    rows = KIND.prepare(_split([["\u200b"], ["town"]]), CLASSES, words, 8)
    predictions, _ = KIND.decode(_outputs(rows, 4), rows)
    assert predictions[0] == ["O"]
    batch = KIND.collate(words)(list(rows.items))
    logits = torch.randn(*batch["input_ids"].shape, 4, requires_grad=True)
    loss = KIND.loss(logits, batch["labels"])
    loss.backward()
    alone = KIND.loss(logits[1:], batch["labels"][1:])
    assert loss.item() == pytest.approx(alone.item() / 2)
    assert logits.grad is not None and torch.isfinite(logits.grad).all()


def test_a_tokenizer_that_cannot_tell_words_apart_is_refused() -> None:
    from transformers import ByT5Tokenizer

    with pytest.raises(SuiteError, match="ByT5Tokenizer does not tell; use a checkpoint with a tokenizer"):
        KIND.prepare(_split(), CLASSES, ByT5Tokenizer(), 32)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_leaves_labels_at_their_tokens(side: str) -> None:
    tokenizer = byte_level.tokenizer(side)
    rows = KIND.prepare(_split(), CLASSES, tokenizer, 64)
    batch = KIND.collate(tokenizer)(list(rows.items))
    for item, labels, mask in zip(rows.items, batch["labels"], batch["attention_mask"].bool(), strict=True):
        assert labels[mask].tolist() == item["labels"] and set(labels[~mask].tolist()) <= {-100}
    assert not batch["attention_mask"][1, 0 if side == "left" else -1]


# -- training and decoding ---------------------------------------------------------------------------------------------


def test_the_loss_is_the_mean_over_words_and_then_over_rows(words: Any) -> None:
    import torch

    rows = KIND.prepare(_split(), CLASSES, words, 128)
    batch = KIND.collate(words)(list(rows.items))
    logits = torch.randn(*batch["input_ids"].shape, 4)
    by_hand = []
    for row, item in enumerate(rows.items):
        chosen = [(token, label) for token, label in enumerate(item["labels"]) if label >= 0]
        by_hand.append(np.mean([-torch.log_softmax(logits[row, t], 0)[label].item() for t, label in chosen]))
    assert KIND.loss(logits, batch["labels"]).item() == pytest.approx(np.mean(by_hand), rel=1e-5)


def test_decode_reads_the_words_own_tokens(words: Any) -> None:
    rows = KIND.prepare(_split(), CLASSES, words, 128)
    outputs = _outputs(rows, 4)
    predictions, scores = KIND.decode(outputs, rows)
    for item, out, tags, row in zip(rows.items, outputs, predictions, scores, strict=True):
        of_words = out[np.array(item["labels"]) >= 0].astype(np.float64)
        assert tags == [CLASSES[best] for best in of_words.argmax(axis=1)]
        exact = np.exp(of_words) / np.exp(of_words).sum(axis=1, keepdims=True)
        assert np.allclose(row.reshape(-1, 4), exact, atol=1e-6)


def test_probabilities_that_tie_in_fp32_agree_with_the_tag(words: Any) -> None:
    rows = KIND.prepare(_split([["town"]]), CLASSES, words, 8)
    close = np.nextafter(np.float32(1e-4), np.float32(1))
    predictions, scores = KIND.decode([np.array([[1e-4, close, 0, 0]] * 3, dtype=np.float32)], rows)
    assert CLASSES.index(predictions[0][0]) == scores[0].argmax()


@given(st.lists(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=5), min_size=1, max_size=5))
def test_shown_tags_read_as_they_were(tags: list[list[str]]) -> None:
    assert KIND.read(KIND.shown(tags, CLASSES), CLASSES) == tags


@pytest.mark.parametrize("strange", ["O", '"O"', '["X"]', "[1]", "[", "[[" * 100_000, '{"O": 1}', '[["O"]]'])
def test_a_text_that_is_no_list_of_the_tags_is_refused(strange: str) -> None:
    with pytest.raises(SuiteError, match="is no list of the record's tags"):
        KIND.read(['["O"]', strange], CLASSES)


def test_one_changed_tag_contradicts_its_probabilities(words: Any) -> None:
    rows = KIND.prepare(_split(), CLASSES, words, 128)
    predictions, scores = KIND.decode(_outputs(rows, 4), rows)
    told = [row.tolist() for row in scores]
    for row, tags in enumerate(predictions):
        for word, tag in enumerate(tags):
            other = CLASSES[(CLASSES.index(tag) + 1) % 4]
            changed = [*predictions[:row], [*tags[:word], other, *tags[word + 1 :]], *predictions[row + 1 :]]
            assert KIND.contradictions(changed, told) >= 1
    assert KIND.contradictions([predictions[0][1:], *predictions[1:]], told) >= 1


def test_a_tag_that_belongs_to_another_probability_contradicts_even_where_it_stands_once() -> None:
    scores = [[1.0, 0, 0, 0, 1.0, 0], [0, 1.0, 0], [0, 0, 1.0]]
    assert KIND.contradictions([["O", "B-MOOD"], ["B-MOOD"], ["I-MOOD"]], scores) == 0
    assert KIND.contradictions([["O", "B-MOOD"], ["B-MOOD"], ["B-MOOD"]], scores) == 1


def test_lists_that_do_not_fit_each_other_contradict() -> None:
    assert KIND.contradictions([["O"], []], [[0.9, 0.1], [0.5, 0.5]]) == 1
    assert KIND.contradictions([["O"], ["O", "O"]], [[0.9, 0.1], [0.9, 0.1, 0.8]]) == 1


# -- task files and rows -----------------------------------------------------------------------------------------------


def test_classes_are_the_tasks_else_the_datas_else_those_of_train_with_outside_first() -> None:
    turned = CLASSES[::-1]
    assert KIND.classes(_task(labels=turned), _data(labels=CLASSES)) == turned
    assert KIND.classes(_task(), _data(labels=turned)) == turned
    assert KIND.classes(_task(), _data()) == ("O", "B-MOOD", "B-PLACE", "I-MOOD")


def test_indexes_count_as_the_names_they_stand_for(words: Any) -> None:
    split = _split([["the", "town"]], [[0, 3]])
    rows = KIND.prepare(split, CLASSES, words, 8)
    assert rows.labels == [["O", "B-PLACE"]]
    indexes = [[CLASSES.index(tag) for tag in tags] for tags in _split().columns["tags"]]
    KIND.check(_task(labels=CLASSES), _data(_split(tags=indexes), _split([["a"]], [[3]], "test")))


def test_one_tag_alone_is_refused() -> None:
    with pytest.raises(SuiteError, match=r"one tag only \(O\)"):
        KIND.classes(_task(), _data(_split(tags=[["O"]] * 4)))


def test_labels_that_name_a_tag_twice_are_refused() -> None:
    with pytest.raises(SuiteError, match="name a tag twice"):
        KIND.classes(_task(labels=("O", "O")), _data())


def test_a_task_of_plain_tags_names_accuracy_and_is_not_asked_for_entities() -> None:
    assert _task(main="accuracy").metrics == ("accuracy",)
    assert _task(main="accuracy", metrics=("entity_f1", "accuracy")).metrics == ("entity_f1", "accuracy")
    assert _task().metrics == ("entity_f1", "accuracy") and _task().main == "entity_f1"


@pytest.mark.parametrize(
    ("rows", "tags", "message"),
    [
        ([["a"], "town"], [["O"], ["O"]], "row 1 of the test split has town for 'tokens'; expected a list of words"),
        ([["a", None]], [["O", "O"]], "row 0 of the test split has .* expected a list of words"),
        ([[]], [[]], "row 0 of the test split has no words in 'tokens'"),
        ([["a"], [" ", ""]], [["O"], ["O", "O"]], "row 1 of the test split has no words in 'tokens'"),
        ([["a"]], [None], "row 0 of the test split has None for 'tags'; expected a list of tags"),
        ([["a"]], [["O", "O"]], "row 0 of the test split has 1 words and 2 tags; expected one tag a word"),
        ([["a"]], [[None]], "row 0 of the test split has .* expected a list of tags"),
        ([["a"], ["b"]], [["O"], ["B-MOUD"]], "row 1 of the test split has the tag 'B-MOUD'. No tag .* 'B-MOOD'"),
    ],
)
def test_rows_that_cannot_be_used_are_named(rows: Any, tags: Any, message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        KIND.check(_task(), _data(test=_split(rows, tags, "test")))


def test_a_tag_that_train_lacks_is_refused() -> None:
    test = _split([["a"], ["b"]], [["O"], ["I-PLACE"]], "test")
    with pytest.raises(SuiteError, match="row 1 of the test split has the tag 'I-PLACE', which no row of the train"):
        KIND.check(_task(labels=(*CLASSES, "I-PLACE")), _data(test=test))


def test_a_tag_of_train_that_the_labels_lack_is_refused() -> None:
    with pytest.raises(SuiteError, match=r"row 0 of the train split has the tag 'B-PLACE'\. No tag"):
        KIND.check(_task(labels=CLASSES[:3]), _data())


def _plain(name: str = "train") -> Split:
    return _split(tags=[["noun", *["verb"] * (len(text.split()) - 1)] for text in ROWS], name=name)


def test_entities_of_plain_tags_are_refused_with_the_remedy() -> None:
    data = TaskData(_plain(), _plain("validation"), _plain("test"), None)
    with pytest.raises(SuiteError, match="no tag of t begins with B- or I-; write 'main: accuracy'"):
        KIND.check(_task(), data)
    KIND.check(_task(main="accuracy"), data)


def test_a_tag_that_is_no_bio_tag_among_those_that_are_is_refused() -> None:
    tags = [["PER", *["B-X"] * (len(text.split()) - 1)] for text in ROWS]
    splits = (_split(tags=tags, name=name) for name in ("train", "validation", "test"))
    with pytest.raises(SuiteError, match="reads O, B-TYPE and I-TYPE, and t has the tag 'PER' too"):
        KIND.check(_task(), TaskData(*splits, None))


def test_chance_of_words_is_known_only_where_the_file_says_it() -> None:
    assert KIND.chance(_task(), [], 4) == {"entity_f1": 0.0}
    assert KIND.chance(_task(main="accuracy"), [], 4) == {"entity_f1": 0.0}
    assert KIND.chance(_task(main="accuracy", chance=0.3), [], 4)["accuracy"] == 0.3


# -- a whole run -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mood_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every word of a mood is an entity."""
    import datasets

    folder = tmp_path_factory.mktemp("mood-words")
    known = dict.fromkeys(GOOD, "B-GOOD") | dict.fromkeys(BAD, "B-BAD")
    for split, n, seed in (("train", 96, 1), ("test", 40, 2)):
        rows = [row["sentence"].split() for row in sentences(n, seed)]
        tags = [[known.get(word, "O") for word in row] for row in rows]
        datasets.Dataset.from_dict({"words": rows, "tags": tags}).to_parquet(folder / f"{split}.parquet")
    return write_task(folder, "mood-words", "token_classification", "{tokens: words, tags: tags}", "parquet")


@pytest.mark.parametrize(("strategy", "head", "least"), [("full", 1.0, 0.9), ("lora", 3.0, 0.5)])
def test_a_model_learns_which_words_have_which_tag(
    strategy: str,
    head: float,
    least: float,
    mood_words: Path,
    tiny_bert: Path,
    planned: Callable[..., list[RunSpec]],
    machine: Machine,
) -> None:
    budget = {"epochs": 1.0, "min_steps": 160, "max_steps": 160}
    rate = {"learning_rate": 0.01, "head_multiplier": head}
    (spec,) = planned(tiny_bert, mood_words, strategy, budget=budget, settings=rate)
    (result,) = evaluation.evaluate(spec, machine, lambda event: None)
    assert result.record.metrics["entity_f1"] > least
    assert result.record.data["classes"] == ["O", "B-BAD", "B-GOOD"]

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import byte_level
import numpy as np
import pytest
from conftest import GOOD, NEUTRAL, write_task
from hypothesis import given
from hypothesis import strategies as st

from suite import data, evaluation, hub, kinds, metrics, models, processors, resources, tasks
from suite.data import Prepared, Split, TaskData
from suite.environment import Machine
from suite.hub import resolve
from suite.kinds import _windows
from suite.spec import DatasetRef, RunSpec, SuiteError, TaskSpec

KIND = kinds.get("question_answering")
BOTH = ("answerable", "unanswerable")
CONTEXT = "it was a sunny day in the town"
LOWEST = float(np.finfo(np.float32).min)


def _answers(*found: tuple[str, int]) -> dict[str, list[Any]]:
    return {"text": [text for text, _ in found], "answer_start": [start for _, start in found]}


def _split(rows: list[tuple[str, str, dict[str, Any]]], name: str = "train") -> Split:
    columns: dict[str, list[Any]] = {"question": [], "context": [], "answers": []}
    for row in rows:
        for column, cell in zip(columns, row, strict=True):
            columns[column].append(cell)
    return Split(name, columns, [f"{row:064x}" for row in range(len(rows))])


def _task(**changes: Any) -> TaskSpec:
    values: dict[str, Any] = {"name": "t", "version": 1, "kind": "question_answering", "file": "t.yaml"}
    values |= {"columns": {name: name for name in KIND.needs}, "dataset": DatasetRef(path="json")}
    return KIND.complete(TaskSpec(**(values | changes)))


def _pieces(name: str) -> Any:
    if hub.bundled()[name] is None:
        pytest.skip(f"{name} is not installed")
    return processors.load(resolve(f"bundled/{name}"), "text", 128)[0]


TOKENIZERS: dict[str, Callable[[], Any]] = {
    "tiny-bert": lambda: _pieces("tiny-bert"),
    "minilm-l6": lambda: _pieces("minilm-l6"),
    "bytes": byte_level.tokenizer,
    "bytes, padded on the left": lambda: byte_level.tokenizer("left"),
}


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return TOKENIZERS[request.param]()


@pytest.fixture(scope="module")
def pieces() -> Any:
    """The word pieces of the bundled checkpoint."""
    return _pieces("tiny-bert")


def _fed_back(rows: Prepared) -> list[np.ndarray]:
    """Return what a model gives that has learned every item by heart."""
    outputs = []
    for item, length in zip(rows.items, rows.lengths, strict=True):
        logits = np.zeros((length, 2), dtype=np.float32)
        logits[item["labels"], [0, 1]] = 50
        outputs.append(logits)
    return outputs


def _random(rows: Prepared, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.normal(size=(length, 2)).astype(np.float32) for length in rows.lengths]


# -- windows -----------------------------------------------------------------------------------------------------------


def _page(seed: int, words: int = 300, answer: int = 4) -> tuple[str, str, dict[str, Any]]:
    """Return a row whose answer is somewhere in a context of many words."""
    generator = random.Random(seed)
    odd = [
        "unhappiness",
        "downtown",
        "1970s",
        "Zürich",
        "naïve",
        "東京",
        "\u200b",
        "🏠",
        "O'Neill",
        "3.5%",
        "e\u0301te",
    ]
    context, starts = "", []
    for word in generator.choices([*NEUTRAL, *GOOD, *odd], k=words):
        starts.append(len(context))
        context += word + generator.choice([" ", "  ", "\n", "\u00a0"])
    first = generator.randrange(words - answer)
    end = starts[first + answer]
    return "when was it sunny", context, _answers((context[starts[first] : end], starts[first]))


def test_every_gold_answer_of_a_long_context_is_recovered(tokenizer: Any) -> None:
    split = _split([_page(seed) for seed in range(40)])
    rows = KIND.prepare(split, BOTH, tokenizer, 128)
    assert rows.truncated == 0 and len(rows.items) > 100 and max(rows.lengths) == 128
    predictions, _ = KIND.decode(_fed_back(rows), rows)
    assert metrics.value("exact_match", rows.labels, predictions, None) == 1.0
    wanted = [gold[0].strip().strip("\u200b").strip() for gold in rows.labels]
    assert [text.strip("\u200b").strip() for text in predictions] == wanted


def test_an_answer_of_thirty_tokens_is_whole_in_some_window_wherever_it_stands(pieces: Any) -> None:
    context = " ".join(NEUTRAL * 25)
    starts = [place for place in range(len(context)) if place == 0 or context[place - 1] == " "]
    ends = [*(start - 1 for start in starts[1:]), len(context)]
    tokens = [len(pieces.tokenize(context[start:end])) for start, end in zip(starts, ends, strict=True)]
    assert set(tokens) == {1}
    golds = [(context[a:b], a) for a, b in zip(starts, ends[29:], strict=False)]
    rows = KIND.prepare(_split([("was it", context, _answers(gold)) for gold in golds]), BOTH, pieces, 128)
    assert rows.truncated == 0
    predictions, _ = KIND.decode(_fed_back(rows), rows)
    assert predictions == [text for text, _ in golds]


def test_windows_cover_the_context_overlap_by_a_quarter_and_have_the_whole_question(tokenizer: Any) -> None:
    question, context, answers = _page(0)
    rows = KIND.prepare(_split([(question, context, answers)]), BOTH, tokenizer, 64)
    asked = tokenizer(question, add_special_tokens=False)["input_ids"]
    windows = rows.context.windows
    assert rows.owners == [0] * len(windows) and len(windows) > 5
    for item, window, after in zip(rows.items, windows, windows[1:], strict=False):
        assert item["input_ids"][1 : 1 + len(asked)] == asked
        assert np.array_equal(window.spans[-16:], after.spans[:16])
        assert len(item["input_ids"]) == 64
    covered = {place for window in windows for begin, end in window.spans for place in range(begin, end)}
    silent = set("\u200b")
    assert all(place in covered or sign.isspace() or sign in silent for place, sign in enumerate(context))


def test_a_long_question_is_cut_and_counted_and_the_context_is_not(tokenizer: Any) -> None:
    _, context, answers = _page(1)
    question = " ".join(NEUTRAL * 10)
    rows = KIND.prepare(_split([(question, context, answers), ("was it", CONTEXT, _answers())]), BOTH, tokenizer, 64)
    assert rows.truncated == 1 and max(rows.lengths) <= 64
    shown = tokenizer.decode(rows.items[0]["input_ids"], skip_special_tokens=True)
    assert shown.startswith(question[:20])
    predictions, _ = KIND.decode(_fed_back(rows), rows)
    assert metrics.value("exact_match", rows.labels, predictions, None) == 1.0


def test_the_shortest_windows_hold_any_question(tokenizer: Any) -> None:
    rows = KIND.prepare(_split([("東京🏠 " * 40, *_page(2)[1:])]), BOTH, tokenizer, 16)
    assert max(rows.lengths) <= 16 and rows.truncated == 1
    with pytest.raises(SuiteError, match=r"needs windows of at least 16 tokens; .* takes 15"):
        KIND.prepare(_split([_page(2)]), BOTH, tokenizer, 15)


def test_an_answer_too_long_for_any_window_is_counted_and_marked_nowhere(pieces: Any) -> None:
    context = " ".join(NEUTRAL * 10)
    rows = KIND.prepare(_split([("was it", context, _answers((context, 0)))]), BOTH, pieces, 32)
    assert rows.truncated == 1 and {tuple(item["labels"]) for item in rows.items} == {(0, 0)}


def test_windows_without_the_answer_and_questions_without_one_point_at_cls(pieces: Any) -> None:
    split = _split([_page(3), ("was it", CONTEXT, _answers())])
    rows = KIND.prepare(split, BOTH, pieces, 128)
    marks = [item["labels"] for item in rows.items]
    assert rows.owners == [0] * (len(marks) - 1) + [1] and marks[-1] == [0, 0]
    assert [0, 0] in marks[:-1] and 1 <= sum(mark != [0, 0] for mark in marks[:-1]) <= 2


def test_an_answer_inside_a_token_is_marked_by_the_token(pieces: Any) -> None:
    (piece,) = pieces.tokenize("town")
    rows = KIND.prepare(_split([("was it", CONTEXT, _answers(("tow", 26)))]), BOTH, pieces, 32)
    start, end = rows.items[0]["labels"]
    assert start == end and pieces.convert_ids_to_tokens(rows.items[0]["input_ids"])[start] == piece == "town"
    assert KIND.decode(_fed_back(rows), rows)[0] == ["town"]


@pytest.mark.parametrize(
    ("context", "gold", "wanted"),
    [
        (CONTEXT, " sunny ", "sunny"),
        ("it was         cold in town", "        cold ", "cold"),
        ("\u200bsunny day in the town", "\u200bsunny", "sunny"),
        ("a day in the town\u200b", "town\u200b", "town"),
    ],
)
def test_signs_around_a_gold_answer_that_are_no_part_of_a_word_do_not_lose_it(
    context: str, gold: str, wanted: str, pieces: Any
) -> None:
    rows = KIND.prepare(_split([("was it", context, _answers((gold, context.index(gold))))]), BOTH, pieces, 32)
    assert rows.truncated == 0 and KIND.decode(_fed_back(rows), rows)[0] == [wanted]


def test_many_rows_are_read_as_they_are_in_small_numbers(pieces: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    split = _split([_page(seed, words=60) for seed in range(7)])
    whole = KIND.prepare(split, BOTH, pieces, 32)
    monkeypatch.setattr("suite.kinds.question_answering.CHUNK", 3)
    parts = KIND.prepare(split, BOTH, pieces, 32)
    assert (parts.items, parts.owners, parts.truncated) == (whole.items, whole.owners, whole.truncated)
    outputs = _random(whole)
    assert KIND.decode(outputs, parts)[0] == KIND.decode(outputs, whole)[0]


def test_a_tokenizer_that_cannot_tell_characters_is_refused() -> None:
    from transformers import ByT5Tokenizer

    with pytest.raises(SuiteError, match=r"question_answering needs .* ByT5Tokenizer does not tell"):
        KIND.prepare(_split([_page(0)]), BOTH, ByT5Tokenizer(), 32)


@pytest.mark.parametrize("checkpoint", ["tiny-bert", "minilm-l6"])
def test_every_gold_answer_of_the_bundled_task_is_recovered(checkpoint: str) -> None:
    path = resources.folder("tasks") / "bundled" / "wordnet-questions.yaml"
    task = KIND.complete(tasks.load_file(path))
    rows = data.load(task, tasks.local_files(task), {})
    for split in rows.splits:
        ready = KIND.prepare(split, KIND.classes(task, rows), _pieces(checkpoint), 128)
        predictions, _ = KIND.decode(_fed_back(ready), ready)
        assert ready.truncated == 0
        assert metrics.value("exact_match", ready.labels, predictions, None) == 1.0


# -- the best span -----------------------------------------------------------------------------------------------------


def _by_hand(logits: np.ndarray, window: _windows.Window) -> tuple[float, str]:
    best = (-np.inf, "")
    for first, (begin, stop) in enumerate(window.spans):
        for last in range(first, min(first + 30, len(window.spans))):
            end_begin, end = window.spans[last]
            if begin < stop and end_begin < end:
                score = float(logits[window.first + first, 0]) + float(logits[window.first + last, 1])
                best = max(best, (score, f"{begin}:{end}"))
    return best


@given(st.integers(0, 10_000), st.integers(1, 60))
def test_the_best_span_is_the_best_of_all(seed: int, tokens: int) -> None:
    generator = np.random.default_rng(seed)
    begins = np.cumsum(generator.integers(1, 4, tokens))
    spans = np.stack([begins, begins + generator.integers(0, 2, tokens)], axis=1)
    window = _windows.Window(0, 3, 0, spans)
    logits = generator.normal(size=(tokens + 4, 2)).astype(np.float32)
    score, found = _windows.best(logits, window)
    expected, text = _by_hand(logits, window)
    assert score == expected and text in ("", f"{found.start}:{found.stop}")


@pytest.mark.parametrize(("last", "together"), [(29, True), (30, False)])
def test_an_answer_has_at_most_thirty_tokens(last: int, together: bool) -> None:
    spans = np.stack([np.arange(0, 80, 2), np.arange(1, 80, 2)], axis=1)
    logits = np.zeros((40, 2), dtype=np.float32)
    logits[0, 0] = logits[last, 1] = 9
    score, found = _windows.best(logits, _windows.Window(0, 0, 0, spans))
    assert (score == 18, found == slice(0, 2 * last + 1)) == (together, together)


def test_question_and_special_tokens_never_answer(tokenizer: Any) -> None:
    rows = KIND.prepare(_split([("was it cold", CONTEXT, _answers(("sunny", 9)))]), ("answerable",), tokenizer, 32)
    outputs = _fed_back(rows)
    window = rows.context.windows[0]
    outside = np.ones(rows.lengths[0], dtype=bool)
    outside[window.first : window.first + len(window.spans)] = False
    outputs[0][outside] = 1e6
    assert KIND.decode(outputs, rows)[0] == ["sunny"]


def test_white_space_alone_never_answers() -> None:
    tokenizer = byte_level.tokenizer()
    context = "it  \n\n  was \t\t cold "
    rows = KIND.prepare(_split([("was it", context, _answers(("cold", 16)))]), ("answerable",), tokenizer, 32)
    blank = ~rows.context.windows[0].solid
    assert blank.any()
    for token in np.flatnonzero(blank):
        outputs = [np.zeros((rows.lengths[0], 2), dtype=np.float32)]
        outputs[0][rows.context.windows[0].first + token] = 50
        predictions, scores = KIND.decode(outputs, rows)
        assert predictions[0] == predictions[0].strip() != ""
        assert KIND.contradictions(predictions, scores) == 0


def test_a_context_without_a_token_gets_no_answer(pieces: Any) -> None:
    rows = KIND.prepare(_split([("was it", "\u200b", _answers(("\u200b", 0)))]), ("answerable",), pieces, 32)
    predictions, scores = KIND.decode(_random(rows), rows)
    assert predictions == [""] and np.isfinite(scores).all() and rows.truncated == 1
    assert KIND.contradictions(predictions, scores.tolist()) == 0


def test_the_answer_comes_from_the_window_that_is_surest(pieces: Any) -> None:
    rows = KIND.prepare(_split([_page(5)]), BOTH, pieces, 64)
    outputs = [np.zeros((length, 2), dtype=np.float32) for length in rows.lengths]
    for sure, (out, window) in enumerate(zip(outputs, rows.context.windows, strict=True)):
        out[window.first + 5] = 10 + sure % 4
        out[0] = 2 if sure else -1
    window = rows.context.windows[3]
    begin, end = window.spans[5]
    predictions, scores = KIND.decode(outputs, rows)
    assert predictions == [rows.context.contexts[0][begin:end]]
    assert scores.tolist() == [[26, -2]] and scores.dtype == np.float32


def test_no_answer_wins_where_it_scores_at_least_as_high(pieces: Any) -> None:
    rows = KIND.prepare(_split([("was it", CONTEXT, _answers(("sunny", 9)))] * 3), BOTH, pieces, 32)
    outputs = _fed_back(rows)
    for out, none in zip(outputs, (49, 50, 51), strict=True):
        out[0] = none
    predictions, scores = KIND.decode(outputs, rows)
    assert predictions == ["sunny", "", ""] and scores[:, 0].tolist() == [100] * 3
    assert scores[:, 1].tolist() == [98, 100, 102]


def test_without_unanswerable_questions_in_train_there_is_always_an_answer(pieces: Any) -> None:
    split = _split([("was it", CONTEXT, _answers(("sunny", 9))), ("was it", CONTEXT, _answers())])
    rows = KIND.prepare(split, ("answerable",), pieces, 32)
    outputs = _fed_back(rows)
    for out in outputs:
        out[0] = 1000
    predictions, scores = KIND.decode(outputs, rows)
    assert predictions[0] == "sunny" and predictions[1] != "" and scores[:, 1].tolist() == [LOWEST] * 2


def test_gold_answers_have_no_say_in_what_is_predicted(pieces: Any) -> None:
    pages = [_page(seed) for seed in range(4)]
    hidden = [(question, context, _answers()) for question, context, _ in pages]
    known, blind = (KIND.prepare(_split(rows, "test"), BOTH, pieces, 64) for rows in (pages, hidden))
    outputs = _random(known)
    assert KIND.decode(outputs, known)[0] == KIND.decode(outputs, blind)[0]
    assert np.array_equal(KIND.decode(outputs, known)[1], KIND.decode(outputs, blind)[1])


def test_logits_that_are_no_numbers_are_told_and_do_not_stop_it(pieces: Any) -> None:
    rows = KIND.prepare(_split([_page(6)]), BOTH, pieces, 64)
    predictions, scores = KIND.decode([np.full_like(out, np.nan) for out in _random(rows)], rows)
    assert len(predictions) == 1 and np.isnan(scores).all()


# -- batches -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_has_no_part_in_the_loss(side: str) -> None:
    import torch

    tokenizer = byte_level.tokenizer(side)
    split = _split([("was it", CONTEXT, _answers(("sunny", 9))), ("was it", CONTEXT * 2, _answers(("day", 15)))])
    rows = KIND.prepare(split, BOTH, tokenizer, 64)
    batch = KIND.collate(tokenizer)(list(rows.items))
    width = max(rows.lengths)
    logits, by_hand = torch.full((2, width, 2), 1e6), []
    for row, (item, out) in enumerate(zip(rows.items, _random(rows), strict=True)):
        own = torch.from_numpy(out)
        logits[row, batch["attention_mask"][row].bool()] = own
        marks = zip(item["labels"], (0, 1), strict=True)
        by_hand.append(np.mean([-torch.log_softmax(own[:, side_], 0)[place].item() for place, side_ in marks]))
    assert min(rows.lengths) < width
    assert KIND.loss(logits, batch["labels"]).item() == pytest.approx(np.mean(by_hand), rel=1e-5)
    begin = int(batch["labels"][0, 0])
    assert tokenizer.convert_ids_to_tokens(batch["input_ids"][0])[begin].endswith("sunny")


@pytest.mark.parametrize("adapted", [False, True])
def test_the_model_is_told_which_tokens_are_the_question(adapted: bool, tiny_bert: Path) -> None:
    import torch

    from suite.strategies import lora

    checkpoint = resolve(str(tiny_bert))
    model = models.load(checkpoint, 2, 0, KIND.auto, KIND.loss).eval()
    if adapted:
        model = lora.adapt(model, lora.STRATEGY.recipe("text")).eval()
    tokenizer, length = processors.load(checkpoint, "text", 64)
    rows = KIND.prepare(_split([("was it cold", CONTEXT, _answers(("sunny", 9)))]), BOTH, tokenizer, length)
    batch = KIND.collate(tokenizer)(list(rows.items))
    assert set(batch["token_type_ids"].ravel().tolist()) == {0, 1}
    with torch.no_grad():
        told = model(**batch)["logits"]
        untold = model(**batch | {"token_type_ids": torch.zeros_like(batch["token_type_ids"])})["logits"]
    assert told.shape == (1, rows.lengths[0], 2) and (told - untold).abs().max() > 1e-3


# -- task files, rows and tables ---------------------------------------------------------------------------------------

GOOD_ROW = ("was it", CONTEXT, _answers(("sunny", 9), ("a sunny day", 7)))
NONE_ROW = ("was it", CONTEXT, _answers())


def _data(train: list[Any], test: list[Any] | None = None) -> TaskData:
    parts = {"train": train, "validation": [GOOD_ROW], "test": [GOOD_ROW] if test is None else test}
    return TaskData(*(_split(rows, name) for name, rows in parts.items()), None)


def test_the_train_split_alone_says_whether_a_question_may_have_no_answer() -> None:
    assert KIND.classes(_task(), _data([GOOD_ROW, NONE_ROW])) == BOTH
    assert KIND.classes(_task(), _data([GOOD_ROW], [NONE_ROW])) == ("answerable",)
    assert KIND.n_outputs(("answerable",)) == KIND.n_outputs(BOTH) == 2


def test_good_rows_are_accepted() -> None:
    KIND.check(_task(), _data([GOOD_ROW]))
    KIND.check(_task(), _data([GOOD_ROW, NONE_ROW], [GOOD_ROW, NONE_ROW]))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((" ", CONTEXT, _answers()), "row 1 of the test split has ' ' for 'question'; expected a text"),
        (("was it", None, _answers()), "row 1 of the test split has None for 'context'; expected a text"),
        (("was it", CONTEXT, None), r"has None for 'answers'; expected {text: \[...\], answer_start: \[...\]}"),
        (("was it", CONTEXT, [{"text": "sunny"}]), "for 'answers'; expected {text"),
        (("was it", CONTEXT, {"text": ["sunny"]}), "for 'answers'; expected {text"),
        (("was it", CONTEXT, {"text": ["sunny"], "answer_start": []}), "with as many numbers as texts"),
        (("was it", CONTEXT, {"text": [None], "answer_start": [0]}), "for 'answers'; expected {text"),
        (("was it", CONTEXT, {"text": ["sunny"], "answer_start": ["9"]}), "for 'answers'; expected {text"),
        (("was it", CONTEXT, _answers((" ", 2))), "has the answer ' '; expected a text, or empty lists"),
        (
            ("was it", CONTEXT, _answers(("sunny", 8))),
            "has the answer 'sunny' at character 8 of the context, where ' sunn' is. It stands at 9. Mend",
        ),
        (("was it", "a a a", _answers(("a", 1))), "where ' ' is. It stands at 0, 2, 4. Mend"),
        (
            ("was it", CONTEXT, _answers(("sunny", 9), ("sad", -3))),
            "where 'it ' is. The context does not have it. Mend",
        ),
        (("was it", CONTEXT, _answers(("sunny", 99))), "at character 99 of the context, where '' is. It stands at 9"),
    ],
)
def test_rows_that_cannot_be_used_are_named(row: Any, message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        KIND.check(_task(), _data([GOOD_ROW], [GOOD_ROW, row]))


def test_a_split_whose_answers_are_hidden_is_refused() -> None:
    with pytest.raises(SuiteError, match="no question of the test split has an answer; if they are hidden"):
        KIND.check(_task(), _data([GOOD_ROW, NONE_ROW], [NONE_ROW, NONE_ROW]))


def test_a_missing_answer_is_refused_where_train_has_them_all() -> None:
    with pytest.raises(SuiteError, match="row 1 of the test split has no answer, and every row of the train split"):
        KIND.check(_task(), _data([GOOD_ROW], [GOOD_ROW, NONE_ROW]))


def test_labels_in_the_task_file_are_refused() -> None:
    with pytest.raises(SuiteError, match="question_answering takes no labels"):
        KIND.check(_task(labels=("yes", "no")), _data([GOOD_ROW]))


@given(st.lists(st.text() | st.lists(st.text(), max_size=3), max_size=5))
def test_shown_answers_read_as_they_were(values: list[Any]) -> None:
    assert KIND.read(KIND.shown(values, BOTH), BOTH) == values


@pytest.mark.parametrize("strange", ["sunny", "[1]", "1", "null", "[" * 100_000, '{"text": []}', '[["sunny"]]'])
def test_a_text_that_is_no_answer_is_refused(strange: str) -> None:
    with pytest.raises(SuiteError, match="is no text and no list of texts"):
        KIND.read(['"sunny"', strange], BOTH)


@pytest.mark.parametrize("classes", [BOTH, ("answerable",)])
def test_predictions_that_were_emptied_or_made_up_contradict_their_scores(classes: Any, pieces: Any) -> None:
    rows = KIND.prepare(_split([_page(seed, words=40) for seed in range(30)]), classes, pieces, 64)
    predictions, scores = KIND.decode(_random(rows, 3), rows)
    told = [row.tolist() for row in scores]
    assert KIND.contradictions(predictions, told) == 0
    turned = ["" if text else "made up" for text in predictions]
    assert [KIND.contradictions([text], [row]) for text, row in zip(turned, told, strict=True)] == [1] * 30


def test_chance_is_what_no_answer_gets_everywhere() -> None:
    labels = [["sunny"], [], ["a day"], []]
    for name, level in KIND.chance(_task(), labels, 2).items():
        assert metrics.value(name, labels, [""] * 4, None) == level == 0.5
    assert KIND.chance(_task(), [["sunny"]], 1) == {"squad_f1": 0.0, "exact_match": 0.0}
    assert KIND.chance(_task(chance=0.1), labels, 2) == {"squad_f1": 0.1, "exact_match": 0.5}


# -- a whole run -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """How was it? The answer is the one word of a mood; some texts have none."""
    import datasets

    folder = tmp_path_factory.mktemp("moods")
    for split, n, seed in (("train", 160, 1), ("test", 40, 2)):
        generator = random.Random(seed)
        rows = []
        for _ in range(n):
            words = generator.choices(NEUTRAL, k=40)
            answers = _answers()
            if generator.random() < 0.8:
                place = generator.randrange(40)
                words[place] = generator.choice(GOOD)
                answers = _answers((words[place], len(" ".join(words[:place])) + (place > 0)))
            rows.append({"question": "was it", "context": " ".join(words), "answers": answers})
        datasets.Dataset.from_list(rows).to_parquet(folder / f"{split}.parquet")
    columns = "{question: question, context: context, answers: answers}"
    return write_task(folder, "moods", "question_answering", columns, "parquet")


@pytest.mark.parametrize(("strategy", "head", "least"), [("full", 1.0, 0.9), ("lora", 3.0, 0.5)])
def test_a_model_learns_where_the_answer_is(
    strategy: str,
    head: float,
    least: float,
    moods: Path,
    tiny_bert: Path,
    planned: Callable[..., list[RunSpec]],
    machine: Machine,
) -> None:
    budget = {"epochs": 1.0, "min_steps": 200, "max_steps": 200}
    rate = {"learning_rate": 0.01, "head_multiplier": head}
    (spec,) = planned(tiny_bert, moods, strategy, budget=budget, settings=rate)
    (result,) = evaluation.evaluate(spec, machine, lambda event: None)
    record = result.record
    assert record.metrics["exact_match"] > least and record.data["classes"] == list(BOTH)
    assert record.counts["test"] == record.counts["scored"] == 40 and record.counts["truncated"] == 0

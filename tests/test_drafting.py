"""A stranger's data -> a task file that is valid as it is, and a word on everything that was guessed."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hub_data
import pandas as pd
import pytest
import yaml
from hub_data import picture
from loopback_hub import Answer, Files, LoopbackHub, Request

from suite import data, drafting, kinds, tasks
from suite.drafting import _guesses, _local
from suite.drafting._columns import columns_of
from suite.spec import SuiteError
from suite.validation import check_file

Rows = list[dict[str, Any]]
N = 60
WORDS = ["the", "river", "street", "was", "calm", "and", "cold", "in", "a", "grim", "town"]


def text(row: int, words: int = 6) -> str:
    return " ".join(random.Random(row).choices(WORDS, k=words)) + f" {row}"


def table(n: int = N, **columns: Callable[[int], Any]) -> Rows:
    return [{name: cell(row) for name, cell in columns.items()} for row in range(n)]


def tags(row: int) -> list[str]:
    return [["O", "B-PER", "I-PER"][(row + i) % 3] for i in range(4)]


REVIEWS = table(id=lambda i: i, review=text, stars=lambda i: i % 5 + 1)
QUESTIONS = table(
    id=str,
    title=lambda i: f"title {i % 9}",
    context=lambda i: f"calm {text(i % 30)}",
    question=lambda i: f"how was the river {i}?",
    answers=lambda i: {"text": ["calm"], "answer_start": [0]} if i % 4 else {"text": [], "answer_start": []},
)
NAMES = table(id=str, tokens=lambda i: text(i, 3).split(), ner_tags=tags)
ENDINGS = table(
    sent1=text,
    sent2=lambda i: "he",
    **{f"ending{k}": lambda i, k=k: f"went {k} {i}" for k in range(4)},  # type: ignore[misc]
    label=lambda i: i % 4,
)
EXAM = table(
    article=lambda i: text(i, 20),
    question=text,
    options=lambda i: [f"{letter} {i}" for letter in "pqr"],
    answer=lambda i: "ABC"[i % 3],
)
PAIRS = table(sentence1=text, sentence2=lambda i: text(i + 500), score=lambda i: i % 26 / 5)
FEELINGS = table(text=text, labels=lambda i: [["joy"], ["joy", "fear"], [], ["anger"]][i % 4])
TOXIC = table(id=str, comment_text=text, toxic=lambda i: i % 2, insult=lambda i: int(i % 3 == 0))

EXAMPLES: dict[str, tuple[str, Rows, dict[str, Any]]] = {
    "a label": ("reviews.csv", REVIEWS, {"text": "review", "label": "stars"}),
    "a pair": (
        "nli.csv",
        table(premise=text, hypothesis=lambda i: text(i + 500), gold_label=lambda i: ["yes", "no"][i % 2]),
        {"text": "premise", "text_pair": "hypothesis", "label": "gold_label"},
    ),
    "answers": (
        "squad.jsonl",
        QUESTIONS,
        {"question": "question", "context": "context", "answers": "answers", "group": "title"},
    ),
    "entities": ("ner.jsonl", NAMES, {"tokens": "tokens", "tags": "ner_tags"}),
    "parts of speech": (
        "pos.json",
        table(words=lambda i: text(i, 3).split(), upos=lambda i: ["NOUN", "VERB", "ADJ", "NUM"]),
        {"tokens": "words", "tags": "upos"},
    ),
    "numbered choices": (
        "swag.csv",
        ENDINGS,
        {"text": "sent1", "prefix": "sent2", "choices": [f"ending{k}" for k in range(4)], "label": "label"},
    ),
    "lettered answers": (
        "race.jsonl",
        EXAM,
        {"text": ["article", "question"], "choices": "options", "label": "answer"},
    ),
    "choices in a struct": (
        "arc.jsonl",
        table(
            question=text,
            choices=lambda i: {"text": [f"yes {i}", f"no {i}"], "label": ["A", "B"]},
            answerKey=lambda i: "AB"[i % 2],
        ),
        {"text": "question", "choices": "choices.text", "label": "answerKey"},
    ),
    "choices counted from one": (
        "winogrande.csv",
        table(sentence=text, option1=lambda i: f"she {i}", option2=lambda i: f"he {i}", answer=lambda i: i % 2 + 1),
        {"text": "sentence", "choices": ["option1", "option2"], "label": "answer"},
    ),
    "lists of labels": ("feelings.parquet", FEELINGS, {"text": "text", "labels": "labels"}),
    "a column a label": ("toxic.csv", TOXIC, {"text": "comment_text", "labels": ["toxic", "insult"]}),
    "a score": ("sts.csv", PAIRS, {"text": "sentence1", "text_pair": "sentence2", "score": "score"}),
}
KINDS = {
    "a label": "text_classification",
    "a pair": "text_classification",
    "answers": "question_answering",
    "entities": "token_classification",
    "parts of speech": "token_classification",
    "numbered choices": "multiple_choice",
    "lettered answers": "multiple_choice",
    "choices in a struct": "multiple_choice",
    "choices counted from one": "multiple_choice",
    "lists of labels": "multi_label_classification",
    "a column a label": "multi_label_classification",
    "a score": "text_similarity",
}


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes rows, or bytes, below the test's folder."""

    def write(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif path.suffix == ".csv":
            pd.DataFrame(content).to_csv(path, index=False)
        elif path.suffix == ".parquet":
            pd.DataFrame(content).to_parquet(path, index=False)
        elif path.suffix == ".json":
            path.write_text(json.dumps(content))
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in content))
        return path

    return write


@pytest.fixture
def drafted(tmp_path: Path) -> Callable[..., tuple[dict[str, Any], str, tuple[str, ...]]]:
    """Return a function: source -> the task file's fields, what suite validate says of it, and the draft's notes."""

    def write(
        source: Path, output: str = "out", kind: str | None = None
    ) -> tuple[dict[str, Any], str, tuple[str, ...]]:
        draft = drafting.draft(str(source), None, kind)
        (tmp_path / "out").mkdir(exist_ok=True)
        path = drafting.write(draft, tmp_path / output)
        return yaml.safe_load(path.read_text(encoding="utf-8")), check_file(path), draft.notes

    return write


# -- every kind --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", EXAMPLES)
def test_one_file_becomes_a_valid_task(put: Any, drafted: Any, what: str) -> None:
    name, rows, columns = EXAMPLES[what]
    path = put(name, rows)
    before = path.read_bytes()
    task, told, notes = drafted(path)
    assert (task["kind"], task["columns"]) == (KINDS[what], columns)
    assert task["name"] == Path(name).stem
    assert task["dataset"]["data_files"] == {"train": f"../{name}"}
    assert task["splits"]["test"] == {"from": "train", "fraction": 0.2, "seed": 0}
    assert told.startswith(KINDS[what])
    assert told.endswith("All is well.")
    assert notes[0].startswith(f"guessed from 60 rows: {KINDS[what]}, where ")
    assert "there is no test split: a fifth of train" in notes[-1]
    written = sorted(file.name for file in path.parent.rglob("*") if file.is_file())
    assert (path.read_bytes(), written) == (before, sorted([name, f"{Path(name).stem}.yaml"]))


@pytest.mark.parametrize("what", EXAMPLES)
def test_files_named_by_their_split_become_a_valid_task(put: Any, drafted: Any, what: str) -> None:
    name, rows, columns = EXAMPLES[what]
    suffix = Path(name).suffix
    put(f"data/train{suffix}", rows)
    put(f"data/test{suffix}", rows[:20])
    task, told, _ = drafted(put(f"data/dev{suffix}", rows[20:40]).parent)
    assert (task["kind"], task["columns"]) == (KINDS[what], columns)
    assert told.endswith(" 60 train, 20 validation, 20 test rows. All is well.")
    own = {"train": "train", "validation": "dev", "test": "test"}
    assert task["dataset"]["data_files"] == {part: f"../data/{name}{suffix}" for part, name in own.items()}
    assert task["splits"] == {part: part for part in own}


@pytest.mark.parametrize("what", EXAMPLES)
def test_a_kind_that_is_asked_for_is_found_as_well(put: Any, what: str) -> None:
    name, rows, _ = EXAMPLES[what]
    path = str(put(name, rows))
    asked, guessed = (drafting.draft(path, None, kind).fields for kind in (KINDS[what], None))
    assert asked == guessed


def test_each_kind_of_ours_can_be_drafted() -> None:
    assert sorted(_guesses.KINDS) == kinds.names()


def library() -> Iterator[tuple[dict[str, Any], drafting._guesses.Guess]]:
    """Yield the library's tasks for Hub data sets, and what is guessed from such columns."""
    import datasets

    for path in tasks.task_files().values():
        task = yaml.safe_load(path.read_text(encoding="utf-8"))
        data = hub_data.DATA.get((task["dataset"]["path"], task["dataset"].get("config")))
        if data:
            features = {name: hub_data._feature(feature) for name, feature in data.features.items()}
            rows = datasets.Dataset.from_list(data.rows("train"), features=datasets.Features(features))
            guess = _guesses.guess(columns_of(rows.features, rows), None)
            assert guess, task["name"]
            yield task, guess


def test_the_library_would_have_been_guessed() -> None:
    """Kinds always; columns but for groups and for texts that a person joined."""
    same = []
    for task, guess in library():
        assert guess.kind == task["kind"], task["name"]
        columns = {
            ours: list(theirs) if isinstance(theirs, tuple) else theirs for ours, theirs in guess.columns.items()
        }
        same.append(columns == task["columns"])
    assert len(same) > 60
    assert sum(same) / len(same) > 0.85


# -- splits ------------------------------------------------------------------------------------------------------------


def cells(path: Path, column: str) -> tuple[list[Any], list[Any]]:
    """Return what a task's train and test rows have in a column."""
    task = tasks.load_file(path)
    rows = data.load(task, tasks.local_files(task), {})
    return rows.train.columns[column], rows.test.columns[column]


def test_a_group_is_on_one_side(put: Any, drafted: Any, tmp_path: Path) -> None:
    rows = table(120, user_id=lambda i: f"u{i % 24}", text=text, label=lambda i: ["x", "y"][i % 2])
    task, _, _ = drafted(put("users.csv", rows))
    assert task["columns"]["group"] == "user_id"
    train, test = cells(tmp_path / "out/users.yaml", "group")
    assert not set(train) & set(test)
    assert 10 < len(test) < 50


def test_questions_about_one_context_are_on_one_side(put: Any, drafted: Any, tmp_path: Path) -> None:
    rows = [{name: cell for name, cell in row.items() if name != "title"} for row in QUESTIONS]
    task, _, _ = drafted(put("squad.jsonl", rows))
    assert task["columns"]["group"] == "context"
    train, test = cells(tmp_path / "out/squad.yaml", "context")
    assert not set(train) & set(test)
    alone, _, _ = drafted(put("alone.jsonl", [row | {"context": f"calm {i}"} for i, row in enumerate(rows)]))
    assert "group" not in alone["columns"]


def test_rows_with_gaps_are_told_and_refused(put: Any, tmp_path: Path) -> None:
    rows = table(text=lambda i: "" if i % 9 == 0 else text(i), label=lambda i: f"c{i % 2}")
    draft = drafting.draft(str(put("gaps.csv", rows)), None, None)
    assert "7 of these rows have nothing in 'text': drop them" in draft.notes
    with pytest.raises(SuiteError, match=r"gaps\.yaml:\d+: row \d+ of the \w+ split has None for 'text'"):
        check_file(drafting.write(draft, tmp_path))


@pytest.mark.parametrize("hidden", [-1, None, ""])
def test_a_test_split_without_labels_tests_nothing(put: Any, drafted: Any, hidden: Any) -> None:
    put("data/train.jsonl", REVIEWS)
    put("data/dev.jsonl", REVIEWS[:20])
    folder = put("data/test.jsonl", [row | {"stars": hidden} for row in REVIEWS]).parent
    task, told, notes = drafted(folder)
    assert task["dataset"]["data_files"] == {"train": "../data/train.jsonl", "validation": "../data/dev.jsonl"}
    assert (task["splits"]["test"], task["splits"]["validation"]["from"]) == ("validation", "train")
    assert "(carved out of train), 20 test rows" in told
    assert notes[2:] == (
        "the rows of the test split have no labels: it is not used",
        "the validation split is the test, and validation is carved out of train",
    )


def test_of_a_competition_folder_train_is_used(put: Any, drafted: Any) -> None:
    put("kaggle/sample_submission.csv", table(id=str, stars=lambda i: 1))
    put("kaggle/test.csv", [{name: row[name] for name in ("id", "review")} for row in REVIEWS])
    task, _, notes = drafted(put("kaggle/train.csv", REVIEWS).parent)
    assert task["dataset"]["data_files"] == {"train": "../kaggle/train.csv"}
    assert task["splits"]["test"]["from"] == "train"
    assert any("sample_submission.csv" in note for note in notes)


def test_a_file_is_taken_with_those_beside_it(put: Any, drafted: Any) -> None:
    put("reviews-test.csv", REVIEWS[:20])
    put("others-validation.csv", REVIEWS[:20])
    task, _, _ = drafted(put("reviews-train.csv", REVIEWS))
    assert task["name"] == "reviews"
    assert task["dataset"]["data_files"] == {"train": "../reviews-train.csv", "test": "../reviews-test.csv"}


def test_a_file_whose_name_says_no_split_is_taken_alone(put: Any, drafted: Any) -> None:
    put("reviews-train.csv", REVIEWS[20:])
    put("reviews-test.csv", REVIEWS[:20])
    task, _, _ = drafted(put("reviews.csv", REVIEWS))
    assert task["dataset"]["data_files"] == {"train": "../reviews.csv"}


def test_shards_and_saved_data_sets_are_found(tmp_path: Path, drafted: Any) -> None:
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "y": datasets.ClassLabel(names=["no", "yes"])})
    rows = datasets.Dataset.from_list(table(text=text, y=lambda i: i % 2), features=features)
    datasets.DatasetDict({"train": rows, "test": rows}).save_to_disk(tmp_path / "saved")
    task, told, _ = drafted(tmp_path / "saved")
    assert task["dataset"]["path"] == "arrow"
    assert "labels" not in task
    assert "text_classification, 2 classes" in told
    (tmp_path / "hub" / "data").mkdir(parents=True)
    for name in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        rows.to_parquet(tmp_path / "hub" / "data" / f"{name}.parquet")
    task, _, _ = drafted(tmp_path / "hub")
    assert task["dataset"]["data_files"]["train"] == [f"../hub/data/train-0000{i}-of-00002.parquet" for i in range(2)]


def test_odd_names_are_quoted(put: Any, drafted: Any) -> None:
    rows = table(**{"text: #1": text, "label, really": lambda i: ["no", "yes: {", "1"][i % 3]})
    task, told, _ = drafted(put("odd.csv", rows))
    assert task["columns"] == {"text": "text: #1", "label": "label, really"}
    assert task["labels"] == ["1", "no", "yes: {"]
    assert told.endswith("All is well.")


def test_what_looks_like_a_pattern_is_a_name(put: Any, drafted: Any, tmp_path: Path) -> None:
    put("a[1]/x[train]*.csv", REVIEWS[:40])
    put("a[1]/xt.csv", b"nothing")
    task, told, _ = drafted(put("a[1]/x[test]*.csv", REVIEWS[40:]), "out/odd.yaml")
    assert task["dataset"]["data_files"] == {"train": "../a[1]/x[train]*.csv", "test": "../a[1]/x[test]*.csv"}
    assert told.endswith(" 20 test rows. All is well.")
    photograph(tmp_path / "b[1]", 45)
    task, told, _ = drafted(tmp_path / "b[1]", "out/leaves.yaml")
    assert task["dataset"]["data_files"] == {"train": "../b[[]1]/**/*.png"}
    assert told.endswith("All is well.")


@pytest.mark.parametrize(("name", "sign"), [("odd.csv", ";"), ("odd.tsv", "\t"), ("odd.csv", "|")])
def test_other_signs_than_commas_are_refused_with_the_line_that_helps(
    put: Any, drafted: Any, monkeypatch: pytest.MonkeyPatch, name: str, sign: str
) -> None:
    path = put(name, pd.DataFrame(REVIEWS).to_csv(index=False, sep=sign).encode())
    with pytest.raises(SuiteError, match="expected commas; write it again: ") as error:
        drafting.draft(str(path), None, None)
    line = str(error.value).partition("write it again: ")[2].rstrip(".")
    monkeypatch.chdir(path.parent)
    exec(line, {"pandas": pd})
    (written,) = {file.name for file in path.parent.glob("*.csv")} - {name}
    assert drafted(path.parent / written)[0]["columns"] == {"text": "review", "label": "stars"}


# -- images ------------------------------------------------------------------------------------------------------------


def photograph(folder: Path, n: int, suffix: str = "png", classes: tuple[str, ...] = ("maple", "oak", "ash")) -> None:
    for i in range(n):
        path = folder / classes[i % len(classes)] / f"{i}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(f"{folder.name} {i}", "PNG"))


def test_a_folder_of_images_becomes_a_task(tmp_path: Path, drafted: Any) -> None:
    photograph(tmp_path / "leaves" / "train", 45)
    photograph(tmp_path / "leaves" / "test", 9, "PNG")
    task, told, _ = drafted(tmp_path / "leaves")
    assert task["kind"] == "image_classification"
    assert task["dataset"] == {
        "path": "imagefolder",
        "data_files": {"train": "../leaves/train/**/*.png", "test": "../leaves/test/**/*.PNG"},
    }
    assert told.startswith("image_classification, 3 classes, ")
    assert told.endswith(" 9 test rows. All is well.")


def test_a_folder_of_classes_becomes_a_task(tmp_path: Path, drafted: Any) -> None:
    photograph(tmp_path / "My Leaves", 45)
    task, told, _ = drafted(tmp_path / "My Leaves")
    assert task["name"] == "my-leaves"
    assert task["dataset"]["data_files"] == {"train": "../My Leaves/**/*.png"}
    assert task["splits"]["test"] == {"from": "train", "fraction": 0.2, "seed": 0}
    assert told.startswith("image_classification, 3 classes, ")
    inside, again, _ = drafted(tmp_path / "My Leaves", "My Leaves/inside.yaml")
    assert inside["dataset"]["data_files"] == {"train": "**/*.png"}
    assert again == told


def test_images_with_several_classes_each(tmp_path: Path, drafted: Any, put: Any) -> None:
    labels = [["leaf"], ["leaf", "branch"], ["root"]]
    for part, n in (("train", 30), ("valid", 12), ("test", 9)):
        photograph(tmp_path / "tagged" / part, n, classes=("",))
        put(f"tagged/{part}/metadata.jsonl", table(n, file_name=lambda i: f"{i}.png", labels=lambda i: labels[i % 3]))
    task, told, _ = drafted(tmp_path / "tagged")
    assert task["columns"] == {"image": "image", "labels": "labels"}
    assert told == "image_multi_label_classification, 3 classes, 30 train, 12 validation, 9 test rows. All is well."


# -- the file ----------------------------------------------------------------------------------------------------------


def test_the_text_says_what_a_person_should_add(put: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table(text=text, label=lambda i: "spam" if i % 4 == 0 else "ham")
    monkeypatch.chdir(tmp_path)
    draft = drafting.draft(str(put("mail.csv", rows)), None, None)
    path = drafting.write(draft, None)
    assert path == Path(draft.file_name) == Path("mail.yaml")
    assert (
        path.read_text()
        == draft.text
        == (
            "# A first draft, made by looking at some rows: read it line by line, then run suite validate.\n"
            "# All fields: docs/adding-a-task.md. The schema for an editor: suite validate --schema\n"
            "# description: what does a model have to tell here?\n"
            "name: mail\n"
            "version: 1\n"
            "kind: text_classification\n"
            "dataset:\n"
            "  path: csv\n"
            "  data_files:\n"
            "    train: mail.csv\n"
            "  # license: the terms that these rows come under, such as cc-by-4.0\n"
            "  # source: https://... where people read about them\n"
            "splits:\n"
            "  train: train\n"
            "  validation: {from: train, fraction: 0.25, seed: 0}\n"
            "  test: {from: train, fraction: 0.2, seed: 0}\n"
            "columns: {text: text, label: label}\n"
            "labels: [ham, spam]\n"
            "# main: accuracy   # or balanced_accuracy, f1_macro, matthews_correlation\n"
        )
    )


def test_the_comments_are_true_of_the_fields_they_name(put: Any, tmp_path: Path) -> None:
    rows = table(text=text, label=lambda i: "spam" if i % 4 == 0 else "ham")
    path = drafting.write(drafting.draft(str(put("mail.csv", rows)), None, None), tmp_path / "mail.yaml")
    lines = path.read_text().splitlines()[2:]
    path.write_text("\n".join(line.replace("# ", "", 1) for line in lines))
    task = tasks.load_file(path)
    assert (task.main, task.description[:9]) == ("accuracy", "what does")
    assert None not in (task.dataset.license, task.dataset.source)


def test_of_few_rows_more_are_held_out(put: Any, drafted: Any) -> None:
    """A tenth of so few, each by its own hash, would now and then be none."""
    for n in (20, 99):
        task, told, _ = drafted(put(f"some{n}.csv", table(n, text=text, label=lambda i: i % 2)))
        assert task["splits"]["validation"] == {"from": "train", "fraction": 0.25, "seed": 0}
        assert told.endswith("All is well.")
    assert "validation" not in drafted(put("more.csv", table(100, text=text, label=lambda i: i % 2)))[0]["splits"]


def test_labels_are_listed_where_they_are_few(put: Any, drafted: Any) -> None:
    few, _, _ = drafted(put("few.csv", table(300, text=text, label=lambda i: i % 30)))
    many, _, _ = drafted(put("many.csv", table(330, text=text, label=lambda i: i % 33)))
    assert few["labels"] == [str(i) for i in range(30)]
    assert "labels" not in many


def test_labels_of_all_rows_are_listed_not_of_those_looked_at(put: Any, drafted: Any) -> None:
    rows = table(9000, text=text, label=lambda i: "rare" if i in range(1, 9000, 1000) else f"c{i % 2}")
    task, _, notes = drafted(put("long.csv", rows))
    assert notes[0].startswith("guessed from 1,800 rows")
    assert task["labels"] == ["c0", "c1", "rare"]


def test_plain_tags_are_scored_word_by_word(put: Any, drafted: Any) -> None:
    pos, _, _ = drafted(put("pos.json", EXAMPLES["parts of speech"][1]))
    ner, _, _ = drafted(put("ner.jsonl", NAMES))
    assert pos["main"] == "accuracy"
    assert "main" not in ner


def test_columns_that_are_not_used_are_told(put: Any, drafted: Any) -> None:
    rows = table(title=text, body=lambda i: text(i, 20), category=lambda i: "pq"[i % 2], topic=lambda i: "xyz"[i % 3])
    task, _, notes = drafted(put("news.csv", rows))
    assert task["columns"] == {"text": "body", "label": "category"}
    assert notes[1] == "columns that are not used: 'title' (texts, no two alike), 'topic' (texts)"


def test_a_kind_can_be_asked_for(put: Any, drafted: Any) -> None:
    rows = table(sentence1=text, sentence2=lambda i: text(i + 500), label=lambda i: i % 5)
    path = put("grades.csv", rows)
    assert drafted(path, "out/classes.yaml")[0]["kind"] == "text_classification"
    task, _, _ = drafted(path, "out/numbers.yaml", "text_similarity")
    assert task["columns"] == {"text": "sentence1", "text_pair": "sentence2", "score": "label"}


# -- what cannot be drafted --------------------------------------------------------------------------------------------

HOPELESS: dict[str, tuple[Any, str]] = {
    "empty.csv": (b"", r"Cannot read .*empty.csv: No columns to parse"),
    "empty.jsonl": (b"", "it holds no rows"),
    "header.csv": (b"text,label\n", "it holds no rows"),
    "one.csv": (b"text,label\na,b\n", "has 1 row, and a task needs more"),
    "binary.csv": (bytes(range(256)) * 40, r"Cannot read .*binary\.csv: "),
    "binary.jsonl": (bytes(range(1, 128)) * 40, "Cannot read .*binary.jsonl: JSON parse error"),
    "binary.parquet": (bytes(range(256)) * 40, "Cannot read .*binary.parquet: it ends as no parquet file does"),
    "latin.csv": ("text,label\nhé,1\nhö,0\n".encode("latin-1"), "'utf-8' codec can't decode byte 0xe9"),
    "latin.jsonl": (b'{"text": "\xff", "label": 1}\n' * 60, "'utf-8' codec can't decode byte 0xff"),
    "ragged.csv": (b"text,label\na,b\nc,d,e,f,g\n", "Expected 2 fields in line 3, saw 5"),
    "wrapped.json": (json.dumps({"data": REVIEWS}).encode(), "expected one object a line, or one list of objects"),
    "book.xlsx": (b"PK", "book.xlsx: its name ends with none of .csv, .tsv, "),
    "picture.png": (b"x", "is one image; name the folder that has the classes' folders"),
    "texts.csv": (
        table(text=text, id=str),
        r"no kind of task can be made out.* It has: 'text' \(texts, no two alike\), 'id'",
    ),
    "unlike.csv": (table(text=text, label=lambda i: f"id{i}"), r"'label' \(texts, no two alike\)"),
    "number.csv": (table(text=text, price=lambda i: i / 7), r"'price' \(numbers\)"),
    "figures.csv": (table(a=lambda i: i, label=lambda i: i % 2), "no kind of task can be made out; expected texts or"),
    "headless.csv": (
        "".join(f"{text(i)},{i % 2}\n" for i in range(30)).encode(),
        "the first line reads like a row; expected the columns' names there",
    ),
}


@pytest.mark.parametrize("name", HOPELESS)
def test_a_hopeless_file_is_one_sentence(put: Any, name: str) -> None:
    content, told = HOPELESS[name]
    with pytest.raises(SuiteError, match=told) as error:
        drafting.draft(str(put(name, content)), None, None)
    assert "\n" not in str(error.value)
    assert name in str(error.value)


def test_a_hopeless_folder_is_one_sentence(put: Any, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    with pytest.raises(
        SuiteError, match=r"train and test \(no tables\); expected tables .* or images in folders named"
    ):
        drafting.draft(str(tmp_path / "bare"), None, None)
    put("two/a.csv", REVIEWS)
    put("two/b.csv", REVIEWS)
    with pytest.raises(SuiteError, match=r"cannot be told what is train and test \(a\.csv, b\.csv\); expected"):
        drafting.draft(str(tmp_path / "two"), None, None)
    photograph(tmp_path / "flat", 9, classes=("",))
    with pytest.raises(SuiteError, match=r"'image' \(images\)\. In a folder of images, a class is a folder"):
        drafting.draft(str(tmp_path / "flat"), None, None)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("nothing.csv", "There is no file or folder 'nothing.csv'."),
        ("./nothing", "There is no file or folder './nothing'."),
        ("nothing", "'nothing' is no file or folder here, and a Hub data set has the form owner/name"),
        ("a/b/c", "'a/b/c' is no file or folder here"),
        ("x" * 5000, "is no file or folder here"),
        ("owner/name", "There is no file or folder 'owner/name', and the Hub cannot be asked for it without a conn"),
    ],
)
def test_a_source_that_is_not_there(source: str, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SuiteError) as error:
        drafting.draft(source, None, None)
    assert told in str(error.value)


def test_wrong_words(put: Any, tmp_path: Path) -> None:
    path = str(put("reviews.csv", REVIEWS))
    for name, kind, told in (
        ("My Task", None, "'My Task' is no task name; expected small letters"),
        (None, "text_clasification", "Did you mean 'text_classification'"),
        (
            None,
            "multiple_choice",
            r"nothing looks like what multiple_choice needs: text, choices, label. It has: 'id'",
        ),
    ):
        with pytest.raises(SuiteError, match=told):
            drafting.draft(path, name, kind)
    draft = drafting.draft(path, "stars", None)
    for output, told in (
        ("stars.txt", "a task file's name ends with .yaml"),
        ("My Stars.yaml", r"as in my-stars\.yaml"),
    ):
        with pytest.raises(SuiteError, match=told):
            drafting.write(draft, tmp_path / output)
    assert drafting.write(draft, tmp_path) == tmp_path / "stars.yaml"
    assert tasks.load_file(drafting.write(draft, tmp_path / "moons.yaml")).name == "moons"


def test_no_file_is_ever_overwritten(put: Any, tmp_path: Path) -> None:
    draft = drafting.draft(str(put("reviews.csv", REVIEWS)), None, None)
    mine = put("out/reviews.yaml", b"mine")
    with pytest.raises(SuiteError, match=r"reviews\.yaml exists already and is left as it is"):
        drafting.write(draft, tmp_path / "out")
    assert mine.read_bytes() == b"mine"
    assert [path.name for path in mine.parent.iterdir()] == ["reviews.yaml"]


def test_a_folder_that_cannot_be_written_to(put: Any) -> None:
    draft = drafting.draft(str(put("reviews.csv", REVIEWS)), None, None)
    with pytest.raises(SuiteError, match=r"Cannot write .*: (Not a directory|File exists)"):
        drafting.write(draft, put("file", b"") / "reviews.yaml")


@pytest.mark.parametrize(
    ("words", "part"),
    [("train-00000-of-00002", "train"), ("x_dev", "validation"), ("test.2020", "test"), ("contest", None)],
)
def test_a_part_is_a_word_of_the_name(words: str, part: str | None) -> None:
    assert _local.part_of(_local.words_of(words)) == part


# -- the Hub, through the real client ----------------------------------------------------------------------------------

DRAFT = """
import json, sys
from suite import drafting
from suite.spec import SuiteError
from suite.validation import check_file
for word in sys.argv[1:]:
    try:
        draft = drafting.draft(word, None, None)
        path = drafting.write(draft, None)
        print(json.dumps([path.read_text(), draft.notes, check_file(path)]))
    except SuiteError as error:
        print(json.dumps([str(error), [], ""]))
"""
SHAPES = {
    "nyu-mll/glue:mrpc": "text_classification, 2 classes",
    "nyu-mll/glue:stsb": "text_similarity, 0 classes",
    "uoft-cs/cifar10": "image_classification, 10 classes",
    "mteb/emotion": "text_classification, 6 classes",
    "mteb/VOC2007": "image_multi_label_classification, 20 classes",
    "rajpurkar/squad_v2": "question_answering, 2 classes",
    "allenai/winogrande:winogrande_xl": "multiple_choice, 2 classes",
    "tau/commonsense_qa": "multiple_choice, 5 classes",
    "unimelb-nlp/wikiann": "token_classification, 7 classes",
    "google-research-datasets/go_emotions": "multi_label_classification, 28 classes",
    "mteb/wds_gtsrb": "image_classification, 12 classes",
    "org/train-only": "text_classification, 3 classes",
    "org/test-only": "text_classification, 3 classes",
}
REFUSED = {
    "nyu-mll/glue": r"nyu-mll/glue has several configurations; name one, as in nyu-mll/glue:cola. It has: cola, ",
    "nyu-mll/glue:colla": "No configuration of nyu-mll/glue named 'colla'. Did you mean 'cola'?",
    "org/parts": "org/parts has no split that looks like train; it has: first, second.",
    "org/blank": "Cannot read the data set 'org/blank': ",
    "org/gated": "Cannot read the data set 'org/gated': ",
    "org/broken": "The Hub answered 500 when asked for the data set 'org/broken'; try again later.",
    "org/unknown": "The Hub does not know the data set 'org/unknown'.",
    "org/tagged@v9": "The data set 'org/tagged': the Hub knows the repository, but not that revision.",
}


class Carded(LoopbackHub):
    """A Hub that tells licences, as the real one reads them from the cards."""

    def answer(self, request: Request) -> Answer:
        answer = super().answer(request)
        if (
            answer.status == 200
            and request.path.startswith("/api/datasets/org/tagged")
            and b'"siblings"' in answer.body
        ):
            return Answer(
                200, json.dumps(json.loads(answer.body) | {"cardData": {"license": "mit"}}).encode(), answer.headers
            )
        return answer


def lines(**parts: int) -> Files:
    return {
        f"{part}.jsonl": "".join(json.dumps({"text": f"{part} {i}", "label": i % 3}) + "\n" for i in range(n)).encode()
        for part, n in parts.items()
    }


@pytest.fixture(scope="module")
def hub_drafts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Draft everything in one process, and give the commits beside the drafts."""
    folder = tmp_path_factory.mktemp("hub")
    with Carded() as hub:
        for path in sorted({word.split(":")[0] for word in SHAPES if not word.startswith("org/")}):
            hub.repository(path, "datasets").commit(hub_data.repository(path))
        card = b"---\nconfigs:\n- config_name: default\n  data_files:\n"
        card += b"".join(b"  - split: %s\n    path: %s.jsonl\n" % (name, name) for name in (b"first", b"second"))
        hub.repository("org/tagged", "datasets").commit(lines(train=40, test=20), "v1")
        hub.repository("org/tagged", "datasets").commit(lines(train=4, test=2))
        hub.repository("org/train-only", "datasets").commit(lines(train=40))
        hub.repository("org/test-only", "datasets").commit(lines(test=400))
        hub.repository("org/parts", "datasets").commit(lines(first=40, second=40) | {"README.md": card + b"---\n"})
        hub.repository("org/blank", "datasets").commit({"README.md": b"nothing"})
        hub.repository("org/gated", "datasets").commit(lines(train=40, test=20))
        hub.repository("org/gated", "datasets").gated = True
        hub.repository("org/broken", "datasets").status = 500
        words = [*SHAPES, *REFUSED, "https://huggingface.co/datasets/org/tagged@v1"]
        done = subprocess.run(
            [sys.executable, "-c", DRAFT, *words],
            env=hub.environment(folder / "home") | {"HF_HUB_DOWNLOAD_TIMEOUT": "10"},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found = dict(zip(words, map(json.loads, done.stdout.splitlines()), strict=True))
        yield found | {"commits": {path: repository.refs for (_, path), repository in hub.repositories.items()}}


@pytest.mark.parametrize("word", SHAPES)
def test_a_hub_data_set_becomes_a_valid_pinned_task(hub_drafts: dict[str, Any], word: str) -> None:
    text, _, told = hub_drafts[word]
    path, _, config = word.partition(":")
    task = yaml.safe_load(text)
    assert told.startswith(SHAPES[word]), text
    assert told.endswith("All is well.")
    assert task["dataset"]["path"] == path
    assert task["dataset"]["revision"] == hub_drafts["commits"][path]["main"]
    assert task["dataset"]["source"] == f"https://huggingface.co/datasets/{path}"
    assert "data_files" not in task["dataset"]
    assert config in ("", task["dataset"].get("config"))
    assert "license" not in task["dataset"]
    assert "\n  # license: " in text


@pytest.mark.parametrize(("split", "held_out"), [("train", 0.25), ("test", 0.1)])
def test_an_only_split_on_the_hub_is_carved(hub_drafts: dict[str, Any], split: str, held_out: float) -> None:
    text, notes, _ = hub_drafts[f"org/{split}-only"]
    assert yaml.safe_load(text)["splits"] == {
        "train": split,
        "validation": {"from": split, "fraction": held_out, "seed": 0},
        "test": {"from": split, "fraction": 0.2, "seed": 0},
    }
    assert "there is no test split: a fifth of train" in notes[-1]


def test_hidden_labels_on_the_hub_make_validation_the_test(hub_drafts: dict[str, Any]) -> None:
    text, notes, _ = hub_drafts["nyu-mll/glue:mrpc"]
    splits = yaml.safe_load(text)["splits"]
    assert (splits["train"], splits["test"]) == ("train", "validation")
    assert splits["validation"] == {"from": "train", "fraction": 0.25, "seed": 0}
    assert "the validation split is the test, and validation is carved out of train" in notes


def test_a_revision_is_a_commit_and_the_licence_is_the_cards(hub_drafts: dict[str, Any]) -> None:
    text, _, told = hub_drafts["https://huggingface.co/datasets/org/tagged@v1"]
    dataset = yaml.safe_load(text)["dataset"]
    assert dataset["revision"] == hub_drafts["commits"]["org/tagged"]["v1"]
    assert dataset["license"] == "mit"
    assert told.endswith(" 20 test rows. All is well.")


@pytest.mark.parametrize("word", REFUSED)
def test_what_the_hub_does_not_give_is_one_sentence(hub_drafts: dict[str, Any], word: str) -> None:
    told, _, _ = hub_drafts[word]
    assert told.startswith(REFUSED[word])
    assert "\n" not in told


# -- the guide ---------------------------------------------------------------------------------------------------------

GUIDE = Path(__file__).parent.parent / "docs" / "adding-a-task.md"
TOLD = {
    yaml.safe_load(block)["name"]: block
    for block in re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
}
MADE: dict[str, tuple[str, Rows]] = {
    "reviews": (".csv", REVIEWS),
    "mail": (".csv", REVIEWS),
    "entailment": (
        ".jsonl",
        table(premise=text, hypothesis=lambda i: text(i + 500), gold=lambda i: ["yes", "no"][i % 2]),
    ),
    "toxicity": (".csv", table(comment=text, insult=lambda i: i % 2, threat=lambda i: int(i % 3 == 0))),
    "names": (".jsonl", [{"words": row["tokens"], "ner": row["ner_tags"]} for row in NAMES]),
    "exam": (
        ".csv",
        table(question=text, right=lambda i: "ABC"[i % 3], **{k: lambda i, k=k: f"{k} {i}" for k in "abc"}),  # type: ignore[misc]
    ),
    "manuals": (".jsonl", [{**row, "manual": row["title"]} for row in QUESTIONS]),
    "alike": (".csv", [dict(zip(("first", "second", "score"), row.values(), strict=True)) for row in PAIRS]),
    "leaves": ("", []),
    "scenes": ("", []),
}


@pytest.mark.parametrize("name", MADE)
def test_the_guides_examples_are_valid(name: str, tmp_path: Path, put: Any) -> None:
    suffix, rows = MADE[name]
    for part in ("train", "test"):
        if suffix:
            put(f"{part}{suffix}", rows)
        else:
            photograph(tmp_path / part, 45, classes=("",) if name == "scenes" else ("maple", "oak"))
        if name == "scenes":
            scenes = table(45, file_name=lambda i: f"{i}.png", labels=lambda i: ["tree", "road"][: i % 3])
            put(f"{part}/metadata.jsonl", scenes)
    path = put(f"{name}.yaml", TOLD[name].encode())
    assert check_file(path).endswith("All is well.")


def test_the_guide_has_each_kind_and_a_data_set_on_the_hub(put: Any) -> None:
    specs = [tasks.load_file(put("mrpc.yaml", TOLD["mrpc"].encode()))]
    kinds.get(specs[0].kind).complete(specs[0])
    assert TOLD.keys() - MADE.keys() == {"mrpc"}
    assert {yaml.safe_load(block)["kind"] for block in TOLD.values()} == set(kinds.names())


@pytest.mark.parametrize("word", ["~nobody-of-that-name", "~nobody-of-that-name/rows.csv"])
def test_the_home_of_nobody_is_no_folder(word: str) -> None:
    with pytest.raises(SuiteError, match="There is no file or folder"):
        drafting.draft(word, None, None)


def test_a_folder_that_changes_while_it_is_looked_through_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(folder: Path, pattern: str) -> Any:
        raise FileNotFoundError(2, "No such file or directory", str(folder / "gone"))

    monkeypatch.setattr(Path, "rglob", gone)
    with pytest.raises(SuiteError, match="cannot be looked through: No such file or directory"):
        drafting.draft(str(tmp_path), None, None)

"""The bundled tasks' files hold what the task files and the README beside them say, read without `datasets`."""

from __future__ import annotations

import io
import itertools
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

BUNDLED = Path(__file__).resolve().parent.parent / "tasks" / "bundled"
ROWS = {
    "wordnet-hypernyms": (3000, 800),
    "wordnet-entities": (2500, 600),
    "wordnet-definition": (2500, 600),
    "wordnet-similarity": (3000, 800),
    "wordnet-questions": (2000, 500),
    "fashion-grid": (1200, 400),
}
BOTH = ("train", "test")
SPLITS = [(name, split) for name in ROWS for split in BOTH]

Row = dict[str, Any]


@cache
def table(name: str, split: str) -> pa.Table:
    return pq.read_table(BUNDLED / "data" / name / f"{split}.parquet")


@cache
def rows(name: str, split: str) -> list[Row]:
    found: list[Row] = table(name, split).to_pylist()
    return found


@cache
def declared(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((BUNDLED / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


# -- all of them -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_the_columns_and_the_number_of_rows(name: str, split: str) -> None:
    assert table(name, split).num_rows == ROWS[name][BOTH.index(split)]
    assert set(declared(name)["columns"].values()) == set(table(name, split).column_names)
    assert not any(column.null_count for column in table(name, split).columns)


@pytest.mark.parametrize("name", ROWS)
def test_a_description_is_one_sentence(name: str) -> None:
    assert 20 <= len(declared(name)["description"]) <= 320
    assert declared(name)["description"][-1] in ".?"


def test_together_they_stay_small() -> None:
    files = [BUNDLED / "data" / name / f"{split}.parquet" for name, split in SPLITS]
    assert sum(file.stat().st_size for file in files) < 3_000_000


def texts(name: str, split: str) -> Iterator[str]:
    """Yield every gloss and example of a WordNet task, one by one and without the word before it, if any."""
    for row in rows(name, split):
        yield "".join(row.get("tokens", ()))
        yield from row.get("choices", ())
        entries = row.get("context", "").split("\n")
        for text in (*entries, row.get("text", ""), row.get("text_pair", "")):
            yield text
            yield text.partition(": ")[2]


@cache
def known(name: str, split: str) -> frozenset[str]:
    # Tokens have lost their spaces, so all texts go without.
    return frozenset("".join(text.lower().split()) for text in texts(name, split)) - {""}


NEW = [name for name in ROWS if name.startswith("wordnet")]
OLD = ["wordnet-supersense", "wordnet-pos", "wordnet-relation"]


@pytest.mark.parametrize(("one", "other"), [*itertools.product(NEW, NEW + OLD), *itertools.product(OLD, NEW)])
def test_no_text_of_a_test_split_is_in_any_train_split(one: str, other: str) -> None:
    assert len(known(one, "train")) > 1000
    assert not known(one, "train") & known(other, "test")


@pytest.mark.parametrize("name", [*NEW, *OLD])
def test_a_task_repeats_no_input(name: str) -> None:
    for split in BOTH:
        inputs = Counter(
            repr(
                [
                    value
                    for column, value in row.items()
                    if column not in ("label", "labels", "tags", "answers", "score")
                ]
            )
            for row in rows(name, split)
        )
        assert max(inputs.values()) == 1


# -- one by one --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["wordnet-hypernyms", "fashion-grid"])
def test_multi_label_rows_use_every_class_and_no_other(name: str) -> None:
    classes = declared(name)["labels"]
    for split, least in (("train", 80), ("test", 20)):
        counts = Counter(label for row in rows(name, split) for label in row["labels"])
        assert counts.keys() == set(classes)
        assert min(counts.values()) >= least
        assert all(len(set(row["labels"])) == len(row["labels"]) for row in rows(name, split))


def test_a_definition_has_one_or_two_classes_and_seldom_none() -> None:
    for split in BOTH:
        numbers = [len(row["labels"]) for row in rows("wordnet-hypernyms", split)]
        assert 1.3 < sum(numbers) / len(numbers) < 2.5
        assert 0 < numbers.count(0) <= 0.06 * len(numbers)


@pytest.mark.parametrize("split", BOTH)
def test_tags_are_well_formed_and_use_every_class(split: str) -> None:
    names = declared("wordnet-entities")["labels"]
    assert names[0] == "O"
    found = set()
    for row in rows("wordnet-entities", split):
        assert len(row["tokens"]) == len(row["tags"]) > 0
        assert all(token and token == "".join(token.split()) for token in row["tokens"])
        for before, tag in itertools.pairwise(["O", *row["tags"]]):
            assert not tag.startswith("I-") or before[2:] == tag[2:]
        found.update(row["tags"])
    assert found == set(names)


def test_names_begin_with_a_capital() -> None:
    for row in rows("wordnet-entities", "train"):
        for token, tag in zip(row["tokens"], row["tags"], strict=True):
            assert not tag.startswith("B-") or token[0].isupper()


@pytest.mark.parametrize("split", BOTH)
def test_a_choice_is_right_once_and_wrong_three_times(split: str) -> None:
    found = rows("wordnet-definition", split)
    right = Counter(row["choices"][row["label"]] for row in found)
    every = Counter(choice for row in found for choice in row["choices"])
    assert right.keys() == every.keys()
    assert set(right.values()) == {1}
    assert set(every.values()) == {4}
    for row in found:
        assert len(set(row["choices"])) == 4


@pytest.mark.parametrize("split", BOTH)
def test_a_block_is_four_rows_with_the_same_choices(split: str) -> None:
    blocks: dict[str, list[set[str]]] = {}
    for row in rows("wordnet-definition", split):
        blocks.setdefault(row["block"], []).append(set(row["choices"]))
    assert all(len(block) == 4 and all(choices == block[0] for choices in block) for block in blocks.values())


@pytest.mark.parametrize("split", BOTH)
def test_the_right_choice_is_anywhere(split: str) -> None:
    places = Counter(row["label"] for row in rows("wordnet-definition", split))
    assert set(places) == {0, 1, 2, 3}
    assert all(0.2 < count / places.total() < 0.3 for count in places.values())


@pytest.mark.parametrize("split", BOTH)
def test_scores_spread_over_their_range(split: str) -> None:
    scores = [row["score"] for row in rows("wordnet-similarity", split)]
    assert 0 < min(scores) < 0.1
    assert 0.9 < max(scores) <= 1
    fifths, _ = np.histogram(scores, bins=5, range=(0, 1))
    assert min(fifths) > 0.1 * len(scores)


def test_a_definition_is_in_one_pair() -> None:
    sides = [row[side] for row in rows("wordnet-similarity", "train") for side in ("text", "text_pair")]
    assert len(set(sides)) == len(sides)


@pytest.mark.parametrize("split", BOTH)
def test_every_answer_is_where_it_says(split: str) -> None:
    for row in rows("wordnet-questions", split):
        found = row["answers"]
        assert len(found["text"]) == len(found["answer_start"]) <= 1
        for text, start in zip(found["text"], found["answer_start"], strict=True):
            assert text.strip() == text != ""
            assert row["context"][start : start + len(text)] == text


def test_answers_have_the_type_of_squad() -> None:
    wanted = pa.struct({"text": pa.list_(pa.string()), "answer_start": pa.list_(pa.int32())})
    assert table("wordnet-questions", "train").schema.field("answers").type == wanted


@pytest.mark.parametrize("split", BOTH)
def test_answers_lie_anywhere_and_some_are_missing(split: str) -> None:
    found = rows("wordnet-questions", split)
    assert 0.1 < sum(not row["answers"]["text"] for row in found) / len(found) < 0.2
    places = [row["answers"]["answer_start"][0] / len(row["context"]) for row in found if row["answers"]["text"]]
    assert min(np.histogram(places, bins=4, range=(0, 1))[0]) > 0.15 * len(places)


def test_a_page_has_the_asked_entry_or_does_not_mention_it() -> None:
    """The answer lies in an entry whose word the question names; without an answer there is none."""
    for row in rows("wordnet-questions", "test"):
        asked = [
            line for line in row["context"].split("\n") if f" {line.partition(': ')[0]} " in f" {row['question'][:-1]} "
        ]
        (start,) = row["answers"]["answer_start"] or [None]
        if start is not None:
            place = row["context"].count("\n", 0, start)
            assert row["context"].split("\n")[place] in asked
        else:
            assert not asked


def test_pages_need_windows() -> None:
    words = [len(row["context"].split()) for row in rows("wordnet-questions", "train")]
    assert np.median(words) < 128
    assert 0.02 < np.mean(np.array(words) > 250) < 0.2


# -- pictures ----------------------------------------------------------------------------------------------------------


@cache
def pieces(name: str, split: str) -> list[list[bytes]]:
    """Return the 28x28 fields of each picture that are not empty."""
    found = []
    for row in rows(name, split):
        with Image.open(io.BytesIO(row["image"]["bytes"])) as image:
            assert (image.mode, image.format) == ("L", "PNG")
            pixels = np.asarray(image)
        fields = [pixels[y : y + 28, x : x + 28] for y in range(0, len(pixels), 28) for x in range(0, len(pixels), 28)]
        found.append([field.tobytes() for field in fields if field.any()])
    return found


@pytest.mark.parametrize("split", BOTH)
def test_a_board_shows_two_to_four_pieces_of_its_classes(split: str) -> None:
    numbers = Counter(map(len, pieces("fashion-grid", split)))
    assert numbers.keys() == {2, 3, 4}
    assert min(numbers.values()) > 0.25 * numbers.total()
    for row, shown in zip(rows("fashion-grid", split), pieces("fashion-grid", split), strict=True):
        assert 1 <= len(row["labels"]) <= len(shown)


def test_a_piece_is_in_one_picture_of_one_task() -> None:
    every = [
        piece
        for name in ("fashion-mnist-small", "fashion-tops", "fashion-grid")
        for split in BOTH
        for shown in pieces(name, split)
        for piece in shown
    ]
    assert len(every) == len(set(every))


# -- how scores are made -----------------------------------------------------------------------------------------------


def test_wu_palmer_follows_its_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BUNDLED / "build"))
    from hypernym_graph import HypernymGraph
    from wordnet_database import Synset

    edges = {"n1": "", "n2": "n1", "n3": "n2", "n4": "n2", "n5": "n4", "n6": ""}
    graph = HypernymGraph(
        Synset(key, "noun.Tops", "noun", (key,), key, (), (("@", above),) if above else ())
        for key, above in edges.items()
    )
    assert graph.wu_palmer("n3", "n3") == 1
    assert graph.wu_palmer("n3", "n5") == 2 * 2 / (1 + 2 + 2 * 2)
    assert graph.wu_palmer("n1", "n5") == 2 * 1 / (0 + 3 + 2 * 1)
    assert graph.wu_palmer("n3", "n6") == 0

"""Test rows that training rows hold too: what is found, what is not, and what a record says of it."""

from __future__ import annotations

import hashlib
import io
import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import call
from conftest import sentences, write_task
from PIL import Image, ImageEnhance
from sklearn.metrics import f1_score

from suite import contamination, data, evaluation, tasks
from suite.contamination import _images, _kept, _texts
from suite.data import Split, TaskData
from suite.plan import Request, plan
from suite.spec import SuiteError
from suite.store import Store

GOLDEN = Path(__file__).parent / "golden"


# -- rows by hand ------------------------------------------------------------------------------------------------------


def split(name: str, **columns: Sequence[Any]) -> Split:
    """Return a split of these columns."""
    cells = {column: list(values) for column, values in columns.items()}
    rows = zip(*cells.values(), strict=True)
    return Split(name, cells, [hashlib.sha256(repr((sorted(cells), row)).encode()).hexdigest() for row in rows])


def task_data(train: Split, test: Split, **pins: Any) -> TaskData:
    return TaskData(train, train.take([]), test, None, pins)


def texts(train: Sequence[Any], test: Sequence[Any], column: str = "text") -> contamination.Found:
    """Return what is found of test texts among train texts; all have one label."""
    rows = [split(name, **{column: of, "label": ["x"] * len(of)}) for name, of in (("train", train), ("test", test))]
    return contamination.look({"t": (task_data(*rows),)})["t"]


def images(train: Sequence[bytes], test: Sequence[bytes]) -> contamination.Found:
    return texts(train, test, "image")


def counts(found: contamination.Found) -> tuple[int, int]:
    told = found.report()
    return told["exact"], told["near"]  # type: ignore[return-value]


WORDS = [
    "".join(random.Random(i).choices("abcdefghijklmnoprstuvwy", k=2 + i % 7)) for i in range(900)
]  # no two texts of these are alike by chance


def text_of(seed: int, words: int = 25) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


@pytest.fixture(autouse=True)
def _fresh(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_kept, "_MEMORY", {})


# -- texts -------------------------------------------------------------------------------------------------------------

LONG = (
    "The treaty between the two republics, which was signed in the spring of that year, ended a war that nobody "
    "had wanted and that had lasted for eleven years."
)


@pytest.mark.parametrize(
    ("copy", "expected"),
    [
        (LONG, (1, 0)),
        (LONG.upper(), (1, 0)),
        (LONG.replace(" ", " \n\t ") + " ", (1, 0)),
        (LONG.replace("a", "\uff41"), (1, 0)),  # a full-width letter
        (LONG.replace(",", " --").rstrip("."), (0, 1)),
        (LONG.replace("eleven", "seven"), (0, 1)),
        (LONG.replace("in the spring of", "in"), (0, 1)),
        (LONG[len(LONG) // 2 :], (0, 0)),
        (" ".join(reversed(LONG.split())), (0, 0)),
        (text_of(1), (0, 0)),
    ],
)
def test_a_copy_of_a_text_is_found(copy: str, expected: tuple[int, int]) -> None:
    others = [text_of(seed) for seed in range(10, 30)]
    assert counts(texts([*others, copy], [text_of(2), LONG, text_of(3)])) == expected


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("unfair treatment", "fair treatment", False),
        ("a bill worth 20 dollars", "a bill worth 2 dollars", False),
        ("A bill, worth 20 dollars!", "a bill worth 20 dollars", True),
        ("what is 5-3", "what is 5+3", False),
        ("what is 5-3", "what is 5/3", False),
        ("what is 1.5", "what is 15", False),
        ("good :)", "good :(", True),
        (":)", ":(", False),
        ("\u0915\u093f", "\u0915\u0940", False),  # one letter of Devanagari with two vowel signs
        ("l'été", "l\u2019e\u0301te\u0301", True),
        ("no", "yes", False),
    ],
)
def test_a_short_text_is_near_if_it_differs_in_punctuation_alone(one: str, other: str, near: bool) -> None:
    assert counts(texts([one], [other])) == (0, int(near))


def test_all_columns_must_be_alike() -> None:
    page, question, other = text_of(1, 60), "What is it that he said to her?", "Where had she seen him before that?"
    rows = {"question": [question], "context": [page], "answers": [{"text": ["a"], "answer_start": [0]}]}
    for asked, context, expected in (
        (question, page.upper(), (1, 0)),
        (question, page + " and more", (0, 1)),
        (other, page, (0, 0)),
        (question, text_of(2, 60), (0, 0)),
    ):
        test = split("test", **rows | {"question": [asked], "context": [context]})
        assert counts(contamination.look({"t": (task_data(split("train", **rows), test),)})["t"]) == expected


def test_lists_are_read_as_texts_and_a_missing_second_text_as_none() -> None:
    words = LONG.split()
    assert counts(texts([words], [[*words[:-1], "months."]], "tokens")) == (0, 1)
    pair = {"text": ["a b", "c d"], "text_pair": [None, "e"], "label": ["x", "y"]}
    found = contamination.look(
        {"t": (task_data(split("train", **pair), split("test", **pair | {"text": ["A b", "c"]})),)}
    )
    assert counts(found["t"]) == (1, 0)


def brute_force(train: list[str], test: list[str]) -> set[tuple[int, int]]:
    """Return pairs that are near by the definition, from sets of strings."""
    bare = [[_texts.bare(_texts.normalised(text)) for text in side] for side in (test, train)]
    sets = [[{text[i : i + 5] for i in range(len(text) - 4)} for text in side] for side in bare]
    near = set()
    for i, one in enumerate(sets[0]):
        for j, two in enumerate(sets[1]):
            long = min(len(bare[0][i]), len(bare[1][j])) >= 50
            if bare[0][i] == bare[1][j] or (long and len(one & two) / len(one | two) >= 0.8):
                near.add((i, j))
    return near


def edited(text: str, edits: int, generator: random.Random) -> str:
    words = text.split()
    for _ in range(edits):
        words[generator.randrange(len(words))] = generator.choice(WORDS)
    return " ".join(words)


def test_near_copies_are_those_of_the_definition_all_of_them_and_no_others() -> None:
    generator = random.Random(0)
    train = [text_of(seed, 8 + seed % 30) for seed in range(400)]
    test = [edited(train[i], i % 5, generator) for i in range(200)] + [text_of(seed) for seed in range(1000, 1100)]
    found = texts(train, test)
    expected = {i for i, _ in brute_force(train, test)}
    assert 60 < len(expected) < 190
    assert set(np.flatnonzero(found.seen)) == expected
    wrong = [i for i in expected if found.match[i] != split("train", text=train, label=["x"] * 400).hashes[i]]
    assert wrong == []


def test_neither_the_order_of_rows_nor_which_side_is_asked_makes_a_difference() -> None:
    generator = random.Random(1)
    train = [text_of(seed, 20) for seed in range(80)]
    test = [edited(text, i % 3, generator) for i, text in enumerate(train[:40])] + ["", "!", "?"]
    train += ["", "?!", "."]
    found = texts(train, test)
    shuffled = generator.sample(range(len(test)), len(test))
    again = texts(generator.sample(train, len(train)), [test[i] for i in shuffled])
    assert again.exact.tolist() == found.exact[shuffled].tolist()
    assert again.near.tolist() == found.near[shuffled].tolist()
    assert again.similarity.tolist() == found.similarity[shuffled].tolist()
    back = texts(test, train)
    assert back.seen[:40].tolist() == found.seen[:40].tolist() and back.exact.sum() == found.exact.sum()


def test_hostile_texts_are_compared_like_others() -> None:
    huge = " ".join(text_of(seed, 1000) for seed in range(180))
    assert len(huge) > 1_000_000 // 2
    train = ["", " ", "\0", "\ud800", "\u200b", "a\0b", huge, "🙂" * 30]
    test = ["", "\u200b\u200b", "\ud800", "A\0B", huge.replace(text_of(7, 1000), ""), "🙂" * 30, "🙃" * 30]
    started = time.perf_counter()
    found = texts(train, test)
    assert time.perf_counter() - started < 20
    assert found.exact.tolist() == [True, False, True, True, False, True, False]
    assert found.near.tolist() == [False, False, False, False, True, False, False]


def test_a_template_that_all_rows_share_takes_no_more_than_seconds() -> None:
    frame = text_of(5, 30)
    train, test = ([f"{frame} {name} {i} {frame}" for i in range(300)] for name in ("a", "b"))
    started = time.perf_counter()
    assert counts(texts(train, test)) == (0, 300)
    assert time.perf_counter() - started < 20


def test_rows_with_another_answer_are_told_apart() -> None:
    train = split("train", text=[LONG, LONG.lower(), "two", "three"], label=["x", "y", "x", "x"])
    test = split("test", text=[LONG.upper(), LONG + " Yes", "TWO", "three"], label=["y", "z", "y", "x"])
    found = contamination.look({"t": (task_data(train, test),)})["t"]
    assert counts(found) == (3, 1)
    assert found.other_answer.tolist() == [False, True, True, False]
    assert found.report()["other_label"] == 2


def test_the_validation_rows_count_as_trained_on() -> None:
    train, held, test = (split(part, text=[text], label=["x"]) for part, text in (("a", "1"), ("b", "2"), ("c", "2")))
    found = contamination.look({"t": (TaskData(train, held, test, None),)})["t"]
    assert counts(found) == (1, 0) and found.report()["train_rows"] == 2


def test_nobody_elses_random_numbers_are_used() -> None:
    np.random.seed(0)  # the very state that must not move
    random.seed(0)
    before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
    texts([LONG], [LONG + "!"])
    images([png(texture(1))], [png(shifted(texture(1), 1, 0))])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # type: ignore[index]


# -- images ------------------------------------------------------------------------------------------------------------


def texture(seed: int, size: int = 28, channels: int = 3) -> Image.Image:
    """Return a picture of a few things with edges, on a ground that is lighter on one side, a little noisy."""
    generator = np.random.default_rng(seed)
    ground = np.linspace(*generator.uniform(40, 160, 2), size)[:, None, None] + generator.normal(0, 2, (size, size, 3))
    for _ in range(14):
        left, top = generator.uniform(-0.1, 0.8, 2)
        right, bottom = left + generator.uniform(0.1, 0.5), top + generator.uniform(0.1, 0.5)
        edges = [max(0, round(edge * size)) for edge in (top, bottom, left, right)]
        ground[edges[0] : edges[1], edges[2] : edges[3]] += generator.uniform(-50, 50) + generator.uniform(-15, 15, 3)
    pixels = ground.clip(0, 255).astype(np.uint8)
    return Image.fromarray(pixels if channels == 3 else pixels[..., 0])


def stored(image: Image.Image, how: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, how, **options)
    return file.getvalue()


def png(image: Image.Image) -> bytes:
    return stored(image, "PNG")


def shifted(image: Image.Image, x: int, y: int) -> Image.Image:
    """Return the picture moved, black where nothing is known of it."""
    moved = Image.new(image.mode, image.size)
    moved.paste(image, (x, y))
    return moved


COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg": lambda image: stored(image, "JPEG", quality=95, subsampling=0),
    "webp": lambda image: stored(image, "WEBP", quality=90),
    "right": lambda image: png(shifted(image, 1, 0)),
    "up and left": lambda image: png(shifted(image, -1, -1)),
    "right, jpeg": lambda image: stored(shifted(image, 1, 0), "JPEG", quality=95, subsampling=0),
    "brighter": lambda image: png(ImageEnhance.Brightness(image).enhance(1.15)),
    "darker": lambda image: png(ImageEnhance.Brightness(image).enhance(0.7)),
    "less contrast": lambda image: png(ImageEnhance.Contrast(image).enhance(0.7)),
    "larger": lambda image: png(image.resize((image.width * 2, image.height * 2), 3)),
    "smaller": lambda image: png(image.resize((image.width * 3 // 4, image.height * 3 // 4), 1)),
}


@pytest.mark.parametrize("size", [28, 96])
@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_a_picture_is_found(how: str, size: int) -> None:
    train = [texture(seed, size) for seed in range(20)]
    test = [COPIES[how](image) for image in train[:12]] + [png(texture(seed, size)) for seed in range(100, 112)]
    found = images([png(image) for image in train], test)
    assert found.exact.sum() == 0
    assert found.near[:12].sum() >= 11 and found.near[12:].sum() == 0


def test_what_is_no_copy_is_not_found() -> None:
    image = texture(1, 64)
    red, green = (np.asarray(image).copy() for _ in range(2))
    red[..., 1:] //= 4
    green[..., ::2] //= 4
    for one, two in (
        (Image.fromarray(red), Image.fromarray(green)),
        (image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        (image, image.rotate(90)),
        (image, texture(2, 64)),
        (Image.new("RGB", (28, 28), (9, 9, 9)), Image.new("RGB", (28, 28), (200, 9, 9))),
    ):
        assert counts(images([png(one)], [png(two)])) == (0, 0)


def test_equal_pixels_are_equal_whatever_file_and_mode_holds_them() -> None:
    grey = texture(3, 40, channels=1)
    colour = texture(4, 40)
    alpha = colour.copy()
    alpha.putalpha(200)
    frames = [colour.quantize(), texture(5, 40).quantize()]
    moving = stored(frames[0], "GIF", save_all=True, append_images=frames[1:])
    still = png(Image.open(io.BytesIO(moving)).convert("RGB"))
    train = [png(grey), png(colour), still]
    test = [png(grey.convert("RGB")), stored(colour, "BMP"), stored(alpha, "TIFF"), moving]
    assert images(train, test).exact.tolist() == [True] * 4
    assert images(test, train).exact.tolist() == [True] * 3


def test_pictures_of_one_pixel_and_of_one_colour_are_compared_like_others() -> None:
    train = [png(Image.new("RGB", size, "black")) for size in ((1, 1), (1, 9), (28, 28), (100, 3))]
    test = [png(Image.new("L", (28, 28), 0)), png(Image.new("RGB", (28, 28), "white")), png(Image.new("RGB", (2, 2)))]
    assert images(train, test).exact.tolist() == [True, False, False]
    assert counts(images(train, test)) == (1, 0)


def test_threads_make_no_difference(own_cache: Path) -> None:
    rows = [[png(texture(seed)) for seed in seeds] for seeds in (range(30), range(20, 50))]
    parts = [split(name, image=of, label=[1] * 30) for name, of in zip(("train", "test"), rows, strict=True)]
    found = []
    for threads in (1, 3):
        _kept._MEMORY.clear()
        for file in own_cache.rglob("*.npz"):
            file.unlink()
        found.append(contamination.look({"t": (task_data(*parts),)}, threads)["t"].report())
    assert found[0] == found[1] and found[0]["exact"] == 10


def test_a_picture_that_cannot_be_opened_is_a_mistake_of_the_data() -> None:
    with pytest.raises(SuiteError, match="An image cannot be opened: cannot identify"):
        images([b"no picture"], [png(texture(1))])


def test_a_row_with_a_picture_and_a_text_is_found_if_it_is_equal() -> None:
    rows = {"image": [png(texture(1)), png(texture(2))], "text": ["What is it?", "Which?"], "label": ["a", "b"]}
    test = {
        "image": [stored(texture(1), "BMP"), png(texture(2))],
        "text": ["what  is it?", "Who?"],
        "label": ["a", "b"],
    }
    found = contamination.look({"t": (task_data(split("train", **rows), split("test", **test)),)})["t"]
    assert found.exact.tolist() == [True, False] and counts(found) == (1, 0)
    assert found.report()["method"] == "exact" and found.report()["columns"] == ["text", "image"]


def bundled(name: str) -> TaskData:
    (task,) = tasks.load(name)
    return data.load(task, tasks.local_files(task), {})


def test_garments_that_are_merely_alike_are_no_copies_and_copies_are_found() -> None:
    rows = bundled("fashion-mnist-small")
    opened = [Image.open(io.BytesIO(content)).convert("RGB") for content in rows.test.columns["image"][:90]]
    copies = [stored(image, "JPEG", quality=80) for image in opened[:30]]
    copies += [png(shifted(image, 1, -1)) for image in opened[30:60]]
    copies += [png(ImageEnhance.Brightness(image).enhance(1.2)) for image in opened[60:]]
    train = split("train", image=rows.train.columns["image"][:500] + copies, label=["x"] * 590)
    found = contamination.look({"t": (task_data(train, rows.test.take(range(250))),)})["t"]
    assert [found.near[first : first + 30].sum() >= least for first, least in ((0, 27), (30, 30), (60, 29))] == [
        True
    ] * 3
    assert found.seen[90:].sum() == 0


def test_digits_that_are_merely_alike_are_no_copies_and_copies_are_found() -> None:
    rows = bundled("digits")
    opened = [Image.open(io.BytesIO(content)).convert("RGB") for content in rows.test.columns["image"][:60]]
    copies = [png(shifted(image, -1, 0)) for image in opened[:30]]
    copies += [png(ImageEnhance.Brightness(image).enhance(0.8)) for image in opened[30:]]
    train = split("train", image=rows.train.columns["image"] + copies, label=["x"] * (len(rows.train) + 60))
    found = contamination.look({"t": (task_data(train, rows.test),)})["t"]
    assert found.near[:60].sum() >= 59 and found.seen[60:].sum() == 0


@pytest.mark.parametrize(("name", "near"), [("wordnet-pos", 0), ("wordnet-hypernyms", 2), ("wordnet-entities", 2)])
def test_what_the_bundled_texts_hold_twice(name: str, near: int) -> None:
    assert counts(contamination.look({name: (bundled(name),)})[name]) == (0, near)


# -- the score on the rest ---------------------------------------------------------------------------------------------


def test_the_clean_score_is_that_of_the_clean_rows() -> None:
    generator = np.random.default_rng(0)
    labels, predictions = generator.integers(0, 3, (2, 50))
    scores = generator.dirichlet([1, 1, 1], 50).astype(np.float32)
    seen = generator.random(50) < 0.3
    names = ["accuracy", "f1_macro", "log_loss", "matthews_correlation"]
    clean: Any = contamination.clean_scores(names, labels, predictions, scores.tolist(), seen.tolist())
    kept = ~seen
    assert clean["n"] == kept.sum() and "reason" not in clean
    assert clean["metrics"]["accuracy"] == np.mean(labels[kept] == predictions[kept])
    assert clean["metrics"]["f1_macro"] == pytest.approx(f1_score(labels[kept], predictions[kept], average="macro"))
    logs = np.log(scores[np.flatnonzero(kept), labels[kept]].astype(np.float64))
    assert clean["metrics"]["log_loss"] == pytest.approx(-logs.mean(), abs=1e-5)
    assert clean["metrics"].keys() == set(names)


def test_the_clean_score_of_tags_and_texts_takes_lists() -> None:
    tags = [["B-A", "O"], ["O", "O"], ["B-A", "I-A"]]
    clean: Any = contamination.clean_scores(["entity_f1"], tags, [tags[0], ["B-A", "O"], tags[2]], None, [0, 1, 0])
    assert clean == {"n": 2, "metrics": {"entity_f1": 1.0}}
    clean = contamination.clean_scores(["squad_f1"], [["a"], ["b"], []], ["a", "c", ""], None, [False, True, False])
    assert clean == {"n": 2, "metrics": {"squad_f1": 1.0}}


@pytest.mark.parametrize(("seen", "n"), [([True] * 3, 0), ([True, False, True], 1)])
def test_fewer_than_two_clean_rows_have_no_score_and_say_so(seen: list[bool], n: int) -> None:
    ones = np.ones(3, dtype=np.int64)
    clean = contamination.clean_scores(["accuracy"], ones, ones, None, seen)
    assert clean == {"n": n, "metrics": {}, "reason": f"{n} test rows are not seen; a score needs 2."}


def test_a_metric_that_the_clean_rows_do_not_have_is_none_with_its_reason() -> None:
    labels = np.array([0, 1, 2, 1])
    clean: Any = contamination.clean_scores(["accuracy", "f1"], labels, labels, None, [False, True, False, False])
    assert clean["metrics"] == {"accuracy": 1.0, "f1": None}
    assert clean["reason"] == "f1: f1 is for two classes, and there is a class 2. Use f1_macro."


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_the_second_look_computes_nothing(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = texts([LONG, "a"], [LONG + "!", "b"])

    def never(*words: Any) -> Any:
        raise AssertionError("computed again")

    for room, name in ((_texts, "marks"), (_texts, "near"), (_images, "marks")):
        monkeypatch.setattr(room, name, never)
    monkeypatch.setattr(_kept, "_MEMORY", {})  # as another process would find it
    assert texts([LONG, "a"], [LONG + "!", "b"]).report() == first.report()
    with pytest.raises(AssertionError, match="computed again"):
        texts([LONG, "c"], [LONG + "!", "b"])


@pytest.mark.parametrize("damage", [b"", b"no zip", None])
def test_a_damaged_file_is_computed_again(own_cache: Path, damage: bytes | None) -> None:
    first = texts([LONG], [LONG + "!"])
    for file in own_cache.rglob("*.npz"):
        content = file.read_bytes()
        middle = len(content) // 3
        file.write_bytes(content[:middle] + b"\xff\xff" + content[middle + 2 :] if damage is None else damage)
    _kept._MEMORY.clear()
    assert texts([LONG], [LONG + "!"]).report() == first.report()


def test_a_cache_that_cannot_be_written_costs_time_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRANSFER_SUITE_CACHE", str(tmp_path / "file"))
    assert counts(texts([LONG], [LONG + "!"])) == (0, 1)


# -- runs --------------------------------------------------------------------------------------------------------------


def write_rows(
    folder: Path, name: str, train: list[dict[str, str]], test: list[dict[str, str]], more: str = ""
) -> Path:
    """Write a task of sentences with a label."""
    folder = folder / name
    folder.mkdir()
    for part, rows in (("train", train), ("test", test)):
        pd.DataFrame(rows).to_csv(folder / f"{part}.csv", index=False)
    columns = ", ".join(f"{ours}: {column}" for ours, column in zip(("text", "label", "group"), rows[0], strict=False))
    return write_task(folder, name, "text_classification", f"{{{columns}}}", more=more)


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task of 64 training rows whose 30 test rows begin with 5 of them: two look different, one is mislabelled."""
    train, test = sentences(64, 1), sentences(25, 2)
    copies = [dict(row) for row in train[:5]]
    copies[0]["sentence"] = copies[0]["sentence"].upper()
    copies[1]["sentence"] = copies[1]["sentence"].replace(" ", "  ") + " !"
    copies[2]["label"] = "good" if copies[2]["label"] == "bad" else "bad"
    return write_rows(tmp_path_factory.mktemp("leaky"), "leaky", train, copies + test)


def run(specs: Any, machine: Any) -> list[Any]:
    return [result for spec in specs for result in evaluation.evaluate(spec, machine, lambda event: None)]


def test_a_run_marks_the_rows_that_were_trained_on_and_tells_the_score_on_the_rest(
    leaky: Path, tiny_bert: Path, tiny_protocol: Path, tmp_path: Path
) -> None:
    words = ("-m", tiny_bert, "-t", leaky, "-s", "linear_probe", "--protocol", tiny_protocol, "--seeds", "1")
    told = call("run", *words, "--store", tmp_path / "results", "--threads", "1")
    assert told.code == 0, told.err
    store = Store(str(tmp_path / "results"))
    (name,) = store.names()
    result = store.result(name.rpartition("-")[0])
    record, columns = result.record, result.columns
    known: Any = record.contamination
    in_test = {text.casefold() for text in pd.read_csv(leaky.parent / "test.csv").sentence}
    in_train = {text.casefold() for text in pd.read_csv(leaky.parent / "train.csv").sentence}
    assert known["exact"] == len(in_test & in_train) >= 4 and known["near"] == 1
    assert known["other_label"] == 1
    assert (known["method"], known["version"], known["columns"]) == ("minhash", 1, ["text"])
    assert known["thresholds"]["jaccard"] == 0.8
    assert (known["train_rows"], known["test_rows"]) == (64, 30)
    seen = np.array(columns["seen"])
    assert seen.sum() == known["exact"] + known["near"] and seen[:5].all()
    right = np.array(columns["label"]) == np.array(columns["prediction"])
    assert known["clean"]["n"] == (~seen).sum()
    assert known["clean"]["metrics"]["accuracy"] == pytest.approx(right[~seen].mean(), abs=1e-12)
    assert known["clean"]["metrics"].keys() == record.metrics.keys()
    assert call("verify", "--all", "--store", tmp_path / "results").code == 0


def test_a_run_without_such_rows_has_no_mark_and_a_clean_score_that_is_the_score(
    planned: Any, tiny_bert: Path, text_task: Path, machine: Any
) -> None:
    (result,) = run(planned(tiny_bert, text_task, "linear_probe"), machine)
    known = result.record.contamination
    texts_of = [set(pd.read_csv(text_task.parent / f"{part}.csv").sentence) for part in ("train", "test")]
    assert known["exact"] == len(texts_of[0] & texts_of[1])
    if not known["exact"] + known["near"]:
        assert "seen" not in result.columns
        assert known["clean"] == {"n": 40, "metrics": result.record.metrics}


def test_the_cost_does_not_count_it(
    planned: Any, tiny_bert: Path, text_task: Path, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = contamination.look

    def slow(*words: Any) -> Any:
        time.sleep(2)
        return look(*words)

    monkeypatch.setattr(contamination, "look", slow)
    started = time.perf_counter()
    (result,) = run(planned(tiny_bert, text_task, "linear_probe"), machine)
    assert result.record.cost["seconds"] < time.perf_counter() - started - 1.9


def test_every_fold_is_held_against_its_own_training_rows(
    tmp_path: Path, tiny_bert: Path, tiny_protocol: Path, machine: Any
) -> None:
    rows = sentences(40, 3)
    twins = [{"sentence": row["sentence"].upper(), "label": row["label"]} for row in rows[:12]]
    path = write_rows(tmp_path, "twins", rows[:20] + twins, rows[20:])
    specs = plan(Request((str(tiny_bert),), (str(path),), ("linear_probe",), 1, str(tiny_protocol), resample="kfold:2"))
    results = run(specs, machine)
    (task,) = tasks.load(str(path))
    for spec, result in zip(specs, results, strict=True):
        (cut,) = evaluation.load_rows(task, spec)
        learned = {text.casefold() for part in (cut.train, cut.validation) for text in part.columns["text"]}
        expected = [text.casefold() in learned for text in cut.test.columns["text"]]
        assert result.columns.get("seen", [False] * len(expected)) == expected
        assert result.record.contamination["exact"] == sum(expected)
    assert sum(result.record.contamination["exact"] for result in results) in range(2, 24, 2)  # both of a pair or none


def test_leaving_one_out_takes_equal_rows_along_and_sees_the_others(
    tmp_path: Path, tiny_bert: Path, tiny_protocol: Path, machine: Any
) -> None:
    rows = sentences(20, 4)
    twins = [{"sentence": row["sentence"].upper(), "label": row["label"]} for row in rows[:3]]
    path = write_rows(tmp_path, "loo-twins", rows[:10] + twins, [*rows[10:], rows[9]])
    (result,) = run(
        plan(Request((str(tiny_bert),), (str(path),), ("linear_probe",), 1, str(tiny_protocol), resample="loo")),
        machine,
    )
    known = result.record.contamination
    assert (known["exact"], known["train_rows"], known["test_rows"]) == (6, 24, 24)
    assert sum(result.columns["seen"]) == 6


def test_rows_of_one_group_are_left_out_together(tmp_path: Path, tiny_bert: Path, tiny_protocol: Path) -> None:
    rows = [{**row, "source": f"s{i // 2}"} for i, row in enumerate(sentences(16, 5))]
    rows[1]["sentence"] = rows[0]["sentence"].upper()
    rows[4]["sentence"] = rows[0]["sentence"].title()
    path = write_rows(tmp_path, "grouped", rows[:12], rows[12:])
    (spec,) = plan(Request((str(tiny_bert),), (str(path),), ("linear_probe",), 1, str(tiny_protocol), resample="loo"))
    cut = evaluation.load_rows(tasks.load(str(path))[0], spec)
    found = contamination.look({"grouped": cut})["grouped"]
    seen = {cut[0].test.columns["text"][i] for i in np.flatnonzero(found.seen)}
    assert seen == {rows[0]["sentence"], rows[1]["sentence"], rows[4]["sentence"]}  # 0 and 1 are in 4's group's way
    alone = contamination.look(
        {
            "grouped": [
                TaskData(
                    *[
                        part.take(
                            [
                                i
                                for i, t in enumerate(part.columns["text"])
                                if t in (rows[0]["sentence"], rows[1]["sentence"])
                            ]
                        )
                        for part in cut[0].splits
                    ],
                    None,
                    cut[0].pins,
                )
            ]
        }
    )["grouped"]
    assert alone.seen.sum() == 0


def test_a_part_learned_earlier_counts_as_trained_on(leaky: Path, tiny_bert: Path, tiny_protocol: Path) -> None:
    words = ((str(tiny_bert),), (str(leaky),), ("full",), 1, str(tiny_protocol))
    (spec,) = plan(Request(*words, resample="partition:2:sequential"))
    stages = evaluation.load_rows(tasks.load(str(leaky))[0], spec)
    whole = contamination.look({"leaky": stages})["leaky"]
    last = contamination.look({"leaky": stages[-1:]})["leaky"]
    assert whole.seen[:5].all() and whole.report()["train_rows"] == 64
    assert 0 < last.seen.sum() < whole.seen.sum() and last.report()["train_rows"] < 64


def test_in_joint_training_the_other_tasks_rows_count(
    leaky: Path, tmp_path: Path, pair_task: Path, tiny_bert: Path, tiny_protocol: Path, machine: Any
) -> None:
    of_other = pd.read_csv(leaky.parent / "test.csv").to_dict("records")[10:20]
    other = write_rows(tmp_path, "other", sentences(30, 8) + of_other, sentences(20, 9))
    words = (str(leaky), str(other), str(pair_task))
    (spec,) = plan(Request((str(tiny_bert),), words, ("full",), 1, str(tiny_protocol), joint=True))
    found = {result.record.task: result for result in run([spec], machine)}
    known = found["leaky"].record.contamination
    assert (known["tasks"], known["not_compared"]) == (["other"], ["same-mood"])
    assert known["train_rows"] == 64 + 40
    assert all(found["leaky"].columns["seen"][10:20]) and known["other_task"] >= 9
    assert known["other_label"] == 1
    pair = found["same-mood"].record.contamination
    assert (pair["tasks"], sorted(pair["not_compared"]), pair["train_rows"]) == ([], ["leaky", "other"], 64)


def test_an_episodes_examples_are_marked_as_their_rows_are(
    leaky: Path, tiny_bert: Path, planned: Any, machine: Any
) -> None:
    settings = {"ways": 2, "shots": 2, "queries": 4, "episodes": 6}
    (result,) = run(planned(tiny_bert, leaky, "few_shot", settings=settings), machine)
    rows = data.load(*(lambda task: (task, tasks.local_files(task)))(tasks.load(str(leaky))[0]), {})
    marks = dict(zip(rows.test.ids, contamination.look({"t": (rows,)})["t"].seen.tolist(), strict=True))
    expected = [marks[name.partition("-")[2]] for name in result.columns["id"]]
    assert result.columns["seen"] == expected and 0 < sum(expected) < len(expected)
    known = result.record.contamination
    assert known["test_rows"] == len(expected) == 48
    assert known["clean"]["n"] == expected.count(False)


def test_examples_that_are_no_test_rows_have_a_reason_and_no_marks() -> None:
    found = texts([LONG], [LONG]).at(["elsewhere"])
    assert found.record({"accuracy": 1.0}, None, None, None) == {
        "reason": "What was tested are no rows of the test split."
    }
    assert found.columns() == {}


def test_records_of_before_have_none_and_load() -> None:
    store = Store(str(GOLDEN / "store"))
    assert [store.get(key).contamination for key in store.find("")] == [{}, {}]


# -- suite tasks -------------------------------------------------------------------------------------------------------


def test_a_task_is_shown_with_what_it_holds_twice(leaky: Path) -> None:
    told = call("tasks", leaky)
    shown = json.loads(told.out)
    assert (told.code, told.err, shown["name"]) == (0, "", "leaky")
    known = shown["contamination"]
    assert known["near"] == 1 and known["exact"] >= 4 and len(known["examples"]) == 5
    first = known["examples"][0]
    assert first["how"] == "exact" and first["similarity"] == 1.0
    assert first["test_text"].casefold().split() == first["train_text"].casefold().split()
    assert "contamination" not in json.loads(call("tasks", leaky, "--no-look").out)


def test_a_task_of_the_hub_is_shown_without_its_data() -> None:
    for words in ((), ("--look", "--offline")):
        told = call("tasks", "sst2", *words)
        assert told.code == 0 and json.loads(told.out)["name"] == "sst2"
    reason = json.loads(call("tasks", "sst2").out)["contamination"]["reason"]
    assert reason == "sst2 is on the Hub and not in the cache of this machine; --look fetches it."


def test_a_task_whose_data_are_broken_is_shown_with_the_reason(tmp_path: Path) -> None:
    path = write_rows(tmp_path, "broken", sentences(8, 1), sentences(8, 2))
    path.write_text(path.read_text().replace("text: sentence", "text: sentance"))
    told = call("tasks", path)
    assert told.code == 0 and "column 'sentance' is not in csv" in json.loads(told.out)["contamination"]["reason"]


def test_a_collection_is_shown_with_what_its_tasks_share(
    leaky: Path, tmp_path: Path, image_task: Path, pair_task: Path
) -> None:
    of_other = pd.read_csv(leaky.parent / "test.csv").to_dict("records")[5:]
    other = write_rows(tmp_path, "other", of_other, sentences(20, 90))
    chosen = [tasks.load(str(path))[0] for path in (leaky, other, image_task, pair_task)] + tasks.load("sst2")
    told: Any = contamination.of_collection(chosen)
    assert told["compared"] == 4 + 1 + 1
    shared = {(pair["test"], pair["train"]): pair for pair in told["pairs"]}
    assert shared["leaky", "other"]["exact"] >= 25 and shared["leaky", "other"]["test_rows"] == 30
    assert shared["leaky", "leaky"]["near"] == 1
    assert list(told["not_read"]) == ["sst2"]


def test_the_list_of_tasks_looks_at_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contamination, "of_task", None)
    monkeypatch.setattr(data, "load", None)
    assert call("tasks").code == call("tasks", "--json").code == 0

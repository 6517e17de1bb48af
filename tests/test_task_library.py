"""Every task file in tasks/ keeps the contract, and each Hub task is carried out on made rows of its own columns."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_data import DATA, EMOTIONS, ENTITIES, HELD_ROWS, KINDS_OF_THINGS, ROWS, SEEN_CLASSES, THINGS, VOC, repository
from loopback_hub import LoopbackHub

from suite import kinds, metrics, resources, tasks
from suite.data import _row_hashes, fraction
from suite.spec import Carve

FILES = sorted(
    p for p in resources.folder("tasks").glob("*/*.yaml") if p.parent.name not in ("collections", "protocols")
)
SPECS = {path.stem: tasks.load_file(path) for path in FILES}
HUB = sorted(name for name, spec in SPECS.items() if spec.dataset.path not in tasks.LOCAL_BUILDERS)

# -- every file --------------------------------------------------------------------------------------------------------


def test_no_two_files_share_a_name() -> None:
    assert [name for name, n in Counter(path.stem for path in FILES).items() if n > 1] == []
    assert SPECS.keys() == tasks.task_files().keys()


@pytest.mark.parametrize("name", sorted(SPECS))
def test_a_task_is_whole(name: str) -> None:
    spec = SPECS[name]
    assert spec.name == name
    kind = kinds.get(spec.kind)
    whole = kind.complete(spec)
    metrics.check(whole, kind.target)
    assert whole.main in whole.metrics
    assert whole.delta == 0.01
    assert spec.dataset.license
    assert (spec.dataset.source or "").startswith("https://")
    assert kind.modality in ("text", "image")
    assert ("image" in spec.tags) == (kind.modality == "image")


@pytest.mark.parametrize("name", sorted(SPECS))
def test_a_description_is_a_sentence(name: str) -> None:
    text = SPECS[name].description
    assert text[0].isupper()
    assert text[-1] in ".?"
    assert 20 <= len(text) <= 320
    assert "  " not in text
    assert "\n" not in text


@pytest.mark.parametrize("name", HUB)
def test_a_hub_task_is_pinned_and_says_where_it_was_confirmed(name: str) -> None:
    spec = SPECS[name]
    assert re.fullmatch(r"[0-9a-f]{40}", spec.dataset.revision or "")
    assert spec.dataset.source == f"https://huggingface.co/datasets/{spec.dataset.path}"
    assert spec.dataset.data_files is None
    assert Path(spec.file).read_text().startswith("# Columns and splits as in ")


@pytest.mark.parametrize("name", HUB)
def test_what_a_file_does_not_say_its_description_does(name: str) -> None:
    """A test split that is none, and rows that are left out, are told to whoever reads the task."""
    spec = SPECS[name]
    if isinstance(spec.splits.test, Carve):
        assert "taken out by row hash, is the test" in spec.description
        assert spec.splits.test.origin == spec.splits.train
    elif spec.splits.test.startswith("validation"):
        assert "validation split is the test" in spec.description
    for rows in spec.limits.values():
        assert f"{rows:,}" in spec.description
    validation = spec.splits.validation
    assert validation == "validation" or isinstance(validation, Carve)
    assert "test" not in str(validation) or isinstance(spec.splits.test, Carve)  # no selection on test rows


def test_one_data_set_has_one_pin_and_one_cluster() -> None:
    pins: dict[str, set[str | None]] = {}
    clusters: dict[str, set[str | None]] = {}
    for name in HUB:
        pins.setdefault(SPECS[name].dataset.path, set()).add(SPECS[name].dataset.revision)
        clusters.setdefault(f"{SPECS[name].dataset.path} {SPECS[name].dataset.config}", set()).add(SPECS[name].cluster)
    assert all(len(found) == 1 for found in [*pins.values(), *clusters.values()])


@pytest.mark.parametrize("question", ["How can I create an Android app?", "How can I develop android app?"])
def test_the_limits_of_qqp_leave_out_its_two_rows_without_a_second_question(question: str) -> None:
    (row,) = _row_hashes({"text": [question], "text_pair": [""], "label": ["not_duplicate"]})
    limits = SPECS["qqp"].limits
    held = fraction("carve:0", row) < 0.1
    kept = limits["validation"] / (363_846 * 0.1) if held else limits["train"] / (363_846 * 0.9)
    assert kept < 0.5 < fraction("limit", row)  # rows are taken from the lowest on, alike in each class


@pytest.mark.parametrize("name", sorted(tasks.collection_files()))
def test_a_collection_is_of_tasks_that_exist(name: str) -> None:
    collection = tasks.load_collection(name)
    assert collection.name == name
    assert collection.description.endswith(".")
    assert set(collection.tasks) <= SPECS.keys()
    assert collection.protocol in tasks.protocol_files()


@pytest.mark.parametrize(
    ("name", "path", "without"), [("glue", "nyu-mll/glue", {"wnli"}), ("superglue", "aps/super_glue", set())]
)
def test_a_benchmark_is_whole_but_for_what_its_description_says(name: str, path: str, without: set[str]) -> None:
    of_it = {task for task in HUB if SPECS[task].dataset.path == path}
    assert set(tasks.load_collection(name).tasks) == of_it - without


def test_vtab_trains_and_chooses_on_a_thousand_rows() -> None:
    protocol = tasks.load_protocol("vtab-1k")
    assert protocol.limits == {"train": 800, "validation": 200}
    for group in ("vtab-natural", "vtab-specialized"):
        assert tasks.load_collection(group).protocol == "vtab-1k"
        assert all(SPECS[task].limits.get("train", 800) >= 800 for task in tasks.load_collection(group).tasks)


# -- through the real client, to a score -------------------------------------------------------------------------------

RUN = """
import json, sys
from suite import evaluation, grid, kinds, resources, tasks
store, protocol, text, image, *names = sys.argv[1:]
for name in names:
    (task,) = tasks.load(name)
    kind = kinds.get(task.kind)
    model = image if kind.modality == "image" else text
    report = grid.run(model, name, "full", seeds=1, protocol=protocol, store=store, device="cpu", threads=1)
    assert not report.failures, report.failures
    (record,) = report.records
    rows = evaluation.load_data(record.task_spec, record.spec.protocol)
    cells = {column: values[0] for column, values in rows.test.columns.items() if column != "image"}
    classes = record.data["classes"]
    found = {"metrics": record.metrics, "counts": record.counts, "classes": classes, "cells": cells}
    if kind.target == "class":
        found["targets"] = kind.targets(rows.test, classes).tolist()
    print(json.dumps(found | {"columns": sorted(rows.test.columns)}))
"""


TWO_STEPS = """
name: two-steps
version: 1
seeds: 1
batch: 8
budget: {epochs: 1, min_steps: 2, max_steps: 2}
selection: {looks: 1}
max_length: 32
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path, tiny_resnet: Path) -> Iterator[dict[str, Any]]:
    """Carry out every Hub task at the very commit that its file names, and return what was read and scored."""
    home = tmp_path_factory.mktemp("home")
    (home / "two-steps.yaml").write_text(TWO_STEPS)
    with LoopbackHub() as hub:
        for ref in {SPECS[name].dataset.path: SPECS[name].dataset for name in HUB}.values():
            assert ref.revision
            at_hub = hub.repository(ref.path, "datasets")
            at_hub.commits[ref.revision] = repository(ref.path)
            at_hub.commit({"train.csv": b"text,label\nanother,1\n"})  # main has moved on
        words = [home / "store", home / "two-steps.yaml", tiny_bert, tiny_resnet]
        done = subprocess.run(
            [sys.executable, "-c", RUN, *map(str, words), *HUB],
            env=hub.environment(home),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        yield dict(zip(HUB, map(json.loads, done.stdout.splitlines()), strict=True))


def test_every_data_set_that_is_made_up_has_a_task() -> None:
    assert {(SPECS[name].dataset.path, SPECS[name].dataset.config) for name in HUB} == DATA.keys()


def sentence(column: str, split: str = "test") -> str:
    return f"{column} {split} 0"


def of(split: str, **columns: str) -> dict[str, str]:
    """Return each of our columns with the text that the first row of a split has in one of the data set's."""
    return {ours: sentence(theirs, split) for ours, theirs in columns.items()}


def held(**columns: str) -> dict[str, str]:
    """Return the same where the test split is the data set's validation split."""
    return of("validation", **columns)


YES = ["False", "True"]
ENTAILMENT = ["entailment", "not_entailment"]
MNLI = ["entailment", "neutral", "contradiction"]
NUMBERS = [str(i) for i in range(SEEN_CLASSES)]
CLIP = {"context": "the river in validation 0 was calm", "group": "title 0"}
ANSWERED = held(question="question") | CLIP | {"answers": {"text": ["the river"], "answer_start": [0]}}
FOUR = [f"answer test 0 {i}" for i in range(4)]
FIVE = [f"answer validation 0 {i}" for i in range(5)]
ENDINGS = [f"ending{i} validation 0" for i in range(4)]
WORDS = [f"tokens test 0 {i}" for i in range(4)]

READ: dict[str, tuple[Any, dict[str, Any]]] = {
    "cola": (["unacceptable", "acceptable"], held(text="sentence") | {"label": "unacceptable"}),
    "sst2": (["negative", "positive"], held(text="sentence") | {"label": "negative"}),
    "mrpc": (["not_equivalent", "equivalent"], held(text="sentence1", text_pair="sentence2")),
    "stsb": ([], held(text="sentence1", text_pair="sentence2") | {"score": 0.0}),
    "qqp": (["not_duplicate", "duplicate"], held(text="question1", text_pair="question2")),
    "mnli": (MNLI, of("validation_matched", text="premise", text_pair="hypothesis")),
    "mnli-mismatched": (MNLI, of("validation_mismatched", text="premise", text_pair="hypothesis")),
    "qnli": (ENTAILMENT, held(text="question", text_pair="sentence")),
    "rte": (ENTAILMENT, held(text="sentence1", text_pair="sentence2")),
    "wnli": (ENTAILMENT[::-1], held(text="sentence1", text_pair="sentence2")),
    "boolq": (YES, held(text="question", text_pair="passage")),
    "cb": (["entailment", "contradiction", "neutral"], held(text="premise", text_pair="hypothesis")),
    "copa": (
        ["choice1", "choice2"],
        held(text="premise", prefix="question")
        | {"choices": ["choice1 validation 0", "choice2 validation 0"], "label": "choice1"},
    ),
    "multirc": (
        YES,
        held(text="paragraph") | {"text_pair": ["question validation 0", "answer validation 0"], "group": 0},
    ),
    "superglue-rte": (ENTAILMENT, held(text="premise", text_pair="hypothesis")),
    "wic": (YES, held(text_pair="sentence2") | {"text": ["word validation 0", "sentence1 validation 0"]}),
    "wsc": (YES, held(text="text") | {"text_pair": ["span1_text validation 0", "span2_text validation 0"]}),
    "squad": (["answerable"], ANSWERED),
    "squad-v2": (["answerable", "unanswerable"], ANSWERED),
    "swag": (list("0123"), held(text="sent1", prefix="sent2", group="video-id") | {"choices": ENDINGS, "label": "0"}),
    "hellaswag": (
        list("0123"),
        held(text="ctx", group="source_id") | {"choices": [f"endings validation 0 {i}" for i in range(4)]},
    ),
    "commonsense-qa": (list("ABCDE"), held(text="question") | {"choices": FIVE, "label": "A"}),
    "openbookqa": (list("ABCD"), of("test", text="question_stem") | {"choices": FOUR, "label": "A"}),
    "winogrande": (
        ["1", "2"],
        held(text="sentence") | {"choices": ["option1 validation 0", "option2 validation 0"], "label": "1"},
    ),
    "conll2003-ner": (sorted(ENTITIES, key=lambda tag: (tag != "O", tag)), {"tokens": WORDS, "tags": [*ENTITIES[:4]]}),
    "wikiann-en": ([*ENTITIES[:7]], {"tokens": WORDS, "tags": [*ENTITIES[:4]]}),
    "go-emotions": ([*EMOTIONS], of("test", text="text") | {"labels": ["admiration"]}),
    "paws": (["0", "1"], of("test", text="sentence1", text_pair="sentence2")),
    "rotten-tomatoes": (["neg", "pos"], of("test", text="text")),
    "dbpedia14": ([*KINDS_OF_THINGS], {"text": ["title test 0", "content test 0"], "label": "Company"}),
    "ag-news": (["World", "Sports", "Business", "Sci/Tech"], of("test", text="text") | {"label": "World"}),
    "stsbenchmark": ([], of("test", text="sentence1", text_pair="sentence2") | {"score": 0.0}),
    "sts12": ([], of("test", text="sentence1", text_pair="sentence2") | {"score": 0.0}),
    "sick-r": ([], {"score": 0.0}),
    "amazon-polarity": (["0", "1"], of("test", text="text") | {"label": 0}),
    "banking77": (NUMBERS, of("test", text="text") | {"label": 0}),
    "emotion": (["sadness", "joy", "love", "anger", "fear", "surprise"], of("test", text="text") | {"label": 0}),
    "imdb": (["0", "1"], of("test", text="text") | {"label": 0}),
    "toxic-conversations": (["0", "1"], of("test", text="text") | {"label": 0}),
    "tweet-sentiment": (["0", "1", "2"], of("test", text="text") | {"label": 0}),
    "tweet-topic": ([str(i) for i in range(6)], of("test_2021", text="text") | {"label": 0}),
    "caltech101": (102, {"label": "class 0"}),
    "cifar10": ([*THINGS], {"label": "airplane"}),
    "cifar100": (100, {"label": "thing 0"}),
    "country211": (NUMBERS, {"label": 0}),
    "dtd": (47, {"label": "class 0"}),
    "eurosat": (10, {"label": "class 0"}),
    "fer2013": ([str(i) for i in range(7)], {"label": 0}),
    "fgvc-aircraft": (100, {"label": "variant 0"}),
    "food101": (101, {"label": "class 0"}),
    "gtsrb": (NUMBERS, {"label": 0}),
    "mnist": (10, {"label": "class 0"}),
    "oxford-flowers": (102, {"label": "class 0"}),
    "oxford-pets": (37, {"label": "class 0"}),
    "patch-camelyon": (["0", "1"], {"label": 0}),
    "resisc45": (45, {"label": "class 0"}),
    "stanford-cars": (196, {"label": "class 0"}),
    "stl10": (10, {"label": "class 0"}),
    "sun397": (397, {"label": "class 0"}),
    "svhn": (list("0123456789"), {"label": "0"}),
    "diabetic-retinopathy": (list("01234"), {"label": 0}),
    "voc2007": ([*VOC], {"labels": ["aeroplane"]}),
}


def test_what_is_read_is_said_of_every_hub_task() -> None:
    assert sorted(READ) == HUB


@pytest.mark.parametrize("name", HUB)
def test_a_hub_data_set_is_read_as_its_task_file_says(told: dict[str, Any], name: str) -> None:
    found, (classes, cells) = told[name], READ[name]
    assert (len(found["classes"]) if isinstance(classes, int) else found["classes"]) == classes
    assert cells.items() <= found["cells"].items()
    if "targets" in found:
        in_turn = min(len(found["classes"]), SEEN_CLASSES)
        assert found["targets"] == [row % in_turn for row in range(HELD_ROWS)]
    assert found["columns"] == sorted(SPECS[name].columns)


@pytest.mark.parametrize("name", HUB)
def test_a_hub_task_is_carried_out_to_a_score(told: dict[str, Any], name: str) -> None:
    spec, counts, metrics_of = SPECS[name], told[name]["counts"], told[name]["metrics"]
    carved = isinstance(spec.splits.validation, Carve)
    if isinstance(spec.splits.test, Carve):  # all three parts are of the one split there is
        assert counts["train"] + counts["validation"] + counts["test"] == HELD_ROWS
    else:
        assert counts["train"] + carved * counts["validation"] == ROWS
        assert counts["test"] == HELD_ROWS
    assert 0 < counts["validation"] < 30
    assert counts["test"] == counts["scored"] > 0
    assert metrics_of.keys() == set(spec.metrics)
    assert all(math.isfinite(value) for value in metrics_of.values())

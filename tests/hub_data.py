"""The Hub data sets of the task library in small: the columns that their cards document, the rows made up.

A feature is written as short as it can be: "string" is a value, a tuple the names of a ClassLabel, a list
holds what its one element is (of a dict: a struct of lists, as cards write it), a dict is a struct.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from loopback_hub import Files

ROWS = 80
"""A train split has so many rows, every other split HELD_ROWS."""

HELD_ROWS = 12
SEEN_CLASSES = 12
"""Rows take turns in so many classes at most, so that the train split has each that the others have."""

Made = Callable[[str, int], Any]


@dataclass(frozen=True)
class HubData:
    """One configuration of one data set; `made` gives a column's cell, `hidden` what a split shows in its place."""

    features: Mapping[str, Any]
    splits: tuple[str, ...] = ("train", "validation", "test")
    form: str = "parquet"
    made: Mapping[str, Made] = field(default_factory=dict)
    hidden: Mapping[str, Any] = field(default_factory=dict)
    hidden_splits: tuple[str, ...] = ("test",)

    def rows(self, split: str) -> list[dict[str, Any]]:
        """Return the rows of one split."""
        count = ROWS if split.startswith("train") else HELD_ROWS
        hidden = self.hidden if split in self.hidden_splits else {}
        return [{name: hidden.get(name, self._cell(name, split, i)) for name in self.features} for i in range(count)]

    def _cell(self, name: str, split: str, row: int) -> Any:
        made = self.made.get(name)
        return made(split, row) if made else _cell(self.features[name], f"{name} {split} {row}", row)


def _cell(feature: Any, text: str, row: int) -> Any:
    if isinstance(feature, tuple):
        return row % min(len(feature), SEEN_CLASSES)
    if isinstance(feature, list):
        cells = [_cell(feature[0], f"{text} {i}", row + i) for i in range(4)]
        return {name: [cell[name] for cell in cells] for name in cells[0]} if isinstance(feature[0], dict) else cells
    if isinstance(feature, dict):
        return {name: _cell(inner, f"{name} {text}", row) for name, inner in feature.items()}
    if feature == "image":
        return {"bytes": picture(text, "PNG"), "path": None}
    return text if feature == "string" else row % 6 + 0.0 if feature.startswith("float") else row


def picture(text: str, form: str) -> bytes:
    """Return an 8x8 image in a colour that comes of a text."""
    from PIL import Image

    red, green, blue, _ = zlib.crc32(text.encode()).to_bytes(4)
    content = io.BytesIO()
    Image.new("RGB", (8, 8), (red, green, blue)).save(content, form)
    return content.getvalue()


# -- the data sets -----------------------------------------------------------------------------------------------------


def _classes(what: str, count: int) -> tuple[str, ...]:
    return tuple(f"{what} {i}" for i in range(count))


def _table(*columns: str, **others: Any) -> dict[str, Any]:
    return {**dict.fromkeys(columns, "string"), **others}


def _judged(*columns: str, label: Any, splits: tuple[str, ...] | None = None, idx: Any = "int32") -> HubData:
    """Return a part of GLUE or SuperGLUE, whose test labels are hidden as -1."""
    splits = splits or ("train", "validation", "test")
    tests = tuple(split for split in splits if split.startswith("test"))
    return HubData(_table(*columns, label=label, idx=idx), splits, hidden={"label": -1}, hidden_splits=tests)


def _lines(names: Mapping[int, str] | None = None) -> HubData:
    """Return lines of JSON with an integer label and its name beside it, as mteb keeps text sets."""
    texts = names or {0: "no", 1: "yes"}
    made: dict[str, Made] = {
        "label": lambda split, row: row % len(texts),
        "label_text": lambda split, row: texts[row % len(texts)],
    }
    return HubData(_table("text", "label_text", label="int64"), ("train", "test"), "jsonl", made)


def _pairs(*splits: str) -> HubData:
    return HubData(_table("sentence1", "sentence2", score="float64"), splits, "jsonl.gz")


def _images(count: int, *splits: str) -> HubData:
    return HubData({"image": "image", "label": _classes("class", count)}, splits or ("train", "test"))


def _tars(form: str, count: int) -> HubData:
    made: dict[str, Made] = {"cls": lambda split, row: row % min(count, SEEN_CLASSES)}
    return HubData({"cls": "int64", form: "image"}, ("train", "test"), "webdataset", made)


def _letters(count: int) -> Made:
    return lambda split, row: "ABCDE"[row % count]


def _answers(every: int) -> Made:
    """Return answers that stand at the beginning of the context; each so-manieth question has none."""

    def made(split: str, row: int) -> dict[str, list[Any]]:
        known = row % every < every - 1
        return {"text": ["the river"] * known, "answer_start": [0] * known}

    return made


def _squad(every: int) -> HubData:
    made: dict[str, Made] = {
        "title": lambda split, row: f"title {row // 4}",
        "context": lambda split, row: f"the river in {split} {row} was calm",
        "answers": _answers(every),
    }
    features = _table("id", "title", "context", "question", answers=[{"text": "string", "answer_start": "int32"}])
    return HubData(features, ("train", "validation"), made=made)


YES = ("False", "True")
ENTAILMENT = ("entailment", "not_entailment")
ENTITIES = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FEELINGS = dict(enumerate(("sadness", "joy", "love", "anger", "fear", "surprise")))
VOC = ("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog")
VOC += ("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor")
EMOTIONS = ("admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion", "curiosity", "desire")
EMOTIONS += ("disappointment", "disapproval", "disgust", "embarrassment", "excitement", "fear", "gratitude", "grief")
EMOTIONS += ("joy", "love", "nervousness", "optimism", "pride", "realization", "relief", "remorse", "sadness")
EMOTIONS += ("surprise", "neutral")
KINDS_OF_THINGS = ("Company", "EducationalInstitution", "Artist", "Athlete", "OfficeHolder", "MeanOfTransportation")
KINDS_OF_THINGS += ("Building", "NaturalPlace", "Village", "Animal", "Plant", "Album", "Film", "WrittenWork")
MNLI = ("train", "validation_matched", "validation_mismatched", "test_matched", "test_mismatched")
CHOICES = [{"label": "string", "text": "string"}]


def _chosen(row: int) -> list[int]:
    """Return one class, and for some rows a second."""
    return [row % SEEN_CLASSES, (row + 1) % SEEN_CLASSES][: 1 + row % 2]


def _four(split: str, row: int) -> dict[str, list[str]]:
    return {"label": list("ABCD"), "text": [f"answer {split} {row} {i}" for i in range(4)]}


def _five(split: str, row: int) -> dict[str, list[str]]:
    return {"label": list("ABCDE"), "text": [f"answer {split} {row} {i}" for i in range(5)]}


DATA: dict[tuple[str, str | None], HubData] = {
    ("nyu-mll/glue", "cola"): _judged("sentence", label=("unacceptable", "acceptable")),
    ("nyu-mll/glue", "sst2"): _judged("sentence", label=("negative", "positive")),
    ("nyu-mll/glue", "mrpc"): _judged("sentence1", "sentence2", label=("not_equivalent", "equivalent")),
    ("nyu-mll/glue", "stsb"): _judged("sentence1", "sentence2", label="float32"),
    ("nyu-mll/glue", "qqp"): _judged("question1", "question2", label=("not_duplicate", "duplicate")),
    ("nyu-mll/glue", "mnli"): _judged(
        "premise", "hypothesis", label=("entailment", "neutral", "contradiction"), splits=MNLI
    ),
    ("nyu-mll/glue", "qnli"): _judged("question", "sentence", label=ENTAILMENT),
    ("nyu-mll/glue", "rte"): _judged("sentence1", "sentence2", label=ENTAILMENT),
    ("nyu-mll/glue", "wnli"): _judged("sentence1", "sentence2", label=ENTAILMENT[::-1]),
    ("aps/super_glue", "boolq"): _judged("question", "passage", label=YES),
    ("aps/super_glue", "cb"): _judged("premise", "hypothesis", label=("entailment", "contradiction", "neutral")),
    ("aps/super_glue", "copa"): _judged("premise", "choice1", "choice2", "question", label=("choice1", "choice2")),
    ("aps/super_glue", "multirc"): _judged(
        "paragraph", "question", "answer", label=YES, idx={"paragraph": "int32", "question": "int32", "answer": "int32"}
    ),
    ("aps/super_glue", "rte"): _judged("premise", "hypothesis", label=ENTAILMENT),
    ("aps/super_glue", "wic"): _judged("word", "sentence1", "sentence2", label=YES),
    ("aps/super_glue", "wsc"): _judged("text", "span1_text", "span2_text", label=YES),
    ("rajpurkar/squad", "plain_text"): _squad(1000),
    ("rajpurkar/squad_v2", "squad_v2"): _squad(3),
    ("allenai/swag", "regular"): HubData(
        _table("video-id", "fold-ind", "startphrase", "sent1", "sent2", "gold-source")
        | _table("ending0", "ending1", "ending2", "ending3", label=("0", "1", "2", "3")),
        hidden={"label": -1},
    ),
    ("Rowan/hellaswag", None): HubData(
        {"ind": "int32"}
        | _table("activity_label", "ctx_a", "ctx_b", "ctx", "source_id", "split", "split_type", "label")
        | {"endings": ["string"]},
        made={"label": lambda split, row: str(row % 4)},
        hidden={"label": ""},
    ),
    ("tau/commonsense_qa", None): HubData(
        _table("id", "question", "question_concept", "answerKey", choices=CHOICES),
        made={"choices": _five, "answerKey": _letters(5)},
        hidden={"answerKey": ""},
    ),
    ("allenai/openbookqa", "main"): HubData(
        _table("id", "question_stem", "answerKey", choices=CHOICES), made={"choices": _four, "answerKey": _letters(4)}
    ),
    ("allenai/winogrande", "winogrande_xl"): HubData(
        _table("sentence", "option1", "option2", "answer"),
        made={"answer": lambda split, row: str(row % 2 + 1)},
        hidden={"answer": ""},
    ),
    ("lukasgarbas/conll-03", None): HubData(
        {"tokens": ["string"], "ner_tags": ["string"], "chunk_tags": ["string"], "pos_tags": ["string"]},
        made={"ner_tags": lambda split, row: [ENTITIES[(row + i) % len(ENTITIES)] for i in range(4)]},
    ),
    ("unimelb-nlp/wikiann", "en"): HubData(
        {"tokens": ["string"], "ner_tags": [ENTITIES[:7]], "langs": ["string"], "spans": ["string"]}
    ),
    ("google-research-datasets/go_emotions", "simplified"): HubData(
        _table("text", "id", labels=[EMOTIONS]), made={"labels": lambda split, row: _chosen(row)}
    ),
    ("google-research-datasets/paws", "labeled_final"): HubData(
        _table("sentence1", "sentence2", id="int32", label=("0", "1"))
    ),
    ("cornell-movie-review-data/rotten_tomatoes", None): HubData(_table("text", label=("neg", "pos"))),
    ("fancyzhx/dbpedia_14", "dbpedia_14"): HubData(
        _table("title", "content", label=KINDS_OF_THINGS), ("train", "test")
    ),
    ("fancyzhx/ag_news", None): HubData(
        _table("text", label=("World", "Sports", "Business", "Sci/Tech")), ("train", "test")
    ),
    ("mteb/stsbenchmark-sts", None): _pairs("train", "validation", "test"),
    ("mteb/sts12-sts", None): _pairs("train", "test"),
    ("mteb/sickr-sts", None): _pairs("test"),
    ("mteb/amazon_polarity", None): _lines({0: "negative", 1: "positive"}),
    ("mteb/banking77", None): _lines({i: f"intent {i}" for i in range(SEEN_CLASSES)}),
    ("mteb/emotion", None): _lines(FEELINGS),
    ("mteb/imdb", None): _lines({0: "negative", 1: "positive"}),
    ("mteb/toxic_conversations", None): _lines({0: "not toxic", 1: "toxic"}),
    ("mteb/tweet_sentiment_extraction", None): _lines({0: "negative", 1: "neutral", 2: "positive"}),
    ("mteb/tweet_topic_single", None): HubData(
        _table("text", label="int64"), ("train", "test_2021"), made={"label": lambda split, row: row % 6}
    ),
    ("mteb/Caltech101", None): _images(102),
    ("uoft-cs/cifar10", "plain_text"): HubData({"img": "image", "label": THINGS}, ("train", "test")),
    ("mteb/cifar100", None): HubData(
        {"img": "image", "fine_label": _classes("thing", 100), "coarse_label": _classes("kind", 20)}, ("train", "test")
    ),
    ("mteb/wds_country211", None): _tars("jpg", 211),
    ("mteb/dtd", None): _images(47),
    ("mteb/eurosat-rgb", None): _images(10),
    ("mteb/wds_fer2013", None): _tars("jpg", 7),
    ("mteb/FGVCAircraft", None): HubData(
        {"image": "image", "family": _classes("family", 70), "variant": _classes("variant", 100)}, ("train", "test")
    ),
    ("mteb/food101", None): _images(101, "train", "validation"),
    ("mteb/wds_gtsrb", None): _tars("webp", 43),
    ("mteb/mnist", None): _images(10),
    ("mteb/oxford-flowers", None): _images(102),
    ("mteb/OxfordPets", None): _images(37),
    ("mteb/wds_vtab-pcam", None): _tars("webp", 2),
    ("mteb/resisc45", None): _images(45),
    ("mteb/StanfordCars", None): _images(196),
    ("mteb/stl10", None): _images(10),
    ("mteb/sun397", None): _images(397),
    ("ufldl-stanford/svhn", "cropped_digits"): HubData(
        {"image": "image", "label": tuple("0123456789")}, ("train", "test", "extra")
    ),
    ("clip-benchmark/wds_vtab-diabetic_retinopathy", None): _tars("webp", 5),
    ("mteb/VOC2007", None): HubData(
        {"image": "image", "classes": [VOC]}, made={"classes": lambda split, row: _chosen(row)}
    ),
}


# -- as files of a repository ------------------------------------------------------------------------------------------


def repository(path: str) -> Files:
    """Return the files of a data set with all its configurations."""
    import datasets

    datasets.disable_progress_bars()
    parts = {config: data for (name, config), data in DATA.items() if name == path}
    files: Files = {}
    for config, data in parts.items():
        files |= dict(FORMS[data.form](config or "data", data))
    if all(data.form == "parquet" for data in parts.values()):
        files["README.md"] = f"---\n{yaml.safe_dump(_card(parts))}---\n".encode()
    return files


def _parquet(folder: str, data: HubData) -> Iterator[tuple[str, bytes]]:
    import datasets

    features = datasets.Features({name: _feature(feature) for name, feature in data.features.items()})
    for split in data.splits:
        content = io.BytesIO()
        datasets.Dataset.from_list(data.rows(split), features=features).to_parquet(content)
        yield f"{folder}/{split}-00000-of-00001.parquet", content.getvalue()


def _jsonl(folder: str, data: HubData) -> Iterator[tuple[str, bytes]]:
    for split in data.splits:
        yield f"{split}.jsonl", "".join(json.dumps(row) + "\n" for row in data.rows(split)).encode()


def _jsonl_gz(folder: str, data: HubData) -> Iterator[tuple[str, bytes]]:
    for name, content in _jsonl(folder, data):
        yield f"{name}.gz", gzip.compress(content)


def _webdataset(folder: str, data: HubData) -> Iterator[tuple[str, bytes]]:
    """Yield two shards a split beside the text files that such sets carry.

    The real ones have several: `datasets` takes the commonest suffix of a split for its format, and one shard
    beside one text file would be read as text.
    """
    form = next(name for name in data.features if name != "cls")
    yield "classnames.txt", b"one\ntwo\n"
    for split in data.splits:
        rows = data.rows(split)
        for shard in range(2):
            content = io.BytesIO()
            with tarfile.open(fileobj=content, mode="w") as tar:
                for i in range(shard * len(rows) // 2, (shard + 1) * len(rows) // 2):
                    image = picture(f"{split} {i}", {"jpg": "JPEG", "webp": "WEBP"}[form])
                    for suffix, cell in (("cls", str(rows[i]["cls"]).encode()), (form, image)):
                        member = tarfile.TarInfo(f"s{i:07d}.{suffix}")
                        member.size = len(cell)
                        tar.addfile(member, io.BytesIO(cell))
            yield f"{split}/{shard}.tar", content.getvalue()
        yield f"{split}/nshards.txt", b"2"


FORMS: dict[str, Callable[[str, HubData], Iterator[tuple[str, bytes]]]] = {
    "parquet": _parquet,
    "jsonl": _jsonl,
    "jsonl.gz": _jsonl_gz,
    "webdataset": _webdataset,
}


def _feature(feature: Any) -> Any:
    import datasets

    if isinstance(feature, tuple):
        return datasets.ClassLabel(names=list(feature))
    if isinstance(feature, list) and isinstance(feature[0], dict):
        return {name: datasets.List(_feature(inner)) for name, inner in feature[0].items()}
    if isinstance(feature, list):
        return datasets.List(_feature(feature[0]))
    if isinstance(feature, dict):
        return {name: _feature(inner) for name, inner in feature.items()}
    return datasets.Image() if feature == "image" else datasets.Value(feature)


def _card(parts: Mapping[str | None, HubData]) -> dict[str, Any]:
    """Return the head of the data set's card: what its columns are and which files are which split."""
    about = [
        {"config_name": config or "default", "features": _documented(data.features)} for config, data in parts.items()
    ]
    configs = [
        {
            "config_name": config or "default",
            "data_files": [{"split": s, "path": f"{config or 'data'}/{s}-*"} for s in data.splits],
        }
        for config, data in parts.items()
    ]
    return {"dataset_info": about, "configs": configs}


def _documented(features: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, **_typed(feature)} for name, feature in features.items()]


def _typed(feature: Any) -> dict[str, Any]:
    if isinstance(feature, tuple):
        return {"dtype": {"class_label": {"names": {str(i): name for i, name in enumerate(feature)}}}}
    if isinstance(feature, dict):
        return {"struct": _documented(feature)}
    if isinstance(feature, list):
        inner = _documented(feature[0]) if isinstance(feature[0], dict) else _typed(feature[0])["dtype"]
        return {"sequence": inner}
    return {"dtype": feature}

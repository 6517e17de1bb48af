"""Everything of ours that reads what a stranger may have written, fed with what is nearly right.

Each target prepares a folder once and returns a step: one mutated input, read as a user's command would read it. A step
ends, or raises SuiteError; `attempt` sees to it that nothing else comes of it.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from command_line import call
from made_records import grid, made
from mutations import ABSURD, bytes_of, json_of, value_of, word
from watching import Watch, tree

from suite.spec import Result, SuiteError, digest
from suite.store import Store

Step = Callable[[Random], object]
MOST_TOLD = 6_000
"""Characters of what a mistake may be told in; several of them are told at once."""

TASK = """\
name: film
version: 1
kind: text_classification
description: Is it good?
dataset:
  path: csv
  data_files: {train: train.csv, test: [test.csv]}
  license: mit
splits: {train: train, validation: {from: train, fraction: 0.2, seed: 1}, test: test}
columns: {text: text, label: label}
labels: ["no", "yes"]
metrics: [accuracy]
main: accuracy
chance: 0.5
delta: 0.01
limits: {train: 20}
tags: [sentiment]
"""
PROTOCOL = """\
name: short
version: 1
seeds: 2
batch: 8
budget: {epochs: 1.5, min_steps: 4, max_steps: 8}
selection: {looks: 2, learning_rates: [1.0, 0.5]}
limits: {train: 100}
schedule: linear
warmup: 0.1
precision: fp32
max_length: 32
settings: {lora: {rank: 4}}
"""
COLLECTION = "name: some\nversion: 1\ndescription: Two tasks.\ntasks: [digits, wordnet-pos]\nprotocol: quick\n"
ROWS = "text,label\n" + "".join(
    f"a {'fine' if i % 2 else 'dull'} day {i},{'yes' if i % 2 else 'no'}\n" for i in range(24)
)
CARD = """\
---
license: mit
tags: [a, b]
base: &b {x: 1}
other: *b
model-index:
- name: m
  results:
  - task: {type: text-classification}
    dataset: {name: d, type: d}
    metrics: [{type: accuracy, value: 0.5}]
---
# A model

Words of its author.
<!-- transfer-suite:begin -->
<!-- transfer-suite:keys tags=1f3a -->
ours
<!-- transfer-suite:end -->
"""
BERT = {"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 30}
TIMM = {"architecture": "resnet18", "num_classes": 2, "model_args": {"layers": [1, 1, 1, 1]}, "pretrained_cfg": {}}
INDEX = {"metadata": {"total_size": 1}, "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}


def attempt(step: Step, random: Random, sandbox: Path, allowed: Path) -> str:
    """Take a step; return 'read' or the sentence of its refusal.

    Raises:
        AssertionError: it ended otherwise, or something outside of `allowed` was written.
    """
    before = tree(sandbox, without=allowed)
    with Watch([allowed, Path(os.environ["HF_HOME"]), Path(os.environ["TRANSFER_SUITE_CACHE"])]) as watch:
        try:
            step(random)
            told = "read"
        except SuiteError as error:
            told = str(error)
            assert told.strip(), "a refusal without a word"
            assert len(told) < MOST_TOLD, f"a refusal of {len(told)} characters: {told[:300]}"
            assert "Traceback" not in told, told
    assert not watch.seen, watch.seen
    assert tree(sandbox, without=allowed) == before
    return told


# -- files that users write ------------------------------------------------------------------------------------------


def _yaml(text: str, random: Random) -> bytes:
    """Return a YAML text changed as text or as a value."""
    if random.random() < 0.5:
        return bytes_of(text.encode(), random)
    changed = value_of(yaml.safe_load(text), random)
    try:
        return yaml.safe_dump(changed, allow_unicode=random.random() < 0.5).encode("utf-8", "surrogatepass")
    except yaml.YAMLError:
        return json.dumps(changed).encode()


def task_files(folder: Path) -> Step:
    from suite import tasks

    for name in ("train.csv", "test.csv"):
        (folder / name).write_text(ROWS)
    path = folder / "film.yaml"

    def step(random: Random) -> None:
        path.write_bytes(_yaml(TASK, random))
        tasks.check_within(tasks.load_file(path))

    return step


def checked_tasks(folder: Path) -> Step:
    """A task file with its rows, as `suite validate` reads them."""
    from suite.validation import check_file

    files = {"film.yaml": TASK.encode(), "train.csv": ROWS.encode(), "test.csv": ROWS.encode()}
    lines = [dict(zip(("text", "label"), row.split(","), strict=True)) for row in ROWS.splitlines()[1:]]
    as_json = {"film.yaml": TASK.replace("csv", "json").encode()}
    as_json |= {f"{name}.json": "\n".join(map(json.dumps, lines)).encode() for name in ("train", "test")}

    def step(random: Random) -> None:
        chosen = random.choice((files, as_json))
        spoilt = random.choice([name for name in chosen if name != "film.yaml"])
        for name, content in chosen.items():
            (folder / name).write_bytes(bytes_of(content, random) if name == spoilt else content)
        if random.random() < 0.3:
            (folder / "film.yaml").write_bytes(_yaml(chosen["film.yaml"].decode(), random))
        check_file(folder / "film.yaml")

    return step


def protocols(folder: Path) -> Step:
    from suite import tasks

    path = folder / "short.yaml"

    def step(random: Random) -> None:
        path.write_bytes(_yaml(PROTOCOL, random))
        tasks.load_protocol(str(path))

    return step


def collections(folder: Path) -> Step:
    from suite import tasks

    path = folder / "some.yaml"

    def step(random: Random) -> None:
        path.write_bytes(_yaml(COLLECTION, random))
        known, tasks.collection_files = tasks.collection_files, lambda: {"some": path}
        try:
            tasks.load("some")
        finally:
            tasks.collection_files = known

    return step


def cards(folder: Path) -> Step:
    from suite import cards

    store = _filled(folder)
    ours = cards.card(store, "org/a")

    def step(random: Random) -> None:
        text = bytes_of(CARD.encode(), random).decode("utf-8", "replace")
        if random.random() < 0.5:
            front, fence, body = CARD.removeprefix("---\n").partition("\n---\n")
            text = f"---\n{_yaml(front, random).decode('utf-8', 'replace')}{fence}{body}"
        once = cards.merge(text, ours)
        assert cards.merge(once, ours) == once

    return step


# -- stores ----------------------------------------------------------------------------------------------------------


def _results() -> list[Result]:
    few = {"n": 12, "seeds": 2}
    spread = {"cluster": [f"c{i % 4}" for i in range(12)], "seen": [i < 2 for i in range(12)]}
    return [*grid({"org/a": 0.6, "org/b": 0.8}, ["one"], **few), made("org/a", "two", [0.0, 1.0] * 6, columns=spread)]


def _filled(folder: Path) -> Store:
    store = Store(str(folder / "store"))
    for result in _results():
        store.put(result)
    return store


def _read(folder: Path, random: Random) -> None:
    """Read a store as the commands do that show it; what is wrong with a record is told of that record alone."""
    from suite import compare, rank, tables, verify
    from suite.boards import boards

    url = str(folder / "store")
    for key in {name.rpartition("-")[0] for name in Store(url).names()}:
        _refusal(lambda key=key: Store(url).result(key))
    _refusal(lambda: tables.to_json([rank(url)]))
    way = random.randrange(5)
    if way == 0:
        _refusal(lambda: [tables.to_markdown([board]) for board in boards(url)])
    elif way == 1:
        _refusal(lambda: list(verify(url, level="rescore")))
    elif way == 2:
        _refusal(lambda: compare("org/a", "org/b", store=url))
    elif way == 3:
        from suite import cards

        _refusal(lambda: cards.card(Store(url), "org/a"))


def _refusal(read: Callable[[], object]) -> None:
    """Read on after a refusal: each reader is asked."""
    try:
        read()
    except SuiteError as error:
        assert 0 < len(str(error)) < MOST_TOLD


def _entries(folder: Path) -> tuple[Path, list[Path]]:
    """Return a store as it was made, and its entries in a copy that may be spoilt."""
    _filled(folder)
    whole = folder / "store"
    kept = folder / "kept"
    shutil.rmtree(whole / "index", ignore_errors=True)
    shutil.copytree(whole, kept)
    return kept, sorted(path.parent for path in whole.glob("records/??/*/digest.json"))


def _restored(kept: Path, folder: Path) -> None:
    shutil.rmtree(folder / "store", ignore_errors=True)
    shutil.copytree(kept, folder / "store")


def _seal(entry: Path, record: dict[str, Any] | None = None) -> None:
    """Make an entry's digests those of its files, so that what is spoilt is read all the same."""
    table = digest((entry / "predictions.parquet").read_bytes())
    if record is not None:
        (entry / "record.json").write_bytes(json.dumps(record | {"predictions": table}).encode())
    sums = {"record.json": digest((entry / "record.json").read_bytes()), "predictions.parquet": table}
    (entry / "digest.json").write_text(json.dumps(sums))


def records(folder: Path) -> Step:
    kept, entries = _entries(folder)

    def step(random: Random) -> None:
        _restored(kept, folder)
        for entry in entries[: random.choice((1, len(entries)))]:
            body = json.loads((entry / "record.json").read_text())
            (entry / "record.json").write_bytes(json_of(body, random))
            if random.random() < 0.95:
                _seal(entry)
        _read(folder, random)

    return step


def predictions(folder: Path) -> Step:
    kept, entries = _entries(folder)

    def step(random: Random) -> None:
        _restored(kept, folder)
        entry = random.choice(entries)
        path = entry / "predictions.parquet"
        path.write_bytes(_table(path.read_bytes(), random))
        _seal(entry, json.loads((entry / "record.json").read_text()))
        _read(folder, random)

    return step


def _table(content: bytes, random: Random) -> bytes:
    """Return a table with a column taken away, doubled, of other values or of another type, or its bytes changed."""
    if random.random() < 0.3:
        return bytes_of(content, random)
    table = pq.read_table(io.BytesIO(content))
    name = random.choice(table.column_names)
    way, place = random.randrange(6), table.column_names.index(name)
    cells = table[name].to_pylist()
    if way == 0:
        table = table.drop_columns([name])
    elif way == 1:
        table = table.slice(0, random.randrange(len(table)))
    elif way == 2:
        table = table.rename_columns(
            [one if one != name else random.choice(("id", "value", "x" * 300)) for one in table.column_names]
        )
    else:
        for row in random.sample(range(len(cells)), random.randint(1, len(cells))):
            cells[row] = random.choice((None, cells[0], *ABSURD))
        try:
            column = pa.array(cells, type=table.schema.field(name).type if way < 5 else None)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            column = pa.array([json.dumps(cell) for cell in cells])
        table = table.set_column(place, name, column)
    made = io.BytesIO()
    pq.write_table(table, made)
    return made.getvalue()


def digests(folder: Path) -> Step:
    kept, entries = _entries(folder)

    def step(random: Random) -> None:
        _restored(kept, folder)
        path = random.choice(entries) / "digest.json"
        path.write_bytes(json_of(json.loads(path.read_text()), random))
        _read(folder, random)

    return step


def indexes(folder: Path) -> Step:
    """An index of which a file was changed, and one that says of a record what it should not."""
    _filled(folder).contents()
    kept = folder / "kept"
    shutil.copytree(folder / "store", kept)
    found = [
        path.relative_to(kept) for path in sorted(kept.rglob("*")) if path.is_file() and "records" not in path.parts
    ]
    assert found, "a store that was read has an index"

    def step(random: Random) -> None:
        _restored(kept, folder)
        path = folder / "store" / random.choice(found)
        path.write_bytes(
            _table_of_texts(path.read_bytes(), random)
            if path.suffix == ".parquet"
            else bytes_of(path.read_bytes(), random)
        )
        _read(folder, random)

    return step


def _table_of_texts(content: bytes, random: Random) -> bytes:
    """Return an index with other texts or numbers in one column, its types and metadata as they were."""
    if random.random() < 0.3:
        return bytes_of(content, random)
    table = pq.read_table(io.BytesIO(content))
    name = random.choice(table.column_names)
    field = table.schema.field(name)
    cells = table[name].to_pylist()
    for row in random.sample(range(len(cells)), random.randint(1, len(cells))):
        cell = cells[row]
        if isinstance(cell, str) and random.random() < 0.7:
            try:
                cells[row] = json_of(json.loads(cell), random).decode("utf-8", "replace")
            except ValueError:
                cells[row] = word(random, cell)
        elif isinstance(cell, bytes):
            cells[row] = bytes_of(cell, random)
        else:
            cells[row] = random.choice(ABSURD)
    try:
        column = pa.array(cells, type=field.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError, AttributeError):
        column = pa.nulls(len(cells), field.type)
    made = io.BytesIO()
    pq.write_table(table.set_column(table.column_names.index(name), field, column), made)
    return made.getvalue()


def packs(folder: Path) -> Step:
    """A published pack of which a file was changed, or one of its columns."""
    from suite.publication._pack import Shelf, write

    store = _filled(folder)
    shelf = Shelf(store)
    written = write([shelf.filed(name) for name in store.names()], folder / "kept", lambda filed: "")
    shutil.rmtree(folder / "store")
    paths = sorted(written)

    def step(random: Random) -> None:
        _restored(folder / "kept", folder)
        path = folder / "store" / random.choice(paths)
        path.write_bytes(_table_of_texts(path.read_bytes(), random))
        _read(folder, random)

    return step


def submissions(folder: Path) -> Step:
    from suite.submissions import Queue, Submission
    from suite.submissions._check import recheck

    asked = {
        "id": "20260101-000000-00000001",
        "model": "org/m",
        "revision": "a" * 40,
        "strategy": "linear_probe",
        "collection": "quick",
        "protocol": "quick",
        "tasks": ["digits"],
        "runs": 3,
        "created": "2026-01-01T00:00:00+00:00",
    }
    told = {"at": "2026-01-01T00:00:00+00:00", "host": "here", "process": 1, "note": "x"}
    queue = folder / "store" / "submissions"

    def step(random: Random) -> None:
        shutil.rmtree(queue, ignore_errors=True)
        queue.mkdir(parents=True)
        state = random.choice(("running", "done", "failed", "else"))
        files = {f"{asked['id']}.json": asked, f"{asked['id']}.{state}.json": told}
        spoilt = random.choice(list(files))
        for name, content in files.items():
            (queue / name).write_bytes(json_of(content, random) if name == spoilt else json.dumps(content).encode())
        held = Queue(str(folder / "store"))
        for one in [*held.listed(), *held.waiting(), *held.open()]:
            assert isinstance(one.submission, Submission)
            recheck(one.submission)

    return step


def kept_weights(folder: Path) -> Step:
    from suite import artifacts, hub

    about = {
        "format": 1,
        "library": "transformers",
        "load": "x",
        "auto": "AutoModel",
        "base": {"name": "org/m", "revision": "a" * 40},
        "init_seed": 1,
        "strategy": "lora",
        "settings": {"rank": 8},
        "task": "one",
        "kind": "text_classification",
        "classes": ["no", "yes"],
        "max_length": 32,
        "precision": "fp32",
        "key": "a" * 64,
    }
    adapter = {"peft_type": "LORA", "r": 8, "target_modules": ["query"], "megatron_core": "megatron.core"}
    files = {"transfer_suite.json": about, "adapter_config.json": adapter, "config.json": BERT}

    def step(random: Random) -> None:
        (folder / "adapter_model.safetensors").write_bytes(b"")
        spoilt = random.choice(list(files))
        for name, content in files.items():
            (folder / name).write_bytes(json_of(content, random) if name == spoilt else json.dumps(content).encode())
        artifacts.read_about(folder)
        hub.check_folder("kept", folder)

    return step


def checkpoints(folder: Path) -> Step:
    from suite import hub

    files = {"config.json": BERT, "model.safetensors.index.json": INDEX, "tokenizer_config.json": {"a": 1}}

    def step(random: Random) -> None:
        (folder / "model-1.safetensors").write_bytes(b"")
        spoilt = random.choice(list(files))
        chosen = files | ({"config.json": TIMM} if random.random() < 0.5 else {})
        for name, content in chosen.items():
            (folder / name).write_bytes(json_of(content, random) if name == spoilt else json.dumps(content).encode())
        hub.fetch(hub.resolve(str(folder)))

    return step


def pictures(folder: Path) -> Step:
    from PIL import Image

    from suite import kinds
    from suite.prediction import Reader

    reader = Reader("kept", kinds.get("image_classification"), None, 0)
    drawn = []
    for form in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO", "JPEG2000"):
        stream = io.BytesIO()
        Image.effect_noise((24, 20), 50).convert("RGB").save(stream, form)
        drawn.append(stream.getvalue())

    def step(random: Random) -> None:
        reader.rows([bytes_of(random.choice(drawn), random)])

    return step


# -- words -----------------------------------------------------------------------------------------------------------


def mixtures(folder: Path) -> Step:
    from suite.mixtures import parse_mixture

    known = ("uniform", "temperature:2", "a=0.7,b=0.3", "proportional", "temperature:nan", "a=inf", "a=1e999")

    def step(random: Random) -> None:
        sampling, weights = (random.choice((None, word(random, *known))) for _ in range(2))
        parse_mixture(sampling, weights, random.choice((None, 0, 1, -1, 2**80)))

    return step


def asks(folder: Path) -> Step:
    """What a visitor of the Space types."""
    from suite.submissions import Ask, Queue, check

    store = str(folder / "store")

    def step(random: Random) -> None:
        words = [
            word(random, "bundled/tiny-bert", "org/m@main", f"{folder}/store", "bundled/tiny-resnet") for _ in range(2)
        ]
        ask = Ask(words[0], word(random, "full", "linear_probe"), word(random, "quick", "bundled-text"), words[1])
        check(ask, store, Queue(store), offline=True)

    return step


def commands(folder: Path) -> Step:
    """Words behind commands; what a terminal cannot give (a NUL, half a sign) is left out."""
    _filled(folder)
    model, task = ("bundled/tiny-bert", "bundled/tiny-resnet", "org/m@v1"), ("digits", "wordnet-pos", "quick", "x.yaml")
    store, key = str(folder / "store"), Store(str(folder / "store")).names()[0][:12]
    dry = ("run", "--dry-run", "--offline", "--store", store)
    bert = (*dry, "-m", "bundled/tiny-bert", "-s", "full", "-t")
    ways: tuple[tuple[tuple[str, ...], ...], ...] = (
        ((*dry, "-m"), model, ("-t",), task, ("-s",), ("full", "lora", "few_shot")),
        ((*bert, "wordnet-pos", "--protocol"), ("quick",), ("--resample",), ("kfold:5", "partition:3:sequential")),
        ((*bert, "bundled-text", "--joint", "--sampling"), ("uniform",), ("--weights",), ("wordnet-pos=2",)),
        (("leaderboard", "--store", store, "-t"), task, ("--format",), ("json",), ("--resample",), ("holdout",)),
        (("compare", "--store", store), ("org/a",), (), ("org/b", "org/a"), ("-t",), task),
        (("verify", "--store", store), (key, store)),
        (("card", "--store", store), ("org/a", key), ("--strategy",), ("full",)),
        (("predict", "--offline", "--store", store), (key,), (), ("a text",)),
        (("tasks", "--no-look"), task),
        (("validate",), task),
        (("new-task", "--offline"), ("x.csv", "org/data:config@main")),
        (("recommend", "--store", store, "-t"), task, ("--max-params",), ("30M",)),
        (("leaderboard", "--store"), (store, "memory://x", "nosuch://x")),
        (("queue", "list", "--store"), (store, "memory://y")),
        (("transfer", "--store", store, "-t"), task),
    )  # fmt: skip

    def step(random: Random) -> None:
        words: list[str] = []
        for place, some in enumerate(random.choice(ways)):
            said = some if place % 2 == 0 else [word(random, *some)]
            words += [one.encode("utf-8", "replace").decode().replace("\0", "") for one in said]
        told = call(*words)
        assert told.code in (0, 1, 2), told
        assert told.code == 0 or told.err or told.out, words

    return step


TARGETS: dict[str, tuple[Callable[[Path], Step], int]] = {
    "task files": (task_files, 250),
    "task files with their rows": (checked_tasks, 60),
    "protocol files": (protocols, 200),
    "collections": (collections, 60),
    "cards": (cards, 150),
    "records": (records, 150),
    "tables of predictions": (predictions, 100),
    "digests": (digests, 40),
    "indexes": (indexes, 100),
    "packs": (packs, 100),
    "submissions": (submissions, 150),
    "kept weights": (kept_weights, 120),
    "checkpoints": (checkpoints, 150),
    "pictures": (pictures, 200),
    "mixtures": (mixtures, 100),
    "words of visitors": (asks, 80),
    "words of commands": (commands, 120),
}
"""What is fuzzed, and how many inputs of each are tried with every run of the tests."""

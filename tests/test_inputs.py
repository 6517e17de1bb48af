"""Inputs made on first need: what a run records stays the same, and nothing is tokenised that no model reads."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from every_kind import write_tasks

from suite import data, evaluation, features, prepared, processors
from suite.environment import Machine
from suite.evaluation import _inputs, _ready
from suite.kinds.text_classification import KIND
from suite.spec import RunSpec

LATER = (
    "image_classification",
    "image_multi_label_classification",
    "multi_label_classification",
    "multiple_choice",
    "text_classification",
    "text_similarity",
)
"""Kinds whose rows say their labels by themselves."""


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_tasks(tmp_path_factory.mktemp("every-kind"))


@pytest.fixture
def forget(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> Callable[[], None]:
    """Return a function that forgets what this process has read, as if another went on with the same cache."""

    def forgetful() -> None:
        for module, name in ((_ready, "_READY"), (_ready, "_UNCUT"), (data, "_LOADED")):
            monkeypatch.setattr(module, name, {})
        monkeypatch.setattr(features, "_MEMORY", features.Memory(features.MOST_IN_MEMORY))

    forgetful()
    return forgetful


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the checkpoints whose processors are loaded."""
    found: list[str] = []
    inner = processors.load

    def load(ref: Any, *others: Any) -> Any:
        found.append(ref.name)
        return inner(ref, *others)

    monkeypatch.setattr(processors, "load", load)
    return found


def _run(spec: RunSpec, machine: Machine) -> Any:
    (result,) = evaluation.evaluate(spec, machine, lambda event: None)
    return result


def _said(result: Any) -> Any:
    """Return all that a result says, times and what was reused aside."""
    record = result.record.model_dump(mode="json", exclude={"cost", "created", "environment"})
    training = {name: value for name, value in record["training"].items() if not name.startswith("features_")}
    return record | {"training": training}, result.columns


def _notes(cache: Path) -> list[Path]:
    return sorted(cache.glob("prepared/notes/??/*.json"))


@pytest.mark.parametrize("kind", LATER)
def test_a_probe_of_stored_features_makes_no_inputs(
    kind: str,
    tasks: dict[str, Path],
    planned: Any,
    tiny_bert: Path,
    tiny_resnet: Path,
    machine: Machine,
    forget: Callable[[], None],
    loaded: list[str],
) -> None:
    (spec,) = planned(tiny_resnet if kind.startswith("image") else tiny_bert, tasks[kind], "linear_probe")
    first = _run(spec, machine)
    assert len(loaded) == 1
    forget()
    again = _run(spec, machine)
    assert len(loaded) == 1
    assert again.record.training["features_stored"] and not first.record.training["features_stored"]
    assert _said(again) == _said(first)


@pytest.mark.parametrize("resample", ["kfold:3", "bootstrap:3", "partition:2"])
def test_a_cut_of_stored_features_makes_no_inputs(
    resample: str,
    text_task: Path,
    planned: Any,
    tiny_bert: Path,
    machine: Machine,
    forget: Callable[[], None],
    loaded: list[str],
) -> None:
    spec = planned(tiny_bert, text_task, "linear_probe")[0].model_copy(update={"resample": resample, "fold": 1})
    first = _run(spec, machine)
    before = len(loaded)
    forget()
    assert _said(_run(spec, machine)) == _said(first)
    assert before > 0 and len(loaded) == before


@pytest.mark.parametrize("kind", [kind for kind in LATER if not kind.startswith("image")])
def test_training_on_inputs_made_later_gives_the_same_bits(
    kind: str,
    tasks: dict[str, Path],
    planned: Any,
    tiny_bert: Path,
    machine: Machine,
    forget: Callable[[], None],
    loaded: list[str],
) -> None:
    (spec,) = planned(tiny_bert, tasks[kind], "full")
    first = _run(spec, machine)
    forget()
    again = _run(spec, machine)
    assert len(loaded) == 2
    assert again.columns == first.columns and again.record.metrics == first.record.metrics


def test_cut_rows_and_the_longest_input_are_known_without_making_any(
    text_task: Path, planned: Any, tiny_bert: Path, machine: Machine, forget: Callable[[], None], loaded: list[str]
) -> None:
    for length, known in ((8, 8), (500, 64)):
        (spec,) = planned(tiny_bert, text_task, "linear_probe", max_length=length)
        first = _run(spec, machine).record
        forget()
        again = _run(spec, machine).record
        assert again.counts == first.counts and again.training["max_length"] == first.training["max_length"] == known
        assert (first.counts["truncated"] > 0) is (length == 8)
    assert len(loaded) == 2


def test_whatever_a_note_depends_on_has_an_address_of_its_own(
    text_task: Path,
    tasks: dict[str, Path],
    planned: Any,
    tiny_bert: Path,
    save_bert: Any,
    machine: Machine,
    forget: Callable[[], None],
    own_cache: Path,
) -> None:
    (spec,) = planned(tiny_bert, text_task, "linear_probe")
    others = [
        *planned(tiny_bert, text_task, "linear_probe", max_length=31),
        *planned(save_bert("another-bert"), text_task, "linear_probe"),
        *planned(tiny_bert, tasks["text_classification"], "linear_probe"),
        *planned(tiny_bert, text_task, "linear_probe", limits={"train": 30}),
    ]
    for count, one in enumerate((spec, *others), 1):
        _ready.make_ready(one, one.tasks[0], machine)
        assert len(_notes(own_cache)) == count
    forget()
    named = spec.tasks[0].model_copy(update={"labels": ("good", "bad")})  # other places for the same classes
    _ready.make_ready(spec, named, machine)
    assert len(_notes(own_cache)) == 6


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"[]",
        lambda content: b"\xff",
        lambda content: content.replace(b"[32]", b"[33]"),
        lambda content: json.dumps({"said": json.loads(content)["said"]}).encode(),
    ],
)
def test_a_damaged_note_counts_as_none_and_is_made_anew(
    damage: Callable[[bytes], bytes],
    text_task: Path,
    planned: Any,
    tiny_bert: Path,
    machine: Machine,
    forget: Callable[[], None],
    loaded: list[str],
    own_cache: Path,
) -> None:
    (spec,) = planned(tiny_bert, text_task, "linear_probe")
    _ready.make_ready(spec, spec.tasks[0], machine)
    (path,) = _notes(own_cache)
    content = path.read_bytes()
    path.write_bytes(damage(content))
    assert path.read_bytes() != content
    forget()
    assert _ready.make_ready(spec, spec.tasks[0], machine).max_length == 32
    assert len(loaded) == 2 and path.read_bytes() == content


def test_nothing_is_noted_where_nothing_is_to_be_kept(
    text_task: Path,
    planned: Any,
    tiny_bert: Path,
    machine: Machine,
    forget: Callable[[], None],
    own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(prepared.LIMIT, "0")
    (spec,) = planned(tiny_bert, text_task, "linear_probe")
    _ready.make_ready(spec, spec.tasks[0], machine)
    assert _notes(own_cache) == []


@pytest.mark.parametrize(
    "more",
    [
        lambda rows: {"context": "how the outputs are read"},
        lambda rows: {"owners": list(range(len(rows)))},
        lambda rows: {"labels": rows.labels[::-1].copy()},
        lambda rows: {"labels": rows.labels.astype(float)},
    ],
)
def test_rows_that_say_more_than_their_labels_are_made_each_time(
    more: Callable[[Any], dict[str, Any]],
    text_task: Path,
    planned: Any,
    tiny_bert: Path,
    machine: Machine,
    forget: Callable[[], None],
    loaded: list[str],
    own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner = type(KIND).prepare

    def prepare(self: Any, *given: Any) -> Any:
        rows = inner(self, *given)
        return replace(rows, **more(rows))

    monkeypatch.setattr(type(KIND), "prepare", prepare)
    (spec,) = planned(tiny_bert, text_task, "linear_probe")
    for _ in range(2):
        forget()
        _ready.make_ready(spec, spec.tasks[0], machine)
    assert len(loaded) == 2 and _notes(own_cache) == []


def test_making_inputs_later_is_no_cost_of_features(
    text_task: Path,
    planned: Any,
    tiny_bert: Path,
    machine: Machine,
    forget: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (spec,) = planned(tiny_bert, text_task, "linear_probe")
    first = _run(spec, machine)
    forget()
    inner = type(KIND).prepare

    def slow(self: Any, *given: Any) -> Any:
        time.sleep(0.5)
        return inner(self, *given)

    monkeypatch.setattr(type(KIND), "prepare", slow)
    monkeypatch.setattr(features, "_load", lambda path: None)
    again = _run(spec, machine).record
    assert again.metrics == first.record.metrics and not again.training["features_stored"]
    assert again.cost["preparing_seconds"] >= 1.5 > again.training["features_seconds"]


def test_inputs_weigh_nothing_until_they_are_made(
    text_task: Path, planned: Any, tiny_bert: Path, machine: Machine, forget: Callable[[], None]
) -> None:
    (spec,) = planned(tiny_bert, text_task, "linear_probe")
    at_once = _ready.make_ready(spec, spec.tasks[0], machine).part
    forget()
    later = _ready.make_ready(spec, spec.tasks[0], machine).part
    assert [_inputs.weight(rows) for rows in later.splits] == [0, 0, 0]
    rows, made = later.train, at_once.train
    assert len(rows.items) == len(rows.lengths) == len(made.items)
    assert rows.items[0] == made.items[0] and rows.items[-2:] == made.items[-2:]
    assert list(rows.items) == made.items and list(rows.lengths) == made.lengths
    assert _inputs.weight(rows) == _inputs.weight(made) > 0
    assert [_inputs.weight(rows) for rows in later.splits[1:]] == [0, 0]
    assert later.collate([rows.items[0]])["input_ids"].tolist() == [made.items[0]["input_ids"]]

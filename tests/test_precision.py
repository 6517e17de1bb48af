"""What `precision: auto` means: measured once, kept, and used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import suite
from suite import evaluation, precision, tasks
from suite.environment import Machine, Precisions
from suite.precision import Gain, measured
from suite.spec import SuiteError

HERE = Machine("cpu", 1)


@pytest.fixture
def unpinned(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and nobody who says what `auto` means."""
    monkeypatch.delenv(precision.PINNED)
    return own_cache / "precision.json"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Measurements that take no time: bf16 helps texts alone. Return the modalities that were measured."""
    asked: list[str] = []

    def measure(machine: Machine, modality: str) -> Gain:
        asked.append(modality)
        return Gain(1.8, 2.5) if modality == "text" else Gain(1.3, 0.9)

    monkeypatch.setattr(precision, "measure", measure)
    return asked


def test_a_gain_must_be_clear_in_training_and_in_reading() -> None:
    assert Gain(1.15, 1.15).precision == "bf16"
    assert Gain(1.14, 3.0).precision == "fp32"
    assert Gain(3.0, 1.14).precision == "fp32"
    assert Gain(float("nan"), 3.0).precision == "fp32"


def test_a_machine_is_measured_once_and_each_modality_has_its_own(unpinned: Path, counted: list[str]) -> None:
    assert measured(HERE) == Precisions("bf16", "fp32")
    assert measured(Machine("cpu", 2)) == Precisions("bf16", "fp32")
    assert counted == ["text", "image"]
    assert unpinned.is_file() and not list(unpinned.parent.glob("*tmp*"))


def test_another_version_of_torch_is_measured_anew(
    unpinned: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(HERE)
    monkeypatch.setattr(precision, "versions", lambda: {"torch": "9.9"})
    measured(HERE)
    assert counted == ["text", "image"] * 2
    assert len(json.loads(unpinned.read_text())) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{",
        b"[" * 100_000,
        b'{"cpu": 1}',
        lambda about: json.dumps({about: {"text": {"training": 2, "reading": 2}}}).encode(),
        lambda about: json.dumps({about: {m: {"training": "fast"} for m in ("text", "image")}}).encode(),
        lambda about: json.dumps({about: ["text", "image"]}).encode(),
    ],
)
def test_a_broken_file_counts_as_none(content: Any, unpinned: Path, counted: list[str]) -> None:
    unpinned.parent.mkdir(parents=True)
    unpinned.write_bytes(content if isinstance(content, bytes) else content(precision._about(HERE)))
    assert measured(HERE) == Precisions("bf16", "fp32")
    assert counted == ["text", "image"]
    assert measured(HERE) == Precisions("bf16", "fp32")
    assert len(counted) == 2


def test_a_cache_that_cannot_be_written_is_no_reason_to_stop(
    unpinned: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unpinned.parent.write_text("a file where the folder should be")
    assert measured(HERE) == measured(HERE) == Precisions("bf16", "fp32")
    assert len(counted) == 4


def test_the_environment_says_it_without_measuring(monkeypatch: pytest.MonkeyPatch, counted: list[str]) -> None:
    monkeypatch.setenv(precision.PINNED, "bf16")
    assert measured(HERE) == Precisions("bf16", "bf16")
    monkeypatch.setenv(precision.PINNED, "fp16")
    with pytest.raises(SuiteError, match="TRANSFER_SUITE_PRECISION is 'fp16'; expected fp32 or bf16"):
        measured(HERE)
    assert not counted


def test_a_measurement_leaves_no_trace_in_the_process() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    gains = [precision.measure(HERE, modality) for modality in ("text", "image")]  # type: ignore[arg-type]
    assert all(np.isfinite([gain.training, gain.reading]).all() and gain.reading > 0 for gain in gains)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_the_slower_way_is_never_taken_for_the_faster() -> None:
    def work(rounds: int) -> None:
        for _ in range(rounds):
            sum(range(2_000))

    slower = precision._gain(lambda narrow: work(20 if narrow else 10), "cpu")
    faster = precision._gain(lambda narrow: work(10 if narrow else 20), "cpu")
    assert slower < 0.8 and faster > 1.25


def test_only_auto_asks_the_machine() -> None:
    machine = Machine("cpu", 1, Precisions(text="bf16", image="fp32"))
    auto = tasks.load_protocol("quick")
    assert auto.precision == "auto"
    assert machine.precision_of(auto, "text") == "bf16"
    assert machine.precision_of(auto, "image") == "fp32"
    plain = auto.model_copy(update={"precision": "fp32"})
    assert machine.precision_of(plain, "text") == "fp32"


@pytest.mark.parametrize("name", ["quick", "standard", "vtab-1k"])
def test_bundled_protocols_leave_it_to_the_machine(name: str) -> None:
    protocol = tasks.load_protocol(name)
    assert (protocol.version, protocol.precision) == (2, "auto")


@pytest.mark.parametrize("strategy", ["full", "linear_probe"])
def test_auto_gives_the_numbers_of_what_it_means_and_says_so(
    strategy: str, planned: Callable[..., list[Any]], tiny_bert: Path, text_task: Path, own_cache: Path
) -> None:
    def run(machine: Machine, named: str) -> Any:
        (spec,) = planned(tiny_bert, text_task, strategy, precision=named)
        (result,) = evaluation.evaluate(spec, machine, lambda event: None)
        return result

    plain, narrow = run(HERE, "fp32"), run(Machine("cpu", 1, Precisions("bf16", "fp32")), "auto")
    wide = run(HERE, "auto")
    assert [one.record.environment["precision"] for one in (plain, narrow, wide)] == ["fp32", "bf16", "fp32"]
    assert wide.columns["scores"] == plain.columns["scores"]
    assert wide.record.key == narrow.record.key != plain.record.key
    distance = np.abs(np.array(plain.columns["scores"]) - np.array(narrow.columns["scores"])).max()
    assert 0 < distance < 0.1
    if strategy == "linear_probe":  # a precision that a protocol names itself means the training
        assert run(HERE, "bf16").columns["scores"] == plain.columns["scores"]


def test_a_grid_measures_only_where_something_is_to_be_run(
    unpinned: Path,
    counted: list[str],
    tiny_bert: Path,
    text_task: Path,
    tiny_protocol: Path,
    tmp_path: Path,
) -> None:
    place = {"store": tmp_path / "store", "device": "cpu", "threads": 1, "seeds": 1}
    suite.run(str(tiny_bert), str(text_task), "linear_probe", protocol=str(tiny_protocol), **place)
    assert not counted  # the protocol says fp32 itself
    auto = tmp_path / "auto.yaml"
    auto.write_text(tiny_protocol.read_text().replace("name: tiny", "name: auto") + "precision: auto\n")
    for stored in (False, True):
        report = suite.run(str(tiny_bert), str(text_task), "linear_probe", protocol=str(auto), **place)
        assert [one.stored for one in report.done] == [stored]
        assert report.records[0].environment["precision"] == "bf16"
    assert counted == ["text", "image"]
    means = {"models": (str(tiny_bert),), "tasks": (str(text_task),)}
    (check,) = suite.verify(tmp_path / "store", [report.records[0].key], "retrain", **means)
    assert check.ok and len(counted) == 2, check  # made again in the record's own precision

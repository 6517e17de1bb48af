"""What goes wrong in a training: losses that are no numbers, short memory, reading that hangs, processes that die."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from token_rows import padded, token_rows
from torch import nn

from suite import deadline, evaluation, models, training, trunks
from suite.environment import Machine
from suite.hub import resolve
from suite.models import Model
from suite.optimiser import Recipe
from suite.spec import Budget, Mixture, Protocol, RunSpec, Selection, SuiteError, canonical_json
from suite.strategies import lora
from suite.training import Fit, Part, Setting, _checkpoints, _rows

SEEDS = {"order": 3, "dropout": 4}
STEPS = 6


def _protocol(**changes: Any) -> Protocol:
    budget = Budget(epochs=1, min_steps=STEPS, max_steps=STEPS)
    values: dict[str, Any] = {"name": "p", "version": 1, "seeds": 1, "batch": 8, "budget": budget}
    return Protocol(**(values | {"selection": Selection(looks=3)} | changes))


def _score(outputs: Any) -> float:
    """Return a number that any change of a weight moves, and that is highest at some look or other."""
    return float(np.sin(np.asarray(outputs, dtype=np.float64).sum() * 100))


def _part(seed: int = 0, classes: int = 2) -> Part:
    rows = token_rows(40, seed, classes)
    return Part(rows, [len(r["input_ids"]) for r in rows], token_rows(10, seed + 1, classes), padded, _score)


class _Line(Model):
    """A model of one layer whose loss is no number while `fails(autocast is on, training steps so far)`."""

    head = ("line",)
    fresh = frozenset()

    def __init__(self, fails: Callable[[bool, int], bool]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Linear(1, 2)
        self.steps, self.fails = 0, fails

    def logits(self, **inputs: torch.Tensor) -> torch.Tensor:
        self.steps += self.training
        out: torch.Tensor = self.net(inputs["input_ids"][:, :1].float())
        return out * float("nan") if self.training and self.fails(torch.is_autocast_enabled("cpu"), self.steps) else out


# -- losses that are no numbers ----------------------------------------------------------------------------------------


def _setting(precision: Any = "fp32", **changes: Any) -> Setting:
    return Setting(SEEDS, "cpu", precision, lambda event: None, **changes)


def test_a_loss_that_bf16_makes_no_number_is_trained_again_in_fp32_and_that_is_recorded() -> None:
    fit = training.fit(
        lambda: _Line(lambda narrow, steps: narrow and steps == 4),
        {"t": _part()},
        Recipe(1e-3),
        _protocol(),
        _setting("bf16"),
    )
    assert fit.log["retries"] == [{"what": "loss", "step": 4, "precision": "bf16", "then": "fp32"}]
    assert (fit.log["precision"], fit.log["steps"], len(fit.log["tried"])) == ("fp32", STEPS, 1)
    whole = training.fit(lambda: _Line(lambda *_: False), {"t": _part()}, Recipe(1e-3), _protocol(), _setting())
    assert torch.equal(fit.model.get_parameter("net.weight"), whole.model.get_parameter("net.weight"))
    assert (whole.log["retries"], whole.log["precision"]) == ([], "fp32")
    canonical_json(fit.log)


def test_fp32_that_fails_too_is_an_error_and_fp32_is_not_tried_twice() -> None:
    built: list[_Line] = []

    def build() -> Model:
        built.append(_Line(lambda narrow, steps: steps >= 2))
        return built[-1]

    for precision, times in (("bf16", 2), ("fp32", 1)):
        built.clear()
        with pytest.raises(SuiteError, match="loss is not a finite number"):
            training.fit(build, {"t": _part()}, Recipe(1e-3), _protocol(), _setting(precision))
        assert len(built) == times


def test_bf16_is_kept_where_one_of_the_learning_rates_goes_well() -> None:
    made = iter([_Line(lambda *_: True), _Line(lambda *_: False)])
    protocol = _protocol(selection=Selection(looks=1, learning_rates=(1.0, 2.0)))
    fit = training.fit(lambda: next(made), {"t": _part()}, Recipe(1e-3), protocol, _setting("bf16"))
    assert (fit.log["precision"], fit.log["retries"]) == ("bf16", [])
    assert fit.log["learning_rate"] == pytest.approx(2e-3)


def test_nothing_is_trained_on_after_a_loss_that_is_no_number() -> None:
    model = _Line(lambda narrow, steps: steps >= 5)
    budget = Budget(epochs=1, min_steps=400, max_steps=400)
    with pytest.raises(SuiteError, match="loss is not a finite number"):
        training.fit(lambda: model, {"t": _part()}, Recipe(1e-3), _protocol(budget=budget), _setting())
    assert model.steps == 5


def test_the_record_says_which_precision_counted(
    planned: Callable[..., list[RunSpec]], tiny_bert: Path, text_task: Path, machine: Machine, monkeypatch: Any
) -> None:
    forward = models.Model.forward

    def fails_in_bf16(self: Model, labels: Any = None, **inputs: Any) -> Any:
        out = forward(self, labels, **inputs)
        if labels is not None and self.training and torch.is_autocast_enabled("cpu"):
            out["loss"] = out["loss"] * float("inf")
        return out

    monkeypatch.setattr(models.Model, "forward", fails_in_bf16)
    (spec,) = planned(tiny_bert, text_task, "full", precision="bf16")
    (result,) = evaluation.evaluate(spec, machine, lambda event: None)
    assert result.record.environment["precision"] == "fp32"
    assert result.record.training["retries"] == [{"what": "loss", "step": 1, "precision": "bf16", "then": "fp32"}]


def test_short_memory_is_recorded() -> None:
    def refuse(module: nn.Module, arguments: Any, named: Any) -> None:
        if module.training and len(named["labels"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    def build() -> Model:
        model = _Line(lambda *_: False)
        model.register_forward_pre_hook(refuse, with_kwargs=True)
        return model

    log = training.fit(build, {"t": _part()}, Recipe(1e-3), _protocol(), _setting()).log
    assert log["retries"] == [
        {"what": "memory", "micro_batch": 8, "then": 4},
        {"what": "memory", "micro_batch": 4, "then": 2},
    ]
    assert log["micro_batch"] == 2


# -- reading that hangs ------------------------------------------------------------------------------------------------


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "SECONDS", 1.0)


class _Hanging(list[Any]):
    """Rows of which one does not come."""

    def __getitem__(self, row: Any) -> Any:
        if row == 17:
            time.sleep(300)
        return super().__getitem__(row)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_rows_that_hang_end_in_a_sentence(split: str, soon: None) -> None:
    part = dataclasses.replace(_part(), **{split: _Hanging(token_rows(40, 0))})
    started = time.perf_counter()
    with pytest.raises(SuiteError, match=rf"Reading the {split} rows of t has taken more than 1 seconds"):
        training.fit(lambda: _Line(lambda *_: False), {"t": part}, Recipe(1e-3), _protocol(), _setting())
    assert time.perf_counter() - started < 120


def test_rows_to_predict_that_hang_end_in_a_sentence(soon: None) -> None:
    rows = _Hanging(token_rows(40, 0))
    with pytest.raises(SuiteError, match="Reading the rows has taken more than 1 seconds"):
        training.predict(_Line(lambda *_: False), rows, [1] * 40, _part())


def test_a_worker_that_hangs_ends_in_a_sentence(soon: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rows, "count_workers", lambda *arguments: 1)
    monkeypatch.setattr(training._attempts, "count_workers", lambda *arguments: 1)
    part = dataclasses.replace(_part(), train=_Hanging(token_rows(40, 0)))
    with pytest.raises(SuiteError, match="Reading the train rows hangs"):
        training.fit(lambda: _Line(lambda *_: False), {"t": part}, Recipe(1e-3), _protocol(), _setting())


def test_an_error_in_reading_is_the_readers_own() -> None:
    def broken(items: Any) -> Any:
        raise KeyError("input_ids")

    part = dataclasses.replace(_part(), collate=broken)
    with pytest.raises(KeyError, match="input_ids"):
        training.fit(lambda: _Line(lambda *_: False), {"t": part}, Recipe(1e-3), _protocol(), _setting())


# -- processes that die ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wet_bert(save_bert: Callable[..., Path]) -> Path:
    """A tiny BERT with dropout, so that random numbers matter."""
    return save_bert("wet-bert-of-faults", num_hidden_layers=1, hidden_dropout_prob=0.2)


class _Killed(BaseException):
    """The process is gone."""


def _killed_at(step: int) -> Callable[[dict[str, Any]], None]:
    def progress(event: dict[str, Any]) -> None:
        if event.get("step") == step:
            raise _Killed

    return progress


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every training is a long one; the disk is not waited for, which a test cannot tell."""
    monkeypatch.setattr(_checkpoints, "EVERY", 0.0)
    monkeypatch.setattr(_checkpoints.files, "sync", lambda path: None)


def _single(folder: Path, adapters: bool = False) -> Callable[[], Model]:
    def build() -> Model:
        model = models.load(resolve(str(folder)), 2, 0)
        return lora.adapt(model, {"rank": 2, "alpha": 4, "dropout": 0.1}) if adapters else model

    return build


def _narrow(build: Callable[[], Model], fits: int) -> Callable[[], Model]:
    def refuse(module: nn.Module, arguments: Any, named: Any) -> None:
        if module.training and len(named["labels"]) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    def made() -> Model:
        model = build()
        model.register_forward_pre_hook(refuse, with_kwargs=True)
        return model

    return made


def _case(name: str, folder: Path) -> tuple[Callable[[], Model], dict[str, Part], dict[str, Any], dict[str, Any]]:
    """Return a model's maker, its tasks, and what is special of protocol and setting."""
    rates = Selection(looks=3, learning_rates=(1.0, 5.0, 0.2))
    build, one = _single(folder), {"t": _part()}
    match name:
        case "bf16":
            return build, one, {}, {"precision": "bf16"}
        case "adapters":
            return _single(folder, adapters=True), one, {}, {}
        case "pieces":
            return _narrow(build, 4), one, {}, {"precision": "bf16"}
        case "rates":
            return build, one, {"selection": rates}, {"precision": "bf16"}
        case "mixture":
            other = lambda: models.load(resolve(str(folder)), 3, 1)  # noqa: E731  # as short as its twin above
            shared = {"t": build, "u": other}
            mixture = Mixture(tasks_per_step=2)
            return lambda: trunks.share(shared, {}), one | {"u": _part(5, 3)}, {}, {"mixture": mixture}
    return build, one, {}, {}


def _same(one: Fit, other: Fit) -> None:
    weights = other.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in one.model.state_dict().items())
    assert json.dumps(one.log) == json.dumps(other.log)


@pytest.mark.parametrize("name", ["fp32", "bf16", "adapters", "pieces", "rates", "mixture"])
def test_a_training_that_was_killed_goes_on_bit_for_bit(name: str, wet_bert: Path, tmp_path: Path, often: None) -> None:
    build, parts, protocol, setting = _case(name, wet_bert)

    def fit(progress: Callable[[dict[str, Any]], None], folder: Path | None) -> Fit:
        around = Setting(SEEDS, "cpu", progress=progress, resume=folder, **{"precision": "fp32", **setting})
        return training.fit(build, parts, Recipe(5e-3, 2.0), _protocol(**protocol), around)

    straight = fit(lambda event: None, None)
    told: list[int] = []
    for step in (2, 3, 5):  # each process comes a little further
        with pytest.raises(_Killed):
            fit(_killed_at(step), tmp_path)
    resumed = fit(lambda event: told.append(event["step"]), tmp_path)
    _same(straight, resumed)
    assert told[0] == 5  # what was there was not trained again
    outputs = [
        training.predict(one.model, parts["t"].validation, [1] * 10, parts["t"], "t" if len(parts) > 1 else None)
        for one in (straight, resumed)
    ]
    assert np.array_equal(*outputs)


def test_the_learning_rates_behind_a_training_are_remembered(wet_bert: Path, tmp_path: Path, often: None) -> None:
    build, parts, protocol, _ = _case("rates", wet_bert)
    straight = training.fit(build, parts, Recipe(5e-3), _protocol(**protocol), _setting("bf16"))
    seen = 0

    def dies_in_the_third(event: dict[str, Any]) -> None:
        nonlocal seen
        seen += 1
        if seen == 2 * STEPS + 4:
            raise _Killed

    around = dataclasses.replace(_setting("bf16", resume=tmp_path), progress=dies_in_the_third)
    with pytest.raises(_Killed):
        training.fit(build, parts, Recipe(5e-3), _protocol(**protocol), around)
    steps: list[int] = []
    again = dataclasses.replace(around, progress=lambda event: steps.append(event["step"]))
    resumed = training.fit(build, parts, Recipe(5e-3), _protocol(**protocol), again)
    _same(straight, resumed)
    assert steps == list(range(4, STEPS + 1))
    outputs = [training.predict(one.model, parts["t"].validation, [1] * 10, parts["t"]) for one in (straight, resumed)]
    assert np.array_equal(*outputs)


def _leave_checkpoint(wet_bert: Path, folder: Path, **changes: Any) -> None:
    around = dataclasses.replace(_setting(resume=folder, **changes), progress=_killed_at(5))
    with pytest.raises(_Killed):
        training.fit(_single(wet_bert), {"t": _part()}, Recipe(5e-3), _protocol(), around)
    assert [path.name.isdecimal() for path in folder.iterdir()] == [True]


def _first_step(wet_bert: Path, setting: Setting, recipe: Recipe | None = None) -> int:
    steps: list[int] = []
    around = dataclasses.replace(setting, progress=lambda event: steps.append(event["step"]))
    training.fit(_single(wet_bert), {"t": _part()}, recipe or Recipe(5e-3), _protocol(), around)
    return steps[0]


def test_no_other_run_goes_on_from_a_checkpoint(wet_bert: Path, tmp_path: Path, often: None) -> None:
    _leave_checkpoint(wet_bert, tmp_path, run="a")
    assert _first_step(wet_bert, _setting(resume=tmp_path, run="b")) == 1
    _leave_checkpoint(wet_bert, tmp_path / "again", run="a")
    assert _first_step(wet_bert, _setting(resume=tmp_path / "again", run="a"), Recipe(4e-3)) == 1
    _leave_checkpoint(wet_bert, tmp_path / "right", run="a")
    assert _first_step(wet_bert, _setting(resume=tmp_path / "right", run="a")) == 5


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def test_a_damaged_checkpoint_is_as_if_it_were_not_there(wet_bert: Path, tmp_path: Path, often: None) -> None:
    _leave_checkpoint(wet_bert, tmp_path)
    names = [path.relative_to(tmp_path) for path in _files(tmp_path)]
    assert {path.name for path in names} >= {"state.json", "weights.safetensors", "optimizer.pt", "watch.json"}
    identity = json.loads(next(tmp_path.rglob("state.json")).read_text())["identity"]
    checkpoints = _checkpoints.Checkpoints(_setting(resume=tmp_path), lambda: identity)
    assert checkpoints.find() is not None
    for name in names:
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        assert checkpoints.find() is None, name
        (tmp_path / name).write_bytes(content)
    assert _first_step(wet_bert, _setting(resume=tmp_path)) == 5


def test_a_short_training_leaves_nothing(wet_bert: Path, tmp_path: Path) -> None:
    setting = _setting(resume=tmp_path / "run", staged=True)
    training.fit(_single(wet_bert), {"t": _part()}, Recipe(5e-3), _protocol(), setting)
    assert not (tmp_path / "run").exists()


def test_a_full_disk_costs_the_checkpoint_and_nothing_else(
    wet_bert: Path, tmp_path: Path, often: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any, **named: Any) -> None:
        raise OSError(28, "No space left on device")

    straight = training.fit(_single(wet_bert), {"t": _part()}, Recipe(5e-3), _protocol(), _setting())
    monkeypatch.setattr(torch, "save", full)
    fit = training.fit(_single(wet_bert), {"t": _part()}, Recipe(5e-3), _protocol(), _setting(resume=tmp_path))
    assert "No space left" in fit.log.pop("unsaved")
    assert list(tmp_path.iterdir()) == []
    _same(straight, fit)


def test_a_run_in_stages_goes_on_where_it_was(
    planned: Callable[..., list[RunSpec]],
    tiny_bert: Path,
    text_task: Path,
    machine: Machine,
    tmp_path: Path,
    often: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_checkpoints, "STAGE", 0.0)
    (spec,) = planned(tiny_bert, text_task, "full")
    spec = spec.model_copy(update={"resample": "partition:3:sequential"})
    (straight,) = evaluation.evaluate(spec, machine, lambda event: None)
    seen = 0

    def dies_in_the_second_stage(event: dict[str, Any]) -> None:
        nonlocal seen
        seen += "step" in event
        if seen == 4 + 3:
            raise _Killed

    with pytest.raises(_Killed):
        evaluation.evaluate(spec, machine, dies_in_the_second_stage, None, tmp_path)
    steps: list[int] = []
    (resumed,) = evaluation.evaluate(
        spec, machine, lambda event: steps.append(event["step"]) if "step" in event else None, None, tmp_path
    )
    assert steps == [3, 4, 1, 2, 3, 4]
    assert resumed.columns == straight.columns
    assert resumed.record.training == straight.record.training


# -- what is let go ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_trained_model_is_gone_when_nobody_holds_it(precision: Any, wet_bert: Path) -> None:
    import gc
    import weakref

    fit = training.fit(_single(wet_bert), {"t": _part()}, Recipe(5e-3), _protocol(), _setting(precision))
    weights = [weakref.ref(p) for p in fit.model.parameters()]
    gc.disable()  # circles of references would keep the weights of run after run
    try:
        del fit
        assert not [ref for ref in weights if ref() is not None]
    finally:
        gc.enable()


def test_loader_workers_give_the_same_numbers(wet_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = training.fit(_single(wet_bert), {"t": _part()}, Recipe(5e-3), _protocol(), _setting())
    monkeypatch.setattr(training._attempts, "count_workers", lambda *arguments: 2)
    _same(alone, training.fit(_single(wet_bert), {"t": _part()}, Recipe(5e-3), _protocol(), _setting()))


def test_workers_read_ahead_on_a_gpu_whose_rows_take_long_and_never_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rows, "WORTH", 1.0)

    def slow(items: list[dict[str, Any]]) -> dict[str, Any]:
        time.sleep(1.01)
        return padded(items)

    quick, lazy = _rows.Rows({"t": _part()}), _rows.Rows({"t": dataclasses.replace(_part(), collate=slow)})
    first = list(range(8))
    assert _rows.count_workers(lazy, first, "cpu") == 0
    assert _rows.count_workers(quick, first, "cuda") == 0
    cores = _rows.environment.count_cores()
    assert _rows.count_workers(lazy, first, "cuda") == min(_rows.WORKERS, cores - 1)

"""Compiled training: chosen by times alone, the same numbers up to the compiler, and left where it fails.

The compiler of most tests runs torch's graph as it is, so that it needs no C compiler and no GPU, and numbers must be
those of a training that is not compiled, to the bit.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import call
from token_rows import padded, token_rows
from torch import nn

from suite import compiling, environment, evaluation, files, models, training, trunks
from suite.compiling import Pace, Times
from suite.environment import Machine
from suite.hub import resolve
from suite.models import Model
from suite.optimiser import Recipe
from suite.spec import Budget, Protocol, RunSpec, Selection, SuiteError
from suite.strategies import lora
from suite.training import Fit, Part, Setting, _checkpoints, _pace

SEEDS = {"order": 3, "dropout": 4}
STEPS = 6

# -- the choice --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("compiled", "steps", "chosen"),
    [
        (Pace(30, 0.10), 1000, True),  # 130 s in the place of 200
        (Pace(80, 0.10), 1000, True),  # 180 s: just clearly
        (Pace(81, 0.10), 1000, False),
        (Pace(0, 0.01), 899, False),  # of 179.8 s, which is not long
        (Pace(0, 0.01), 900, True),
        (Pace(1000, 0.15), 40_000, True),  # a long one pays the compiling
        (Pace(1000, 0.15), 10_000, False),
        (Pace(0, 0.3), 10_000, False),
    ],
)
def test_compiled_is_chosen_where_the_whole_is_clearly_shorter(compiled: Pace, steps: int, chosen: bool) -> None:
    times = Times(Pace(0, 0.2), compiled)
    assert times.favour(steps) is chosen
    assert not dataclasses.replace(times, failure="no compiler").favour(steps)
    assert not Times(times.eager).favour(steps)


HALF = Pace(10, 0.1)


class _Clock:
    """Gives paces, and counts what was asked."""

    def __init__(self, eager: Pace | Exception, compiled: Pace | Exception = HALF) -> None:
        self.asked: list[bool] = []
        self._answers = (eager, compiled)

    def __call__(self, compiled: bool) -> Pace:
        self.asked.append(compiled)
        answer = self._answers[compiled]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_what_was_measured_is_kept_and_each_decides_by_its_own_steps(own_cache: Path) -> None:
    clock = _Clock(Pace(0, 0.2))
    assert not compiling.decide("a body", 100, clock)
    assert clock.asked == [False], "a short training does not compile to find out"
    assert compiling.decide("a body", 2000, clock)
    assert compiling.decide("a body", 3000, clock)
    assert not compiling.decide("a body", 200, clock)
    assert clock.asked == [False, True]
    assert compiling.decide("another", 2000, clock)
    assert clock.asked == [False, True] * 2
    assert len(list(own_cache.glob("compiled/*.json"))) == 2
    assert not list(own_cache.glob("compiled/.tmp*"))


def test_that_compiling_fails_is_kept_too(own_cache: Path) -> None:
    clock = _Clock(Pace(0, 0.2), RuntimeError("raised:\n no compiler\nat all"))
    assert not compiling.decide("a body", 2000, clock)
    assert not compiling.decide("a body", 2000, clock)
    assert clock.asked == [False, True]
    (path,) = own_cache.glob("compiled/*.json")
    assert json.loads(path.read_text())["failure"] == "RuntimeError: raised: no compiler"


def test_a_failure_in_a_training_rules_out_the_next(own_cache: Path) -> None:
    clock = _Clock(Pace(0, 0.2))
    compiling.rule_out("a body", "never measured")
    assert compiling.decide("a body", 2000, clock)
    compiling.rule_out("a body", "OutOfMemoryError: CUDA out of memory")
    assert not compiling.decide("a body", 2000, clock)
    assert clock.asked == [False, True]


def test_a_training_that_cannot_be_measured_is_not_compiled_and_nothing_is_kept(own_cache: Path) -> None:
    assert not compiling.decide("a body", 2000, _Clock(torch.OutOfMemoryError("out of memory")))
    assert not list(own_cache.glob("compiled/*.json"))
    for error in (_Clock(SuiteError("no rows")), _Clock(Pace(0, 0.2), SuiteError("no rows"))):
        with pytest.raises(SuiteError, match="no rows"):
            compiling.decide("a body", 2000, error)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        b'{"compiled": null, "eager": {"once": 0, "step": 0.2}}',
        b'{"compiled": null, "eager": {"once": 0, "step": "fast"}, "failure": null}',
        b'{"compiled": {"once": 0, "step": -1}, "eager": {"once": 0, "step": 0.2}, "failure": null}',
        b'{"compiled": {"once": NaN, "step": 0}, "eager": {"once": 0, "step": 0.2}, "failure": null}',
    ],
)
def test_a_damaged_file_is_measured_anew(own_cache: Path, content: bytes) -> None:
    assert compiling.decide("a body", 2000, _Clock(Pace(0, 0.2)))
    (path,) = own_cache.glob("compiled/*.json")
    path.write_bytes(content)
    again = _Clock(Pace(0, 0.2))
    assert compiling.decide("a body", 2000, again)
    assert again.asked == [False, True]


def test_a_cache_that_cannot_be_written_stops_nothing(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write", full)
    assert compiling.decide("a body", 2000, _Clock(Pace(0, 0.2)))
    own_cache.joinpath("compiled/x").parent.rename(own_cache / "away")
    own_cache.joinpath("compiled").write_text("no folder")
    assert compiling.decide("a body", 2000, _Clock(Pace(0, 0.2)))


def test_a_wrong_word_is_refused_before_any_run(
    tiny_bert: Path, text_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(environment.COMPILE, "yes")
    told = call("run", "-m", tiny_bert, "-t", text_task, "-s", "full", "--store", tmp_path / "store")
    assert told.code == 2
    assert told.mistakes == ["TRANSFER_SUITE_COMPILE is 'yes'; expected 0, 1 or auto."]
    assert not (tmp_path / "store").exists()


# -- trainings ---------------------------------------------------------------------------------------------------------


def _protocol(**changes: Any) -> Protocol:
    budget = Budget(epochs=1, min_steps=STEPS, max_steps=STEPS)
    values: dict[str, Any] = {"name": "p", "version": 1, "seeds": 1, "batch": 8, "budget": budget}
    return Protocol(**(values | {"selection": Selection(looks=3)} | changes))


def _score(outputs: Any) -> float:
    """Return a number that any change of a weight moves, and that is highest at some look or other."""
    return float(np.sin(np.asarray(outputs, dtype=np.float64).sum() * 100))


def _part(classes: int = 2) -> Part:
    rows = token_rows(40, classes, classes)
    return Part(rows, [len(row["input_ids"]) for row in rows], token_rows(10, 1, classes), padded, _score)


def _pictures() -> Part:
    generator = torch.Generator().manual_seed(0)
    rows = [{"pixel_values": torch.rand(3, 32, 32, generator=generator), "labels": i % 2} for i in range(30)]

    def stacked(items: list[dict[str, Any]]) -> dict[str, Any]:
        pixels = torch.stack([item["pixel_values"] for item in items])
        return {"pixel_values": pixels, "labels": torch.tensor([item["labels"] for item in items])}

    return Part(rows, [1] * 30, rows[:10], stacked, _score)


class _Compiler:
    """Runs torch's graph as it is, or times a factor; counts graphs, and steps through them.

    `fails` is asked with how many steps there were.
    """

    def __init__(
        self,
        fails: Callable[[int], bool] = lambda calls: False,
        error: type[Exception] = ValueError,
        factor: float = 1.0,
    ) -> None:
        self.graphs, self.calls, self._fails, self._error, self._factor = 0, 0, fails, error, factor

    def __call__(self, graph: Any, inputs: Any) -> Callable[..., Any]:
        self.graphs += 1
        if self._fails(0):
            raise self._error("this graph is not for me")

        def run(*arguments: Any) -> Any:
            self.calls += 1
            if self._fails(self.calls):
                raise self._error("not any more")
            return tuple(self._factor * out for out in graph.forward(*arguments))

        return run


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> _Compiler:
    """A compiler that all trainings use."""
    return _use(monkeypatch, _Compiler())


def _use(monkeypatch: pytest.MonkeyPatch, compiler: _Compiler) -> _Compiler:
    monkeypatch.setenv(environment.COMPILE, "1")
    monkeypatch.setattr(compiling, "BACKEND", compiler)
    return compiler


@pytest.fixture(scope="module")
def wet_bert(save_bert: Callable[..., Path]) -> Path:
    """A tiny BERT with dropout, so that random numbers matter."""
    return save_bert("wet-bert-to-compile", num_hidden_layers=1, hidden_dropout_prob=0.2)


def _fit(build: Callable[[], Model], parts: Any = None, recipe: Recipe | None = None, **changes: Any) -> Fit:
    protocol = changes.pop("protocol", {})
    setting = {"device": "cpu", "precision": "fp32", "progress": lambda event: None} | changes
    return training.fit(
        build, parts or {"t": _part()}, recipe or Recipe(5e-3, 2.0), _protocol(**protocol), Setting(SEEDS, **setting)
    )


def _plain(*arguments: Any, **named: Any) -> Fit:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(environment.COMPILE, "0")
        return _fit(*arguments, **named)


def _same(one: Fit, other: Fit, **logged: Any) -> None:
    """Hold that two fits are the same to the bit, weights by the same names, and their logs but for what is named."""
    weights = other.model.state_dict()
    assert list(weights) == list(one.model.state_dict())
    assert all(torch.equal(value, weights[name]) for name, value in one.model.state_dict().items())
    assert json.dumps(one.log | logged) == json.dumps(other.log)


def _load(folder: Path, classes: int = 2) -> Model:
    return models.load(resolve(str(folder)), classes, 0)


def _case(name: str, bert: Path, resnet: Path) -> tuple[Callable[[], Model], dict[str, Part], dict[str, Any]]:
    one = {"t": _part()}
    settings = {"rank": 2, "alpha": 4, "dropout": 0.1}
    match name:
        case "adapters":
            return lambda: lora.adapt(_load(bert), settings), one, {}
        case "mixture":
            shared = {"t": lambda: _load(bert), "u": lambda: _load(bert, 3)}
            return lambda: trunks.share(shared, {}), one | {"u": _part(3)}, {}
        case "pictures":
            return lambda: _load(resnet), {"t": _pictures()}, {}
        case "adapted pictures":
            recipe = Recipe(5e-3, freeze_batch_norm=True)
            return lambda: lora.adapt(_load(resnet), settings), {"t": _pictures()}, {"recipe": recipe}
        case "bf16":
            return lambda: _load(bert), one, {"precision": "bf16"}
    return lambda: _load(bert), one, {}


@pytest.mark.parametrize("name", ["fp32", "bf16", "adapters", "mixture", "pictures", "adapted pictures"])
def test_a_compiled_training_trains_the_same_weights_under_the_same_names(
    name: str, wet_bert: Path, tiny_resnet: Path, compiler: _Compiler
) -> None:
    build, parts, changes = _case(name, wet_bert, tiny_resnet)
    found = _fit(build, parts, **changes)
    assert compiler.calls >= STEPS
    assert compiler.graphs <= 3 * len(parts), "one graph serves batches of all lengths, but for a look at the first"
    _same(_plain(build, parts, **changes), found, compiled=True)
    before = compiler.calls
    part = next(iter(parts.values()))
    told = "t" if len(parts) > 1 else None
    training.predict(found.model, part.validation, [1] * 10, part, told)
    found.model.train()(**part.collate([part.train[0], part.train[1]]), **({"task": told} if told else {}))
    assert compiler.calls == before, "what is trained runs as it is"


def test_looks_at_validation_are_not_compiled_and_no_code_is_kept_from_run_to_run(
    wet_bert: Path, compiler: _Compiler
) -> None:
    _fit(lambda: _load(wet_bert))
    assert compiler.calls == STEPS
    graphs = compiler.graphs
    _fit(lambda: _load(wet_bert))
    assert compiler.graphs == 2 * graphs


@pytest.mark.parametrize("when", ["at once", "for lack of memory"])
def test_where_compiling_fails_the_whole_is_trained_as_it_is(
    when: str, wet_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build() -> Model:
        return _load(wet_bert)

    rates = {"protocol": {"selection": Selection(looks=3, learning_rates=(1.0, 0.2))}}
    fails = (lambda calls: calls == 0) if when == "at once" else (lambda calls: calls == STEPS + 3)
    error = ValueError if when == "at once" else torch.OutOfMemoryError
    compiler = _use(monkeypatch, _Compiler(fails, error, factor=1.5))
    told: list[dict[str, Any]] = []
    found = _fit(build, progress=told.append, **rates)
    assert compiler.calls == (0 if when == "at once" else STEPS + 3)
    (retry,) = found.log["retries"]
    assert retry["what"] == "compiling"
    assert ("this graph is not for me" if when == "at once" else "not any more") in retry["reason"]
    assert [event["note"] for event in told if "note" in event] == [
        f"Compiled, a training failed ({retry['reason']}); it is trained as it is."
    ]
    _same(_plain(build, **rates), found, retries=[retry])


class _Unsteady(Model):
    """A layer whose loss is no number as long as its steps are compiled."""

    head = ("line",)
    fresh = frozenset()

    def __init__(self, compiler: _Compiler) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Linear(1, 2)
        self._compiler = compiler

    def logits(self, **inputs: torch.Tensor) -> torch.Tensor:
        before = self._compiler.calls
        out: torch.Tensor = self.net(inputs["input_ids"][:, :1].float())
        return out * float("nan") if self._compiler.calls > before else out


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_loss_that_is_no_number_is_trained_again_in_fp32_and_as_it_is(precision: Any, compiler: _Compiler) -> None:
    found = _fit(lambda: _Unsteady(compiler), precision=precision)
    retry = {"what": "loss", "step": 1, "precision": precision, "then": "fp32", "compiled": True}
    assert (found.log["retries"], found.log["compiled"], found.log["precision"]) == ([retry], False, "fp32")
    _same(_plain(lambda: _Unsteady(compiler)), found, retries=[retry])


def test_what_cannot_be_compiled_is_not(wet_bert: Path, compiler: _Compiler) -> None:
    found = _fit(lambda: _load(wet_bert), protocol={"activation_checkpointing": True})
    assert (found.log["compiled"], found.log["retries"], compiler.graphs) == (False, [], 0)
    request: Any = dataclasses.make_dataclass("R", ["setting", "protocol"])(
        Setting(SEEDS, "cpu", "fp32", lambda event: None, devices=2), _protocol()
    )
    anything: Any = None
    assert not _pace.decide(request, anything, anything, anything, anything)


def test_a_record_says_it_and_its_key_does_not(
    planned: Callable[..., list[RunSpec]], tiny_bert: Path, text_task: Path, machine: Machine, compiler: _Compiler
) -> None:
    (spec,) = planned(tiny_bert, text_task, "full", seeds=1)
    (found,) = evaluation.evaluate(spec, machine, lambda event: None)
    assert compiler.calls
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(environment.COMPILE, "auto")
        (plain,) = evaluation.evaluate(spec, machine, lambda event: None)
    assert (found.record.training["compiled"], plain.record.training["compiled"]) == (True, False)
    assert found.record.key == plain.record.key
    assert found.columns == plain.columns


# -- going on after a crash --------------------------------------------------------------------------------------------


class _KilledError(BaseException):
    """The process is gone."""


def _killed_at(step: int) -> Callable[[dict[str, Any]], None]:
    def progress(event: dict[str, Any]) -> None:
        if event.get("step") == step:
            raise _KilledError

    return progress


def test_a_compiled_training_goes_on_bit_for_bit_and_another_does_not_take_it_up(
    wet_bert: Path, tmp_path: Path, compiler: _Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_checkpoints, "EVERY", 0.0)
    monkeypatch.setattr(_checkpoints.files, "sync", lambda path: None)

    def build() -> Model:
        return _load(wet_bert)

    def steps(word: str, folder: Path) -> tuple[Fit, list[int]]:
        told: list[int] = []
        monkeypatch.setenv(environment.COMPILE, word)
        return _fit(build, progress=lambda event: told.append(event["step"]), resume=folder), told

    straight = _fit(build)
    with pytest.raises(_KilledError):
        _fit(build, progress=_killed_at(4), resume=tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    resumed, told = steps("1", tmp_path / "one")
    assert (told[0], resumed.log["compiled"]) == (4, True)
    _same(straight, resumed)
    other, told = steps("0", tmp_path / "two")
    assert (told[0], other.log["compiled"]) == (1, False)


# -- measured ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("worth", [0.0, 1e9])
def test_it_is_measured_on_a_copy_and_what_is_trained_is_the_same(
    worth: float, wet_bert: Path, own_cache: Path, compiler: _Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(environment.COMPILE, "auto")
    monkeypatch.setattr(_pace, "DEVICES", ("cpu",))
    monkeypatch.setattr(_pace, "FEWEST", STEPS)
    monkeypatch.setattr(_pace, "STEPS", 2)
    monkeypatch.setattr(compiling, "LONG", 0.0)
    monkeypatch.setattr(compiling, "CLEARLY", worth)

    def build() -> Model:
        return _load(wet_bert)

    told: list[Any] = []
    found = _fit(build, progress=lambda event: told.append(event.get("phase")))
    assert [phase for phase in told if phase] == ["timing steps", "timing compiled steps"]
    assert compiler.calls == 4 + (STEPS if worth else 0)
    _same(_plain(build), found, compiled=bool(worth))
    (path,) = own_cache.glob("compiled/*.json")
    times = json.loads(path.read_text())
    assert times["failure"] is None
    assert times["eager"]["step"] > 0 < times["compiled"]["step"]
    assert times["compiled"]["once"] > 0.05, "compiling is counted, and not as a step's"
    told.clear()
    _same(found, _fit(build, progress=lambda event: told.append(event.get("phase"))))
    assert set(told) == {None}, "another seed or run measures nothing"


def test_a_failure_on_the_way_is_met_once(wet_bert: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = _use(monkeypatch, _Compiler(lambda calls: calls == 4 + 3))
    monkeypatch.setenv(environment.COMPILE, "auto")
    monkeypatch.setattr(_pace, "DEVICES", ("cpu",))
    monkeypatch.setattr(_pace, "FEWEST", STEPS)
    monkeypatch.setattr(_pace, "STEPS", 2)
    monkeypatch.setattr(compiling, "LONG", 0.0)
    monkeypatch.setattr(compiling, "CLEARLY", 1e9)
    first, second = _fit(lambda: _load(wet_bert)), _fit(lambda: _load(wet_bert))
    assert compiler.calls == 4 + 3
    assert [retry["what"] for retry in first.log["retries"]] == ["compiling"]
    _same(second, first, retries=first.log["retries"])


def test_what_the_times_hold_for() -> None:
    class Net(Model):
        def __init__(self, width: int, frozen: bool = False) -> None:
            super().__init__()
            self.net = nn.Linear(width, 2).requires_grad_(not frozen)

    def about(net: Model, seeds: Any = SEEDS, batch: int = 8, rows: int = 40, precision: Any = "fp32") -> Any:
        part = _part()
        some = dataclasses.replace(part, train=part.train[:rows], train_lengths=part.train_lengths[:rows])
        setting = Setting(seeds, "cpu", precision, lambda event: None)
        request: Any = dataclasses.make_dataclass("R", ["setting", "protocol", "parts"])(
            setting, _protocol(batch=batch), {"t": some}
        )
        return json.dumps(_pace.about(request, Recipe(1e-3), net))

    usual = about(Net(3))
    assert usual == about(Net(3), seeds={"order": 9, "dropout": 9}) == about(Net(3), rows=30)
    others = [about(Net(4)), about(Net(3, frozen=True)), about(Net(3), batch=4), about(Net(3), precision="bf16")]
    assert len({usual, *others}) == 5


# -- torch's own compiler ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for a CPU by a C++ compiler")
def test_torchs_own_compiler_takes_our_options_and_draws_the_same_dropout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(compiling.CODE, raising=False)
    monkeypatch.setattr(files, "own", lambda: tmp_path)

    def trained(compiled: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
        rows = torch.randn(5, 6)
        if compiled:
            with compiling.compiled(net, varies=True):
                net(rows).square().sum().backward()
        else:
            net(rows).square().sum().backward()
        return [p.grad for p in net.parameters() if p.grad is not None]

    for one, other in zip(trained(False), trained(True), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert any(tmp_path.rglob("inductor/**/*.so")), "it was compiled, and the code lies where nobody else writes"
    assert compiling.CODE not in os.environ

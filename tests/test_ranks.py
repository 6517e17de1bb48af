"""Several devices give the numbers of one, and a process that fails takes the others with it in a sentence."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suite import engines, environment, evaluation, ranks
from suite.engines import Wanted
from suite.environment import Machine
from suite.spec import Failure, Result, RunSpec, SuiteError

ONE, TWO, THREE = (Machine("cpu", 1, devices=count) for count in (1, 2, 3))


@pytest.fixture(autouse=True)
def nothing_is_left() -> Any:
    yield
    assert multiprocessing.active_children() == []


# -- numbers -----------------------------------------------------------------------------------------------------------


def _run(spec: RunSpec, machine: Machine) -> Result:
    (result,) = evaluation.evaluate(spec, machine, lambda event: None)
    return result


def _losses(result: Result) -> Any:
    return [point["loss"] for point in result.record.training["curve"] if "loss" in point]  # type: ignore[union-attr, index, call-overload]


@pytest.mark.slow
def test_devices_train_together_what_one_trains_dropout_included(
    planned: Callable[..., list[RunSpec]], tiny_bert: Path, text_task: Path
) -> None:
    (spec,) = planned(tiny_bert, text_task, "full", seeds=1)
    assert spec.protocol.batch % THREE.devices, "a batch that the devices cannot share equally"
    one, several = _run(spec, ONE), _run(spec, THREE)
    assert (one.record.environment["devices"], several.record.environment["devices"]) == (1, 3)
    assert several.record.key == one.record.key
    assert _losses(one)
    assert _losses(several) == pytest.approx(_losses(one), abs=1e-5)
    assert np.abs(np.subtract(several.columns["scores"], one.columns["scores"])).max() < 2e-5
    assert several.record.metrics == pytest.approx(one.record.metrics)


def test_batch_normalisation_that_trains_is_refused(
    planned: Callable[..., list[RunSpec]], tiny_resnet: Path, image_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spec,) = planned(tiny_resnet, image_task, "full", seeds=1)
    monkeypatch.setattr(ranks, "launch", lambda work, machine, progress: work(progress))
    ((_, outcome),) = engines.get("local").map(evaluation.evaluate, [spec], TWO, 1, lambda spec, event: None)
    assert isinstance(outcome, Failure)
    assert outcome.reason.startswith("The batch normalisation of this checkpoint sees whole batches")


def test_a_strategy_that_does_not_train_by_gradient_uses_one(
    planned: Callable[..., list[RunSpec]], tiny_bert: Path, text_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spec,) = planned(tiny_bert, text_task, "linear_probe", seeds=1)
    monkeypatch.setattr(ranks, "launch", None)
    assert _run(spec, TWO).record.environment["devices"] == 1


def test_a_batch_that_is_smaller_than_the_devices_are_many_is_refused(
    planned: Callable[..., list[RunSpec]], tiny_bert: Path, text_task: Path
) -> None:
    (spec,) = planned(tiny_bert, text_task, "full", seeds=1)
    batch = spec.protocol.batch
    with pytest.raises(SuiteError, match=f"batches of {batch}, which {batch + 1} devices cannot share"):
        _run(spec, Machine("cpu", 1, devices=batch + 1))


# -- processes ---------------------------------------------------------------------------------------------------------


def _added(progress: Any) -> Any:
    """Return the sum over the processes of 1, 2, ..., and which of them this is."""
    import torch

    number = int(os.environ["RANK"])
    progress({"from": number})
    given = torch.tensor([number + 1.0])
    torch.distributed.all_reduce(given)
    return given.item(), number, ranks.is_first()


def _failing(progress: Any, how: str) -> None:
    """Fail in the second process, while the first waits for it."""
    import torch

    if os.environ["RANK"] == "1":
        if how == "error":
            raise ValueError("first line of a long story\nsecond line")
        os.kill(os.getpid(), signal.SIGKILL)
    torch.distributed.all_reduce(torch.zeros(1))


def _sleeping(progress: Any) -> None:
    progress({"pid": os.getpid()})
    time.sleep(60)


@pytest.mark.slow
def test_the_first_process_tells_and_answers() -> None:
    told: list[dict[str, Any]] = []
    assert ranks.launch(_added, TWO, told.append) == (3.0, 0, True)
    assert told == [{"from": 0}]
    assert ranks.is_first()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("error", "^ValueError: first line of a long story$"),
        ("death", r"^Process 2 of those that share the run died \(exit code -9\)"),
    ],
)
def test_a_failing_process_ends_the_others_and_is_told_in_a_sentence(how: str, said: str) -> None:
    started = time.monotonic()
    with pytest.raises(SuiteError, match=said):
        ranks.launch(functools.partial(_failing, how=how), TWO, lambda event: None)
    assert time.monotonic() - started < 60  # not the half hour for which processes wait for each other


@pytest.mark.slow
def test_whoever_stops_listening_leaves_no_process_behind() -> None:
    def interrupt(event: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        ranks.launch(_sleeping, TWO, interrupt)
    assert time.monotonic() - started < 40


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(gpus_per_run=0.5), "0.5; expected a whole number. A part of a GPU goes with --engine ray."),
        (Wanted(gpus_per_run=float("nan")), "nan; expected a whole number"),
        (Wanted(gpus_per_run=2, device="cpu"), "2, but --device is cpu"),
        (Wanted(gpus_per_run=2, workers=environment.count_cores()), "goes with --engine ray"),
        (Wanted(gpus_per_run=4096), "4096, but torch sees"),
    ],
)
def test_gpus_that_this_machine_has_not_are_refused(wanted: Wanted, said: str) -> None:
    if wanted.workers == 1 or environment.count_cores() > 1:
        with pytest.raises(SuiteError, match=said):
            engines.get("local").machine(wanted)


def test_gpus_that_this_machine_has_are_a_run_s(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    machine = engines.get("local").machine(Wanted(gpus_per_run=4, threads=1))
    assert (machine.device, machine.devices) == ("cuda", 4)
    assert engines.get("local").machine(Wanted(threads=1)).devices == 1

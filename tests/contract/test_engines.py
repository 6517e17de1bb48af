"""Every engine in the folder keeps the same promises."""

from __future__ import annotations

import functools
import multiprocessing
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract import work
from suite import engines, evaluation, plugins
from suite.engines import Engine, Wanted
from suite.engines._dispatch import DIED, TRIES
from suite.environment import Machine
from suite.spec import Failure, RunSpec, SuiteError

ENGINES = plugins.names("engines")
WORKERS = (1, 2)


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = engines.get(request.param)
    try:
        engine.machine(Wanted("cpu", 1, 1))
    except SuiteError as error:  # an engine may need a library that is not installed
        pytest.skip(str(error))
    yield engine
    engine.close()


@pytest.fixture
def specs(planned: Callable[..., list[RunSpec]], tiny_bert: Path, text_task: Path) -> list[RunSpec]:
    return planned(tiny_bert, text_task, "linear_probe", seeds=4)


def _map(engine: Engine, specs: list[RunSpec], workers: int, job: Any = work.quick, progress: Any = None) -> list[Any]:
    return list(engine.map(job, specs, Machine("cpu", 1), workers, progress or (lambda spec, event: None)))


@pytest.mark.parametrize("name", ENGINES)
def test_importing_an_engine_loads_no_heavy_library(name: str, loaded_by: Callable[[str], set[str]]) -> None:
    assert loaded_by(f"suite.engines.{name}") == set()


def test_an_unknown_engine_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SuiteError, match="Did you mean 'local'"):
        engines.get("lokal")


@pytest.mark.parametrize("workers", WORKERS)
def test_every_run_has_one_outcome(engine: Engine, specs: list[RunSpec], workers: int) -> None:
    outcomes = _map(engine, specs, workers)
    assert sorted(spec.seed for spec, _ in outcomes) == [0, 1, 2, 3]
    assert {spec.seed for spec, outcome in outcomes if isinstance(outcome, Failure)} == {1, 3}
    assert all(spec == outcome.spec for spec, outcome in outcomes if isinstance(outcome, Failure))


@pytest.mark.parametrize("workers", WORKERS)
def test_an_error_becomes_a_failure_of_one_sentence_with_details(
    engine: Engine, specs: list[RunSpec], workers: int
) -> None:
    failures = {s.seed: o for s, o in _map(engine, specs, workers) if isinstance(o, Failure)}
    assert failures[1].reason == "The data cannot be used; name another file."
    assert failures[3].reason == "ValueError: first line of a long story"
    assert "second line" in failures[3].details and "raise ValueError" in failures[3].details


@pytest.mark.parametrize("workers", WORKERS)
def test_progress_is_told_in_this_process_with_its_run(engine: Engine, specs: list[RunSpec], workers: int) -> None:
    told: list[tuple[int, int, int]] = []

    def listen(spec: RunSpec, event: dict[str, Any]) -> None:
        if event["phase"] == "working":
            told.append((spec.seed, event["seed"], os.getpid()))

    _map(engine, specs, workers, progress=listen)
    assert told and all(seed == said and process == os.getpid() for seed, said, process in told)


def test_outcomes_come_the_moment_they_are_there(engine: Engine, specs: list[RunSpec]) -> None:
    started: list[int] = []
    outcomes = engine.map(work.quick, specs, Machine("cpu", 1), 1, lambda spec, event: started.append(spec.seed))
    next(outcomes)
    assert len(set(started)) < len(specs)
    assert len(list(outcomes)) == len(specs) - 1


def test_nothing_to_do_gives_no_outcome(engine: Engine) -> None:
    assert [_map(engine, [], workers) for workers in WORKERS] == [[], []]


def test_a_caller_who_stops_listening_leaves_no_process_behind(engine: Engine, specs: list[RunSpec]) -> None:
    outcomes = engine.map(work.quick, specs, Machine("cpu", 1), 2, lambda spec, event: None)
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]  # engines yield from generators
    for child in multiprocessing.active_children():
        child.join(120)
    assert multiprocessing.active_children() == []


def test_a_worker_that_dies_fails_its_runs_and_no_more_is_lost(engine: Engine, specs: list[RunSpec]) -> None:
    outcomes = _map(engine, specs[:2], 2, work.deadly)
    assert sorted(spec.seed for spec, _ in outcomes) == [0, 1]
    assert all(isinstance(outcome, Failure) and "died" in outcome.reason for _, outcome in outcomes)


def test_a_run_is_begun_as_often_with_every_engine(engine: Engine, specs: list[RunSpec], tmp_path: Path) -> None:
    outcomes = _map(engine, specs[:2], 2, functools.partial(work.deadly_and_counted, str(tmp_path)))
    assert [(tmp_path / str(seed)).read_text().count("begun") for seed in (0, 1)] == [TRIES] * 2
    assert [outcome.reason for _, outcome in outcomes] == [DIED] * 2
    assert f"{TRIES} times" in DIED


def test_a_run_that_kills_its_worker_fails_alone(engine: Engine, specs: list[RunSpec]) -> None:
    outcomes = {spec.seed: outcome for spec, outcome in _map(engine, specs, 2, work.deadly_at_zero)}
    assert sorted(outcomes) == sorted(spec.seed for spec in specs)
    assert [seed for seed, outcome in outcomes.items() if isinstance(outcome, Failure)] == [0]


@pytest.mark.slow
def test_two_workers_of_any_engine_give_what_this_process_gives(
    engine: Engine, planned: Callable[..., list[RunSpec]], tiny_bert: Path, text_task: Path
) -> None:
    runs = planned(tiny_bert, text_task, "full", seeds=2)
    alone, together = (
        {spec.seed: outcome for spec, outcome in _map(one, runs, workers, evaluation.evaluate)}
        for one, workers in ((engines.get("local"), 1), (engine, 2))
    )
    assert [o.details for o in (*alone.values(), *together.values()) if isinstance(o, Failure)] == []
    for seed in (0, 1):
        (one,), (two,) = alone[seed], together[seed]
        assert one.record.metrics == two.record.metrics
        assert np.array_equal(one.columns["scores"], two.columns["scores"])


def test_what_is_said_of_a_cluster_is_refused_where_there_is_none() -> None:
    for wanted in (Wanted("cpu", 1, 1, gpus_per_run=0.5), Wanted("cpu", 1, 1, ray_address="10.0.0.1:6379")):
        with pytest.raises(SuiteError, match="goes with --engine ray"):
            engines.get("local").machine(wanted)

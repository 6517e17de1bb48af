"""Runs on a cluster: what is asked of it, what it loses on the way, and what it leaves behind."""

from __future__ import annotations

import builtins
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_line import end, records, start, wait_for_record
from contract import work

from suite import engines, environment, evaluation, files, runs
from suite.engines import Engine, Wanted, _address, _crew, _dispatch, _likeness
from suite.engines._room import Share, gpus_of, share
from suite.engines._worker import Mail, Worker
from suite.environment import Machine
from suite.spec import Failure, Result, RunSpec, SuiteError

CPU = Machine("cpu", 1)


# -- what a cluster has room for ---------------------------------------------------------------------------------------

NODES = [{"CPU": 16.0, "GPU": 2.0}, {"CPU": 4.0}, {"CPU": 0.0}]


@pytest.mark.parametrize(
    ("threads", "gpus", "room"),
    [(1, 0, 20), (4, 0, 5), (5, 0, 3), (32, 0, 0), (1, 1, 2), (1, 0.5, 4), (1, 0.3, 6), (1, 0.7, 2), (16, 0.5, 1)],
)
def test_room_is_what_fits_on_each_node_and_a_part_of_a_gpu_lies_on_one(threads: int, gpus: float, room: int) -> None:
    assert Share(threads, gpus).times(NODES) == room


def test_without_threads_a_run_gets_as_many_as_there_are_for_each() -> None:
    assert share(None, 0, 1, NODES).threads == 16
    assert share(None, 0, 2, NODES).threads == 8
    assert share(None, 0, 20, NODES).threads == 1
    assert share(3, 0, 2, NODES).threads == 3


@pytest.mark.parametrize(
    ("threads", "gpus", "workers", "said"),
    [
        (1, 0, 21, r"--workers is 21; the cluster has room for 20 runs at once of 1 CPU each, so expected 1 to 20\."),
        (8, 0.5, 3, r"has room for 2 runs at once of 8 CPUs and 0.5 GPU each, so expected 1 to 2\."),
        (None, 1, 3, r"has room for 2 runs at once of 1 CPU and 1 GPU each"),
        (16, 0.5, 0, r"--workers is 0; the cluster has room for 1 run at once of 16 CPUs and 0.5 GPU each"),
        (17, 0, 1, r"--threads is 17; the largest node of the cluster has 16 CPUs\."),
        (0, 0, 1, r"--threads is 0"),
        (1, 0, 0, r"--workers is 0"),
    ],
)
def test_what_a_cluster_has_not_is_refused_at_once(threads: int | None, gpus: float, workers: int, said: str) -> None:
    with pytest.raises(SuiteError, match=said):
        share(threads, gpus, workers, NODES)


def test_a_cluster_without_any_of_what_a_run_takes_is_told_of() -> None:
    for threads, gpus, nodes in ((1, 0, NODES[2:]), (8, 1, NODES[1:]), (1, 1, [{"GPU": 1.0}])):
        with pytest.raises(SuiteError, match=r"No node of the cluster has room for a run of|the largest node"):
            share(threads, gpus, 1, nodes)


def test_a_run_gets_a_gpu_where_there_is_one_and_it_is_not_declined() -> None:
    assert [gpus_of(device, None, NODES) for device in ("auto", "cuda", "cpu")] == [1.0, 1.0, 0.0]
    assert gpus_of("auto", None, NODES[1:]) == 0.0
    assert gpus_of("auto", 0.25, NODES) == 0.25


@pytest.mark.parametrize(
    ("device", "asked", "nodes", "said"),
    [
        ("cuda", None, NODES[1:], "--device is cuda, but no node of the cluster has a GPU"),
        ("auto", 0.5, NODES[1:], "--gpus-per-run is 0.5, but no node of the cluster has a GPU"),
        ("cpu", 0.5, NODES, "but --device is cpu"),
        ("auto", 1.5, NODES, "--gpus-per-run is 1.5; a run uses a part of one GPU"),
        ("auto", 0, NODES, "--gpus-per-run is 0"),
        ("auto", float("nan"), NODES, "--gpus-per-run is nan"),
        ("tpu", None, NODES, "expected auto, cpu or cuda"),
    ],
)
def test_gpus_that_make_no_sense_are_refused(device: str, asked: float | None, nodes: Any, said: str) -> None:
    with pytest.raises(SuiteError, match=said):
        gpus_of(device, asked, nodes)


# -- addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["nonsense", "ray://10.0.0.1:10001", ":6379", "host:", "host:0", "host:99999"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(SuiteError, match=r"expected HOST:PORT of the cluster's head"):
        _address.check(address)


def test_an_address_that_nobody_answers_is_told_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(SuiteError, match=f"No Ray cluster answers at 127.0.0.1:{port} .*refused.*ray start --head"):
        engines.get("ray").machine(Wanted("cpu", 1, 1, ray_address=f"127.0.0.1:{port}"))
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("answer", "said"), [(b"", "No Ray cluster answers"), (b"HTTP/1.1 400 Bad Request\r\n", "is no Ray cluster")]
)
def test_somebody_else_at_an_address_is_no_cluster(answer: bytes, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_address, "SECONDS", 60 if answer else 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = threading.Event()

        def serve() -> None:
            line, _ = server.accept()
            with line:
                line.recv(100)
                if answer:
                    line.sendall(answer)
                asked.wait(60)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(SuiteError, match=said):
            _address.check(f"127.0.0.1:{server.getsockname()[1]}")
        asked.set()
        thread.join()


def test_without_ray_there_is_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "ray":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(SuiteError, match=r"pip install 'transfer-suite\[ray\]', or use --engine local"):
        engines.get("ray").machine(Wanted("cpu", 1, 1))


# -- what a worker must have -------------------------------------------------------------------------------------------


def test_a_worker_with_other_versions_is_refused_and_all_of_them_are_named() -> None:
    mine = _likeness.mine()
    _likeness.check(mine)
    other = {**mine.versions, "torch": "2.9.0", "Python": "3.11.2"}
    del other["timm"]
    with pytest.raises(SuiteError) as told:
        _likeness.check(_likeness.Likeness("node-7", other))
    assert "The worker on node-7 has another environment: Python 3.11.2 (" in str(told.value)
    assert f"torch 2.9.0 ({environment.versions()['torch']} here), timm missing (" in str(told.value)
    assert "numpy" not in str(told.value)


def test_folders_that_a_worker_does_not_see_are_named(
    planned: Callable[..., list[RunSpec]], tiny_bert: Path, text_task: Path
) -> None:
    (spec,) = planned(tiny_bert, text_task, "linear_probe")
    _likeness.check_sees(spec)
    checkpoint = spec.checkpoint.model_copy(update={"folder": "/nowhere/checkpoint"})
    (task,) = spec.tasks
    lost = spec.model_copy(
        update={"checkpoint": checkpoint, "tasks": (task.model_copy(update={"file": "/data/t.yaml"}),)}
    )
    with pytest.raises(SuiteError, match=r"/nowhere/checkpoint and /data cannot be read on .*every node sees"):
        _likeness.check_sees(lost)
    outcome = Worker(lambda *_, **__: None, _FakeMail(), {}, []).run(work.quick, lost, CPU, 0)
    assert isinstance(outcome, Failure) and "every node sees" in outcome.reason


def test_tokens_are_handed_on_apart_from_what_logs_may_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("TRANSFER_SUITE_PRECISION", "fp32")
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    plain, secret = _likeness.handed_on()
    assert secret["HF_TOKEN"] == "hf_secret"
    assert plain["TRANSFER_SUITE_PRECISION"] == "fp32" and plain["HF_HUB_OFFLINE"] == "1"
    assert not {"HF_TOKEN", "SOMETHING_ELSE"} & plain.keys()


# -- a crew whose cluster is made up -----------------------------------------------------------------------------------


class _LostError(Exception):
    """A worker is gone."""


class _FakeMail:
    """A mailbox that answers at once."""

    def __init__(self) -> None:
        self.box = Mail()
        self.put = self

    def remote(self, *said: Any) -> None:
        self.box.put(*said)


class _Remote:
    """A worker of this process that answers when it is read."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._worker, name)
        return SimpleNamespace(remote=lambda *arguments: _Answer(method, arguments))


@dataclass(eq=False)
class _Answer:
    """What a worker will say."""

    method: Callable[..., Any]
    arguments: tuple[Any, ...]


class _MadeUp(_crew.Posts):
    """A cluster of which every `dies`-th worker dies at its first run."""

    lost = (_LostError,)
    failed = _LostError

    def __init__(self, dies: int = 0, likeness: _likeness.Likeness | None = None, room: int = 1) -> None:
        self.mail, self.hired, self.dismissed = _FakeMail(), 0, 0
        self._dies, self._likeness, self._room = dies, likeness, room

    def hire(self) -> Any:
        self.hired += 1
        worker = Worker(lambda *_, **__: None, self.mail, {}, [])
        if self._dies and self.hired % self._dies == 0:
            worker.run = self._die  # type: ignore[assignment, method-assign]
        if self._likeness:
            worker.about = lambda: self._likeness  # type: ignore[assignment, return-value, method-assign]
        return _Remote(worker)

    def _die(self, *_: Any) -> Any:
        raise _LostError("gone")

    def dismiss(self, worker: Any) -> None:
        self.dismissed += 1

    def wait(self, answers: list[Any], seconds: float) -> Any | None:
        return answers[0] if self._room else None

    def read(self, answer: Any) -> Any:
        return answer.method(*answer.arguments)

    def news(self) -> list[tuple[int, dict[str, Any]]]:
        return self.mail.box.take()

    def room(self) -> int:
        return self._room


@pytest.fixture
def specs(planned: Callable[..., list[RunSpec]], tiny_bert: Path, text_task: Path) -> list[RunSpec]:
    return planned(tiny_bert, text_task, "linear_probe", seeds=6)


def _carried_out(posts: _MadeUp, specs: list[RunSpec], job: Any = work.quick, slots: int = 2) -> dict[int, Any]:
    crew = _crew.Crew(posts, job, specs, CPU, lambda spec, event: None)
    try:
        found = list(crew.carry_out(slots))
    finally:
        crew.dismiss()
    assert posts.dismissed >= posts.hired
    assert max(Counter(spec.seed for spec, _ in found).values()) == 1
    return {spec.seed: outcome for spec, outcome in found}


def test_what_a_lost_worker_was_at_is_carried_out_by_another(specs: list[RunSpec]) -> None:
    posts = _MadeUp(dies=2)
    found = _carried_out(posts, specs)
    assert sorted(found) == list(range(6))
    assert {seed for seed, outcome in found.items() if isinstance(outcome, Failure)} == {1, 3}  # those that do anyway
    assert posts.hired > 2


def test_a_run_that_loses_three_workers_fails_and_keeps_no_other_from_its_end(specs: list[RunSpec]) -> None:
    found = _carried_out(_MadeUp(dies=1), specs)
    assert [outcome.reason for outcome in found.values()] == [_dispatch.DIED] * 6


def test_a_grid_ends_where_no_node_is_left_or_a_worker_is_another(specs: list[RunSpec]) -> None:
    with pytest.raises(SuiteError, match="has lost every node that the runs fit on; 6 of them are left"):
        _carried_out(_MadeUp(room=0), specs)
    with pytest.raises(SuiteError, match=r"The worker on elsewhere has another environment: Python 2\.7"):
        _carried_out(_MadeUp(likeness=_likeness.Likeness("elsewhere", {"Python": "2.7"})), specs)


def test_weights_on_another_machines_disk_are_brought(
    specs: list[RunSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there" / "weights"
    (there / "tokenizer").mkdir(parents=True)
    (there / "model.safetensors").write_bytes(bytes(range(256)) * 10)
    (there / "tokenizer" / "empty.json").write_bytes(b"")
    hidden = lambda path: path != there and Path.exists(path)  # noqa: E731  # the driver's eyes
    monkeypatch.setattr(_crew, "Path", type("Eyes", (type(tmp_path),), {"is_dir": hidden}))

    def kept(spec: RunSpec, machine: Machine, progress: Any) -> list[Result]:
        return [Result(None, {}, weights=str(there))]  # type: ignore[arg-type]  # nobody reads its record

    (result,) = _carried_out(_MadeUp(), specs[:1], kept, 1)[0]
    here = Path(result.weights)
    assert here != there and not there.exists() and here.is_relative_to(files.own())
    assert (here / "model.safetensors").read_bytes() == bytes(range(256)) * 10
    assert (here / "tokenizer" / "empty.json").read_bytes() == b""


def test_a_worker_that_does_not_see_the_drivers_folder_keeps_weights_in_one_of_its_own(
    planned: Callable[..., list[RunSpec]], tiny_bert: Path, text_task: Path, tmp_path: Path
) -> None:
    (spec,) = planned(tiny_bert, text_task, "linear_probe")
    orders = runs.Orders(None, tmp_path / "unfinished", keep=str(tmp_path / "not" / "here"))
    (result,) = runs.carry_out(spec, CPU, lambda event: None, orders)
    assert result.unkept is None and result.weights is not None
    assert list(Path(result.weights).glob("*.safetensors")) and not (tmp_path / "not").exists()
    assert Path(result.weights).is_relative_to(files.own())


def test_machines_that_share_a_cache_do_not_read_each_others_features(
    planned: Callable[..., list[RunSpec]], tiny_bert: Path, text_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spec,) = planned(tiny_bert, text_task, "linear_probe")
    here = evaluation.prepared(spec, CPU, lambda event: None).part.identity
    monkeypatch.setattr(environment, "hardware", lambda device: "a processor that rounds otherwise")
    there = evaluation.prepared(spec, CPU, lambda event: None).part.identity
    assert here is not None and there is not None
    assert {name for name in here if here[name] != there[name]} == {"hardware"}


# -- a real one: a head that carries nothing out, and two nodes --------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    engines.get("ray").close()
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.nodes = [made.add_node(num_cpus=1) for _ in range(2)]
    yield made
    engines.get("ray").close()
    made.shutdown()


@pytest.fixture
def engine(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Return the engine, connected to the cluster."""
    monkeypatch.setenv("HF_TOKEN", "hf_never_in_a_log")
    engine = engines.get("ray")
    assert engine.machine(Wanted("cpu", 1, 2, ray_address=cluster.address)) == CPU
    return engine


def _map(engine: Engine, specs: list[RunSpec], job: Any, progress: Any = None) -> list[Any]:
    return list(engine.map(job, specs, CPU, 2, progress or (lambda spec, event: None)))


@pytest.mark.slow
def test_a_workers_environment_is_set_before_it_starts_and_tokens_stay_out_of_logs(
    engine: Engine, specs: list[RunSpec]
) -> None:
    told: list[dict[str, Any]] = []
    _map(engine, specs[:2], work.environment, lambda spec, event: told.append(event) if "now" in event else None)
    for event in told:
        assert event["then"]["OMP_NUM_THREADS"] == "1" and event["then"]["HF_TOKEN"] is None
        assert event["then"]["TRANSFER_SUITE_CACHE"] == os.environ["TRANSFER_SUITE_CACHE"]
        assert event["now"]["HF_TOKEN"] == "hf_never_in_a_log"
    assert len(told) == 2
    logs = list(Path("/tmp/ray/session_latest/logs/").rglob("*"))
    assert any(b"OMP_NUM_THREADS" in path.read_bytes() for path in logs if path.is_file())
    assert not any(b"hf_never_in_a_log" in path.read_bytes() for path in logs if path.is_file())


@pytest.mark.slow
def test_a_cluster_is_asked_only_for_what_it_has_and_for_one_at_a_time(engine: Engine, cluster: Any) -> None:
    with pytest.raises(SuiteError, match="--workers is 3; the cluster has room for 2 runs at once of 1 CPU each"):
        engine.machine(Wanted("cpu", 1, 3, ray_address=cluster.address))
    with pytest.raises(SuiteError, match=r"--gpus-per-run is 0\.5, but no node of the cluster has a GPU"):
        engine.machine(Wanted("auto", 1, 1, 0.5, cluster.address))
    with pytest.raises(SuiteError, match=r"connected to a Ray cluster already; leave out '10\.0\.0\.1:6379'"):
        engine.machine(Wanted("cpu", 1, 1, ray_address="10.0.0.1:6379"))


@pytest.mark.slow
def test_a_worker_whose_environment_differs_ends_the_grid_in_a_sentence(
    engine: Engine, specs: list[RunSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "versions", lambda: {"torch": "0.1"})
    with pytest.raises(SuiteError, match=r"has another environment: torch .* \(0\.1 here\), transfer-suite"):
        _map(engine, specs, work.quick)


@pytest.mark.slow
def test_ctrl_c_leaves_a_cluster_that_was_there_as_it_was(
    cluster: Any, tiny_bert: Path, text_task: Path, tiny_protocol: Path, tmp_path: Path
) -> None:
    engines.get("ray").close()
    store = tmp_path / "store"
    words = ["run", "-m", tiny_bert, "-t", text_task, "-s", "full", "--protocol", tiny_protocol, "--seeds", "40"]
    more = ["--threads", "1", "--engine", "ray", "--ray-address", cluster.address, "--workers", "2", "--store", store]
    process = start(*map(str, words), *map(str, more))
    wait_for_record(store, process)
    os.killpg(process.pid, signal.SIGINT)
    told = end(process)
    assert told.code == 130 and "Traceback" not in told.err and "ray" not in told.err.lower()
    assert 0 < len(records(store)) < 40
    engines.get("ray").machine(Wanted("cpu", 1, 2, ray_address=cluster.address))  # it is there
    import ray

    deadline = time.monotonic() + 120
    while ray.available_resources().get("CPU") != 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert ray.available_resources()["CPU"] == 2  # and nobody of ours holds any of it


@pytest.mark.slow
def test_a_node_that_dies_in_mid_grid_costs_no_result(
    engine: Engine, cluster: Any, specs: list[RunSpec], capfd: pytest.CaptureFixture[str]
) -> None:
    found = []
    for spec, outcome in engine.map(work.slow, specs, CPU, 2, lambda spec, event: None):
        found.append(spec.seed)
        assert outcome == []
        if len(found) == 2:
            cluster.remove_node(cluster.nodes.pop(), allow_graceful=False)
    assert sorted(found) == list(range(6))  # all are there, and none twice
    assert "raylet" not in "".join(capfd.readouterr())
    cluster.remove_node(cluster.nodes.pop(), allow_graceful=False)
    with pytest.raises(SuiteError, match="No node of the cluster has room for a run of 1 CPU"):
        deadline = time.monotonic() + 120  # until the head has noticed
        while time.monotonic() < deadline:
            engine.machine(Wanted("cpu", 1, 1, ray_address=cluster.address))
            time.sleep(0.5)

"""Runs on a Ray cluster: one of this machine's own, or one that is there already.

Every slot is an actor, a process on some node that keeps what it has imported and read. One that is lost, alone or
with its node, costs the run that it was at; that run starts again in a new one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

from suite import environment
from suite.engines import Engine, Outcome, Progress, Wanted, Work
from suite.engines import _address as address_
from suite.engines._crew import Crew, Posts
from suite.engines._likeness import handed_on
from suite.engines._room import Share, gpus_of, share
from suite.engines._worker import Mail, Worker
from suite.environment import Machine, Precisions
from suite.spec import RunSpec, SuiteError


class Ray(Engine):
    """A cluster: connected to when it is first asked for, and left when the process ends or `close` says so."""

    def __init__(self) -> None:
        self._ours = False
        self._address: str | None = None
        self._gpus: float | None = None

    def machine(self, wanted: Wanted) -> Machine:
        """Return what each run gets, after comparing what is wanted with all that the cluster has.

        Raises:
            SuiteError: Ray is not installed, nobody answers at the address, or the cluster has not what is wanted.
        """
        environment.compiling()  # a wrong word is told before anything runs
        ray = self._connected(wanted.ray_address)
        nodes = _nodes(ray)
        self._gpus = gpus_of(wanted.device, wanted.gpus_per_run, nodes)
        threads = share(wanted.threads, self._gpus, wanted.workers, nodes).threads
        return Machine("cuda" if self._gpus else "cpu", threads, devices=max(1, int(self._gpus)))

    def precision(self, machine: Machine) -> Precisions:
        """Return what a protocol's `auto` means, as a worker of the kind that carries out the runs has measured it.

        Raises:
            SuiteError: no worker could be asked.
        """
        from suite import precision

        ray = self._connected(self._address)
        posts = _Posts(ray, self._share(machine), None)
        worker = posts.hire()
        try:
            measured: Precisions = ray.get(worker.call.remote(precision.measured, machine))
        except ray.exceptions.RayError as error:
            raise SuiteError(f"No worker of the cluster could measure its precision: {first_line(error)}") from None
        finally:
            posts.dismiss(worker)
        return measured

    def map(
        self, work: Work, specs: Sequence[RunSpec], machine: Machine, workers: int, progress: Progress
    ) -> Iterator[Outcome]:
        """Carry out the runs in `workers` actors.

        Raises:
            SuiteError: a worker has another environment, or the cluster has lost what the runs need.
        """
        if not specs:
            return
        ray = self._connected(self._address)
        mail = _beside_driver(ray, Mail)
        crew = Crew(_Posts(ray, self._share(machine), mail), work, specs, machine, progress)
        try:
            yield from crew.carry_out(min(workers, len(specs)))
        finally:
            crew.dismiss()
            ray.kill(mail)

    def close(self) -> None:
        """Shut down the cluster that was started here, or leave the one that was there."""
        if self._ours and (ray := sys.modules.get("ray")):
            ray.shutdown()
        self._ours, self._address = False, None

    def _share(self, machine: Machine) -> Share:
        gpus = (self._gpus or 1.0) if machine.device == "cuda" else 0.0
        return Share(machine.threads, gpus)

    def _connected(self, address: str | None) -> ModuleType:
        """Return Ray, connected to a cluster.

        Raises:
            SuiteError: it is not installed, or cannot be connected.
        """
        wanted = address or os.environ.get("RAY_ADDRESS") or "local"
        ray = _imported()
        if ray.is_initialized():
            if address not in (None, self._address):
                raise SuiteError(f"This process is connected to a Ray cluster already; leave out '{address}'.")
            return ray
        if wanted != "local":
            address_.check(wanted)
        _connect(ray, wanted)
        self._ours, self._address = True, address
        _hush(ray)
        return ray


def _imported() -> ModuleType:
    """Return Ray, told to be quiet and to send nothing home.

    Raises:
        SuiteError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "error")  # its C++ half would write into the progress display
    try:
        import ray
    except ImportError:
        raise SuiteError(
            "The ray engine needs Ray, which is not installed. Run: pip install 'transfer-suite[ray]', or use "
            "--engine local."
        ) from None
    return ray


def _connect(ray: ModuleType, address: str) -> None:
    """Start a cluster of this machine's cores (`local`), or become a driver of one that is there.

    Raises:
        SuiteError: it does not work.
    """
    own = {"num_cpus": environment.count_cores(), "include_dashboard": False} if address == "local" else {}
    try:
        with _silenced():
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        remedy = " If it asks for a token, set RAY_AUTH_MODE=token." if ":" in address else ""
        raise SuiteError(f"The Ray cluster '{address}' cannot be used: {first_line(error)}{remedy}") from None


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Let nothing through to stderr, not even from Ray's C++ half, which tells of its settings and of every attempt."""
    sys.stderr.flush()
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


def _hush(ray: ModuleType) -> None:
    """Keep Ray from printing the last words of dead nodes to stdout, whatever `log_to_driver` says.

    It has no switch for that. If a later version prints them elsewhere they show again, and nothing else happens.
    """
    worker = getattr(ray._private, "worker", None)
    if worker is not None and hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda *_, **__: None


def first_line(error: BaseException) -> str:
    """Return what an error says first, as a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".") + "."


def _nodes(ray: ModuleType) -> list[dict[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _beside_driver(ray: ModuleType, kind: type) -> Any:
    """Return an actor on this process's own node: as long as this process lives, so does it."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(kind).options(num_cpus=0, scheduling_strategy=here).remote()


class _Posts(Posts):
    """What the crew needs of Ray: actors of one share of a node, and answers when they come."""

    def __init__(self, ray: ModuleType, each: Share, mail: Any) -> None:
        self._ray, self._each, self._mail = ray, each, mail
        errors = ray.exceptions
        self.lost: tuple[type[Exception], ...] = (
            errors.RayActorError,
            errors.OutOfMemoryError,
            errors.NodeDiedError,
            errors.WorkerCrashedError,
            errors.ObjectLostError,
            errors.ObjectFetchTimedOutError,
        )
        self.failed: type[Exception] = errors.RayError

    def hire(self) -> Any:
        """Return a new worker; what its libraries read when they are loaded is in its environment from the start."""
        threads = str(self._each.threads)
        variables, secrets = handed_on()
        return (
            self._ray.remote(Worker)
            .options(
                num_cpus=self._each.threads,
                num_gpus=self._each.gpus,
                scheduling_strategy="SPREAD",
                runtime_env={"env_vars": {**variables, "OMP_NUM_THREADS": threads}},
            )
            .remote(self._ray.wait, self._mail, secrets, [path for path in sys.path if path])
        )

    def dismiss(self, worker: Any) -> None:
        """End a worker at once, whatever it is doing."""
        with contextlib.suppress(self.failed):
            self._ray.kill(worker)

    def wait(self, answers: list[Any], seconds: float) -> Any | None:
        """Return one of the answers that has come, None where none comes for so long."""
        ready, _ = self._ray.wait(answers, num_returns=1, timeout=seconds)
        return ready[0] if ready else None

    def read(self, answer: Any) -> Any:
        """Return what an answer says, or raise what a worker raised or why it is lost."""
        return self._ray.get(answer)

    def news(self) -> list[tuple[int, dict[str, Any]]]:
        """Return what workers said of their runs since it was last asked for."""
        found: list[tuple[int, dict[str, Any]]] = self._ray.get(self._mail.take.remote())
        return found

    def room(self) -> int:
        """Return how many workers the cluster has room for as it is now."""
        return self._each.times(_nodes(self._ray))


ENGINE = Ray()

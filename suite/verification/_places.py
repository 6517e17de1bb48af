"""Where things lie now that a record knows by name and hash alone: checkpoints in folders, tasks with files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from suite import environment, hub, kinds, tasks
from suite.environment import Machine, Precisions
from suite.spec import CheckpointRef, Failure, Record, RunSpec, SuiteError, TaskSpec

PINS = ("rows_sha256", "ids_sha256", "stages_sha256")
"""What in a record says which rows there were."""

Progress = Callable[[RunSpec, dict[str, Any]], None]


class UntrueError(Exception):
    """Something that a record claims is not so."""


def _silent(*_: Any) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Means:
    """What the deeper levels may use.

    `models` are folders of checkpoints and `tasks` task files, for records that were made from such: they are known
    again by their hashes. Device and threads are the record's own where nothing else is said, as far as this
    machine has them. `progress` is told what a re-run is doing, `finished` what came of it.
    """

    models: tuple[str, ...] | list[str] = ()
    tasks: tuple[str, ...] | list[str] = ()
    engine: str = "local"
    workers: int = 1
    device: str | None = None
    threads: int | None = None
    progress: Progress = _silent
    finished: Callable[[Record | Failure, bool], None] = _silent

    def machine(self, record: Record) -> Machine:
        """Return what a run goes on: what is asked for, or the like of what it ran on, in the record's precision.

        Raises:
            SuiteError: what is asked for is not there.
        """
        said: dict[str, Any] = record.environment
        device = self.device or ("auto" if said.get("device") == "cuda" else "cpu")
        threads = self.threads or min(int(said.get("threads") or 1), environment.count_cores())
        same = Precisions(record.precision, record.precision)
        return replace(environment.choose(device, threads, self.workers), precision=same)


class Places:
    """Finds what records were made from."""

    def __init__(self, means: Means) -> None:
        """Look at everything that is named.

        Raises:
            SuiteError: a name means nothing.
        """
        found = [hub.resolve(word) for word in means.models]
        self._checkpoints = {ref.revision: ref for ref in found}
        self._files = {name: str(path) for name, path in tasks.task_files().items()}
        self._files |= {task.name: task.file for word in means.tasks for task in tasks.load(word)}

    def settle(self, spec: RunSpec, checkpoint: bool = True) -> RunSpec:
        """Return a record's RunSpec, of the same key, with where its checkpoint and its tasks' files lie.

        Raises:
            SuiteError: one of them is not to be found here; the message says how to name it.
        """
        update: dict[str, Any] = {"tasks": tuple(self._task(task) for task in spec.tasks)}
        if checkpoint:
            modality = kinds.get(spec.tasks[0].kind).modality
            update["checkpoint"] = self._checkpoint(spec.checkpoint).model_copy(update={"modality": modality})
        return spec.model_copy(update=update)

    def _checkpoint(self, ref: CheckpointRef) -> CheckpointRef:
        if not ref.revision.startswith("sha256:"):
            return ref
        known = self._checkpoints.get(ref.revision)
        if known is None and ref.name.removeprefix("bundled/") in hub.bundled() and ref.name.startswith("bundled/"):
            here = hub.resolve(ref.name)
            if here.revision != ref.revision:
                raise SuiteError(f"{ref.name} is {here.revision[:19]} here and was {ref.revision[:19]} in the record.")
            known = here
        if known is None:
            raise SuiteError(f"The checkpoint '{ref.name}' ({ref.revision[:19]}) was a folder; name it with -m FOLDER.")
        return ref.model_copy(update={"folder": known.folder})

    def _task(self, task: TaskSpec) -> TaskSpec:
        if task.dataset.path not in tasks.LOCAL_BUILDERS:
            return task
        if task.name not in self._files:
            raise SuiteError(f"The task '{task.name}' reads files beside its own; name that with -t FILE.yaml.")
        return task.model_copy(update={"file": self._files[task.name]})


def as_it_is(task: TaskSpec) -> TaskSpec:
    """Return a settled task with the pin that its files have now, the record's own where nothing was changed.

    Raises:
        SuiteError: a file is missing.
    """
    if task.dataset.path not in tasks.LOCAL_BUILDERS:
        return task
    return task.model_copy(update={"dataset": task.dataset.model_copy(update={"revision": tasks.pin_of_files(task)})})


def other_data(task: str, pin: str) -> UntrueError:
    """Return the error for data that is not what a record pins."""
    return UntrueError(f"the data of {task} is another than it was: {pin} differs")

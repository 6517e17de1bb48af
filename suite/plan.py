"""What a request comes to: pinned RunSpecs, one a (checkpoint, task, strategy, seed)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

from suite import hub, kinds, strategies, tasks
from suite.spec import CheckpointRef, Protocol, RunSpec, SuiteError, TaskSpec

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """The words of one `suite run`; see the command line for what they mean."""

    models: tuple[str, ...]
    tasks: tuple[str, ...]
    strategies: tuple[str, ...] = ("full",)
    seeds: int | None = None
    protocol: str = "standard"
    init: Literal["pretrained", "random"] = "pretrained"
    resample: str = "holdout"
    offline: bool = False
    allow_unpinned: bool = False


def plan(request: Request) -> list[RunSpec]:
    """Return the runs that a request asks for, those that share a checkpoint and data side by side.

    A checkpoint is paired with the tasks of its own modality.

    Raises:
        SuiteError: any word is wrong; all that are wrong are told at once.
    """
    problems: list[SuiteError] = []
    protocol = _gather(problems, [request.protocol], tasks.load_protocol)
    chosen = _gather(problems, request.tasks, lambda word: _tasks(word, request))
    checkpoints = _gather(problems, request.models, lambda word: _checkpoint(word, request))
    known = _gather(problems, request.strategies, lambda name: (strategies.get(name), name)[1])
    if request.resample != "holdout":
        problems.append(SuiteError(f"--resample is '{request.resample}'; this version evaluates by holdout."))
    if request.seeds is not None and request.seeds < 1:
        problems.append(SuiteError(f"--seeds is {request.seeds}; expected at least 1."))
    for what, words in (
        ("model (-m)", request.models),
        ("task (-t)", request.tasks),
        ("strategy (-s)", request.strategies),
    ):
        if not words:
            problems.append(SuiteError(f"No {what} is given."))
    if problems:
        raise SuiteError("\n".join(dict.fromkeys(str(problem) for problem in problems)))
    flat = {task.name: task for group in chosen for task in group}
    pairs = _pairs(list(dict.fromkeys(checkpoints)), list(flat.values()))
    seeds = range(request.seeds or protocol[0].seeds)
    return [
        _run(pair, name, protocol[0], request.resample, seed)
        for pair in pairs
        for name in dict.fromkeys(known)
        for seed in seeds
    ]


def _gather(problems: list[SuiteError], words: Iterable[str], read: Callable[[str], T]) -> list[T]:
    """Read every word; put what is wrong with some aside, so that all of it can be told at once."""
    found = []
    for word in words:
        try:
            found.append(read(word))
        except SuiteError as error:
            problems.append(error)
    return found


def _tasks(word: str, request: Request) -> list[TaskSpec]:
    return [pinned(kinds.get(task.kind).complete(task), request.allow_unpinned) for task in tasks.load(word)]


def pinned(task: TaskSpec, allow_unpinned: bool) -> TaskSpec:
    """Return the task with its data set at a commit: its own, or if that is allowed the one of today.

    Raises:
        SuiteError: it names none.
    """
    if task.dataset.revision:
        return task
    if not allow_unpinned:
        raise SuiteError(
            f"{task.where('dataset')}: {task.dataset.path} has no revision, so its rows could change under the score. "
            "Add revision: <40-digit commit>, or use --allow-unpinned, which the record will say."
        )
    pin = {"revision": hub.dataset_commit(task.dataset.path), "unpinned": True}
    return task.model_copy(update={"dataset": task.dataset.model_copy(update=pin)})


def _checkpoint(word: str, request: Request) -> CheckpointRef:
    return hub.resolve(word, request.offline).model_copy(update={"init": request.init})


def _pairs(checkpoints: list[CheckpointRef], chosen: list[TaskSpec]) -> list[tuple[CheckpointRef, TaskSpec]]:
    """Pair checkpoints with the tasks they can read; one that fits nothing is an error."""
    pairs = [(c, t) for c in checkpoints for t in chosen if kinds.get(t.kind).modality == c.modality]
    for checkpoint in checkpoints:
        if all(checkpoint != c for c, _ in pairs):
            raise SuiteError(
                f"{checkpoint.name} reads {checkpoint.modality}s, and none of the tasks gives any: "
                f"{', '.join(t.name for t in chosen)}."
            )
    for task in chosen:
        if all(task.name != t.name for _, t in pairs):
            modality = kinds.get(task.kind).modality
            raise SuiteError(f"The task {task.name} gives {modality}s, and none of the models reads any.")
    return pairs


def _run(pair: tuple[CheckpointRef, TaskSpec], strategy: str, protocol: Protocol, resample: str, seed: int) -> RunSpec:
    checkpoint, task = pair
    return RunSpec(
        checkpoint=checkpoint,
        tasks=(task,),
        strategy=strategy,
        settings=strategies.settings(strategy, kinds.get(task.kind).modality, protocol),
        protocol=protocol,
        resample=resample,
        seed=seed,
    )

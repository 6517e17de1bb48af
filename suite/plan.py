"""What a request comes to: pinned RunSpecs, one a (checkpoint, task or tasks, strategy, seed, fold)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from suite import hub, kinds, resampling, strategies, tasks
from suite.spec import CheckpointRef, Mixture, Protocol, RunSpec, SuiteError, TaskSpec, unknown

T = TypeVar("T")
WordT = TypeVar("WordT")


JOINT = "multitask"
"""A word for `full` with a shared trunk."""


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
    joint: bool = False
    mixture: Mixture | None = None


@dataclass(frozen=True)
class _Way:
    """A strategy, and whether the tasks share a trunk under it."""

    strategy: str
    joint: bool


def plan(request: Request) -> list[RunSpec]:
    """Return the runs that a request asks for, those that share a checkpoint and data side by side.

    A checkpoint is paired with the tasks of its own modality, a strategy with those it can fit.

    Raises:
        SuiteError: any word is wrong; all that are wrong are told at once.
    """
    problems: list[SuiteError] = []
    protocol = _gather(problems, [request.protocol], tasks.load_protocol)
    chosen = _gather(problems, request.tasks, lambda word: _tasks(word, request))
    checkpoints = _gather(problems, request.models, lambda word: _checkpoint(word, request))
    ways = list(dict.fromkeys(_gather(problems, request.strategies, lambda word: _way(word, request))))
    _gather(problems, [request.resample], resampling.parse)
    if request.seeds is not None and request.seeds < 1:
        problems.append(SuiteError(f"--seeds is {request.seeds}; expected at least 1."))
    for what, words in (
        ("model (-m)", request.models),
        ("task (-t)", request.tasks),
        ("strategy (-s)", request.strategies),
    ):
        if not words:
            problems.append(SuiteError(f"No {what} is given."))
    _gather(problems, [chosen], _one_each)
    _raise(problems)
    flat = _one_each(chosen)
    _gather(problems, ways, lambda way: _check_way(way, flat, request))
    _raise(problems)
    _gather(problems, flat, lambda task: _check_task(task, ways))
    if request.mixture and not any(way.joint for way in ways):
        told = "How tasks mix (--sampling, --weights, --tasks-per-step) is said of --joint; add it."
        problems.append(SuiteError(told))
    _raise(problems)
    pairs = _pairs(list(dict.fromkeys(checkpoints)), flat)
    return [spec for group, way in _groups(pairs, ways) for spec in _runs(group, way, protocol[0], request)]


def _raise(problems: list[SuiteError]) -> None:
    if problems:
        raise SuiteError("\n".join(dict.fromkeys(str(problem) for problem in problems)))


def _way(word: str, request: Request) -> _Way:
    name = "full" if word == JOINT else word
    strategies.get(name)
    return _Way(name, request.joint or word == JOINT)


def _one_each(chosen: list[list[TaskSpec]]) -> list[TaskSpec]:
    """Return the tasks, each once.

    Raises:
        SuiteError: one name means two different tasks.
    """
    found: dict[str, TaskSpec] = {}
    for task in (task for group in chosen for task in group):
        known = found.setdefault(task.name, task)
        for field in [name for name, about in TaskSpec.model_fields.items() if not about.exclude]:
            if getattr(known, field) != getattr(task, field):
                raise SuiteError(
                    f"The name '{task.name}' means two different tasks: their {field} differ "
                    f"({known.file}: {getattr(known, field)}; {task.file}: {getattr(task, field)}). "
                    "Name one of them, or give the other a name of its own."
                )
    return list(found.values())


def _check_way(way: _Way, chosen: list[TaskSpec], request: Request) -> None:
    """Refuse what a strategy cannot do, before anything runs.

    Raises:
        SuiteError: it cannot share a trunk, fit a task's targets or work on data cut so.
    """
    strategy = strategies.get(way.strategy)
    cut = resampling.parse(request.resample).name
    if cut not in strategy.resamples:
        able = [name for name in strategies.names() if cut in strategies.get(name).resamples]
        raise SuiteError(
            f"{way.strategy} does not work with --resample {request.resample}; it takes "
            f"{', '.join(strategy.resamples)}. {', '.join(able)} take {cut}."
        )
    if chosen and not any(_fits(way.strategy, task) for task in chosen):
        names = ", ".join(f"{task.name} ({task.kind})" for task in chosen)
        raise SuiteError(f"{way.strategy} cannot be asked of {names}: {strategy.instead}.")
    if way.joint:
        _check_joint(way, chosen, request)


def _fits(strategy: str, task: TaskSpec) -> bool:
    targets = strategies.get(strategy).targets
    return not targets or kinds.get(task.kind).target in targets


def _check_task(task: TaskSpec, ways: list[_Way]) -> None:
    """Refuse a task that none of the strategies can do; what some cannot, the others do.

    Raises:
        SuiteError: there is none.
    """
    if ways and not any(_fits(way.strategy, task) for way in ways):
        able = [name for name in strategies.names() if _fits(name, task)]
        raise SuiteError(
            f"{' and '.join(way.strategy for way in ways)} cannot be asked of {task.name} ({task.kind}); "
            f"{', '.join(able)} can."
        )


def _check_joint(way: _Way, chosen: list[TaskSpec], request: Request) -> None:
    names = {task.name for task in chosen}
    if not strategies.get(way.strategy).joint:
        able = [name for name in strategies.names() if strategies.get(name).joint]
        raise SuiteError(f"{way.strategy} trains no trunk that tasks could share; --joint goes with {', '.join(able)}.")
    if request.resample != "holdout":
        raise SuiteError(f"--joint with --resample {request.resample}: tasks that share a trunk are held out only.")
    modalities = {kinds.get(task.kind).modality: task.name for task in chosen}
    if len(modalities) > 1:
        (one, a), (other, b) = modalities.items()
        raise SuiteError(f"{a} gives {one}s and {b} gives {other}s; tasks that share a trunk give the same.")
    if len(names) < 2:
        raise SuiteError(f"--joint with the task {', '.join(names)} alone; expected at least two tasks.")
    _check_mixture(request.mixture or Mixture(), names)


def _check_mixture(mixture: Mixture, names: set[str]) -> None:
    for what, given in (("--sampling", mixture.rates), ("--weights", mixture.weights)):
        for name in given:
            if name not in names:
                raise SuiteError(f"{what}: {unknown('task', name, names)}")
    if mixture.sampling == "rates" and names - mixture.rates.keys():
        raise SuiteError(f"--sampling gives no rate for {', '.join(sorted(names - mixture.rates.keys()))}.")


def _gather(problems: list[SuiteError], words: Iterable[WordT], read: Callable[[WordT], T]) -> list[T]:
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


def _groups(
    pairs: list[tuple[CheckpointRef, TaskSpec]], ways: list[_Way]
) -> Iterator[tuple[tuple[CheckpointRef, tuple[TaskSpec, ...]], _Way]]:
    """Yield what each run is about: a checkpoint and one task, or all of its tasks where they share a trunk.

    The tasks of a trunk stand in the order of their names: who is named first makes no other mixture.
    """
    for checkpoint, task in pairs:
        for way in ways:
            if not way.joint and _fits(way.strategy, task):
                yield (checkpoint, (task,)), way
    for checkpoint in dict.fromkeys(checkpoint for checkpoint, _ in pairs):
        together = sorted((task for of, task in pairs if of == checkpoint), key=lambda task: task.name)
        for way in ways:
            if way.joint:
                yield (checkpoint, tuple(together)), way


def _runs(
    group: tuple[CheckpointRef, tuple[TaskSpec, ...]], way: _Way, protocol: Protocol, request: Request
) -> Iterator[RunSpec]:
    """Yield one run a seed and fold."""
    checkpoint, together = group
    settings = strategies.settings(way.strategy, checkpoint.modality, protocol)
    noisy = strategies.get(way.strategy).seeded or checkpoint.init == "random"
    whole = resampling.parse(request.resample).name == "loo"  # every row is left out once: nothing is drawn
    seeds = (request.seeds or protocol.seeds) if noisy and not whole else 1
    for seed in range(seeds):
        for fold in range(resampling.folds(request.resample)):
            yield RunSpec(
                checkpoint=checkpoint,
                tasks=together,
                strategy=way.strategy,
                settings=settings,
                protocol=protocol,
                resample=request.resample,
                fold=fold,
                mixture=(request.mixture or Mixture()) if way.joint else None,
                seed=seed,
            )

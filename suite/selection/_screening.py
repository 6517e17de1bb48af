"""Transferability before any training: one pass over the training rows a checkpoint and task, and what it says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from suite import kinds, strategies
from suite.grid import Place, check_data, check_place, decide_precision
from suite.plan import Request, plan
from suite.spec import RunSpec, SuiteError

if TYPE_CHECKING:
    from suite.environment import Machine

MEASURES = ("logme", "h_score", "leep", "params")
"""What checkpoints are ranked by, larger first; the number of parameters is the control."""

ADVICE = (
    "Advisory: no measure eliminates a checkpoint, and one that does not beat the control, the largest first, "
    "says nothing. Decide with suite race."
)

Progress = Callable[[RunSpec, dict[str, Any]], None]


@dataclass(frozen=True)
class Cell:
    """What the measures say of one checkpoint on one task, from `n` rows of `width` features.

    None where a measure has no answer, `note` says why. `ranks` are those among the checkpoints that have one, by
    measure, 1 being best and equals sharing theirs. `params` counts the body's parameters. `reason` says why the
    checkpoint could not be measured at all.
    """

    model: str
    revision: str
    init: str
    task: str
    kind: str
    n: int | None = None
    width: int | None = None
    logme: float | None = None
    h_score: float | None = None
    leep: float | None = None
    params: int | None = None
    ranks: dict[str, float] = field(default_factory=dict)
    note: str = ""
    reason: str | None = None

    @property
    def label(self) -> str:
        """The checkpoint as a table shows it."""
        return self.model if self.init == "pretrained" else f"{self.model} ({self.init} init)"


@dataclass
class Screened:
    """Every checkpoint on every task that it can read, and what could not be measured and why."""

    cells: list[Cell]
    notes: list[str] = field(default_factory=list)
    advice: str = ADVICE

    @property
    def failed(self) -> list[Cell]:
        """The cells of checkpoints that could not be measured."""
        return [cell for cell in self.cells if cell.reason]

    def mean_ranks(self) -> dict[str, list[tuple[Cell, dict[str, float | None]]]]:
        """Return by modality one cell a checkpoint, and its mean rank by measure; best by LogME first.

        Tasks that nobody has a rank on do not count. None where a checkpoint lacks a rank that another has: a mean over
        some of the tasks is not one over all.
        """
        ranked = {(cell.task, measure) for cell in self.cells for measure in cell.ranks}
        found: dict[str, list[tuple[Cell, dict[str, float | None]]]] = {}
        for cells in _grouped(self.cells, lambda cell: (cell.model, cell.revision, cell.init)):
            means: dict[str, float | None] = {}
            for measure in MEASURES:
                ranks = [cell.ranks.get(measure) for cell in cells if (cell.task, measure) in ranked]
                known = [rank for rank in ranks if rank is not None]
                means[measure] = float(np.mean(known)) if known and len(known) == len(ranks) else None
            found.setdefault(kinds.get(cells[0].kind).modality, []).append((cells[0], means))
        for group in found.values():
            group.sort(key=lambda one: tuple(np.inf if rank is None else rank for rank in one[1].values()))
        return found

    def to_pandas(self) -> Any:
        """Return one row a checkpoint and task."""
        import pandas as pd

        return pd.DataFrame(
            {k: v for k, v in asdict(cell).items() if k != "ranks"}
            | {f"rank_{measure}": cell.ranks.get(measure) for measure in MEASURES}
            for cell in self.cells
        )

    def _repr_html_(self) -> str:
        html: str = self.to_pandas().to_html(index=False, escape=True, float_format="%.4f")
        return f"{html}<p>{self.advice}</p>"


def screen(
    models: Sequence[str] | str,
    tasks: Sequence[str] | str,
    *,
    progress: Progress | None = None,
    measured: Callable[[Cell], None] | None = None,
    **options: Any,
) -> Screened:
    """Say how well checkpoints would serve tasks, by LogME, H-score, LEEP and as a control by size, without training.

    Features are those of the linear probe, computed once and kept for it.

    Args:
        models: Hub names, folders or `bundled/NAME`.
        tasks: tasks, collections or YAML files.
        progress: called with a checkpoint and task (as a RunSpec) and what is being done.
        measured: called with each cell as it comes, its ranks not yet known.
        **options: `protocol` (its limits and lengths hold; `quick` by default), `init`, `offline`, `device`, `threads`.

    Raises:
        SuiteError: wrong words, files or data, or tasks that no measure can say anything of.
    """
    place = Place(**{name: options.pop(name) for name in ("device", "threads") if name in options})
    given: dict[str, Any] = {"seeds": 1, "protocol": "quick"} | options
    request = Request(_words(models), _words(tasks), ("full",), **given)
    specs = plan(request)
    notes = [
        f"{name}: no measure says anything of answers that are spans of a text."
        for name in dict.fromkeys(spec.tasks[0].name for spec in specs if _target(spec) == "text")
    ]
    specs = [spec for spec in specs if _target(spec) != "text"]
    if not specs:
        raise SuiteError("\n".join(notes))
    machine, engine = check_place(place)
    os.environ["OMP_NUM_THREADS"] = str(machine.threads)
    check_data(specs)
    machine = decide_precision(specs, place, machine, engine)
    found = []
    for spec in specs:
        found.append(_cell(spec, machine, progress or (lambda spec, event: None)))
        if measured:
            measured(found[-1])
    return Screened(_ranked(found), notes)


def _words(words: Sequence[str] | str) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)


def _target(spec: RunSpec) -> str:
    return kinds.get(spec.tasks[0].kind).target


def _cell(spec: RunSpec, machine: Machine, progress: Progress) -> Cell:
    """Measure one checkpoint on one task; what goes wrong is told in the cell."""
    checkpoint, task = spec.checkpoint, spec.tasks[0]
    about: Any = {"model": checkpoint.name, "revision": checkpoint.revision, "init": checkpoint.init}
    about |= {"task": task.name, "kind": task.kind}
    progress(spec, {"phase": "reading"})
    try:
        return Cell(**about, **_measures(spec, machine, progress))
    except SuiteError as error:
        return Cell(**about, reason=str(error))
    except Exception as error:  # the others are measured whatever one checkpoint does; the reason is kept
        first = str(error).strip().splitlines()[:1]
        return Cell(**about, reason=f"{type(error).__name__}: {first[0] if first else 'no message'}")


def _measures(spec: RunSpec, machine: Machine, progress: Progress) -> dict[str, Any]:
    from threadpoolctl import threadpool_limits

    from suite import evaluation, features
    from suite.selection import _rows
    from suite.stats import transferability

    job = evaluation.prepared(spec, machine, lambda event: progress(spec, event))
    part, settings = job.part, strategies.settings("linear_probe", spec.checkpoint.modality, spec.protocol)
    reader = features.Reader(job.build, str(settings["pooling"]), part.collate, job.device, part.identity, job.reading)
    progress(spec, {"phase": "features"})
    x, y = _rows.labelled(reader, part)
    found: dict[str, Any] = {"n": len(x), "width": x.shape[1], "params": reader.params or None}
    notes = []
    progress(spec, {"phase": "measuring"})
    with threadpool_limits(1):  # the same bits whatever the number of cores
        found["logme"] = transferability.logme(x, y)
        if part.target == "number":
            notes.append("H-score and LEEP are of classes, not of numbers")
        else:
            found["h_score"] = transferability.h_score(x, y)
    if _classifies(spec):
        progress(spec, {"phase": "asking the head"})
        said = _rows.head_says(job)
        found["leep"] = None if said is None else transferability.leep(said, np.asarray(part.train.labels))
        notes += ["LEEP: no trained head that tells classes apart"] if said is None else []
    elif part.target != "number":
        notes.append("LEEP: the task asks for more than one class a row")
    return found | {"note": "; ".join(notes)}


def _classifies(spec: RunSpec) -> bool:
    """Return whether a task asks for one class of a whole text or image, as source heads give."""
    kind = kinds.get(spec.tasks[0].kind)
    return kind.target == "class" and kind.auto.endswith(("ForSequenceClassification", "ForImageClassification"))


def _ranked(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells, checkpoint by checkpoint as they were, with their ranks within each task."""
    from scipy.stats import rankdata

    ranks: dict[int, dict[str, float]] = {id(cell): {} for cell in cells}
    for of_task in _grouped(cells, lambda cell: cell.task):
        for measure in MEASURES:
            having = [cell for cell in of_task if getattr(cell, measure) is not None]
            for cell, rank in zip(having, rankdata([-getattr(cell, measure) for cell in having]), strict=True):
                ranks[id(cell)][measure] = float(rank)
    return [Cell(**vars(cell) | {"ranks": ranks[id(cell)]}) for cell in cells]


def _grouped(cells: Iterable[Cell], of: Callable[[Cell], Any]) -> list[list[Cell]]:
    groups: dict[Any, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(of(cell), []).append(cell)
    return list(groups.values())

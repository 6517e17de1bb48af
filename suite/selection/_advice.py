"""Which checkpoint to take under a budget, from stored records: the Pareto front of score, size and cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from suite import kinds, strategies
from suite.admission import Admitted, Filter, admit, read, tasks_in
from suite.index import Contents, Entry
from suite.leaderboard import Row, board_of
from suite.selection._front import Choice, cheaper, pareto
from suite.spec import SuiteError, TaskSpec, canonical_json
from suite.standing import Standing
from suite.store import Store


@dataclass
class Advice:
    """What to take: `best` within the budget, `beside` a smaller or cheaper one that cannot be told apart from it.

    `front` has the Pareto front, best first, whether or not it fits; `provisional` names rows that lack scores and
    take no part.
    """

    tasks: list[str]
    protocol: str | None
    max_params: int | None
    max_seconds: float | None
    best: Choice | None = None
    beside: Choice | None = None
    front: list[Choice] = field(default_factory=list)
    provisional: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    sentence: str = ""
    losses: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return what `suite recommend --json` prints."""
        told = asdict(self)
        for choice in [told["best"], told["beside"], *told["front"]]:
            if choice:
                del choice["row"]
        return told

    def to_pandas(self) -> Any:
        """Return one row a choice of the front."""
        import pandas as pd

        return pd.DataFrame(self.as_json()["front"])

    def _repr_html_(self) -> str:
        html: str = self.to_pandas().to_html(index=False, escape=True, float_format="%.4f")
        return f"<p>{self.sentence}</p>{html}"


def recommend(
    store: str | Store | Contents = "./results",
    tasks: Sequence[TaskSpec] | None = None,
    *,
    max_params: int | None = None,
    max_seconds: float | None = None,
    strategy: str | None = None,
    protocol: str | None = None,
) -> Advice:
    """Say which checkpoint and strategy to take, by a store's records.

    Args:
        store: a folder, an fsspec URL, an open store, or what one holds, read already.
        tasks: what M is the mean over; by default every task that has a record.
        max_params: the most parameters that fit.
        max_seconds: the most seconds a run (of one task and seed) that fit.
        strategy: only this strategy.
        protocol: only this protocol; by default the one with the most records.

    Raises:
        SuiteError: the store cannot be opened or holds no record that fits, or its tasks are of texts and of images.
    """
    contents, only = read(store), Filter(strategy, protocol)
    for name, most in (("max_params", max_params), ("max_seconds", max_seconds)):
        if most is not None and not most > 0:
            raise SuiteError(f"{name} is {most}; expected a number above 0.")
    columns = list(tasks) if tasks else tasks_in(contents)
    if len(of := by_modality(columns)) > 1:
        told = "; ".join(f"{modality}s: {', '.join(t.name for t in group)}" for modality, group in of.items())
        raise SuiteError(f"No checkpoint reads both texts and images; name tasks of one of them ({told}).")
    admitted = admit(_of_shared_rows(contents, strategy), columns, only)
    board = board_of(admitted)
    if not board.rows:
        raise SuiteError("The store holds no record that fits. Make some: suite run -m MODEL -t TASK -s STRATEGY")
    counted = board.tasks or board.losses
    advice = Advice(counted, board.protocol, max_params, max_seconds, left_out=board.left_out, losses=not board.tasks)
    choices = [_choice(row, advice) for row in board.rows if not row.provisional]
    advice.provisional = [f"{row.label} ({row.way})" for row in board.rows if row.provisional]
    _advise(advice, choices, _by_row(admitted))
    return advice


def by_modality(tasks: Sequence[TaskSpec]) -> dict[str, list[TaskSpec]]:
    """Return the tasks by what they give; a kind that this version does not know stands alone."""
    groups: dict[str, list[TaskSpec]] = {}
    for task in tasks:
        modality = kinds.get(task.kind).modality if task.kind in kinds.names() else task.kind
        groups.setdefault(modality, []).append(task)
    return groups


def _of_shared_rows(contents: Contents, strategy: str | None) -> Contents:
    """Leave out strategies that test on rows of their own, unless one is asked for or there is nothing else."""
    own = [name for name in strategies.names() if strategies.get(name).own_rows]
    shared = [entry for entry in contents.entries if entry.head.strategy not in own]
    if strategy or not shared:
        return contents
    return Contents(shared, contents.again, contents.faults)


def _choice(row: Row, advice: Advice) -> Choice:
    mean, interval = row.mean, row.interval
    if advice.losses:
        mean, interval = row.mean_loss, row.loss_interval
    assert mean is not None  # the row is complete
    return Choice(
        label=row.label,
        way=row.way,
        model=row.model,
        revision=row.revision,
        init=row.init,
        strategy=row.strategy,
        mean=mean,
        interval=interval,
        params=row.params,
        trainable_params=row.trainable_params,
        seconds=row.seconds,
        fits=_within(row.params, advice.max_params) and _within(row.seconds, advice.max_seconds),
        row=canonical_json(
            [row.model, row.revision, row.init, row.strategy, row.settings, list(row.trunk), row.mixture]
        ),
    )


def _by_row(admitted: Admitted) -> dict[str, Standing]:
    """Return each row's scores, by what `Choice.row` says of it."""
    cells: dict[str, dict[str, list[Entry]]] = {}
    for entry in admitted.entries:
        cells.setdefault(entry.head.row, {}).setdefault(entry.head.task, []).append(entry)
    found = {}
    for of_row in cells.values():
        head = next(iter(of_row.values()))[0].head
        about = json.loads(head.about)
        checkpoint = about["checkpoint"]
        names = [checkpoint["name"], checkpoint["revision"], checkpoint["init"], head.strategy]
        found[canonical_json([*names, about["settings"], about["trunk"], about["mixture"]])] = Standing(of_row)
    return found


def _within(value: float | None, most: float | None) -> bool:
    return most is None or (value is not None and value <= most)


def _advise(advice: Advice, choices: Sequence[Choice], standings: Mapping[str, Standing]) -> None:
    """Choose, and say it."""
    from suite.selection import _words

    sign = -1 if advice.losses else 1
    fitting = [choice for choice in choices if choice.fits]
    if fitting:
        best = max(fitting, key=lambda choice: sign * choice.mean)
        level = 1 - 0.05 / max(len(fitting) - 1, 1)  # the best of several is compared with all the others (Bonferroni)
        choices = [
            replace(one, apart=one is not best and _apart(standings, (best, one), advice.tasks, level))
            for one in choices
        ]
        advice.best = next(one for one in choices if one.row == best.row)
    advice.front = pareto(choices, sign)
    if advice.best:
        advice.beside = cheaper(advice.front, advice.best)
    advice.sentence = _words.sentence(advice, choices)


def _apart(
    standings: Mapping[str, Standing], both: tuple[Choice, Choice], tasks: Sequence[str], level: float
) -> bool | None:
    """Return whether two rows differ by more than chance explains; None where there is nothing to tell by."""
    one, other = (standings[choice.row] for choice in both)
    found = one.minus(other, tasks).interval(level)
    return None if found is None else found[0] > 0 or found[1] < 0

"""Two checkpoints' records -> comparable? different, same or undecided, in numbers and in words.

Only like is compared: one protocol, and task by task the same version, data, test rows and metric. Where something
differs, the answer is "not comparable" and which field it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from suite.admission import Filter, read
from suite.index import Contents, Entry
from suite.spec import SuiteError, TaskSpec
from suite.store import Store

__all__ = ["Comparison", "Comparisons", "Disagreement", "TaskVerdict", "compare"]

Verdict = Literal["different", "same", "undecided", "not comparable"]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Disagreement:
    """One test example: its label, what each side says most often over its seeds, and A's mean value minus B's."""

    task: str
    id: str
    label: str
    a: str
    b: str
    difference: float


@dataclass(frozen=True)
class TaskVerdict:
    """How two checkpoints differ on one task, in the metric's own units: `difference` is A minus B.

    `p` is adjusted for the number of tasks (and pairs). `seeds` and `means` are A's and B's. `clean` is the difference
    on the test rows that the training rows do not hold, where they hold some. `reason` says why there is no verdict,
    or no interval.
    """

    verdict: Verdict
    metric: str
    greater_is_better: bool = True
    delta: float | None = None
    difference: float | None = None
    interval: Interval | None = None
    p: float | None = None
    p_a_better: float | None = None
    p_a_better_interval: Interval | None = None
    seeds_needed: int | None = None
    means: Interval | None = None
    seeds: tuple[int, int] | None = None
    n: int = 0
    clean: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Comparison:
    """How checkpoint `a` differs from `b`: over all tasks that can be compared, and on each.

    `difference` is A's minus B's M, the mean over tasks of (score - chance)/(best - chance); where all tasks are losses
    it is that of their means, turned round so that more is better. `delta` is what counts as the same there.
    `over_tasks` is the probability that A is better, the same and worse on a task like these. `seeds_needed` is how
    many seeds a side would decide it; None where it is decided or no number would. `reason` says what differs where
    the two are not comparable, `words` all of it in sentences.
    """

    a: str
    b: str
    verdict: Verdict
    difference: float | None = None
    interval: Interval | None = None
    p: float | None = None
    p_a_better: float | None = None
    p_a_better_interval: Interval | None = None
    seeds_needed: int | None = None
    delta: float | None = None
    protocol: str | None = None
    tasks: dict[str, TaskVerdict] = field(default_factory=dict)
    over_tasks: tuple[float, float, float] | None = None
    reason: str | None = None

    @property
    def words(self) -> str:
        """The verdict in a sentence or three."""
        from suite.comparison._words import in_words

        return in_words(self)

    def as_json(self) -> dict[str, Any]:
        """Return what `suite compare --json` prints of it."""
        return asdict(self) | {"words": self.words}


@dataclass(frozen=True)
class Comparisons:
    """The comparisons of every two of some checkpoints, a pair and a strategy each."""

    pairs: list[Comparison]
    cells: list[dict[str, tuple[list[Entry], list[Entry]]]] = field(default_factory=list, repr=False)

    def disagreements(self, most: int) -> list[list[Disagreement]]:
        """Return for each pair, task by task, up to `most` test examples on which the two disagree most.

        Raises:
            SuiteError: the stored predictions cannot be read.
        """
        from suite.comparison._examples import disagreements

        return [[one for cell in by_task.values() for one in disagreements(*cell, most)] for by_task in self.cells]

    def to_pandas(self) -> Any:
        """Return one row a pair and task, and one a pair for all tasks."""
        import pandas as pd

        rows = []
        for pair in self.pairs:
            about = {"a": pair.a, "b": pair.b, "protocol": pair.protocol}
            whole = {k: v for k, v in asdict(pair).items() if k not in ("a", "b", "protocol", "tasks", "over_tasks")}
            rows.append(about | {"task": "all"} | whole)
            rows += [about | {"task": task} | asdict(verdict) for task, verdict in pair.tasks.items()]
        return pd.DataFrame(rows)

    def _repr_html_(self) -> str:
        html: str = self.to_pandas().to_html(index=False, escape=True, float_format="%.4f")
        return html


def compare(
    *models: str,
    store: str | Store | Contents = "./results",
    tasks: Sequence[TaskSpec] | None = None,
    strategy: str | None = None,
    protocol: str | None = None,
    resample: str | None = None,
) -> Comparisons:
    """Compare every two of some checkpoints by a store's records, strategy by strategy.

    Args:
        *models: two or more names as the leaderboard shows them; `NAME:STRATEGY` is one strategy's row.
        store: a folder, an fsspec URL, an open store, or what one holds, read already.
        tasks: only these tasks; by default all that both have.
        strategy: only this strategy.
        protocol: only this protocol; by default that under which both have the most records.
        resample: only data cut so.

    Raises:
        SuiteError: fewer than two are named, the store holds no record of one, or a name means several rows.
    """
    from suite.comparison._contenders import all_pairs, contenders
    from suite.comparison._pairs import compare_pairs

    if len(models) < 2:
        raise SuiteError("A comparison takes two checkpoints at least: suite compare A B.")
    if repeated := [model for model in dict.fromkeys(models) if models.count(model) > 1]:
        raise SuiteError(f"'{repeated[0]}' is named twice; name two rows, as in {repeated[0]}:full {repeated[0]}:lora.")
    contents, only = read(store), Filter(strategy, protocol, resample)
    wanted = {task.name for task in tasks} if tasks else None
    entries = [e for e in contents.entries if only.keeps(e) and (wanted is None or e.head.task in wanted)]
    return compare_pairs(all_pairs(models, contenders(entries)))

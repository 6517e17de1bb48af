"""The arithmetic of a comparison: differences, adjusted over all that is asked at once, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from suite import resampling
from suite.admission import once
from suite.comparison import Comparison, Comparisons, TaskVerdict, Verdict
from suite.comparison._contenders import Contender
from suite.comparison._likeness import shared_cells, shared_protocol
from suite.headings import main_of
from suite.index import Entry
from suite.standing import Standing
from suite.stats import comparisons, intervals
from suite.stats.comparisons import Side
from suite.stats.intervals import Estimate

DELTA = 0.01
"""What counts as the same where a task does not say."""


@dataclass(frozen=True)
class _Difference:
    """A difference with its errors, both sides' means, and of each the seeds and their share of the variance."""

    estimate: Estimate
    delta: float
    means: tuple[float, float]
    sides: tuple[Side, Side]


@dataclass(frozen=True)
class _Pair:
    """Two rows that share a protocol and tasks, the differences on each task and over all of them."""

    a: Contender
    b: Contender
    protocol: str
    standings: tuple[Standing, Standing]
    tasks: dict[str, _Difference]
    whole: _Difference
    counted: list[str]
    reasons: dict[str, str]

    @property
    def cells(self) -> dict[str, tuple[list[Entry], list[Entry]]]:
        """Both sides' entries by task."""
        one, other = (standing.cells for standing in self.standings)
        return {task: (list(one[task]), list(other[task])) for task in one}


def compare_pairs(pairs: Sequence[tuple[Contender, Contender]]) -> Comparisons:
    """Return the comparison of each pair; p-values are adjusted over all of them (Holm)."""
    opened = [_open(a, b) for a, b in pairs]
    found = [pair for pair in opened if isinstance(pair, _Pair)]
    whole = iter(_adjusted([pair.whole for pair in found]))
    single = iter(_adjusted([one for pair in found for one in pair.tasks.values()]))
    judged = [
        pair if isinstance(pair, Comparison) else _judge(pair, next(whole), {t: next(single) for t in pair.tasks})
        for pair in opened
    ]
    return Comparisons(judged, [pair.cells if isinstance(pair, _Pair) else {} for pair in opened])


def _open(a: Contender, b: Contender) -> _Pair | Comparison:
    """Return what two rows share, or that they cannot be compared and why."""
    protocol, reason = shared_protocol(a.entries, b.entries)
    if protocol is None:
        return Comparison(a.label, b.label, "not comparable", reason=reason)
    sides = [once([e for e in row.entries if e.head.protocol == protocol], []) for row in (a, b)]
    cells, reasons = shared_cells(*sides)
    if not cells[0]:
        differing = [f"{task}: {why}" for task, why in reasons.items() if not why.startswith("only ")]
        reason = "; ".join(differing) or f"tasks differ ({_listed(sides[0])}; {_listed(sides[1])})"
        verdicts = {task: _refused(task, sides, why) for task, why in reasons.items()}
        return Comparison(a.label, b.label, "not comparable", protocol=protocol, tasks=verdicts, reason=reason)
    standings = Standing(cells[0]), Standing(cells[1])
    tasks = {task: _on_task(standings, task) for task in cells[0]}
    counted = [task for task in tasks if cells[0][task][0].main.greater_is_better] or list(tasks)
    return _Pair(a, b, protocol, standings, tasks, _over(standings, tasks, counted), counted, reasons)


def _listed(entries: Sequence[Entry]) -> str:
    return ", ".join(sorted({entry.head.task for entry in entries}))


def _on_task(standings: tuple[Standing, Standing], task: str) -> _Difference:
    one, other = (standing.scores[task] for standing in standings)
    delta = standings[0].cells[task][0].task_spec.delta or DELTA
    both = standings[0].estimates[task], standings[1].estimates[task]
    sides = Side(one.seeds, both[0].seed), Side(other.seeds, both[1].seed)
    return _Difference(one.minus(other), delta, (both[0].mean, both[1].mean), sides)


def _over(standings: tuple[Standing, Standing], tasks: dict[str, _Difference], counted: list[str]) -> _Difference:
    scales = [standings[0].scale(task)[1] for task in counted]
    estimate = intervals.mean_of([tasks[task].estimate for task in counted], scales)
    delta = float(np.mean([tasks[task].delta * abs(scale) for task, scale in zip(counted, scales, strict=True)]))
    totals = [standing.total(counted) for standing in standings]
    seeds = [min(tasks[task].sides[side].seeds for task in counted) for side in (0, 1)]
    sides = Side(seeds[0], totals[0].seed), Side(seeds[1], totals[1].seed)
    return _Difference(estimate, delta, (totals[0].mean, totals[1].mean), sides)


def _adjusted(differences: Sequence[_Difference]) -> list[float | None]:
    """Return Holm's adjusted p of each difference; None where it has none."""
    return comparisons.holm([intervals.p_value(one.estimate) for one in differences])


def _judge(pair: _Pair, p: float | None, by_task: dict[str, float | None]) -> Comparison:
    tasks = {task: _task_verdict(pair, task, p_task) for task, p_task in by_task.items()}
    tasks |= {task: _refused(task, [pair.a.entries, pair.b.entries], why) for task, why in pair.reasons.items()}
    whole = pair.whole
    verdict: Verdict = comparisons.verdict(whole.estimate, whole.delta, p)
    return Comparison(
        a=pair.a.label,
        b=pair.b.label,
        verdict=verdict,
        difference=whole.estimate.mean,
        interval=whole.estimate.interval(),
        p=p,
        **_better(pair, pair.counted),
        seeds_needed=_seeds_needed(pair, whole, p) if verdict == "undecided" else None,
        delta=whole.delta,
        protocol=pair.protocol,
        tasks=tasks,
        over_tasks=_over_tasks(pair),
    )


def _better(pair: _Pair, tasks: Sequence[str]) -> dict[str, Any]:
    """Return P(A > B) over seeds with its interval, as far as there are seeds."""
    one, other = (_by_seed(standing, tasks) for standing in pair.standings)
    found = comparisons.p_better(one, other)
    return {"p_a_better": found and found.value, "p_a_better_interval": found and found.interval}


def _task_verdict(pair: _Pair, task: str, p: float | None) -> TaskVerdict:
    one, other = (standing.cells[task] for standing in pair.standings)
    found, main = pair.tasks[task], one[0].main
    verdict: Verdict = comparisons.verdict(found.estimate, found.delta, p)
    return TaskVerdict(
        verdict=verdict,
        metric=main.name,
        greater_is_better=main.greater_is_better,
        delta=found.delta,
        difference=found.estimate.mean,
        interval=found.estimate.interval(),
        p=p,
        **_better(pair, [task]),
        seeds_needed=_seeds_needed(pair, found, p) if verdict == "undecided" else None,
        means=found.means,
        seeds=(found.sides[0].seeds, found.sides[1].seeds),
        n=pair.standings[0].scores[task].examples,
        clean=_clean(one, other),
        reason=None if p is not None else _no_interval(one),
    )


def _no_interval(entries: Sequence[Entry]) -> str:
    """Say why a difference has no interval."""
    if entries[0].n < 2:
        return "one test example says nothing of others"
    return "the differences do not vary, so that nothing is known of how far they might"


def _refused(task: str, sides: Sequence[Sequence[Entry]], why: str) -> TaskVerdict:
    main = next(main_of(e.head.main) for side in sides for e in side if e.head.task == task)
    return TaskVerdict("not comparable", main.name, main.greater_is_better, reason=why)


def _clean(one: Sequence[Entry], other: Sequence[Entry]) -> float | None:
    """Return the difference on the test rows that training did not hold, if it held some of them."""
    means = [[entry.head.clean for entry in side] for side in (one, other)]
    if one[0].seen is None or any(value is None for side in means for value in side):
        return None
    return float(np.mean(np.array(means[0], dtype=float)) - np.mean(np.array(means[1], dtype=float)))


def _by_seed(standing: Standing, tasks: Sequence[str]) -> np.ndarray:
    """Return for each seed that all tasks have the mean of their corrected scores, fp64 [S]."""
    columns = []
    for task in tasks:
        chance, scale = standing.scale(task)
        by_seed: dict[int, list[float]] = {}
        for entry in standing.cells[task]:
            by_seed.setdefault(entry.head.seed, []).append((entry.head.score - chance) * scale)
        columns.append({seed: float(np.mean(folds)) for seed, folds in by_seed.items()})
    shared = sorted(set.intersection(*(set(column) for column in columns)))
    return np.array([np.mean([column[seed] for column in columns]) for seed in shared])


def _over_tasks(pair: _Pair) -> tuple[float, float, float] | None:
    """Return how likely A is better, the same and worse on a task like these; None with fewer than two of them."""
    if len(pair.counted) < 2:
        return None
    scales = [pair.standings[0].scale(task)[1] for task in pair.counted]
    gaps = [pair.tasks[task].estimate.mean * scale for task, scale in zip(pair.counted, scales, strict=True)]
    better, same, worse = comparisons.signed_rank_rope(np.array(gaps), pair.whole.delta)
    return float(better), float(same), float(worse)


def _seeds_needed(pair: _Pair, found: _Difference, p: float | None) -> int | None:
    """Return how many seeds a side would decide it; None where seeds are not what the interval is made of."""
    raw = intervals.p_value(found.estimate)
    if not p or not raw or resampling.parse(pair.standings[0].first.resample).name in resampling.FOLDED:
        return None
    return comparisons.seeds_needed(found.estimate, found.sides, found.delta, max(1.0, p / raw))

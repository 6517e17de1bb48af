"""What sharing a trunk did to each task: joint minus single, and what one more task in the mixture changed.

A joint run is compared with the single runs of the same checkpoint, strategy, settings and protocol on
the same version of the task, over the same test examples. A mixture is compared with that of one task
less, if there is one: so it shows which tasks help and which harm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from suite.admission import read
from suite.index import Contents, Entry
from suite.spec import RunSpec, canonical_json
from suite.stats import intervals
from suite.store import Store

Trunk = tuple[str, ...]
LEVEL = 0.05


@dataclass(frozen=True)
class Effect:
    """What training `task` together with `added` did, compared with `base` (the task alone, or a smaller mixture).

    `difference` is the joint mean minus the base's in the metric's units, `interval` its 95% interval over
    examples and seeds. `verdict` is helps or harms where the interval at 1 - 0.05/(number of tasks in the
    mixture) is clear of zero (Bonferroni), else undecided.
    """

    model: str
    strategy: str
    protocol: str
    task: str
    metric: str
    base: Trunk
    added: Trunk
    base_mean: float
    joint_mean: float
    difference: float
    interval: tuple[float, float] | None
    verdict: str
    seeds: tuple[int, int]


@dataclass
class Effects:
    """Every effect that a store's records show, and joint runs that lack what to compare with."""

    effects: list[Effect] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def to_pandas(self) -> Any:
        """Return one row an effect."""
        import pandas as pd

        return pd.DataFrame(vars(effect) for effect in self.effects)

    def _repr_html_(self) -> str:
        html: str = self.to_pandas().to_html(index=False, escape=True, float_format="%.4f")
        return html


@dataclass
class _Group:
    """Runs that differ in nothing but the tasks of the trunk: by trunk and mixture, each task's entries."""

    spec: RunSpec
    trunks: dict[tuple[Trunk, str], dict[str, list[Entry]]] = field(default_factory=dict)


def transfer(store: str | Store | Contents = "./results", tasks: Sequence[str] | None = None) -> Effects:
    """Return what sharing a trunk did to each task of a store's joint runs.

    Args:
        store: a folder, an fsspec URL, an open store, or what one holds.
        tasks: only these tasks' scores; by default all.

    Raises:
        SuiteError: the store cannot be opened.
    """
    found = Effects()
    for group in _groups(read(store).entries):
        for (trunk, mixture), cells in group.trunks.items():
            if len(trunk) < 2:
                continue
            for task, entries in cells.items():
                if tasks is None or task in tasks:
                    _compare(group, (trunk, mixture), (task, entries), found)
    return found


def _groups(entries: Sequence[Entry]) -> list[_Group]:
    groups: dict[str, _Group] = {}
    for entry in sorted(entries, key=lambda e: e.record.spec.seed):
        spec = entry.record.spec
        if spec.resample != "holdout":
            continue
        protocol = spec.protocol.model_dump(mode="json", exclude={"description", "seeds"})
        parts = [spec.checkpoint.model_dump(mode="json"), spec.strategy, spec.settings, protocol, spec.semantics]
        group = groups.setdefault(canonical_json(parts), _Group(spec))
        trunk = tuple(task.name for task in spec.tasks)
        mixture = spec.mixture.model_dump_json() if spec.mixture else ""
        group.trunks.setdefault((trunk, mixture), {}).setdefault(entry.record.task, []).append(entry)
    return list(groups.values())


def _compare(group: _Group, of: tuple[Trunk, str], cell: tuple[str, list[Entry]], found: Effects) -> None:
    """Add the effects on one task of one mixture: against the task alone, and against one task less."""
    (trunk, _), (task, entries) = of, cell
    compared = False
    for base, others in _bases(group, of, task):
        same = [other for other in others if other.head.column == entries[0].head.column]
        if same:
            found.effects.append(_effect(group.spec, trunk, base, (entries, same)))
            compared |= base == (task,)
    if not compared:
        found.missing.append(
            f"{group.spec.checkpoint.label} {group.spec.strategy}: {task} has no single run to compare the mixture "
            f"{'+'.join(trunk)} with; run it without --joint under the same protocol."
        )


def _bases(group: _Group, of: tuple[Trunk, str], task: str) -> Iterator[tuple[Trunk, list[Entry]]]:
    trunk, mixture = of
    for (other, how), cells in group.trunks.items():
        smaller = how == mixture and len(other) > 1 and len(other) == len(trunk) - 1 and set(other) < set(trunk)
        if task in cells and (other == (task,) or smaller):
            yield other, cells[task]


def _effect(spec: RunSpec, trunk: Trunk, base: Trunk, both: tuple[list[Entry], list[Entry]]) -> Effect:
    joint, single = (np.stack([entry.values for entry in entries]) for entries in both)
    means = [float(np.mean([entry.record.score for entry in entries])) for entries in both]
    record = both[0][0].record
    difference = means[0] - means[1]
    estimate = intervals.paired_difference(joint, single)
    shift = difference - estimate.mean  # pseudo-values average near the metric, not to it
    bounds = [_shifted(estimate.interval(level), shift) for level in (1 - LEVEL, 1 - LEVEL / len(trunk))]
    sign = 1.0 if record.main.greater_is_better else -1.0
    return Effect(
        model=spec.checkpoint.label,
        strategy=spec.strategy,
        protocol=f"{spec.protocol.name} v{spec.protocol.version}",
        task=record.task,
        metric=record.main.name,
        base=base,
        added=tuple(name for name in trunk if name not in base),
        base_mean=means[1],
        joint_mean=means[0],
        difference=difference,
        interval=bounds[0],
        verdict=_verdict(bounds[1], sign),
        seeds=(len(both[0]), len(both[1])),
    )


def _shifted(interval: tuple[float, float] | None, by: float) -> tuple[float, float] | None:
    return None if interval is None else (interval[0] + by, interval[1] + by)


def _verdict(interval: tuple[float, float] | None, sign: float) -> str:
    if interval is None or interval[0] <= 0 <= interval[1]:
        return "undecided"
    return "helps" if sign * interval[0] > 0 else "harms"

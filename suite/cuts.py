"""A task's rows, cut as a way to resample says.

A cut depends on the rows' content and a seed, never on their order: the same for every checkpoint and
strategy. Rows of one `group` stay together, and so do rows that are equal. Classes are spread evenly.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from suite.data import fraction, hash_ids
from suite.resampling import Name, folds, parse
from suite.spec import SuiteError, TaskSpec

if TYPE_CHECKING:
    from suite.data import Split, TaskData

VALIDATION = 0.1
DRAWS = 100


@dataclass(frozen=True)
class Cut:
    """One of the cuts that a way to resample gives: which fold, under which seed."""

    resample: str
    fold: int
    seed: int


def cut(task: TaskSpec, rows: TaskData, how: Cut) -> list[TaskData]:
    """Return the rows of one run: one stage, or for `sequential` those that follow each other.

    Raises:
        SuiteError: there is no such cut, or the rows are too few for it.
    """
    way = parse(how.resample)
    if not 0 <= how.fold < folds(how.resample):
        raise SuiteError(f"{how.resample} has no fold {how.fold}; expected 0 to {folds(how.resample) - 1}.")
    made = _CUTS[way.name](task, rows, how, way.count)
    hashes = [{split.name: hash_ids(split.ids) for split in stage.splits} for stage in made]
    pins = {"resample": how.resample, "fold": how.fold}
    if way.name == "sequential":
        pins |= {"stages_sha256": hashes}
    return [
        replace(stage, pins=stage.pins | pins | {"ids_sha256": ids}) for stage, ids in zip(made, hashes, strict=True)
    ]


@dataclass(frozen=True)
class _Pool:
    """Rows sorted by hash, the unit of each, which stays whole, and the class of each where there are classes.

    `split` names the one that they are of, if they are of one alone.
    """

    rows: Split
    units: tuple[str, ...]
    strata: tuple[str, ...] | None
    grouped: bool
    split: str

    @property
    def what(self) -> str:
        words = (self.split, "groups") if self.grouped else ("different", self.split, "rows")
        return " ".join(filter(None, words))


def _pool(*splits: Split) -> _Pool:
    columns = {name: [cell for split in splits for cell in split.columns[name]] for name in splits[0].columns}
    whole = replace(splits[0], columns=columns, hashes=[row for split in splits for row in split.hashes])
    rows = whole.take(sorted(range(len(whole)), key=whole.hashes.__getitem__))
    groups = rows.columns.get("group")
    units = rows.hashes if groups is None else [_group(g, row) for g, row in zip(groups, rows.hashes, strict=True)]
    classes = None if "choices" in rows.columns else rows.columns.get("label")  # which choice is right is no class
    split = splits[0].name if len(splits) == 1 else ""
    return _Pool(rows, tuple(units), tuple(map(str, classes)) if classes else None, groups is not None, split)


def _group(group: object, row: str) -> str:
    """Return the unit of a row: its group, or the row alone where it names none."""
    return row if group is None or group != group else f"group {group}"


def _holdout(task: TaskSpec, rows: TaskData, how: Cut, count: int) -> list[TaskData]:
    return [rows]


def _loo(task: TaskSpec, rows: TaskData, how: Cut, count: int) -> list[TaskData]:
    pool = _pool(*rows.splits)
    _check_size(task, pool, 2, how)
    return [_data(rows, pool.rows, pool.rows, pool.rows)]


def _kfold(task: TaskSpec, rows: TaskData, how: Cut, count: int) -> list[TaskData]:
    pool = _pool(*rows.splits)
    _check_size(task, pool, count, how)
    _check_classes(task, pool, count, how)
    fold_of = _deal(pool.units, pool.strata, count, how.seed, pool.grouped)
    test = [i for i, fold in enumerate(fold_of) if fold == how.fold]
    rest = [i for i, fold in enumerate(fold_of) if fold != how.fold]
    _check_folds(task, pool, fold_of, how)
    held = _carve(pool, rest, how)
    _check_held(task, pool, rest, held, how)
    train, validation = ([i for i in rest if (pool.units[i] in held) == inside] for inside in (False, True))
    return [_data(rows, pool.rows.take(train), pool.rows.take(validation), pool.rows.take(test))]


def _bootstrap(task: TaskSpec, rows: TaskData, how: Cut, count: int) -> list[TaskData]:
    """Draw as many units as there are, within each class where that is possible, so that none is lost.

    What leaves nothing to test or to validate, or a class untrained, is drawn anew.
    """
    pool = _pool(*rows.splits)
    for times in _draws(pool, how):
        drawn, test = ([i for i, unit in enumerate(pool.units) if (unit in times) == into] for into in (True, False))
        held = _carve(pool, drawn, how)
        unseen = _unseen(pool, drawn, test)
        if test and held and not unseen:
            break
    if not test:
        raise SuiteError(
            f"{task.where('dataset')}: replicate {how.fold} of {how.resample} draws all {len(set(pool.units))} "
            f"{pool.what} of {task.name}, so that none is left to test on; use a task with more."
        )
    _refuse_unseen(task, unseen, how)
    _check_held(task, pool, drawn, held, how)
    kept = [i for i in drawn if pool.units[i] not in held]
    train = [i for i in kept for _ in range(times[pool.units[i]])]
    validation = [i for i in drawn if pool.units[i] in held]
    made = _data(rows, pool.rows.take(train), pool.rows.take(validation), pool.rows.take(test))
    return [replace(made, pins=made.pins | {"train_distinct": len(kept)})]


def _draws(pool: _Pool, how: Cut) -> Iterator[Counter[str]]:
    """Yield how often each unit is drawn, as often as it may be drawn anew."""
    import numpy as np

    generator = np.random.default_rng([how.seed, how.fold])
    strata = pool.strata if pool.strata and not pool.grouped else ("",) * len(pool.units)
    members: dict[str, dict[str, None]] = {}
    for stratum, unit in sorted(zip(strata, pool.units, strict=True)):
        members.setdefault(stratum, {})[unit] = None
    for _ in range(DRAWS):
        yield Counter(
            units[i] for units in map(list, members.values()) for i in generator.integers(0, len(units), len(units))
        )


def _partition(task: TaskSpec, rows: TaskData, how: Cut, count: int) -> list[TaskData]:
    return [_parts(task, rows, how, count)[how.fold]]


def _parts(task: TaskSpec, rows: TaskData, how: Cut, count: int) -> list[TaskData]:
    """Return the parts of the training rows, each with its part of the validation rows, and the test split whole."""
    pools = _pool(rows.train), _pool(rows.validation)
    dealt = []
    for pool in pools:
        _check_size(task, pool, count, how)
    _check_classes(task, pools[0], count, how)
    for pool in pools:
        part_of = _deal(pool.units, pool.strata, count, how.seed, pool.grouped)
        dealt.append([[i for i, part in enumerate(part_of) if part == number] for number in range(count)])
    train, validation = pools
    for own in dealt[0]:
        _refuse_unseen(task, _unseen(train, own, range(len(train.units))), how)
    return [
        _data(rows, train.rows.take(own), validation.rows.take(looked_at), rows.test)
        for own, looked_at in zip(*dealt, strict=True)
    ]


_CUTS: dict[Name, Callable[[TaskSpec, TaskData, Cut, int], list[TaskData]]] = {
    "holdout": _holdout,
    "kfold": _kfold,
    "loo": _loo,
    "bootstrap": _bootstrap,
    "partition": _partition,
    "sequential": _parts,
}


def _data(rows: TaskData, train: Split, validation: Split, test: Split) -> TaskData:
    return replace(
        rows,
        train=replace(train, name="train"),
        validation=replace(validation, name="validation"),
        test=replace(test, name="test"),
    )


@functools.lru_cache(maxsize=16)  # the folds of a seed are dealt at once, and asked for one by one
def _deal(
    units: tuple[str, ...], strata: tuple[str, ...] | None, parts: int, seed: int, grouped: bool
) -> tuple[int, ...]:
    """Return the part of every row: units whole, and classes spread evenly where all are large enough for that."""
    import numpy as np
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    names = units if grouped else tuple(dict.fromkeys(units))
    class_of = dict(zip(units, strata, strict=True)) if strata else {}
    classes = strata if grouped else [class_of[name] for name in names] if strata else None
    if classes and min(Counter(classes).values()) < parts:
        classes = None
    # Equal rows are dealt as one: what grouping by hash gives, in a hundredth of the time.
    ways = {
        (0, 0): [KFold],
        (0, 1): [StratifiedKFold],
        (1, 0): [GroupKFold],
        (1, 1): [StratifiedGroupKFold, GroupKFold],
    }
    codes = np.unique(names, return_inverse=True)[1]
    for way in ways[grouped, classes is not None]:
        dealt = way(parts, shuffle=True, random_state=seed).split(codes, classes, codes if grouped else None)
        part_of = {names[i]: part for part, (_, chosen) in enumerate(dealt) for i in chosen}
        if len(set(part_of.values())) == parts:  # spreading the classes of few groups may leave a part empty
            break
    return tuple(part_of[unit] for unit in units)


def _carve(pool: _Pool, rows: Sequence[int], how: Cut) -> set[str]:
    """Return the units that are held for validation: a tenth by hash or just one, never the last of a class."""
    holds: dict[str, set[str]] = {}
    for i in rows:
        holds.setdefault(pool.units[i], set()).update((pool.strata[i],) if pool.strata else ())
    left = Counter(name for names in holds.values() for name in names)
    held: set[str] = set()
    for place, unit in sorted((fraction(f"resample:{how.seed}", unit), unit) for unit in holds):
        if place >= VALIDATION and held:
            break
        if len(holds) - len(held) > 1 and all(left[name] > 1 for name in holds[unit]):
            held.add(unit)
            left.subtract(holds[unit])
    return held


def _check_size(task: TaskSpec, pool: _Pool, count: int, how: Cut) -> None:
    """Refuse to cut rows into more parts than there are units."""
    if (units := len(set(pool.units))) < count:
        place = task.where("columns", "group") if pool.grouped else task.where("splits", pool.split)
        raise SuiteError(
            f"{place}: {task.name} has {units} {pool.what} to cut by {how.resample}, which needs {count}; "
            "ask for fewer, or use holdout."
        )


def _check_classes(task: TaskSpec, pool: _Pool, count: int, how: Cut) -> None:
    """Refuse classes that cannot have a row in each part."""
    counted = pool.strata or ()
    if not pool.grouped:  # equal rows stay together, so that they count once
        counted = tuple(dict(zip(pool.units, counted, strict=True)).values()) if counted else ()
    name, rows = min(Counter(counted).items(), key=lambda item: (item[1], item[0]), default=("", count))
    if rows < count:
        raise SuiteError(
            f"{task.where('columns', 'label')}: the class '{name}' of {task.name} has {rows} different rows to cut by "
            f"{how.resample}, which needs {count}; ask for fewer, or use holdout."
        )


def _check_held(task: TaskSpec, pool: _Pool, rows: Sequence[int], held: set[str], how: Cut) -> None:
    """Refuse a cut that has no rows to validate on."""
    if not held:
        units = len({pool.units[i] for i in rows})
        raise SuiteError(
            f"{task.where('dataset')}: fold {how.fold} of {how.resample} leaves {task.name} no validation rows: "
            f"without any of its {units} {pool.what} for training, these would be none or lack a class."
        )


def _check_folds(task: TaskSpec, pool: _Pool, fold_of: Sequence[int], how: Cut) -> None:
    """Refuse a class that lies in one fold: whichever fold is asked for, so that none fails when others have run."""
    places = set(zip(pool.strata, fold_of, strict=True)) if pool.strata else set()
    folds_with = Counter(name for name, _ in places)
    _refuse_unseen(task, [name for name, count in folds_with.items() if count == 1], how)


def _unseen(pool: _Pool, train: Iterable[int], test: Iterable[int]) -> set[str]:
    """Return the classes that are tested but not trained."""
    if not pool.strata:
        return set()
    trained, tested = ({pool.strata[i] for i in rows} for rows in (train, test))
    return tested - trained


def _refuse_unseen(task: TaskSpec, unseen: Collection[str], how: Cut) -> None:
    if unseen:
        raise SuiteError(
            f"{task.where('columns', 'group')}: {how.resample} leaves training rows of {task.name} without the class "
            f"'{min(unseen)}', whose rows lie in too few groups; ask for fewer, or use holdout."
        )

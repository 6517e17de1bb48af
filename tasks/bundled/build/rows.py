"""Picking rows: which ones a task takes, and how many of each label, without a random number."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")
Row = dict[str, Any]
Splits = dict[str, list[Row]]


def without_repeats(rows: Iterable[Row], key: Callable[[Row], int]) -> list[Row]:
    """Return the rows, of those with equal keys the first."""
    return list({key(row): row for row in reversed(list(rows))}.values())


def balanced(rows: list[Row], key: Callable[[Row], int], count: int) -> list[Row]:
    """Return the `count` rows lowest by key with the labels as even as can be, in key order.

    Raises:
        ValueError: a label has too few rows.
    """
    by_label = _by_label(rows, key)
    quotas = _quotas({label: count / len(by_label) for label in by_label}, count)
    picked = []
    for label, quota in quotas.items():
        if len(by_label[label]) < quota:
            raise ValueError(f"Label {label!r} has {len(by_label[label])} rows, {quota} are needed")
        picked += by_label[label][:quota]
    return sorted(picked, key=key)


def stratified(rows: list[Row], key: Callable[[Row], int], train: int, test: int) -> Splits:
    """Return train and test with the same label shares: even where the labels have enough rows."""
    if train + test < len(rows):
        rows = balanced(rows, key, train + test)
    by_label = _by_label(rows, key)
    shares = {label: test * len(group) / len(rows) for label, group in by_label.items()}
    quotas = _quotas(shares, test)
    return {
        "train": sorted((r for lab, g in by_label.items() for r in g[quotas[lab] :]), key=key),
        "test": sorted((r for lab, g in by_label.items() for r in g[: quotas[lab]]), key=key),
    }


def levelled(items: Iterable[T], group: Callable[[T], Hashable], key: Callable[[T], int], count: int) -> list[T]:
    """Return the `count` items lowest by key, the groups as even as their sizes allow, in key order.

    Unlike `balanced`, a small group gives all it has and the larger ones share the rest.

    Raises:
        ValueError: there are too few items.
    """
    groups = defaultdict(list)
    for item in sorted(items, key=key):
        groups[group(item)].append(item)
    picked: list[T] = []
    smallest_first = sorted(groups.items(), key=lambda named: (len(named[1]), str(named[0])))
    for i, (_, members) in enumerate(smallest_first):
        picked += members[: (count - len(picked)) // (len(groups) - i)]
    if len(picked) < count:
        raise ValueError(f"There are {len(picked)} rows, {count} are needed")
    return sorted(picked, key=key)


def _by_label(rows: list[Row], key: Callable[[Row], int]) -> dict[str, list[Row]]:
    by_label: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=key):
        by_label[row["label"]].append(row)
    return dict(sorted(by_label.items()))


def _quotas(shares: dict[str, float], count: int) -> dict[str, int]:
    """Return whole numbers close to the shares that add up to `count`: largest remainder."""
    quotas = {label: int(share) for label, share in shares.items()}
    by_remainder = sorted(shares, key=lambda label: (quotas[label] - shares[label], label))
    for label in by_remainder[: count - sum(quotas.values())]:
        quotas[label] += 1
    return quotas

"""Ways to cut a task's rows into training, validation and test rows, in words.

    holdout                  the task's own splits
    kfold:K                  all rows of the task, each tested once in K runs
    loo                      all rows, each tested by what the others say; for strategies that need no training a row
    bootstrap:B              B draws with replacement from all rows, tested on the rows not drawn
    partition:P              the training rows in P parts, one run a part, all tested on the task's test split
    partition:P:sequential   one run that learns the P parts in turn

`suite.cuts` cuts the rows so.
"""

from __future__ import annotations

import difflib
import functools
import re
from dataclasses import dataclass
from typing import Literal, get_args

from suite.spec import SuiteError

Name = Literal["holdout", "kfold", "loo", "bootstrap", "partition", "sequential"]
FOLDED: tuple[Name, ...] = ("kfold", "bootstrap")
"""Ways whose every run is tested on rows of its own."""

FORMS = "holdout, kfold:K, loo, bootstrap:B, partition:P or partition:P:sequential, each count being 2 to 9999"
_COUNTED = re.compile(r"(?P<name>kfold|bootstrap|partition):(?P<count>[1-9][0-9]{0,3})(?P<turns>:sequential)?")


@dataclass(frozen=True)
class Resample:
    """A way to cut rows: how many folds, replicates or parts it has, or one."""

    name: Name
    count: int = 1


@functools.lru_cache(maxsize=256)
def parse(text: str) -> Resample:
    """Return what a word like `kfold:5` means.

    Raises:
        SuiteError: it means nothing.
    """
    if text in ("holdout", "loo"):
        return Resample("holdout" if text == "holdout" else "loo")
    found = _COUNTED.fullmatch(text)
    if found and int(found["count"]) >= 2 and (found["name"] == "partition" or not found["turns"]):
        name: Name = "sequential" if found["turns"] else found["name"]  # type: ignore[assignment]  # the pattern's names
        return Resample(name, int(found["count"]))
    near = _near(text)
    hint = f" Did you mean '{near}'?" if near else ""
    raise SuiteError(f"--resample is '{text}'; expected {FORMS}.{hint}")


def _near(text: str) -> str | None:
    """Return the nearest form that means something."""
    words = re.findall(r"[a-z]+", re.sub(r"[-_]", "", text.lower())) or [""]
    forms = [name for name in get_args(Name) if name != "sequential"]
    near = next(iter(difflib.get_close_matches(words[0], forms, n=1, cutoff=0.6)), None)
    if near in (None, "holdout", "loo"):
        return near
    number = re.search(r"[1-9][0-9]*", text)
    count = min(max(int(number[0][:5]), 2), 9999) if number else 5
    turns = near == "partition" and len(words) > 1 and words[-1].startswith("seq")
    return f"{near}:{count}{':sequential' if turns else ''}"


def folds(text: str) -> int:
    """Return how many runs a seed has.

    Raises:
        SuiteError: the text is no way to resample.
    """
    way = parse(text)
    return 1 if way.name == "sequential" else way.count

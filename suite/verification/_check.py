"""What came of verifying records, one by one and together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

LEVEL = 0.05
"""Of the tests that re-runs are held to."""


@dataclass(frozen=True)
class Check:
    """What came of verifying one record.

    `ok` is true where it was checked and holds. What could not be checked has `checked` false: that says nothing
    against the record. `detail` names what does not hold, or what was compared, or why nothing could be.

    `p` is what a re-run tells by its score alone, where there was need to ask and seeds to compare with: the chance
    of a score at least as far off. `p_adjusted` is that by Holm over the records verified with this one.
    """

    key: str
    level: str
    ok: bool
    detail: str
    checked: bool = True
    attempt: int = 1
    p: float | None = None
    p_adjusted: float | None = None

    @property
    def failed(self) -> bool:
        """Whether something in the record does not hold."""
        return self.checked and not self.ok

    @property
    def missed(self) -> bool:
        """Whether a re-run's score fell outside the 95% predictive interval, as one in twenty does by chance."""
        return self.p is not None and self.p < LEVEL


@dataclass(frozen=True)
class Summary:
    """How many records hold, fail and could not be checked.

    Of `compared` re-runs with an interval to fall into, `missed` fell outside; `p` is the chance of so many misses
    or more if one in twenty is what there is.
    """

    level: str
    held: int
    failed: int
    unchecked: int
    compared: int = 0
    missed: int = 0
    p: float | None = None

    def sentence(self) -> str:
        """Return it in words."""
        total = self.held + self.failed + self.unchecked
        told = f"{self.held} of {total} records hold at level {self.level}"
        told += f", {self.failed} do not" if self.failed else ""
        told += f", {self.unchecked} could not be checked" if self.unchecked else ""
        if self.compared and self.p is not None:
            told += (
                f". Of {self.compared} re-runs with other bits {self.missed} fell outside the 95% interval of their "
                f"seeds; so many or more by chance: p = {self.p:.3f}"
            )
        return f"{told}."


class Checks:
    """Checks as they come: whoever goes through them waits for each, once."""

    def __init__(self, made: Iterator[Check], total: int) -> None:
        """Take what makes the checks, and how many records they are of."""
        self._made, self._seen, self.total = made, list[Check](), total

    def __iter__(self) -> Iterator[Check]:
        """Yield those that there are and then the others, each the moment it is there."""
        yield from self._seen
        for check in self._made:
            self._seen.append(check)
            yield check

    def once(self) -> Iterator[Check]:
        """Yield each the moment it is there and keep none: of however many records, memory stays as it is."""
        yield from self._seen
        yield from self._made

    def summary(self) -> Summary:
        """Return what all of them come to."""
        return summarise(self)

    def to_pandas(self) -> Any:
        """Return one row a check."""
        import pandas as pd

        return pd.DataFrame(vars(check) for check in self)

    def _repr_html_(self) -> str:
        html: str = self.to_pandas().to_html(index=False, escape=True)
        return html


class Tally:
    """Checks of one level counted as they come; none of them is kept."""

    def __init__(self) -> None:
        """Begin with none."""
        self._level, self._told = "", Counter[str]()

    def add(self, check: Check) -> None:
        """Count a check."""
        self._level = self._level or check.level
        self._told.update(
            held=check.ok,
            failed=check.failed,
            unchecked=not check.checked,
            compared=check.p is not None,
            missed=check.missed,
        )

    def summary(self) -> Summary:
        """Return what those counted so far come to."""
        from suite.stats import runs

        counts = {name: int(self._told[name]) for name in ("held", "failed", "unchecked", "compared", "missed")}
        rate = runs.miss_rate(counts["missed"], counts["compared"], LEVEL)
        return Summary(self._level, **counts, p=rate.p if rate else None)


def summarise(checks: Iterable[Check]) -> Summary:
    """Return what checks of one level come to."""
    tally = Tally()
    for check in checks:
        tally.add(check)
    return tally.summary()

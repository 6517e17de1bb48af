"""What a race has come to: who is left, who leads, who was removed when and by how much, what was spent."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from suite.selection._standing import Entrant, Standing, behind_words
from suite.spec import Failure
from suite.stats.racing import Look, Rules, Table


@dataclass
class Raced:
    """A race, under way or over. `tasks` stand in the order in which they are run."""

    strategy: str
    protocol: str
    rules: Rules
    tasks: list[str]
    entrants: list[Entrant]
    table: Table
    looks: list[Look] = field(default_factory=list)
    failures: dict[int, list[Failure]] = field(default_factory=dict)
    stored: int = 0
    ended: bool = False
    loss: bool = False

    @property
    def runs(self) -> int:
        """How many runs have a score, those that were stored before among them."""
        return int(np.isfinite(self.table.scores).sum())

    @property
    def runs_full(self) -> int:
        """How many runs the full grid of checkpoints, tasks and seeds has."""
        return len(self.entrants) * len(self.tasks) * int(self.rules.seeds or 1)

    @property
    def saved(self) -> float:
        """The share of the full grid's runs that were not needed."""
        return 1 - self.runs / self.runs_full

    @property
    def leader(self) -> Standing | None:
        """Who leads among those that are left; None where nobody is."""
        return next((one for one in self.standings() if one.state == "leading"), None)

    @property
    def survivors(self) -> list[Standing]:
        """Who is left, best first."""
        return [one for one in self.standings() if one.state in ("leading", "in the race")]

    @property
    def removed(self) -> list[Standing]:
        """Who was removed, the last one first."""
        return [one for one in self.standings() if one.state == "removed"]

    @property
    def failed(self) -> list[Standing]:
        """Who could not go on."""
        return [one for one in self.standings() if one.state == "failed"]

    def standings(self) -> list[Standing]:
        """Return everyone: who is left, best first; who was removed, the last one first; who failed."""
        means = self.table.means()
        alive = np.flatnonzero(self.table.alive)
        ran = np.isfinite(self.table.scores).any(axis=2).sum(axis=1)
        order = sorted(alive, key=lambda i: (-ran[i], -np.nan_to_num(means[i], nan=-np.inf)))
        leader = self._leader(order)
        found = [self._standing(int(i), "leading" if i == leader else "in the race") for i in order]
        for look in reversed(self.looks):
            found += [self._out(number, look) for number in sorted(look.removed, key=lambda n: -means[n])]
        return found + [self._standing(i, "failed", reason=self._reason(i)) for i in sorted(self.failures)]

    def _leader(self, order: list[Any]) -> int | None:
        """Return who leads: by the last look, or when it is over by the mean."""
        if not order or not self.runs:
            return None
        last = self.looks[-1].leader if self.looks else None
        return int(order[0]) if self.ended or last not in order else last

    def _out(self, number: int, look: Look) -> Standing:
        behind, margin = look.removed[number]
        return self._standing(number, "removed", phase=look.phase, at=look.at, behind=behind, margin=margin)

    def _standing(self, number: int, state: str, **more: Any) -> Standing:
        mean = float(self.table.means()[number])
        held = np.isfinite(self.table.scores[number])
        return Standing(
            **asdict(self.entrants[number]),
            label=self.label(number),
            state=state,
            mean=None if np.isnan(mean) else mean,
            tasks=int(held.any(axis=1).sum()),
            runs=int(held.sum()),
            loss=self.loss,
            **more,
        )

    def _reason(self, number: int) -> str:
        first = self.failures[number][0]
        return f"{first.spec.tasks[0].name}, seed {first.spec.seed}: {first.reason}"

    def label(self, number: int) -> str:
        """Return a checkpoint as a table shows it; of equal names the revision's beginning tells."""
        entrant = self.entrants[number]
        names = Counter((one.model, one.init) for one in self.entrants)
        name = entrant.model if entrant.init == "pretrained" else f"{entrant.model} ({entrant.init} init)"
        told = entrant.revision.removeprefix("sha256:")[:8]
        return name if names[entrant.model, entrant.init] == 1 else f"{name} [{told}]"

    @property
    def words(self) -> str:
        """The outcome in sentences."""
        left, leader = self.survivors, self.leader
        spent = f"{self.runs} runs of {self.runs_full} in the full grid ({100 * self.saved:.0f}% saved)"
        if leader is None:
            return f"Nobody is left: {', '.join(one.label for one in self.failed)} failed. {spent}."
        others = [one.label for one in left if one != leader]
        score = f"{'a mean loss of' if self.loss else 'M'} {leader.score}"
        risk = f"{100 * self.rules.alpha:g}%"
        if others:
            lead = f"{leader.label} leads with {score}, and cannot be told apart from "
            lead += f"{', '.join(others)} at a risk of {risk}"
        else:
            lead = f"{leader.label} is left, with {score} over {leader.tasks} of {len(self.tasks)} tasks"
            lead += f"; the best is another with a probability of at most {risk}"
        if others and (why := self._unjudged()):
            lead += f": {why}"
        gone = f" Failed, and so not judged: {', '.join(one.label for one in self.failed)}." if self.failed else ""
        return f"{lead}. {spent}.{gone}"

    def _unjudged(self) -> str | None:
        """Return why no look could remove anyone, if so it was."""
        if not self.looks:
            return "one seed of fewer than four tasks shows no noise to judge by; allow more seeds"
        scores = self.table.scores
        repeated = np.isfinite(scores).sum(axis=2) > 1
        if self.rules.noise != "seeds" or not repeated.any():
            return None
        if float((np.nanmax(scores[repeated], axis=-1) - np.nanmin(scores[repeated], axis=-1)).max()) > 1e-12:
            return None
        return "no two seeds differ anywhere, so that there is no noise to judge by"

    def as_json(self) -> dict[str, Any]:
        """Return what `suite race --json` ends with."""
        return {
            "survivors": [asdict(one) for one in self.survivors],
            "leader": asdict(self.leader) if self.leader else None,
            "removed": [asdict(one) for one in self.removed],
            "failed": [asdict(one) for one in self.failed],
            "runs": self.runs,
            "runs_full": self.runs_full,
            "saved": self.saved,
            "stored": self.stored,
            "strategy": self.strategy,
            "protocol": self.protocol,
            "tasks": self.tasks,
            "seeds": self.rules.seeds,
            "alpha": self.rules.alpha,
            "words": self.words,
        }

    def look_json(self, look: Look) -> dict[str, Any]:
        """Return what `suite race --json` says of a look."""
        removed = [
            {"label": self.label(i), "model": self.entrants[i].model, "behind": behind, "margin": margin}
            for i, (behind, margin) in look.removed.items()
        ]
        left = int(self.table.alive.sum())
        leader = self.label(look.leader)
        return {
            "look": look.phase,
            "at": look.at,
            "leader": leader,
            "removed": removed,
            "left": left,
            "runs": self.runs,
        }

    def look_words(self, look: Look) -> str:
        """Return a look in one line."""
        when = f"{look.at} of {len(self.tasks)} tasks" if look.phase == "tasks" else f"{look.at} seeds of all tasks"
        gone = [f"{self.label(i)} ({behind_words(*gap, self.loss)})" for i, gap in look.removed.items()]
        told = f"removed: {', '.join(gone)}" if gone else "nobody removed"
        left = int(self.table.alive.sum())
        return f"look after {when}: {self.label(look.leader)} leads, {told}; {left} left, {self.runs} runs"

    def to_pandas(self) -> Any:
        """Return one row a checkpoint."""
        import pandas as pd

        return pd.DataFrame(asdict(one) for one in self.standings())

    def _repr_html_(self) -> str:
        html: str = self.to_pandas().to_html(index=False, escape=True, float_format="%.4f")
        return f"{html}<p>{self.words}</p>"

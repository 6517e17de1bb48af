"""The data of runs, looked at before the first of them."""

from __future__ import annotations

from collections.abc import Sequence

from suite import kinds, timing
from suite.spec import RunSpec, SuiteError, TaskSpec, canonical_json

_CHECKED: set[str] = set()
"""The data that this process has looked at: a race asks again at every turn."""


@timing.phase("checking data")
def check_data(specs: Sequence[RunSpec]) -> None:
    """Read every task's data and look at each row, once in the life of this process.

    Raises:
        SuiteError: data that cannot be used; all tasks' mistakes are told at once.
    """
    problems: dict[tuple[str, str], str] = {}
    seen: set[tuple[str, str]] = set()
    cuts = {(t.name, one.resample, one.seed, one.fold): (t, one) for one in specs for t in one.tasks}
    for (name, resample, _, _), (task, spec) in cuts.items():
        if (name, resample) in problems or (resample == "holdout" and (name, resample) in seen):
            continue
        try:
            _check(task, spec, every_row=(name, resample) not in seen)
        except SuiteError as error:
            problems[name, resample] = str(error)
        seen.add((name, resample))
    if problems:
        raise SuiteError("\n".join(problems.values()))


def _check(task: TaskSpec, spec: RunSpec, every_row: bool) -> None:
    """Look at a task's data as a run cuts it.

    Raises:
        SuiteError: it cannot be used.
    """
    cut = [] if spec.resample == "holdout" else [spec.resample_seed(), spec.fold]
    about = canonical_json(
        [task.model_dump(mode="json", by_alias=True), dict(spec.protocol.limits), spec.resample, cut, every_row]
    )
    if about in _CHECKED:
        return
    from suite import evaluation, metrics

    kind = kinds.get(task.kind)
    metrics.check(task, kind.target)
    stages = evaluation.load_rows(task, spec)  # each fold is cut: one may lack what the others have
    for rows in stages if every_row else ():
        kind.check(task, rows)
    _CHECKED.add(about)

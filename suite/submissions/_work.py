"""What waits in the queue, evaluated, stored and published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from suite.grid import Done, Place, Progress, carry_out
from suite.plan import Request, plan
from suite.spec import Failure, SuiteError
from suite.submissions._check import recheck
from suite.submissions._queue import Queue
from suite.submissions._submission import Queued

_LONGEST = 500


def work(
    place: Place,
    progress: Progress,
    most: int | None = None,
    offline: bool = False,
    queue_of: str | None = None,
    publish: Callable[[], object] | None = None,
) -> Iterator[Queued]:
    """Evaluate what waits in the queue of a store, oldest first, and yield what came of each.

    A worker that is interrupted, or whose results cannot be published, gives its submission back; what had finished is
    stored, and is not run again.

    Args:
        place: the store of the results, and where runs are carried out.
        progress: called with what a run is doing.
        most: stop after so many.
        offline: never ask the network.
        queue_of: the store whose queue it is, if not that of the results.
        publish: called when a submission's results are stored and before it is done.

    Raises:
        SuiteError: the store or the queue cannot be used, or results cannot be published.
    """
    queue, count = Queue(queue_of or place.store), 0
    for one in queue.waiting():
        if most is not None and count >= most:
            return
        if not queue.claim(one):
            continue
        count += 1
        try:
            made, state, note = _evaluated(one, place, progress, offline)
            if made and publish:
                publish()
                note = f"{note}; published"
            done = queue.finish(one, state, note)
        except BaseException:  # told by whoever catches it; the submission waits again
            queue.release(one)
            raise
        yield done


def _evaluated(
    one: Queued, place: Place, progress: Progress, offline: bool
) -> tuple[int, Literal["done", "failed"], str]:
    """Return how many records there are of a submission, and what came of it in a word and in words."""
    asked = one.submission
    request = Request((asked.word,), asked.tasks, (asked.strategy,), protocol=asked.protocol, offline=offline)
    try:
        recheck(asked)
        outcomes = list(carry_out(plan(request), place, progress))
    except SuiteError as error:
        return 0, "failed", _told(str(error))
    made = sum(isinstance(outcome, Done) for outcome in outcomes)
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    if not failures:
        return made, "done", f"{made} records"
    reasons = "; ".join(dict.fromkeys(failure.reason for failure in failures))
    told = _told(f"{made} records; {len(failures)} runs failed: {reasons}")
    return made, "done" if made else "failed", told


def _told(text: str) -> str:
    """Return what visitors may read of a reason: in one line, and nothing of where this machine keeps its files."""
    text = " ".join(text.replace(str(Path.home()), "~").replace(str(Path.cwd()), ".").split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"

"""A task file -> is every word of it true of its data?"""

from pathlib import Path

from suite import data, kinds, metrics, tasks
from suite.plan import pinned
from suite.spec import Carve


def check_file(path: Path, within: bool = False) -> str:
    """Read a task file and its data, look at each row, and return one line about the splits.

    With `within` the file is a stranger's: its data files must lie in its folder, and are not read before that is so.

    Raises:
        SuiteError: a mistake in the file or in the data, with file and line.
    """
    task = tasks.load_file(path)
    if within:
        tasks.check_within(task)
    kind = kinds.get(task.kind)
    task = pinned(kind.complete(task), allow_unpinned=False)
    metrics.check(task, kind.target)
    rows = data.load(task, tasks.local_files(task), {})
    kind.check(task, rows)
    carved = " (carved out of train)" if isinstance(task.splits.validation, Carve) else ""
    return (
        f"{task.kind}, {len(kind.classes(task, rows))} classes, {len(rows.train)} train, "
        f"{len(rows.validation)} validation{carved}, {len(rows.test)} test rows. All is well."
    )

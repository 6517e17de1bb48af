"""What a test example is, for whoever wants to look at it: its text or picture, found again by its id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from suite import data, kinds, tasks
from suite.spec import SuiteError, TaskSpec

HIDDEN = ("label", "labels", "tags", "answers", kinds.GROUP)
"""Columns that say what is asked for, which the predictions' table shows anyway."""


def find(task: TaskSpec, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the inputs of rows by id, under the kind's column names; an image is the bytes of its file.

    Args:
        task: a record's task, or that of a file. Data files are found by the task file of the same name.
        ids: ids of test rows.

    Raises:
        SuiteError: the data cannot be had on this machine, or is no longer what it was.
    """
    here = _here(task)
    rows = data.load(here, tasks.local_files(here), {})
    wanted = set(ids)
    found: dict[str, dict[str, Any]] = {}
    for split in (rows.test, rows.validation, rows.train):  # folds are tested on rows of any split
        for place, name in enumerate(split.ids):
            if name in wanted and name not in found:
                found[name] = {k: v[place] for k, v in split.columns.items() if k not in HIDDEN}
    return found


def _here(task: TaskSpec) -> TaskSpec:
    """Return the task with the file that its data lies beside.

    Raises:
        SuiteError: its data are files of this machine, and no task file leads to them.
    """
    if task.file or task.dataset.path not in tasks.LOCAL_BUILDERS:
        return task
    path = tasks.task_files().get(task.name)
    held = tasks.load_file(path) if path else None
    if held is None or held.dataset.revision != task.dataset.revision:
        raise SuiteError(
            f"The rows of {task.name} lie in files, and no task file of that name leads to these; name it with -t."
        )
    return task.model_copy(update={"file": held.file})

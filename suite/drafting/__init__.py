"""Data -> a first task file: its kind, columns and splits guessed from some of its rows.

    draft = drafting.draft("reviews.csv", name=None, kind=None)
    path = drafting.write(draft, None)      # reviews.yaml, and here reviews-train.csv and reviews-test.csv

What is guessed is told in `draft.notes`. The file passes `suite validate` as it is, if the rows do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from suite import plugins
from suite.drafting import _cutting, _guesses, _hub, _local, _parts, _telling
from suite.drafting._plan import Plan
from suite.spec import SuiteError, unknown

MOST = 2000
"""So many rows of train are looked at."""

FEW_ROWS = 100
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,95}")


@dataclass(frozen=True)
class Draft:
    """A task file's text as it would be in the current folder, its name there, and what was guessed."""

    text: str
    file_name: str
    notes: tuple[str, ...]
    plan: Plan = field(repr=False)


def draft(source: str, name: str | None, kind: str | None) -> Draft:
    """Return a task file for a data file, a folder or a Hub data set `owner/name[:config][@revision]`.

    Raises:
        SuiteError: there is no such data, or no task can be made out in it.
    """
    _check_words(name, kind)
    found = _find(source)
    sample = found.sample("train", MOST)
    guess = _guesses.guess(sample.columns, kind)
    if guess is None:
        raise _telling.no_guess(found, sample, kind)
    _telling.check_header(found, sample, guess)
    parts, told = _parts.choose(found, guess)
    labels, hints = _telling.labels(found, guess, sample), _telling.hints(guess, sample)
    is_small = sample.rows.num_rows < FEW_ROWS
    plan = Plan(name or _slug(found.name), name is not None, found, guess, parts, labels, hints, is_small)
    notes = (*_telling.guessed(guess, sample), *told, *_telling.left_to_do(plan))
    return Draft(plan.text(Path.cwd()), f"{plan.name}.yaml", notes, plan)


def write(draft: Draft, path: Path | None) -> Path:
    """Write a draft to a file that is not there yet, and beside it the rows that had to be cut or written again.

    Args:
        draft: what `draft` gave.
        path: the task file, a folder for it, or None for its own name in the current folder.

    Raises:
        SuiteError: one of the files exists, cannot be written, or has a name that no task can have.
    """
    path = _target(draft, path)
    plan = replace(draft.plan, name=path.stem)
    tables = {part: path.parent / name for part, name in plan.tables().items()}
    for file in (path, *tables.values()):
        if file.exists():
            raise SuiteError(f"{file} exists already and is left as it is; name another task file with -o.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for part, rows in plan.rows() if tables else ():
            _cutting.write_rows(rows, tables[part])
        with path.open("x", encoding="utf-8") as stream:
            stream.write(plan.text(path.parent.resolve()))
    except OSError as error:
        raise SuiteError(f"Cannot write {error.filename or path}: {error.strerror}.") from None
    return path


def _check_words(name: str | None, kind: str | None) -> None:
    if name is not None and not _NAME.fullmatch(name):
        raise SuiteError(f"'{name}' is no task name; expected small letters, digits, '.', '_' and '-', as in my-task.")
    if kind is not None and kind not in plugins.names("kinds"):
        raise unknown("task kind", kind, plugins.names("kinds"))
    if kind is not None and kind not in _guesses.KINDS:
        raise SuiteError(f"No task of kind {kind} can be drafted; known: {', '.join(sorted(_guesses.KINDS))}.")


def _find(word: str) -> _local.Local | _hub.Remote:
    path = Path(word).expanduser()
    if _exists(path):
        return _local.find(path)
    if path.suffix.lower() in _local.BUILDERS or word.startswith((".", "/", "~")) or "\\" in word:
        raise SuiteError(f"There is no file or folder '{word}'.")
    return _hub.find(word)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:80] or "task"


def _target(draft: Draft, path: Path | None) -> Path:
    """Return the task file to write; its name is the task's."""
    path = Path(draft.file_name) if path is None else path
    path = path / draft.file_name if path.is_dir() else path
    if path.suffix not in (".yaml", ".yml"):
        raise SuiteError(f"{path}: a task file's name ends with .yaml.")
    if not _NAME.fullmatch(path.stem):
        raise SuiteError(
            f"{path}: the file's name is the task's; expected small letters, digits, '.', '_' and '-', as in "
            f"{_slug(path.stem)}.yaml."
        )
    if draft.plan.is_named and path.stem != draft.plan.name:
        raise SuiteError(f"{path}: the file's name is the task's, and --name says '{draft.plan.name}'; leave one out.")
    return path

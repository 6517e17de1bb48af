"""Data -> a first task file: its kind, columns and splits guessed from some of its rows.

    draft = drafting.draft("reviews.csv", name=None, kind=None)
    path = drafting.write(draft, None)      # reviews.yaml

What is guessed is told in `draft.notes`. The file passes `suite validate` as it is, if the rows do.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite import files, kinds
from suite.drafting import _guesses, _hub, _local, _text
from suite.drafting._columns import Column
from suite.drafting._guesses import Guess
from suite.spec import SuiteError

MOST = 2000
"""So many rows of train are looked at."""

FEW_ROWS = 100
"""Of fewer rows a quarter is held out for validation: a tenth, each by its own hash, would now and then be none."""

_TARGETS = ("label", "labels", "tags", "answers", "score")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,95}")
_NAME_FORM = "expected small letters, digits, '.', '_' and '-', as in"

_NO_TASK = "no kind of task can be made out; expected texts or images to read, and a label to tell of each"
_NO_NAMES = "the first line reads like a row; expected the columns' names there, such as text,label"

Source = _local.Local | _hub.Remote


@dataclass(frozen=True)
class Draft:
    """A task file's fields but for where its data lie, and what was guessed."""

    fields: dict[str, Any]
    source: Source
    notes: tuple[str, ...]

    @property
    def file_name(self) -> str:
        """The file's name, which is the task's."""
        return f"{self.fields['name']}.yaml"

    @property
    def text(self) -> str:
        """The task file as it would be in the current folder."""
        return self.text_at(Path(self.file_name))

    def text_at(self, path: Path) -> str:
        """Return the task file as it is at a path."""
        used = [split for split in self.fields["splits"].values() if isinstance(split, str)]
        dataset = self.source.dataset(used, path.resolve().parent)
        return _text.render(self.fields | {"name": path.stem, "dataset": dataset})


def draft(source: str, name: str | None, kind: str | None) -> Draft:
    """Return a task file for a data file, a folder or a Hub data set `owner/name[:config][@revision]`.

    Raises:
        SuiteError: there is no such data, or no task can be made out in it.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise SuiteError(f"'{name}' is no task name; {_NAME_FORM} my-task.")
    needs = ", ".join(kinds.get(kind).needs) if kind else ""
    found = _find(source)
    columns = found.columns("train", MOST)
    guess = _guesses.guess(columns, kind)
    if guess is None:
        raise _text.refusal(source, f"nothing looks like what {kind} needs: {needs}" if kind else _NO_TASK, columns)
    splits, told = _splits(found, guess, max(len(column.cells) + column.missing for column in columns) < FEW_ROWS)
    used = [column for column in columns if column.name in guess.names]
    if isinstance(found, _local.Local) and found.builder == "csv" and any(one.name in one.values for one in used):
        raise _text.refusal(source, _NO_NAMES, columns)
    theirs = {ours: list(theirs) if isinstance(theirs, tuple) else theirs for ours, theirs in guess.columns.items()}
    fields = {"name": name or _slug(found.name), "version": 1, "kind": guess.kind, "splits": splits, "columns": theirs}
    label = next((column for column in used if column.name == theirs.get("label") and "choices" not in theirs), None)
    fields |= {"labels": list(guess.labels) or _labels(found, label), "main": guess.main}
    return Draft(fields, found, (*_text.guessed(guess, columns), *told, *found.notes))


def write(draft: Draft, path: Path | None) -> Path:
    """Write a draft to a file that is not there yet.

    Args:
        draft: what `draft` gave.
        path: the task file, whose name is then the task's; a folder for it; or None for the current one.

    Raises:
        SuiteError: the file exists, cannot be written, or has a name that no task can have.
    """
    path = Path(draft.file_name) if path is None else path
    path = path / draft.file_name if path.is_dir() else path
    if path.suffix not in (".yaml", ".yml"):
        raise SuiteError(f"{path}: a task file's name ends with .yaml.")
    if not _NAME.fullmatch(path.stem):
        raise SuiteError(f"{path}: the file's name is the task's; {_NAME_FORM} {_slug(path.stem)}.yaml.")
    if path.exists():
        raise SuiteError(f"{path} exists already and is left as it is; name another task file with -o.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(draft.text_at(path))
    except OSError as error:
        raise SuiteError(f"Cannot write {error.filename or path}: {error.strerror}.") from None
    return path


def _find(word: str) -> Source:
    path = files.path_of(word)
    if os.path.exists(path):  # noqa: PTH110  # Path.exists raises for what no file can be called
        return _local.find(path)
    if path.suffix.lower() in _local.BUILDERS or word.startswith((".", "/", "~")) or "\\" in word:
        raise SuiteError(f"There is no file or folder '{word}'.")
    return _hub.find(word)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:80] or "task"


def _splits(source: Source, guess: Guess, is_small: bool) -> tuple[dict[str, Any], list[str]]:
    """Return the field `splits`, and what there is to say about it: a split without labels tests nothing."""
    target = next(guess.columns[name] for name in _TARGETS if name in guess.columns)
    target = target if isinstance(target, str) else target[0]
    others = [part for part in ("validation", "test") if part in source.splits]
    shown = {part: [column for column in source.columns(part, 200) if column.name == target] for part in others}
    usable = [part for part in others if shown[part] and not shown[part][0].is_hidden]
    notes = [f"the rows of the {part} split have no labels: it is not used" for part in others if part not in usable]
    train = source.splits["train"]
    splits: dict[str, Any] = {"train": train}
    if len(usable) == 2:
        splits["validation"] = source.splits["validation"]
    elif is_small or train != "train":
        splits["validation"] = {"from": train, "fraction": 0.25 if is_small else 0.1, "seed": 0}
    splits["test"] = source.splits[usable[-1]] if usable else {"from": train, "fraction": 0.2, "seed": 0}
    if not usable:
        notes.append("there is no test split: a fifth of train, taken out by the hash of each row, is the test")
    elif usable == ["validation"]:
        notes.append("the validation split is the test, and validation is carved out of train")
    return splits, notes


def _labels(source: Source, label: Column | None) -> list[str]:
    """Return the classes to declare: a few, of all rows of a file, that the file does not declare itself.

    Were they left out, a class that only test rows have would be unknown.
    """
    if label is None or label.classes or "." in label.name or isinstance(source, _hub.Remote):
        return []
    names = {label.shown(value) for value in source.values(label.name)}
    order = sorted(names, key=lambda name: (not name.isdecimal(), len(name) * name.isdecimal(), name))
    return order if len(order) <= _guesses.FEW else []

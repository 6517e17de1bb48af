"""Which split of a source trains and which tests: a split without labels does neither."""

from __future__ import annotations

from suite.drafting._columns import is_hidden
from suite.drafting._finding import Guess
from suite.drafting._hub import Remote
from suite.drafting._local import Local
from suite.spec import SuiteError

FEW_ROWS = 200
_TARGETS = ("label", "labels", "tags", "answers", "score")


def choose(source: Local | Remote, guess: Guess) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return which part of the source plays which, and what there is to say about it; no test means it has to be cut.

    Raises:
        SuiteError: a Hub data set has no labelled split but train.
    """
    others = [part for part in ("validation", "test") if part in source.parts]
    usable = [part for part in others if _has_labels(source, part, guess)]
    notes = [f"the rows of the {part} split have no labels: it is not used" for part in others if part not in usable]
    if "test" in usable:
        return {part: part for part in ("train", *usable)}, tuple(notes)
    if usable:
        notes.append("the validation split is the test, and validation is carved out of train")
        return {"train": "train", "test": "validation"}, tuple(notes)
    if isinstance(source, Remote):
        raise SuiteError(
            f"{source.title} has no test split with labels, and a task needs one. Save its rows and draft from the "
            f"file, which is then cut in two: datasets.load_dataset('{source.path}', '{source.config}', "
            f"split='{source.parts['train']}').to_parquet('{source.name}.parquet')"
        )
    notes.append(
        "there is no test split: a fifth of the rows becomes one, in files beside the task file; rows with an empty "
        "cell in these columns are left out"
    )
    return {"train": "train"}, tuple(notes)


def _has_labels(source: Local | Remote, part: str, guess: Guess) -> bool:
    target = next(guess.columns[name] for name in _TARGETS if name in guess.columns)
    first = target if isinstance(target, str) else target[0]
    columns = {column.name: column for column in source.sample(part, FEW_ROWS).columns}
    return first in columns and not is_hidden(columns[first])

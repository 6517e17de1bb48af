"""What a person is told of a guess: why there is none, or what it is and what else it could be."""

from __future__ import annotations

from collections import Counter

from suite import kinds
from suite.drafting._columns import SHOWN, Column, Sample, is_missing
from suite.drafting._finding import FEW, Guess
from suite.drafting._hub import Remote
from suite.drafting._local import Local
from suite.drafting._plan import Plan
from suite.drafting._rendering import one_line
from suite.spec import SuiteError


def no_guess(source: Local | Remote, sample: Sample, kind: str | None) -> SuiteError:
    """Return the error for columns that look like no kind, or not like the kind that was asked for."""
    wanted = "no kind of task can be made out; expected texts or images to read, and a label to tell of each"
    if kind:
        wanted = f"nothing looks like what {kind} needs ({', '.join(kinds.get(kind).needs)})"
    return SuiteError(f"{source.title}: {wanted}. It has: {_listed(sample)}. {source.hint}".strip())


def check_header(source: Local | Remote, sample: Sample, guess: Guess) -> None:
    """Refuse a CSV file whose first line is a row: a column is then called what one of its cells says.

    Raises:
        SuiteError: it looks so.
    """
    if isinstance(source, Local) and source.builder == "csv":
        for column in sample.columns:
            if column.name in guess.names and column.name in column.values:
                raise SuiteError(
                    f"{source.title}: the first line reads like a row, not like names ({_listed(sample)}); "
                    "write the columns' names there, such as text,label."
                )


def _listed(sample: Sample) -> str:
    columns = sample.columns
    shown = ", ".join(f"{one_line(column.name)} ({_holds(column)})" for column in columns[:12])
    return shown + (f", and {len(columns) - 12} more" if len(columns) > 12 else "")


def _holds(column: Column) -> str:
    unlike = column.form == "text" and len(column.values) == len(column.cells) > 1
    return SHOWN[column.form] + (", no two alike" if unlike else "")


def labels(source: Local | Remote, guess: Guess, sample: Sample) -> tuple[str, ...]:
    """Return the classes to declare: a few that were all seen, and that the data set does not declare itself."""
    label = guess.columns.get("label")
    if guess.labels or guess.kind == "multiple_choice" or not isinstance(label, str):
        return guess.labels or ()
    column = next(column for column in sample.columns if column.name == label)
    if column.form == "class" or "." in label or isinstance(source, Remote):
        return ()
    found = {column.shown(value) for value in source.values(label) if not is_missing(value)}
    return tuple(sorted(found, key=_natural)) if len(found) <= FEW else ()


def _natural(name: str) -> tuple[int, str]:
    """Sort '2' before '10'."""
    return (int(name), "") if name.isdecimal() else (1 << 62, name)


def hints(guess: Guess, sample: Sample) -> tuple[str, ...]:
    """Return comments for the task file: what guessing gets if one class is commoner, rows that share a text."""
    named = {column.name: column for column in sample.columns}
    if guess.kind == "question_answering":
        context = named[str(guess.columns["context"])]
        shared = len(context.values) < len(context.cells) and "group" not in guess.columns
        return ("# Questions share contexts: add `group: ...` to columns to keep those of one together.",) * shared
    label = guess.columns.get("label")
    return _commonest(named[label]) if isinstance(label, str) else ()


def _commonest(label: Column) -> tuple[str, ...]:
    counts = Counter(label.shown(value) for value in label.cells)
    ((name, count),) = counts.most_common(1)
    share = count / len(label.cells)
    if share * len(counts) < 1.1:
        return ()
    return (f"# chance: {share:.2f}   # the accuracy of always saying '{one_line(name)}'; left out, it is 1/classes",)


def guessed(guess: Guess, sample: Sample) -> list[str]:
    """Return what was guessed, what else it could be, and what the columns lack."""
    columns = ", ".join(f"{ours} is {_quoted(theirs)}" for ours, theirs in guess.columns.items())
    told = [f"guessed from {sample.rows.num_rows:,} rows: {guess.kind}, where {columns}"]
    told += [f"other candidates for {ours}: {_few(rivals)}" for ours, rivals in guess.rivals.items() if rivals]
    return told + [_gaps(column) for column in sample.columns if column.missing and column.name in guess.names]


def left_to_do(plan: Plan) -> list[str]:
    """Return what was not used or is written anew, and what a person has to say."""
    told = list(plan.source.notes)
    if isinstance(plan.source, Local) and plan.source.separator != ",":
        told.append("the columns are not set apart by commas: the rows are written again as CSV beside the task file")
    known = isinstance(plan.source, Remote) and plan.source.license
    return [*told, f"to be filled in, now comments: description{'' if known else ', license'} and the like"]


def _quoted(theirs: str | tuple[str, ...]) -> str:
    return " + ".join(f"'{one_line(name)}'" for name in ([theirs] if isinstance(theirs, str) else theirs))


def _few(names: list[str]) -> str:
    return ", ".join(map(one_line, names[:8])) + (", ..." if len(names) > 8 else "")


def _gaps(column: Column) -> str:
    return f"{column.missing:,} of these rows have nothing in '{one_line(column.name)}'"

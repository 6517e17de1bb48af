"""The command that asks kept weights."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from suite.cli._words import AsJson, StoreUrl, app, prepare, say, told

if TYPE_CHECKING:
    from suite.prediction import Answer, KeptModel


@app.command()
def predict(
    key: Annotated[str, typer.Argument(help="The key of a record with kept weights, or how it begins (6 digits).")],
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Texts, or files of pictures; - reads a line each.")
    ],
    pair: Annotated[str | None, typer.Option(help="The second text, where texts come in pairs.")] = None,
    context: Annotated[str | None, typer.Option(help="The text that holds the answers to questions.")] = None,
    choices: Annotated[
        list[str] | None, typer.Option("--choice", help="One of the choices that go with a text; one option each.")
    ] = None,
    base: Annotated[
        list[str] | None, typer.Option(help="The folder of the checkpoint that was adapted, where it was one.")
    ] = None,
    top: Annotated[int, typer.Option(help="How many labels to print; JSON has all.")] = 5,
    store: StoreUrl = "./results",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Threads; all cores by default.")] = None,
    offline: Annotated[bool, typer.Option(help="Never ask the network.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask the kept weights of a record: labels with probabilities, entities, answers or numbers."""
    prepare(offline)
    with told():
        from suite.prediction import open_kept

        words = list(_words(inputs))
        model = open_kept(store, key, bases=base or (), device=device, threads=threads)
        beside = {"text_pair": pair, "context": context, "choices": choices}
        asked = [_asked(model, word, {name: value for name, value in beside.items() if value}) for word in words]
        found = model.predict(asked)
        for word, one, answer in zip(words, asked, found.answers, strict=True):
            if as_json:
                typer.echo(_json(one, answer, found.seconds / len(words)))
            else:
                for line in (_line(word), *_told(answer, top)):
                    say(line)
        if not as_json:
            say(_outcome(model, len(words), found.seconds, found.cut), err=True)


def _words(inputs: Sequence[str]) -> Iterator[str]:
    """Yield the inputs, in the place of - the lines of the standard input."""
    from suite.prediction import MAX_TEXT
    from suite.spec import SuiteError

    for word in inputs:
        if word != "-":
            yield word
            continue
        while line := sys.stdin.buffer.readline(4 * MAX_TEXT):
            try:
                if text := line.decode("utf-8").rstrip("\r\n"):
                    yield text
            except UnicodeDecodeError:
                raise SuiteError("A line of the standard input is no UTF-8 text.") from None


def _asked(model: KeptModel, word: str, beside: dict[str, Any]) -> Any:
    """Return a word as the model's input: alone, as JSON with its columns, or with what the options say."""
    from suite.spec import SuiteError

    if model.modality == "text" and (path := _file(word)):
        raise SuiteError(f"'{path}' is a file, and this model reads texts; give the text, or its lines: - < {path}")
    if len(model.columns) == 1 and not beside:
        return word
    if word.startswith("{") and not beside:
        try:
            value = json.loads(word)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            return value
    first = model.columns[0]
    names = {"text_pair": "--pair", "context": "--context", "choices": "--choice"}
    lacking = [names[name] for name in model.columns if name in names and name not in beside]
    if lacking:
        raise SuiteError(
            f"{model.reader.name} reads {' and '.join(model.columns)}; say {' and '.join(lacking)} too, or give JSON: "
            f"'{json.dumps(dict.fromkeys(model.columns, '...'))}'"
        )
    return {first: word, **beside}


def _file(word: str) -> str | None:
    from pathlib import Path

    try:
        return word if Path(word).is_file() else None
    except (OSError, ValueError):  # a text is often no possible name
        return None


def _line(word: str) -> str:
    text = " ".join(word.split())
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text):,} characters)"


def _json(asked: Any, answer: Answer, seconds: float) -> str:
    from suite.prediction import as_json

    said = {"input": asked, **as_json(answer), "seconds": round(seconds, 6)}
    return json.dumps(said, ensure_ascii=False, allow_nan=False)


def _told(answer: Answer, top: int) -> list[str]:
    """Return an answer in lines."""
    from suite.prediction import Labelled, Number, Span

    if isinstance(answer, Labelled):
        likeliest = list(answer.probabilities.items())[: max(top, 1)]
        chosen = f" {_line(answer.choice)}" if answer.choice is not None else ""
        head = [f"  = {', '.join(answer.labels) or 'none of the labels'}{chosen}"]
        return [*head, *(f"  {100 * share:5.1f}%  {label}" for label, share in likeliest)]
    if isinstance(answer, Number):
        return [f"  = {answer.value:.6g}"]
    if isinstance(answer, Span):
        place = f" (characters {answer.start} to {answer.end})" if answer.text else ""
        none = "" if answer.no_answer is None else f", of no answer {answer.no_answer:.2f}"
        return [f"  = {answer.text or 'no answer'}{place}", f"  score {answer.score:.2f}{none}"]
    found = [f"  {100 * e.probability:5.1f}%  {e.label}: {e.text} ({e.start} to {e.end})" for e in answer.entities]
    tagged = " ".join(f"{word.text}/{word.tag}" for word in answer.words)
    return [f"  = {tagged}", *found]


def _outcome(model: KeptModel, n: int, seconds: float, cut: int) -> str:
    longer = f" {cut} longer than the {model.about.max_length} tokens that it reads: the rest was cut." if cut else ""
    return f"{n} input{'s' * (n != 1)} in {seconds:.3f} s; loaded in {model.seconds:.1f} s.{longer}"

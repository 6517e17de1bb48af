"""The command that writes model cards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from suite import legible
from suite.cli._words import StoreUrl, app, say, told

if TYPE_CHECKING:
    from suite.cards import Card


@app.command()
def card(
    word: Annotated[
        str, typer.Argument(metavar="MODEL|KEY", help="A checkpoint, or the key of a record with kept weights.")
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The card to write; what others wrote in it stays.")
    ] = None,
    store: StoreUrl = "./results",
    strategy: Annotated[str | None, typer.Option("-s", "--strategy", help="Only this strategy.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Only this protocol.")] = None,
    repo: Annotated[str | None, typer.Option(help="The repository that kept weights go to: owner/name.")] = None,
    licence: Annotated[
        str | None, typer.Option("--license", help="The licence; of a checkpoint by default what its own card says.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="The address where the records can be seen.")] = None,
    results: Annotated[bool, typer.Option("--eval-results", help="Write .eval_results beside the card too.")] = False,
) -> None:
    """Write a model card from records: how well a checkpoint adapts, or what kept weights are and how to load them."""
    with told():
        from suite import cards, kept
        from suite.spec import SuiteError
        from suite.store import Store

        if results and output is None:
            raise SuiteError("--eval-results writes beside the card; name it with -o FILE.")
        opened = Store(store)
        if kept.is_key(word) and opened.find(word):
            made = cards.kept_card(opened, word, repo=repo, licence=licence, source=source)
        else:
            made = cards.card(
                opened, word, strategy=strategy, protocol=protocol, source=source, licence=licence, ask=True
            )
        if output is None:
            typer.echo(legible.page(made.text), nl=False)
            return
        _write(made, output, results)


def _write(made: Card, output: Path, results: bool) -> None:
    """Write a card into a file, and its results beside it.

    Raises:
        SuiteError: a file cannot be read or written.
    """
    from suite import cards
    from suite.spec import SuiteError

    try:
        there = output.is_file()
        text = cards.merge(output.read_bytes().decode("utf-8") if there else "", made)
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(text.encode())
        for name, content in made.eval_results.items() if results else ():
            path = output.parent / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SuiteError(f"The card '{output}' cannot be written: {reason}.") from None
    say(f"{output} is {'brought up to date: what is not ours in it stays' if there else 'written'}.")
    if results:
        say(f"{len(made.eval_results)} files are in {output.parent / '.eval_results'}.")

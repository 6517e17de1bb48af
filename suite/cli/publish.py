"""Commands that bring things to the Hub: a checkpoint's card, kept weights, records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from suite import legible
from suite.cli._words import StoreUrl, app, say, told

if TYPE_CHECKING:
    from suite.hub import Pushed

PullRequest = Annotated[bool, typer.Option("--pr", help="Propose the change in a pull request.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change; send nothing.")]
Private = Annotated[bool, typer.Option("--private", help="If the repository is made, make it private.")]


@app.command()
def publish(
    model: Annotated[str, typer.Argument(help="A checkpoint of the store, or the key of kept weights.")],
    to: Annotated[str, typer.Option("--to", help="The repository on the Hub: org/name.")],
    weights: Annotated[
        str | None,
        typer.Option(
            help="Kept weights to push, by key; none: the card alone. By default those that MODEL is a key of."
        ),
    ] = None,
    store: StoreUrl = "./results",
    pull_request: PullRequest = False,
    dry_run: DryRun = False,
    private: Private = False,
    licence: Annotated[
        str | None,
        typer.Option(
            "--license", help="The licence, as the Hub has it; of a checkpoint by default what its card says."
        ),
    ] = None,
    source: Annotated[str | None, typer.Option(help="Where the records can be seen, for the card.")] = None,
    strategy: Annotated[str | None, typer.Option("--strategy", help="On the card only this strategy.")] = None,
    protocol: Annotated[str | None, typer.Option(help="On the card only this protocol.")] = None,
) -> None:
    """Push a model card with results, and kept weights or an adapter if asked for, to the Hub."""
    with told():
        from suite.publication import About, Destination, publish

        about = About(licence, source, strategy, protocol)
        made = publish(model, Destination(to, pull_request, dry_run, private), store, weights, about)
        _show(made)
        say(made.sentence())


@app.command("publish-results")
def publish_results(
    to: Annotated[str | None, typer.Option("--to", help="The data set on the Hub: org/name.")] = None,
    store: StoreUrl = "./results",
    pull_request: PullRequest = False,
    dry_run: DryRun = False,
    private: Private = False,
    merge: Annotated[
        bool, typer.Option("--merge", help="Then make one pack of the small ones: many are slow to read.")
    ] = False,
    every_eval_ever: Annotated[
        Path | None, typer.Option(help="Write the records in the schema of Every Eval Ever below this folder, too.")
    ] = None,
) -> None:
    """Push records to a data set on the Hub: those that it lacks, in one commit."""
    with told():
        from suite.publication import Destination, export, merge_packs, publish_results
        from suite.spec import SuiteError

        if to is None and every_eval_ever is None:
            raise SuiteError("Say where to: --to org/name, or --every-eval-ever FOLDER.")
        if to is not None:
            made = publish_results(Destination(to, pull_request, dry_run, private), store)
            _show(made.pushed)
            for reason in made.left_out.values():
                say(f"Left out: {reason}")
            say(made.sentence())
        if to is not None and merge:
            put = merge_packs(Destination(to, pull_request, dry_run))
            _show(put)
            say(f"Small packs: {put.sentence()}")
        if every_eval_ever is not None:
            written = export(store, every_eval_ever, (to or "unknown").partition("/")[0])
            say(f"{len(written):,} records are below {every_eval_ever} as Every Eval Ever has them.")


def _show(made: Pushed) -> None:
    """Print what a dry run would change; of a push that was made its sentence is enough."""
    if made.commit is not None:
        return
    for change in made.changes:
        if change.diff:
            typer.echo(legible.page(change.diff))
        elif change.size is None:
            say(f"- {change.path}")
        else:
            say(f"{'+' if change.before is None else '~'} {change.path} ({change.size:,} bytes)")

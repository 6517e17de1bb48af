"""Commands around the Space: serve it here, bring it to the Hub, and work off what was submitted through it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from suite.cli._words import AsJson, StoreUrl, app, prepare, say, told

if TYPE_CHECKING:
    from suite.submissions import Queued

queue = typer.Typer(no_args_is_help=True, help="What was submitted through the Space: list it, or evaluate it.")
app.add_typer(queue, name="queue")


@app.command()
def space(
    store: Annotated[
        str | None, typer.Option("--store", help="A folder or an fsspec URL; by default the bundled results.")
    ] = None,
    port: Annotated[int, typer.Option(help="Where it listens.")] = 7860,
    host: Annotated[str, typer.Option(help="On which address; 0.0.0.0 is all of them.")] = "127.0.0.1",
    deploy: Annotated[str | None, typer.Option(help="Push it to the Hub instead: org/name.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --deploy: only say what would change.")] = False,
    offline: Annotated[bool, typer.Option(help="Never ask the network.")] = False,
) -> None:
    """Serve the leaderboard, demo and submissions locally, or push them to the Hub as a Space."""
    prepare(offline)
    with told():
        from suite.spec import SuiteError

        if dry_run and not deploy:
            raise SuiteError("--dry-run goes with --deploy org/name.")
        if deploy:
            from suite import deployment

            pushed = deployment.deploy(deploy, store, dry_run)
            for change in pushed.changes if dry_run else ():
                say(f"{'new    ' if change.before is None else 'changed'} {change.path}")
            say(pushed.sentence())
            return
        _serve(store, host, port, offline)


def _serve(store: str | None, host: str, port: int, offline: bool) -> None:
    """Run the Space in this process; its folder is no package, and is found as its own app.py finds it."""
    import importlib

    from suite import resources
    from suite.spec import SuiteError

    sys.path.insert(0, str(resources.folder("space")))
    try:
        showroom = importlib.import_module("showroom.space")
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise SuiteError("The Space needs Gradio, which is not installed. Run: pip install 'gradio>=6.31'") from None
    settings = showroom.Settings.of_environment(store=store, offline=offline)
    showroom.launch(settings, host, port)


@queue.command("list")
def list_queue(store: StoreUrl = "./results", as_json: AsJson = False) -> None:
    """List what was submitted, newest first, with its state."""
    with told():
        from suite.submissions import Queue

        found = Queue(store)
        listed, counts = found.listed(), found.counts()
    if not as_json:
        say(", ".join(f"{n} {state}" for state, n in counts.items()) if listed else "Nothing was submitted.")
    for one in listed:
        _print(one, as_json)


@queue.command("work")
def work_queue(
    store: StoreUrl = "./results",
    most: Annotated[int | None, typer.Option(min=1, help="Stop after so many submissions.")] = None,
    engine: Annotated[str, typer.Option(help="Where runs are carried out.")] = "local",
    workers: Annotated[int, typer.Option(help="Runs at once.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Threads a run.")] = None,
    publish_to: Annotated[
        str | None,
        typer.Option("--publish", help="A data set to publish the store's records to; of a store on the Hub itself."),
    ] = None,
    offline: Annotated[bool, typer.Option(help="Never ask the network.")] = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate what waits, oldest first, and store the results where it was submitted; on the Hub, publish them."""
    prepare(offline)
    failed = False
    with told():
        from suite.display import GridDisplay, console
        from suite.grid import Place
        from suite.submissions import Queue, work

        runs = sum(one.submission.runs for one in Queue(store).waiting()[:most])
        kept, publish = _publishing(store, publish_to, quiet=as_json)
        place = Place(kept, engine, workers, device, threads)
        if not runs and not as_json:
            say("Nothing waits.")
        with GridDisplay(runs, console(err=True), quiet=as_json) as display:
            for one in work(place, display.event, most, offline, store, publish):
                failed |= one.state == "failed"
                _print(one, as_json)
    raise typer.Exit(1 if failed else 0)


def _publishing(store: str, to: str | None, quiet: bool) -> tuple[str, Callable[[], object] | None]:
    """Return where results are stored, and what publishes them: those of a data set of the Hub are first kept here."""
    import re

    from suite import hub, resources
    from suite.publication import Destination, publish_results

    found = re.fullmatch(r"hf://datasets/([^/@]+/[^/@]+)/?", store)
    repo = to or (found[1] if found else None)
    if repo is None:
        return store, None
    hub.check_name(repo)
    kept = str(resources.cache_folder() / "queue" / repo.replace("/", "--")) if "://" in store else store

    def publish() -> None:
        told = publish_results(Destination(repo), kept).sentence()
        if not quiet:
            say(told)

    return kept, publish


def _print(one: Queued, as_json: bool) -> None:
    asked = one.submission
    if as_json:
        about = asked.model_dump(mode="json") | {"state": one.state, "since": one.since, "note": one.note}
        typer.echo(json.dumps(about, ensure_ascii=False))
        return
    note = f"  {one.note}" if one.note else ""
    say(f"{one.state:<8} {asked.id}  {asked.model} {asked.revision[:12]}  {asked.strategy} on {asked.collection}{note}")

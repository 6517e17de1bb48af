"""Words on where runs are carried out, and what a dry run says of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from suite.spec import RunSpec

EngineName = Annotated[str, typer.Option("--engine", help="Where runs are carried out: local, ray.")]
Workers = Annotated[int, typer.Option(help="Runs at once.")]
GpusPerRun = Annotated[
    float | None,
    typer.Option("--gpus-per-run", help="How many GPUs a run trains on; with --engine ray also a part of one (0.5)."),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address", help="HOST:PORT of a Ray cluster, or auto; by default RAY_ADDRESS, else one of its own."
    ),
]


def shares(specs: Sequence[RunSpec], workers: int) -> Iterator[str]:
    """Yield a line a worker: the runs that it would carry out if all took equally long, by checkpoint and tasks."""
    if workers < 2 or len(specs) < 2:
        return
    from suite.engines import forecast

    for number, taken in enumerate(forecast(specs, workers), start=1):
        groups = [f"{name} ({len(list(some))})" for name, some in groupby(_group_name(specs[one]) for one in taken)]
        yield f"worker {number}: {len(taken)} runs: {', '.join(groups)}"


def _group_name(spec: RunSpec) -> str:
    return f"{spec.checkpoint.label} · {'+'.join(task.name for task in spec.tasks)}"

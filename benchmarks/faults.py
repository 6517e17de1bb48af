"""Commands that are killed at random moments over a grid of tiny runs: what was lost, broken, made twice or unequal.

    python benchmarks/faults.py --kills 50

Every kill is a SIGKILL of the whole process group; the same command is started again until it ends by itself. Then
each record's predictions, metrics and kept weights are compared, byte for byte, with those of a grid that nobody
disturbed, and what a kill left behind is counted. Every second grid keeps its weights.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the library is imported
sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from killed_grids import Forge, Toll, kill_often, tiny, write_tasks  # they lie beside the tests
from measuring import parser, tell


def main() -> None:
    """Kill, compare, tell."""
    options = parser(__doc__)
    options.add_argument("--kills", type=int, default=50, help="how many commands are killed")
    options.add_argument("--seed", type=int, default=0, help="decides the moments")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="transfer-suite-faults-") as folder:
        os.environ["HF_HOME"] = f"{folder}/huggingface"
        started = time.monotonic()
        toll = _killed(Path(folder), asked)
        seconds = time.monotonic() - started
    told = {name: len(getattr(toll, name)) for name in ("lost", "broken", "twice", "unequal", "left", "failed")}
    counts = {"kills": toll.kills, "after_a_first_record": toll.midway, "grids": toll.grids}
    tell("faults", counts | told | {"seconds": round(seconds, 1), "which": toll.faults[:20]}, asked)
    sys.exit(1 if toll.faults else 0)


def _killed(folder: Path, asked: argparse.Namespace) -> Toll:
    tasks = write_tasks(folder / "tasks")
    with Forge(folder / "printed") as forge:
        straight = tiny(folder / "straight", tasks).run(forge)
        keeping = tiny(folder / "keeping", tasks, "--keep-weights").run(forge)
        return kill_often(forge, folder, [straight, keeping], asked.kills, asked.seed)


if __name__ == "__main__":
    main()

"""How long each command takes from its start to its answer: cold, and warm when typed again.

    python benchmarks/starts.py                 each command once cold and three times warm
    python benchmarks/starts.py --modules       also what each of them imports that takes time
    python benchmarks/starts.py --keep-cache    leave the machine's page cache alone

Cold is a fresh process after the page cache was dropped, where that is permitted (root), elsewhere the first process on
a store without an index. The store holds 100 records of 5 checkpoints on 4 tasks.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from made_records import grid
from measuring import parser, tell, wait

from suite.store import Store

SUITE = str(Path(sys.executable).with_name("suite"))
DROP = Path("/proc/sys/vm/drop_caches")
PROMISED = {"--help": 0.3}
"""Seconds of the processor that a command may take warm."""


@dataclass(frozen=True)
class Time:
    """What one process took, in seconds: on the clock, and of the processor."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Command:
    """Words behind `suite`; `ends` is false of a server, which is asked until it answers and then ended."""

    name: str
    words: tuple[str, ...]
    repeats: int = 3
    ends: bool = True


def timed(words: Sequence[str], environment: dict[str, str], port: int | None) -> Time:
    """Return what a process took, until it ended or answered on a port."""
    began = time.perf_counter()
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if port is not None:
        _await(port)
        wall = time.perf_counter() - began
        process.terminate()
    used = wait(process)
    if port is None:
        wall = time.perf_counter() - began
        if process.returncode:
            assert process.stderr
            raise SystemExit(f"{' '.join(words)} gave {process.returncode}: {process.stderr.read()}")
    return Time(wall, used.ru_utime + used.ru_stime)


def _await(port: int) -> None:
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
                answer.read()
                return
        except OSError:
            time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def drop_caches() -> bool:
    """Let the kernel forget what it read from disks; return whether it did."""
    try:
        os.sync()
        DROP.write_text("3")
    except OSError:
        return False
    return True


def fill(folder: Path, environment: dict[str, str]) -> str:
    """Make a store of records and one with kept weights; return the latter's key."""
    skill = {f"org/model-{i}": 0.5 + i / 20 for i in range(5)}
    for result in grid(skill, ["one", "two", "three", "four"], seeds=5, n=500):
        Store(str(folder / "store")).put(result)
    kept = [SUITE, "run", *_probe(folder / "kept"), "--keep-weights", "--json"]
    done = subprocess.run(kept, env=environment, capture_output=True, text=True, check=True)
    return str(json.loads(done.stdout.splitlines()[0])["key"])


def _probe(store: Path) -> tuple[str, ...]:
    words = ("-m", "bundled/tiny-resnet", "-t", "digits", "-s", "linear_probe", "--protocol", "quick", "--seeds", "1")
    return (*words, "--store", str(store), "--device", "cpu", "--threads", "1", "--offline")


def commands(folder: Path, key: str) -> list[Command]:
    """Return the commands; those that load torch are repeated once."""
    at = ("--store", str(folder / "store"))
    picture = str(folder / "picture.png")
    return [
        Command("--help", ("--help",), 5),
        Command("tasks", ("tasks",)),
        Command("tasks digits", ("tasks", "digits", "--no-look")),
        Command("models", ("models",)),
        Command("leaderboard", ("leaderboard", *at)),
        Command("compare", ("compare", "org/model-1", "org/model-2", *at)),
        Command("recommend", ("recommend", *at)),
        Command("card", ("card", "org/model-1", *at)),
        Command("report", ("report", *at, "-o", str(folder / "page.html"))),
        Command("verify", ("verify", "--all", "--store", str(folder / "kept"))),
        Command("run --dry-run", ("run", *_probe(folder / "other"), "--dry-run")),
        Command("predict", ("predict", key, picture, "--store", str(folder / "kept"), "--device", "cpu"), 1),
        Command("run of one probe", ("run", *_probe(folder / "fresh")), 1),
        Command("space", ("space", *at, "--offline", "--port"), 1, ends=False),
    ]


def measure(command: Command, folder: Path, environment: dict[str, str], cold: Callable[[], bool]) -> dict[str, Any]:
    """Return what a command took cold, and in the median warm."""
    shutil.rmtree(folder / "store" / "index", ignore_errors=True)
    (folder / "store" / "index.parquet").unlink(missing_ok=True)
    dropped = cold()
    times = []
    for _ in range(1 + command.repeats):
        shutil.rmtree(folder / "fresh", ignore_errors=True)
        port = None if command.ends else _free_port()
        words = [SUITE, *command.words, *([] if port is None else [str(port)])]
        times.append(timed(words, environment, port))
    warm = {name: statistics.median(getattr(one, name) for one in times[1:]) for name in ("wall", "cpu")}
    rounded = {name: round(value, 2) for name, value in warm.items()}
    return {"cold": {n: round(v, 2) for n, v in asdict(times[0]).items()}, "dropped": dropped, "warm": rounded}


def imports(command: Command, environment: dict[str, str]) -> list[str]:
    """Return the modules whose own import takes 20 ms or more, the slowest first."""
    words = [sys.executable, "-X", "importtime", SUITE, *command.words]
    said = subprocess.run(words, env=environment, capture_output=True, text=True, check=False).stderr
    lines = [
        line.removeprefix("import time:").split("|") for line in said.splitlines() if line.startswith("import time:")
    ]
    own = [(int(one[0]), one[2].strip()) for one in lines if one[0].strip().isdecimal()]
    return [f"{name} {spent // 1000} ms" for spent, name in sorted(own, reverse=True) if spent >= 20_000]


def main() -> None:
    """Measure every command."""
    options = parser(__doc__)
    options.add_argument("--modules", action="store_true", help="say what takes time to import")
    options.add_argument("--keep-cache", action="store_true", help="do not drop the page cache")
    options.add_argument("--only", help="one command")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="starts-") as place:
        folder = Path(place)
        ours = {"TRANSFER_SUITE_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        environment = os.environ | ours
        key = fill(folder, environment)
        from PIL import Image

        Image.new("L", (8, 8), 9).save(folder / "picture.png")
        cold = (lambda: False) if chosen.keep_cache else drop_caches
        found: dict[str, Any] = {}
        for command in commands(folder, key):
            if chosen.only in (None, command.name):
                found[command.name] = measure(command, folder, environment, cold)
                if chosen.modules and command.ends:
                    found[command.name]["imports"] = imports(command, environment)
                sys.stderr.write(f"{command.name:<18} {found[command.name]}\n")
        late = [name for name, most in PROMISED.items() if name in found and found[name]["warm"]["cpu"] > most]
        tell("starts", {"commands": found, "later_than_promised": late}, chosen)
    sys.exit(bool(late))


if __name__ == "__main__":
    main()

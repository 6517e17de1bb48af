"""Grids of tiny runs whose commands are killed at random moments, and what must hold of their store afterwards.

    with Forge(tmp_path) as forge:
        straight = grid(tmp_path / "straight", tasks).run(forge)

A `Forge` is a process that has imported what runs need: it forks a command line in a few milliseconds, so that a kill
costs a fraction of a second and not the imports of torch.
"""

from __future__ import annotations

import contextlib
import csv
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

IMPORTED = (
    "suite.cli",
    "suite.evaluation",
    "suite.grid",
    "suite.runs",
    "suite.strategies.full",
    "suite.strategies.linear_probe",
    "suite.kinds.text_classification",
    "suite.engines.local",
    "suite.admission",
    "suite.display",
    "transformers.trainer",
    "transformers.models.bert.modeling_bert",
    "transformers.models.bert.tokenization_bert",
    "datasets.packaged_modules.csv.csv",
    "sklearn.linear_model",
    "sklearn.metrics",
)
ROWS = {"train": 48, "test": 24}
MOODS = {"mood": ("grim", "happy"), "tone": ("cruel", "gentle")}
FILLERS = ["the", "a", "river", "town", "music", "film"]


def write_tasks(folder: Path) -> list[str]:
    """Write two tiny text tasks and a protocol of four steps into a folder; return the words that ask for them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in MOODS:
        _write_task(folder, name)
    write_protocol(folder / "tiny.yaml", steps=4)
    return ["-t", *(str(folder / f"{name}.yaml") for name in MOODS), "--protocol", str(folder / "tiny.yaml")]


def write_protocol(path: Path, steps: int) -> None:
    path.write_text(
        f"name: {path.stem}\nversion: 1\nseeds: 2\nbatch: 8\n"
        f"budget: {{epochs: 1, min_steps: {steps}, max_steps: {steps}}}\nselection: {{looks: 2}}\nmax_length: 32\n",
        encoding="utf-8",
    )


def _write_task(folder: Path, name: str) -> None:
    generator = random.Random(name)
    for split, count in ROWS.items():
        with (folder / f"{name}-{split}.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["text", "label"])
            for number in range(count):
                words = [*generator.choices(FILLERS, k=generator.randint(3, 9)), MOODS[name][number % 2], str(number)]
                generator.shuffle(words)
                rows.writerow([" ".join(words), ("bad", "good")[number % 2]])
    (folder / f"{name}.yaml").write_text(
        f"name: {name}\nversion: 1\nkind: text_classification\ndescription: A tiny task called {name}.\n"
        f"dataset:\n  path: csv\n  data_files: {{train: {name}-train.csv, test: {name}-test.csv}}\n"
        "splits: {train: train, validation: {from: train, fraction: 0.25, seed: 0}, test: test}\n"
        "columns: {text: text, label: label}\n",
        encoding="utf-8",
    )


# -- commands ----------------------------------------------------------------------------------------------------------


class Forge:
    """Commands forked from a process that has imported torch and its kin."""

    def __init__(self, folder: Path) -> None:
        """Start it; `folder` takes what the commands print."""
        self._folder, self._count = folder, 0
        folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        )
        assert self._ask({}) == {"ready": True}

    def __enter__(self) -> Forge:
        return self

    def __exit__(self, *about: object) -> None:
        self._process.communicate(timeout=120)

    def start(
        self, words: Sequence[str | Path], places: Mapping[str, str], changed: Mapping[str, Any] = MappingProxyType({})
    ) -> Command:
        """Return a command that has begun, as the leader of a process group of its own.

        Args:
            words: what comes after `suite`.
            places: variables of its environment.
            changed: names in modules, as `suite.training:EVERY`, and what they are in it.
        """
        self._count += 1
        printed = self._folder / f"{self._count}"
        asked = {"words": [str(word) for word in words], "environment": dict(places), "changed": dict(changed)}
        return Command(self, self._ask(asked | {"printed": str(printed)})["pid"], printed)

    def _ask(self, what: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@dataclass(frozen=True)
class Command:
    """A command under way: its process group and the stem of the files that take what it prints."""

    forge: Forge
    pid: int
    printed: Path

    def kill(self) -> None:
        """Kill the whole group, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def end(self) -> int:
        """Wait for it; return its exit code, or minus the signal that ended it."""
        code: int = self.forge._ask({"wait": self.pid})["code"]
        return code

    @property
    def out(self) -> str:
        return self.printed.with_suffix(".out").read_text()

    @property
    def err(self) -> str:
        return self.printed.with_suffix(".err").read_text()

    @property
    def objects(self) -> list[dict[str, Any]]:
        """What was printed of `--json`, a line that a kill cut off aside."""
        return _lines(self.printed.with_suffix(".out"))

    @property
    def events(self) -> list[dict[str, Any]]:
        """What runs said that they do, in their order."""
        return _lines(self.printed.with_suffix(".events"))


def _lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _serve() -> None:
    """Answer the requests of a Forge: start a command, or wait for one."""
    for name in IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        answer: dict[str, Any] = {"ready": True}
        if "words" in asked:
            answer = {"pid": _fork(asked)}
        elif "wait" in asked:
            answer = {"code": os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1])}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _fork(asked: dict[str, Any]) -> int:
    if pid := os.fork():
        with contextlib.suppress(OSError):  # the child was quicker
            os.setpgid(pid, pid)
        return pid
    code: Any = 1
    try:
        os.setpgid(0, 0)
        os.environ.update(asked["environment"])
        tempfile.tempdir = None  # it was looked up before
        for number, name in ((0, os.devnull), (1, f"{asked['printed']}.out"), (2, f"{asked['printed']}.err")):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), number)
        sys.argv = ["suite", *asked["words"]]
        for place, value in asked["changed"].items():
            module, _, name = place.partition(":")
            setattr(importlib.import_module(module), name, value)
        _run(f"{asked['printed']}.events")
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(code)


def _run(events: str) -> None:
    """Run the command line; what runs say that they do goes into a file."""
    from suite import cli, display

    shown = display.GridDisplay.event

    def event(self: Any, spec: Any, event: dict[str, Any]) -> None:
        with Path(events).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": spec.key(), **event}) + "\n")
        shown(self, spec, event)

    display.GridDisplay.event = event  # type: ignore[method-assign]
    cli.main()


# -- stores ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grid:
    """A grid on its way: its store and cache, and the words that ask for it."""

    folder: Path
    words: Sequence[str]

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def places(self) -> dict[str, str]:
        """The environment of its commands: folders of its own for what can be made again."""
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        return {"TRANSFER_SUITE_CACHE": str(self.folder / "cache"), "TMPDIR": str(self.folder / "tmp")}

    def start(self, forge: Forge, *more: str, **changed: Any) -> Command:
        """Start the command that carries it out, or what is left of it."""
        words = ["run", *self.words, "--store", self.store, "--json", *more]
        return forge.start(words, self.places, changed)

    def run(self, forge: Forge, *more: str) -> Straight:
        """Carry it out to its end."""
        started = time.monotonic()
        command = self.start(forge, *more)
        assert command.end() == 0, command.err
        return Straight(self, time.monotonic() - started)


@dataclass(frozen=True)
class Straight:
    """A grid that nobody disturbed, and the seconds that it took."""

    grid: Grid
    seconds: float


def tiny(folder: Path, tasks: Sequence[str], *more: str) -> Grid:
    """Return a grid of two tasks, two strategies and two seeds: eight runs."""
    words = ["-m", "bundled/tiny-bert", *tasks, "-s", "full", "linear_probe", "--seeds", "2", "--threads", "1", *more]
    return Grid(folder, words)


def finished(store: Path) -> dict[str, dict[str, bytes]]:
    """Return every file of every whole entry by its name, as it is on the disk."""
    return {
        path.parent.name: {str(file.relative_to(path.parent)): file.read_bytes() for file in _files(path.parent)}
        for path in sorted(store.glob("records/??/*/digest.json"))
    }


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def numbers(store: Path) -> dict[str, dict[str, Any]]:
    """Return of every entry what must be equal between two stores: predictions, metrics, hashes of kept weights."""
    found = {}
    for name, files in finished(store).items():
        record = json.loads(files["record.json"])
        kept = {file: content for file, content in files.items() if file.endswith(".safetensors")}
        found[name] = {"predictions": files["predictions.parquet"], "metrics": record["metrics"], "weights": kept}
    return found


def unlike(store: Path, straight: Path) -> list[str]:
    """Return the names of entries that are not the undisturbed store's, or are in one of the two alone."""
    ours, theirs = numbers(store), numbers(straight)
    return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))


def broken(store: Path) -> dict[str, str]:
    """Return what in a store cannot be used, and why: every byte is compared with its digest."""
    from suite.spec import SuiteError
    from suite.store import Store

    held = Store(str(store))
    faults = dict(held.contents().faults)
    for name in held.names():
        key, _, attempt = name.rpartition("-")
        try:
            held.result(key, int(attempt))
        except SuiteError as error:
            faults[name] = str(error)
    return faults


def leftovers(grid: Grid) -> list[str]:
    """Return what lies in a finished grid's store, cache and temporary folder that nobody will come back for."""
    kept = {"records", "index.parquet", "unfinished", "failures"}
    odd = [path for path in grid.store.iterdir() if path.name not in kept and not path.name.startswith("index")]
    odd += [path for path in grid.store.glob("records/*") if len(path.name) != 2]
    odd += [path for path in grid.store.glob("records/??/*") if path.name.startswith(".")]
    odd += grid.store.glob("unfinished/*")
    odd += [path for path in (grid.folder / "cache").rglob("*") if "tmp" in path.name]
    odd += (path for path in (grid.folder / "tmp").iterdir() if path.name.startswith("transfer-suite"))
    return sorted(str(path.relative_to(grid.folder)) for path in odd)


# -- kills -------------------------------------------------------------------------------------------------------------


@dataclass
class Toll:
    """What some kills did: how many, and what was lost, broken, made twice, unequal or left behind."""

    kills: int = 0
    grids: int = 0
    midway: int = 0
    lost: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    unequal: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """Everything that must not be."""
        return self.lost + self.broken + self.twice + self.unequal + self.left + self.failed


def kill_often(forge: Forge, folder: Path, straights: Sequence[Straight], kills: int, seed: int) -> Toll:
    """Kill grids at random moments until there were that many kills, each grid being finished before the next.

    Args:
        forge: starts the commands.
        folder: takes the stores.
        straights: undisturbed grids, whose like are killed in turn.
        kills: how many there are to be.
        seed: decides the moments.
    """
    generator, toll = random.Random(seed), Toll()
    while toll.kills < kills:
        straight = straights[toll.grids % len(straights)]
        one = Grid(folder / f"killed-{toll.grids}", straight.grid.words)
        moments = (generator.uniform(0.0, straight.seconds / 2) for _ in range(kills - toll.kills))
        _kill_until_done(forge, one, moments, toll)
        toll.unequal += unlike(one.store, straight.grid.store)
        toll.broken += [f"{name}: {why}" for name, why in broken(one.store).items()]
        toll.left += leftovers(one)
        toll.grids += 1
    return toll


def _kill_until_done(forge: Forge, one: Grid, moments: Iterator[float], toll: Toll) -> None:
    """Start a grid again and again, to be killed after so many seconds, until it ends by itself."""
    before: dict[str, dict[str, bytes]] = {}
    while True:
        command = one.start(forge)
        if (moment := next(moments, None)) is not None:
            time.sleep(moment)
            command.kill()
        code = command.end()
        toll.kills += code == -signal.SIGKILL
        now = finished(one.store)
        toll.midway += len(now) > 0 and code < 0
        toll.lost += [name for name, files in before.items() if now.get(name) != files]
        made = {f"{line['key']}-1" for line in command.objects if not line["stored"]}
        toll.twice += sorted(made & before.keys()) + [name for name in now if not name.endswith("-1")]
        if code >= 0:
            toll.failed += [command.err] * (code != 0)
            return
        before = now


if __name__ == "__main__":
    _serve()

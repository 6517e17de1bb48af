"""Whatever stops a command: what had finished is kept, the same command does the rest, and the numbers are equal."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import command_line
import killed_grids
import pytest
from killed_grids import Forge, Grid, Straight
from made_records import made

from suite import files, grid
from suite import store as stores
from suite.spec import Result
from suite.store import Store

KILLS = int(os.environ.get("TRANSFER_SUITE_KILLS", "50"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def forge(home: Path) -> Iterator[Forge]:
    with Forge(home / "printed") as forge:
        yield forge


@pytest.fixture(scope="module")
def tasks(home: Path) -> list[str]:
    return killed_grids.write_tasks(home / "tasks")


@pytest.fixture(scope="module")
def straight(home: Path, tasks: list[str], forge: Forge) -> Straight:
    return killed_grids.tiny(home / "straight", tasks).run(forge)


# -- kills -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_kills_at_random_moments_cost_nothing_that_had_finished(
    home: Path, tasks: list[str], forge: Forge, straight: Straight
) -> None:
    keeping = killed_grids.tiny(home / "keeping", tasks, "--keep-weights").run(forge)
    toll = killed_grids.kill_often(forge, home / "kills", [straight, keeping], KILLS, seed=7)
    assert toll.kills == KILLS
    assert toll.faults == []
    assert toll.midway >= KILLS // 5  # else the kills came before there was anything to lose


def _children(process: int) -> list[int]:
    """Return the processes that a process started, and theirs."""
    found = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in found.stdout.splitlines()]
    below = [pid for pid, parent in pairs if parent == process]
    return below + [one for child in below for one in _children(child)]


def _is_worker(process: int) -> bool:
    with contextlib.suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()
    return False


def _wait(until: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="workers are told by /proc")
def test_workers_end_with_a_killed_command_and_one_that_is_killed_costs_no_run(home: Path, straight: Straight) -> None:
    one = Grid(home / "workers", straight.grid.words)
    words = ["run", *one.words, "--store", one.store, "--json", "--workers", "2"]
    killed = command_line.start(*words, **one.places)
    command_line.wait_for_record(one.store, killed, timeout=300)
    children = _children(killed.pid)
    assert sum(map(_is_worker, children)) >= 3  # two workers and their manager
    killed.kill()  # the command alone: nobody tells its workers
    killed.communicate()
    _wait(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    before = killed_grids.finished(one.store)
    again = command_line.start(*words, **one.places)
    _wait(lambda: len(killed_grids.finished(one.store)) > len(before) or again.poll() is not None)
    for child in filter(_is_worker, _children(again.pid)[-1:]):  # as the kernel does that runs out of memory
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    told = command_line.end(again, timeout=300)
    assert told.code == 0, told.err
    assert not [line for line in told.err.splitlines() if line.startswith("failed")]
    assert {f"{line['key']}-1" for line in told.objects if line["stored"]} == before.keys()
    assert killed_grids.unlike(one.store, straight.grid.store) == []
    assert killed_grids.leftovers(one) == []


# -- two commands at once ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--keep-weights",)], ids=["records", "weights"])
def test_two_commands_on_one_store_share_the_work(
    home: Path, tasks: list[str], forge: Forge, straight: Straight, more: tuple[str, ...]
) -> None:
    one = Grid(home / f"shared{len(more)}", straight.grid.words)
    pair = [one.start(forge, *more) for _ in range(2)]
    assert [command.end() for command in pair] == [0, 0], pair[0].err + pair[1].err
    lines = [command.objects for command in pair]
    everything = {name.removesuffix("-1") for name in killed_grids.finished(straight.grid.store)}
    assert [{line["key"] for line in told} for told in lines] == [everything, everything]
    made = [line["key"] for told in lines for line in told if not line["stored"]]
    assert sorted(made) == sorted(everything)  # each once, by one of the two
    ours, theirs = (killed_grids.numbers(place) for place in (one.store, straight.grid.store))
    assert {name: files | {"weights": {}} for name, files in ours.items()} == theirs
    assert killed_grids.leftovers(one) == []


# -- long runs ---------------------------------------------------------------------------------------------------------

OFTEN = {"suite.training._checkpoints:EVERY": 0.0}


def _steps(command: killed_grids.Command) -> list[int]:
    return [event["step"] for event in command.events if "step" in event]


@pytest.mark.slow
def test_a_killed_training_goes_on_from_its_checkpoint_bit_for_bit(home: Path, tasks: list[str], forge: Forge) -> None:
    long = home / "tasks" / "long.yaml"
    killed_grids.write_protocol(long, steps=60)
    words = ["-m", "bundled/tiny-bert", *tasks[:2], "-s", "full", "--seeds", "1", "--threads", "1", "--keep-weights"]
    straight = Grid(home / "long-straight", [*words, "--protocol", str(long)]).run(forge)
    one = Grid(home / "long", straight.grid.words)
    killed = one.start(forge, **OFTEN)
    _wait(lambda: any(step >= 20 for step in _steps(killed)))
    killed.kill()
    killed.end()
    assert killed_grids.finished(one.store) == {}
    (left,) = one.store.glob("unfinished/*/*/*/state.json")

    longer = home / "tasks" / "longer.yaml"
    killed_grids.write_protocol(longer, steps=61)
    other = Grid(one.folder, [*words, "--protocol", str(longer)]).start(forge)
    assert other.end() == 0
    assert _steps(other)[0] < 10  # another run does not take it up
    assert left.exists()

    again = one.start(forge)
    assert again.end() == 0, again.err
    assert 10 < _steps(again)[0] <= 60
    name = f"{again.objects[0]['key']}-1"
    assert killed_grids.numbers(one.store)[name] == killed_grids.numbers(straight.grid.store)[name]
    assert killed_grids.leftovers(one) == []


@pytest.mark.slow
def test_a_forced_run_starts_anew(home: Path, tasks: list[str], forge: Forge) -> None:
    one = Grid(home / "forced", ["-m", "bundled/tiny-bert", *tasks, "-s", "full", "--seeds", "1", "--threads", "1"])
    killed = one.start(forge, **OFTEN, **{"suite.display:TASK_WIDTH": 12})
    _wait(lambda: bool(_steps(killed)) or bool(killed.objects))
    killed.kill()
    killed.end()
    forced = one.start(forge, "--force")
    assert forced.end() == 0
    assert min(_steps(forced)) <= 1
    assert killed_grids.leftovers(one) == []


# -- full disks --------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of half a megabyte, where one can be had."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk takes rights that this machine does not give")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_grid_on_a_full_disk_ends_in_a_sentence_and_is_finished_once_there_is_room(
    small_disk: Path, forge: Forge, straight: Straight
) -> None:
    one = Grid(small_disk, straight.grid.words)
    filler = small_disk / "filler"
    with filler.open("wb") as file, contextlib.suppress(OSError):
        file.write(bytes(400_000))
    full = one.start(forge)
    assert full.end() == 1
    told = [line.partition(": ")[2] for line in full.err.splitlines() if line.startswith("failed")]
    assert told[0] == f"The store '{one.store}' cannot be written: No space left on device."
    assert set(told[1:]) == {"Not carried out, since the store cannot be written."}
    before = killed_grids.finished(one.store)
    assert 0 < len(before) < 8
    assert len(before) + len(told) == 8
    assert killed_grids.broken(one.store) == {}
    filler.unlink()
    again = one.start(forge)
    assert again.end() == 0, again.err
    assert {name: killed_grids.finished(one.store)[name] for name in before} == before
    assert killed_grids.unlike(one.store, straight.grid.store) == []


@pytest.mark.slow
def test_weights_that_the_disk_does_not_take_leave_their_record_whole(
    small_disk: Path, forge: Forge, straight: Straight
) -> None:
    one = Grid(small_disk, straight.grid.words)
    command = one.start(forge, "--keep-weights")
    assert command.end() == 1
    notes = [line for line in command.err.splitlines() if "weights could not be kept" in line]
    assert notes and all("No space left on device" in note for note in notes)
    assert "Traceback" not in command.err
    full = [name for name, files in killed_grids.finished(one.store).items() if len(files) == 3]
    ours, theirs = (killed_grids.numbers(place) for place in (one.store, straight.grid.store))
    assert full and all(ours[name] == theirs[name] for name in full)
    assert killed_grids.broken(one.store) == {}


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_noted_once_and_costs_no_run(
    home: Path, forge: Forge, straight: Straight
) -> None:
    one = Grid(home / "no-cache", straight.grid.words)
    for name in ("features", "contamination"):
        (one.folder / "cache").mkdir(parents=True, exist_ok=True)
        (one.folder / "cache" / name).write_text("in the way")
    command = one.start(forge)
    assert command.end() == 0, command.err
    notes = [line for line in command.err.splitlines() if line.startswith("note")]
    assert len(notes) == 2 and all("cannot be kept" in note for note in notes)
    assert killed_grids.unlike(one.store, straight.grid.store) == []


@pytest.mark.parametrize("words", [("tasks", "--json"), ("models", "--json")], ids=["tasks", "models"])
def test_output_on_a_full_disk_is_told_in_a_sentence(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([command_line.SUITE, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "error: The output cannot be written: No space left on device.\n")


# -- every step of a write ---------------------------------------------------------------------------------------------

CHANGES = {"open", "os.mkdir", "os.rename", "os.rmdir", "os.remove", "os.truncate", "shutil.rmtree", "os.fsync"}


class PowerCutError(BaseException):
    """Nothing more reaches the disk."""


class _Disk:
    """Stops everything that would change a folder, from its n-th change on."""

    def __init__(self) -> None:
        self._folder: str | None = None
        self._error: BaseException = PowerCutError()
        self._left = 0
        self.steps: list[tuple[str, str]] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self._folder is not None and event in CHANGES:
            self.step(event, args)

    def step(self, event: str, args: tuple[Any, ...]) -> None:
        path = os.fsdecode(args[0]) if isinstance(args[0], str | bytes | os.PathLike) else ""
        if self._folder is None or not path.startswith(self._folder):
            return
        if event == "open" and not (args[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        self.steps.append((event, path))
        self._left -= 1
        if self._left < 0:
            raise self._error

    @contextlib.contextmanager
    def stopping(self, folder: Path, after: int, error: BaseException) -> Iterator[list[tuple[str, str]]]:
        """Let so many changes below a folder happen, and raise at all others."""
        self._folder, self._left, self._error, self.steps = str(folder), after, error, []
        try:
            yield self.steps
        finally:
            self._folder = None


DISK = _Disk()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> _Disk:
    sync = os.fsync

    def fsync(held: Any) -> None:
        number = held if isinstance(held, int) else held.fileno()
        DISK.step("os.fsync", (str(Path(f"/proc/self/fd/{number}").readlink()),))
        sync(held)

    monkeypatch.setattr(os, "fsync", fsync)
    return DISK


FULL = OSError(errno.ENOSPC, "No space left on device")
A, B = made("o/a", "mood", [1.0, 0.0, 1.0]), made("o/b", "mood", [0.0, 0.0, 1.0])


def _names(store: Store) -> set[str]:
    contents = store.contents()
    assert contents.faults == {}
    return {entry.head.name for entry in contents.entries}


def _weighty(weights: Path) -> Result:
    """Return a result whose weights lie in a folder that is still to be made."""
    weights.mkdir()
    (weights / "model.safetensors").write_bytes(b"weights")
    return Result(B.record, B.columns, weights=str(weights))


@pytest.mark.parametrize("error", [PowerCutError(), FULL], ids=["power", "full"])
def test_a_put_that_stops_at_any_step_leaves_a_whole_store(tmp_path: Path, disk: _Disk, error: BaseException) -> None:
    a, b = (f"{one.record.key}-1" for one in (A, B))
    done, after = False, 0
    while not done:
        folder = tmp_path / f"{after}"
        Store(str(folder)).put(A)
        weighty = _weighty(tmp_path / f"weights-{after}")
        with disk.stopping(folder, after, error) as steps:
            try:
                Store(str(folder)).put(weighty)
                done = len(steps) <= after
            except PowerCutError:
                pass
            except stores.UnwritableError as told:
                assert str(told) == f"The store '{folder}' cannot be written: No space left on device."
        assert a in _names(Store(str(folder))) <= {a, b}
        Store(str(folder)).put(_weighty(tmp_path / f"again-{after}"))
        assert _names(Store(str(folder))) == {a, b}
        assert Store(str(folder)).result(B.record.key).columns == B.columns
        assert not [path for path in folder.glob("records/*") if len(path.name) != 2]
        after += 1
    assert after > 8


@pytest.mark.parametrize("error", [PowerCutError(), FULL], ids=["power", "full"])
def test_an_index_whose_upkeep_stops_at_any_step_is_made_again(
    tmp_path: Path, disk: _Disk, error: BaseException
) -> None:
    done, after = False, 0
    while not done:
        folder = tmp_path / f"{after}"
        names = {Store(str(folder)).put(A).key + "-1"}
        _names(Store(str(folder)))  # there is an index of one record, to which another comes
        names.add(Store(str(folder)).put(B).key + "-1")
        with disk.stopping(folder, after, error) as steps:
            try:
                assert _names(Store(str(folder))) == names  # a full disk is no reason to show no board
                done = len(steps) <= after
            except PowerCutError:
                assert isinstance(error, PowerCutError)
        assert _names(Store(str(folder))) == names
        after += 1
    assert after > 2


def test_all_of_an_entry_is_on_the_disk_before_its_name_is(tmp_path: Path, disk: _Disk) -> None:
    folder = tmp_path / "store"
    weighty = _weighty(tmp_path / "weights")
    with disk.stopping(folder, 10_000, PowerCutError()) as steps:
        Store(str(folder)).put(weighty)
    (renamed,) = [place for place, (event, _) in enumerate(steps) if event == "os.rename"]
    draft, (entry,) = Path(steps[renamed][1]), folder.glob("records/??/*")
    synced = {path for event, path in steps[:renamed] if event == "os.fsync"}
    written = {path.relative_to(entry) for path in entry.rglob("*") if path.parent.name != "weights"}
    assert {str(draft / name) for name in written - {Path("weights")}} | {str(draft)} <= synced
    after = [path for event, path in steps[renamed:] if event == "os.fsync"]
    assert str(entry.parent) in after  # and the new name itself before `put` says that it is done


def test_weights_are_on_the_disk_before_their_entry_is(tmp_path: Path, disk: _Disk) -> None:
    weighty = _weighty(tmp_path / "weights")
    with disk.stopping(tmp_path, 10_000, PowerCutError()) as steps:
        Store(str(tmp_path / "store")).put(weighty)
    renames = [(place, Path(path)) for place, (event, path) in enumerate(steps) if event == "os.rename"]
    assert [path.name for _, path in renames][:1] == ["weights"]
    synced = {path for event, path in steps[: renames[0][0]] if event == "os.fsync"}
    assert {str(tmp_path / "weights"), str(tmp_path / "weights" / "model.safetensors")} <= synced


# -- drafts and locks --------------------------------------------------------------------------------------------------


def test_drafts_of_the_living_stay_and_those_of_the_dead_go(tmp_path: Path) -> None:
    dead = tmp_path / f".draft-{files.MACHINE}-0123"
    elsewhere, old = tmp_path / ".draft-0badcafe-0123", tmp_path / ".draft-0badcafe-4567"
    for folder in (dead, elsewhere, old):
        folder.mkdir()
        (folder / "half").write_text("written")
    day = time.time() - files.STALE - 1
    os.utime(old, (day, day))
    with files.draft(tmp_path, ".draft-") as ours:
        files.sweep(tmp_path, ".draft-")
        assert sorted(tmp_path.iterdir()) == sorted([ours, elsewhere])
    assert list(tmp_path.iterdir()) == [elsewhere]


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    files.write(path, b"old")
    (tmp_path / f".tmp-{files.MACHINE}-0123").write_bytes(b"half")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):

        def full(held: int, content: Any) -> int:
            raise FULL

        patch.setattr(os, "write", full)
        files.write(path, b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]
    files.write(path, b"new")
    assert path.read_bytes() == b"new"


# -- data is looked at once --------------------------------------------------------------------------------------------


def test_data_that_was_looked_at_is_not_looked_at_again(
    planned: Callable[..., list[Any]], tiny_bert: Path, text_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from suite import evaluation

    specs = planned(tiny_bert, text_task, "full", seeds=2, name="looked-at-once", limits={"train": 47})
    looked: list[str] = []
    load = evaluation.load_rows
    monkeypatch.setattr(evaluation, "load_rows", lambda task, spec: looked.append(task.name) or load(task, spec))
    for _ in range(3):
        grid.check_data(specs)
    assert looked == ["mood"]

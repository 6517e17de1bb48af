"""Large stores: an index that is extended and never wrong, boards that read what they show, stores on other systems."""

from __future__ import annotations

import dataclasses
import random
import shutil
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hub_session import Session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from large_stores import Shape, fill
from large_stores import made as made_files
from loopback_hub import LoopbackHub, User
from made_records import grid, made

from suite import index, packs
from suite.admission import Filter
from suite.boards import boards
from suite.index import Piece
from suite.index import _line as lines
from suite.index._contents import Contents
from suite.leaderboard import rank
from suite.publication import _pack
from suite.spec import Result, SuiteError, digest
from suite.store import Store, _upkeep
from suite.verification import Tally, verify

SHAPE = Shape(models=3, tasks=2, strategies=2, seeds=3, examples=9, weighed=1)
ENTRIES = list(made_files(SHAPE))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few records be many: pieces, portions and row groups of a handful."""
    monkeypatch.setattr(_upkeep, "SMALL", 4)
    monkeypatch.setattr(_upkeep, "MOST_PIECES", 2)
    monkeypatch.setattr(_upkeep, "MOST_BYTES", 50_000)
    monkeypatch.setattr(lines, "MOST_ROWS", 3)


def put(folder: Path, number: int) -> Path:
    """Write one of the made entries and return its folder."""
    name, files = ENTRIES[number % len(ENTRIES)]
    entry = folder / "records" / name[:2] / name
    entry.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (entry / file).write_bytes(content)
    return entry


def told(contents: Contents) -> tuple[Any, ...]:
    """Return all that contents say."""
    entries = [(entry.head, entry.examples) for entry in contents.entries]
    return entries, [entry.head for entry in contents.again], contents.faults


def from_scratch(folder: Path) -> tuple[Any, ...]:
    """Return what a store says without its index; its messages name the same folder."""
    aside = folder.with_name("aside")
    aside.mkdir()
    kept = [path for path in (folder / "index.parquet", folder / "index") if path.exists()]
    for path in kept:
        path.rename(aside / path.name)
    found = told(Store(str(folder)).contents())
    for path in (folder / "index.parquet", folder / "index"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in kept:
        (aside / path.name).rename(path)
    aside.rmdir()
    return found


# -- the index ---------------------------------------------------------------------------------------------------------


def _spoil(folder: Path, chance: random.Random) -> None:
    """Cut, overwrite or take away one of the files of the index."""
    files = sorted(path for path in [folder / "index.parquet", *folder.glob("index/*")] if path.is_file())
    if not files:
        return
    path = chance.choice(files)
    content = bytearray(path.read_bytes())
    way = chance.randrange(4)
    if way == 0:
        path.unlink()
    elif way == 1:
        path.write_bytes(content[: chance.randrange(len(content) + 1)])
    elif content:
        for _ in range(1 + 4 * way):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)


def _edit(entry: Path, chance: random.Random) -> None:
    path = entry / chance.choice(["record.json", "predictions.parquet", "digest.json"])
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) + b" ")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put", "many", "read", "read", "spoil", "edit", "take"]), st.integers(0, 99)
    ),
    min_size=3,
    max_size=14,
)


@given(STEPS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_the_index_says_what_a_rebuild_says(
    small: None, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("store") / "results"
    folder.mkdir()
    entries: dict[int, Path] = {}
    for step, number in steps:
        chance = random.Random(number)
        if step in ("put", "many"):
            for one in range(number, number + (7 if step == "many" else 1)):
                entries[one % len(ENTRIES)] = put(folder, one)
        elif step == "read":
            Store(str(folder)).contents()
        elif step == "spoil":
            _spoil(folder, chance)
        elif entries:
            entry = entries.pop(chance.choice(sorted(entries)))
            _edit(entry, chance) if step == "edit" else shutil.rmtree(entry)
    expected = from_scratch(folder)
    for _ in range(2):
        assert told(Store(str(folder)).contents()) == expected
    assert len(list(folder.glob("index/*"))) <= _upkeep.MOST_PIECES + 1
    assert not list(folder.glob(".index-*"))


def test_what_is_added_is_written_beside_the_base_and_put_into_it_when_it_is_much(small: None, tmp_path: Path) -> None:
    for number in range(30):
        put(tmp_path, number)
    Store(str(tmp_path)).contents()
    base = (tmp_path / "index.parquet").stat().st_ino
    beside = []
    for number in range(30, 36):
        put(tmp_path, number)
        assert len(Store(str(tmp_path)).contents().entries) == number + 1
        beside.append(len(list(tmp_path.glob("index/*"))))
        if number == 32:
            assert (tmp_path / "index.parquet").stat().st_ino == base  # not written again
    assert beside[:3] == [1, 2, 1] and max(beside) <= 2
    assert (tmp_path / "index.parquet").stat().st_ino != base


def test_the_base_is_sorted_so_that_a_task_lies_together(small: None, tmp_path: Path) -> None:
    fill(tmp_path, SHAPE)
    Store(str(tmp_path)).contents()
    piece = Piece.opened(str(tmp_path / "index.parquet"))
    assert piece is not None
    heads = piece.heads()
    assert heads == sorted(heads, key=lambda head: (head.task, head.row, head.seed))
    assert len(heads) == SHAPE.records


def test_several_that_bring_it_up_to_date_at_once_leave_it_whole(small: None, tmp_path: Path) -> None:
    wrong: list[str] = []
    stop = threading.Event()

    def read() -> None:
        store, before = Store(str(tmp_path)), 0
        while not stop.is_set():
            contents = store.contents()
            now = len(contents.entries)
            if now < before or contents.faults:
                wrong.append(f"{before} {now} {contents.faults}")
            before = now

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(len(ENTRIES)):
        name, files = ENTRIES[number]
        draft = tmp_path / "records" / f".draft-{number}"
        draft.mkdir(parents=True)
        for file, content in files.items():
            (draft / file).write_bytes(content)
        (tmp_path / "records" / name[:2]).mkdir(exist_ok=True)
        draft.rename(tmp_path / "records" / name[:2] / name)
    stop.set()
    for reader in readers:
        reader.join(30)
    assert wrong == []
    assert told(Store(str(tmp_path)).contents()) == from_scratch(tmp_path)


def test_an_index_that_is_damaged_where_nobody_has_looked_yet_is_made_up_for_by_the_records(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names and seals are read first; of what is read later the records can tell."""
    fill(tmp_path, SHAPE)
    expected = told(Store(str(tmp_path)).contents())
    whole: Callable[..., Any] = Piece.table

    def broken(self: Piece, columns: Any, rows: Any = None) -> Any:
        if columns[0] not in ("name", "seal") or len(columns) > 2:
            raise OSError("CRC checksum verification failed")
        return whole(self, columns, rows)

    monkeypatch.setattr(Piece, "table", broken)
    monkeypatch.setattr(Piece, "examples", lambda self, row: None)
    assert told(Store(str(tmp_path)).contents()) == expected


def test_an_edited_entry_is_found_by_its_seal_though_its_folder_looks_the_same(tmp_path: Path) -> None:
    entry = put(tmp_path, 0)
    assert len(Store(str(tmp_path)).contents().entries) == 1
    before = entry.stat().st_mtime_ns
    _edit(entry, random.Random(0))
    assert entry.stat().st_mtime_ns == before
    assert list(Store(str(tmp_path)).contents().faults) == [entry.name]


# -- boards read what they show ----------------------------------------------------------------------------------------


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the row groups that are read: of headings, and of what examples give."""
    counts: Counter[str] = Counter()
    table, fetched = Piece.table, Piece._fetched

    def counted(self: Piece, columns: Any, rows: Any = None) -> Any:
        found = table(self, columns, rows)
        if len(columns) > 20:
            counts["heads"] += len(found)
        return found

    def fetch(self: Piece, group: int) -> Any:
        counts["examples"] += 1
        return fetched(self, group)

    monkeypatch.setattr(Piece, "table", counted)
    monkeypatch.setattr(Piece, "_fetched", fetch)
    return counts


@pytest.mark.parametrize(
    "only",
    [Filter(), Filter(strategy="full"), Filter(protocol="made"), Filter(tags=("none",)), Filter(strategy="none")],
)
@pytest.mark.parametrize("names", [(), ("task-00",), ("task-01", "unknown")])
def test_a_filter_shows_the_same_board_and_reads_no_more_than_it_shows(
    small: None, tmp_path: Path, groups: Counter[str], only: Filter, names: tuple[str, ...]
) -> None:
    fill(tmp_path, SHAPE)
    held = Contents(Store(str(tmp_path)).contents().entries)  # everything read, then chosen among
    tasks = [spec for spec in {e.head.task: e.task_spec for e in held.entries}.values() if spec.name in names] or None
    groups.clear()
    found = boards(str(tmp_path), tasks, only)
    read = dict(groups)
    shown = [entry for entry in held.entries if only.keeps(entry) and (not tasks or entry.head.task in names)]
    assert found == boards(held, tasks, only)
    assert read.get("heads", 0) == len(shown)
    assert read.get("examples", 0) <= (len(shown) // 3 if only == Filter() else len(shown))  # a group is three lines


def test_values_of_one_task_are_read_without_the_others(small: None, tmp_path: Path, groups: Counter[str]) -> None:
    fill(tmp_path, SHAPE)
    store = Store(str(tmp_path))
    spec = store.contents().entries[0].task_spec
    groups.clear()
    rank(store, tasks=[spec])
    assert groups["examples"] <= SHAPE.records // SHAPE.tasks // 3 + 1  # three rows a group
    groups.clear()
    rank(store)
    assert groups["examples"] == SHAPE.records // 3  # each once


# -- verification ------------------------------------------------------------------------------------------------------


def test_made_records_hold_and_checks_come_one_by_one_and_are_not_kept(tmp_path: Path) -> None:
    fill(tmp_path, SHAPE)
    damaged = put(tmp_path, 3)
    _edit(damaged, random.Random(1))
    checks, tally = verify(str(tmp_path)), Tally()
    for check in checks.once():
        tally.add(check)
    summary = tally.summary()
    assert (summary.held, summary.failed, summary.unchecked) == (SHAPE.records - 1, 1, 0)
    assert checks.total == SHAPE.records and list(checks) == []


# -- stores that are no folders ----------------------------------------------------------------------------------------


@pytest.fixture
def memory() -> Iterator[str]:
    name = f"/{uuid.uuid4().hex}"
    yield f"memory:/{name}"
    held = fsspec.filesystem("memory")
    if held.exists(name):
        held.rm(name, recursive=True)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count what is asked of the file system behind memory://."""
    counts: Counter[str] = Counter()
    for name in ("ls", "cat_file", "info", "exists", "open", "pipe_file", "mv"):
        plain: Any = getattr(MemoryFileSystem, name)

        def counted(self: Any, *args: Any, _plain: Any = plain, _name: str = name, **options: Any) -> Any:
            counts[_name] += 1
            return _plain(self, *args, **options)

        monkeypatch.setattr(MemoryFileSystem, name, counted)
    return counts


def test_a_board_elsewhere_takes_few_requests_however_many_records_there_are(
    memory: str, requests: Counter[str], tmp_path: Path
) -> None:
    results = grid({"org/a": 0.6, "org/b": 0.9}, ["one", "two"], seeds=5, n=20)
    here, there = Store(str(tmp_path)), Store(memory)
    for result in results:
        here.put(result)
        there.put(result)
    assert rank(there) == rank(here)
    requests.clear()
    assert rank(memory) == rank(here)
    shards = len({key[:2] for key in (result.record.key for result in results)})
    assert requests["cat_file"] + requests["open"] <= 2  # the index, and nothing of any record
    assert requests["ls"] <= shards + 12 and requests["info"] <= 12  # listing: a request a shard, of which 256 are
    assert not requests["pipe_file"] and not requests["mv"]


def test_all_that_reads_a_store_reads_one_elsewhere(memory: str, tmp_path: Path) -> None:
    from suite import cards, report
    from suite.comparison import compare

    results = grid({"org/a": 0.6, "org/b": 0.9}, ["one", "two"], seeds=2, n=30)
    for result in results:
        Store(memory).put(result)
        Store(str(tmp_path)).put(result)
    there, here = (compare("org/a", "org/b", store=url) for url in (memory, str(tmp_path)))
    assert there.pairs[0].words == here.pairs[0].words and len(there.pairs[0].words) > 20
    made_cards = [cards.card(url, "org/a").section.replace(url, "STORE") for url in (memory, str(tmp_path))]
    assert made_cards[0] == made_cards[1]
    pages = [report.render(url).replace(url, "").replace(url.rpartition("/")[2], "") for url in (memory, str(tmp_path))]
    assert pages[0] == pages[1]


class Interrupted(BaseException):
    """Like a kill."""


@pytest.mark.parametrize("step", [0, 1, 2])
def test_an_interrupted_put_elsewhere_is_no_record_and_the_same_command_finishes_it(
    memory: str, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, result = Store(memory), made("org/a", "one", [1.0, 0.0])
    plain, calls = store._fs.pipe_file, []

    def pipe(path: str, value: bytes) -> None:
        if len(calls) == step:
            raise Interrupted
        calls.append(path)
        plain(path, value)

    monkeypatch.setattr(store._fs, "pipe_file", pipe, raising=False)
    with pytest.raises(Interrupted):
        store.put(result)
    assert not Store(memory).has(result.record.key) and not Store(memory).contents().entries
    record = Store(memory).put(result)
    assert Store(memory).get(record.key) == record
    contents = Store(memory).contents()
    assert len(contents.entries) == 1 and not contents.faults


@pytest.mark.parametrize("step", [0, 1, 2])
def test_of_two_writers_elsewhere_one_stays_whole_wherever_the_other_comes_in(
    memory: str, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(memory)
    one, other = made("org/a", "one", [1.0, 0.0]), made("org/a", "one", [1.0, 1.0])
    plain, calls = store._fs.pipe_file, []

    def pipe(path: str, value: bytes) -> None:
        if len(calls) == step:
            Store(memory).put(other)
        calls.append(path)
        plain(path, value)

    monkeypatch.setattr(store._fs, "pipe_file", pipe, raising=False)
    told_one = store.put(one)
    stands = Store(memory).result(one.record.key)  # compares every byte with the digest
    assert stands.record == told_one
    assert stands.record.score == sum(stands.columns["value"]) / 2


def test_writers_of_one_key_elsewhere_end_with_one_whole_record(memory: str) -> None:
    made_ones = [made("org/a", "one", [float(k < right) for k in range(4)]) for right in range(1, 5)]
    threads = [threading.Thread(target=Store(memory).put, args=(one,)) for one in made_ones]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    stands = Store(memory).result(made_ones[0].record.key)
    assert stands.record.score == sum(stands.columns["value"]) / 4
    assert not Store(memory).contents().faults


TOKEN = "hf_secretsecretsecretsecretsecret"
ON_THE_HUB = """
from made_records import made
from suite.leaderboard import rank
from suite.spec import SuiteError
from suite.store import Store
from suite.verification import verify

url, missing = "hf://datasets/org/loose", "hf://datasets/org/none"
results = [made("org/a", "one", [1.0, 0.0, 1.0], seed=seed) for seed in range(2)]
records = [Store(url).put(one) for one in results]
again = Store(url)
told = ""
try:
    Store(missing).contents()
except SuiteError as error:
    told = str(error)
result = [
    [again.has(one.key) and again.get(one.key) == one for one in records],
    [again.predictions(one.record.key) == one.columns for one in results],
    len(again.contents().entries),
    [round(row.raw_mean, 3) for row in rank(url).rows],
    len(list(verify(url))),
    Store(url).put(made("org/a", "one", [0.0, 0.0, 0.0])).score,
    told,
]
"""


def test_a_store_on_the_hub_is_written_and_read_like_a_folder(tmp_path: Path) -> None:
    with LoopbackHub() as hub:
        hub.users |= {TOKEN: User("ann", ("org",))}
        hub.repository("org/loose", "datasets").commit({"README.md": b"records"})
        with Session(hub, tmp_path) as session:
            same, columns, count, means, checks, first, told = session.run(ON_THE_HUB)
        assert len(hub.repository("org/loose", "datasets").commits) == 3  # one a record, and the one before
        assert same == columns == [True, True]
        assert (count, means, checks) == (2, [0.667], 2)
        assert first == pytest.approx(2 / 3)  # the first of one key stays
        assert told.startswith("The Hub does not know the data set 'org/none'")
        hub.fail("", times=1000, status=503)
        with Session(hub, tmp_path) as session:
            unreachable = session.suite("leaderboard", "--store", "hf://datasets/org/loose")
        assert unreachable.code == 2 and unreachable.err.startswith("error: ") and unreachable.err.count("\n") == 1


def test_a_driver_that_is_not_installed_is_named() -> None:
    with pytest.raises(SuiteError, match=r"^The store 's3://bucket/results' cannot be opened: .*s3fs.*\.$"):
        Store("s3://bucket/results")


def test_one_file_of_kept_weights_comes_alone(memory: str, tmp_path: Path) -> None:
    for url in (memory, str(tmp_path / "results")):
        folder = tmp_path / uuid.uuid4().hex
        (folder / "tokens").mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"weights")
        (folder / "tokens" / "vocab.txt").write_bytes(b"words")
        store = Store(url)
        record = store.put(dataclasses.replace(made("org/a", "one", [1.0]), weights=str(folder)))
        assert store.weight_file(record.key, 1, "tokens/vocab.txt") == b"words"
        for name in ("other", "../record.json", "/etc/passwd", ""):
            with pytest.raises(SuiteError, match="kept no file"):
                store.weight_file(record.key, 1, name)
        path = f"{store._root}/records/{record.key[:2]}/{record.key}-1/weights/model.safetensors"
        store._fs.pipe_file(path, b"others")
        with pytest.raises(SuiteError, match="is not the file that was kept"):
            store.weight_file(record.key, 1, "model.safetensors")


def test_a_record_whose_weights_lead_out_of_its_folder_is_not_followed(tmp_path: Path) -> None:
    result = made("org/a", "one", [1.0])
    hostile = result.record.model_copy(update={"artifact": {"../../secret": digest(b"secret")}})
    store = Store(str(tmp_path))
    body = Result(hostile, result.columns)
    key = store.put(body).key
    entry = tmp_path / "records" / key[:2] / f"{key}-1"
    (entry.parent / "secret").write_bytes(b"secret")
    record = store.get(key).model_copy(update={"artifact": {"../../secret": digest(b"secret")}})
    text = record.model_dump_json(by_alias=True).encode()
    (entry / "record.json").write_bytes(text)
    sealed = (entry / "digest.json").read_text().replace(_digest_in(entry, "record.json"), digest(text))
    (entry / "digest.json").write_text(sealed)
    with pytest.raises(SuiteError, match="kept no file"):
        store.weight_file(key, 1, "../../secret")


def _digest_in(entry: Path, file: str) -> str:
    import json

    return str(json.loads((entry / "digest.json").read_text())[file])


# -- packs -------------------------------------------------------------------------------------------------------------


def packed(folder: Path, results: list[Result], to: Path) -> list[Path]:
    """Write a store's records as packs of another and return the packs' folders."""
    store = Store(str(folder))
    for result in results:
        store.put(result)
    shelf = _pack.Shelf(store)
    files = _pack.write((shelf.filed(name) for name in store.names()), to, lambda filed: "")
    return sorted({path.parent for path in files.values()})


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, list[Path]]:
    """A store of two packs."""
    to = tmp_path / "packed"
    first = packed(tmp_path / "a", grid({"org/a": 0.6, "org/b": 0.9}, ["one"], seeds=2, n=30), to)
    second = packed(tmp_path / "b", grid({"org/a": 0.6, "org/b": 0.9}, ["two"], seeds=2, n=30), to)
    return to, first + second


def test_a_pack_is_read_without_opening_a_record_and_beside_records_of_their_own(
    two: tuple[Path, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = two
    put(folder, 0)
    reads: list[str] = []
    whole: Callable[..., Any] = Store._read
    monkeypatch.setattr(Store, "_read", lambda self, name: reads.append(name) or whole(self, name))
    assert len(Store(str(folder)).contents().entries) == 9
    assert reads == [ENTRIES[0][0]]
    assert len(Store(str(folder)).contents().entries) == 9
    assert len(reads) == 1  # from then on the index of the folder has it
    assert Tally and not [check for check in verify(str(folder)) if "untrue" in check.detail]


def test_an_index_of_another_pack_is_named_on_the_board(two: tuple[Path, list[Path]]) -> None:
    folder, (one, other) = two
    shutil.copy(other / "index.parquet", one / "index.parquet")
    contents = Store(str(folder)).contents()
    assert {entry.head.task for entry in contents.entries} == {other_task(other)}
    assert "is not the index that the pack was made with" in " ".join(contents.faults.values())


def other_task(pack: Path) -> str:
    piece = Piece.opened(str(pack / "index.parquet"))
    assert piece is not None
    return piece.heads()[0].task


def test_headings_that_are_not_the_records_are_named_by_verify(two: tuple[Path, list[Path]]) -> None:
    """A board cannot see it: whoever made the pack bound a false index to it."""
    folder, (one, _) = two
    held = index.read((one / "index.parquet").read_bytes())
    name, line = next(iter(held.items()))
    held[name] = dataclasses.replace(line, head=line.head._replace(score=0.999))
    content = index.write(held.values())
    lie = one.with_name(packs.name_of({name: line.seal for name, line in held.items()}, content))
    one.rename(lie)
    (lie / "index.parquet").write_bytes(content)
    assert not Store(str(folder)).contents().faults
    failed = [check for check in verify(str(folder)) if "untrue" in check.detail]
    assert [f"{check.key}-{check.attempt}" for check in failed] == [name]
    assert f"the index of packs/{lie.name} is untrue: its score is 0.999 there" in failed[0].detail


def test_packs_put_together_hold_every_byte_of_both(two: tuple[Path, list[Path]]) -> None:
    folder, both = two
    before = Store(str(folder))
    names = before.names()
    files = {name: before._files(name, ("record.json", "predictions.parquet")) for name in names}
    board = rank(before)
    parts = [{path.name: path.read_bytes() for path in one.iterdir()} for one in both]
    name, made_one = packs.merged([*parts, parts[0]])  # what is there twice is there once
    for one in both:
        shutil.rmtree(one)
    (folder / "packs" / name).mkdir()
    for file, content in made_one.items():
        (folder / "packs" / name / file).write_bytes(content)
    after = Store(str(folder))
    assert after.names() == names and not after.contents().faults
    assert {name: after._files(name, ("record.json", "predictions.parquet")) for name in names} == files
    assert rank(after) == board
    assert not [check for check in verify(after) if "untrue" in check.detail]
    assert packs.merged(list(reversed(parts)))[0] == name  # whatever order they come in


def test_what_is_no_pack_is_not_put_together(two: tuple[Path, list[Path]]) -> None:
    _, (one, other) = two
    parts = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (one, other)]
    for wrong in (
        [parts[0] | {"index.parquet": parts[1]["index.parquet"]}],
        [parts[0] | {"records.parquet": b""}],
        [{"records.parquet": parts[0]["records.parquet"]}],
    ):
        with pytest.raises(ValueError):
            packs.merged(wrong)


def test_records_of_a_pack_are_verified_in_the_order_in_which_they_lie(two: tuple[Path, list[Path]]) -> None:
    folder, both = two
    order = [f"{check.key}-{check.attempt}" for check in verify(str(folder))]
    assert order == [name for one in both for name in packs.names_of((one / "index.parquet").read_bytes())]

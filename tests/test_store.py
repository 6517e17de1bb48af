"""The store keeps what was put, whole or not at all, under an address that says what produced it."""

from __future__ import annotations

import json
import multiprocessing
import random
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite import spec as specs
from suite.spec import CheckpointRef, DatasetRef, MetricInfo, Protocol, Record, Result, RunSpec, SuiteError, TaskSpec
from suite.store import Store

SHA = "sha256:" + "0" * 64


def protocol(**changes: Any) -> Protocol:
    fields = {"name": "tiny", "version": 1, "seeds": 2, "batch": 8, "selection": {"looks": 2}}
    return Protocol.model_validate(fields | {"budget": {"epochs": 1.0, "min_steps": 4, "max_steps": 4}} | changes)


def task(**changes: Any) -> TaskSpec:
    dataset = DatasetRef(path="csv", revision=SHA, data_files={"train": "train.csv", "test": "test.csv"})
    fields: dict[str, Any] = {"name": "mood", "version": 1, "kind": "text_classification", "dataset": dataset}
    fields |= {"columns": {"text": "sentence", "label": "label"}, "metrics": ("accuracy",), "main": "accuracy"}
    return TaskSpec(**fields | changes)


def run_spec(**changes: Any) -> RunSpec:
    fields: dict[str, Any] = {
        "checkpoint": CheckpointRef(name="org/model", revision="a" * 40),
        "tasks": (task(),),
        "strategy": "lora",
        "settings": {"learning_rate": 5e-4, "rank": 8},
        "protocol": protocol(),
        "seed": 0,
    }
    return RunSpec(**fields | changes)


def result(spec: RunSpec | None = None, right: int = 3, **extra: Any) -> Result:
    spec = spec or run_spec()
    predictions = ["good"] * right + ["bad"] * (4 - right)
    columns: dict[str, list[Any]] = {
        "id": [f"row-{i}" for i in range(4)],
        "label": ["good"] * 4,
        "prediction": predictions,
        "scores": [[0.25, 0.75]] * 4,
        "value": [float(p == "good") for p in predictions],
    }
    record = Record(
        key=spec.key(),
        spec=spec,
        task="mood",
        metrics={"accuracy": right / 4},
        main=MetricInfo(name="accuracy", version=1, greater_is_better=True, range=(0.0, 1.0), chance=0.5),
        collapsed=False,
        collapse_rule="none",
        counts={"train": 8, "validation": 2, "test": 4},
        data={},
        checkpoint={},
        training={},
        cost={"seconds": 1.0},
        environment={},
        seeds={},
        created="2026-01-01T00:00:00+00:00",
        **extra,
    )
    return Result(record, columns)


@pytest.fixture(params=["folder", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "results")
        return
    name = f"/{uuid.uuid4().hex}"
    yield f"memory:/{name}"
    memory = fsspec.filesystem("memory")
    if memory.exists(name):
        memory.rm(name, recursive=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "results"


# -- the address -------------------------------------------------------------------------------------------------------

values = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8))
mappings = st.dictionaries(st.text(min_size=1, max_size=8), values, max_size=6)


@given(mappings, st.randoms(use_true_random=False))
def test_the_order_of_settings_does_not_move_the_key(given_settings: dict[str, Any], shuffler: random.Random) -> None:
    items = list(given_settings.items())
    shuffler.shuffle(items)
    assert run_spec(settings=dict(items)).key() == run_spec(settings=given_settings).key()


@given(mappings, mappings)
def test_other_settings_give_another_key(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = specs.canonical_json(one) == specs.canonical_json(other)
    assert (run_spec(settings=one).key() == run_spec(settings=other).key()) == same


@given(mappings, st.integers(0, 2**31))
def test_a_spec_read_from_json_has_the_same_key(given_settings: dict[str, Any], seed: int) -> None:
    spec = run_spec(settings=given_settings, seed=seed)
    assert RunSpec.model_validate_json(spec.model_dump_json(by_alias=True)).key() == spec.key()


@pytest.mark.parametrize(
    "changed",
    [
        {"semantics": specs.SEMANTICS + 1},
        {"seed": 1},
        {"strategy": "full"},
        {"resample": "loo"},
        {"settings": {"learning_rate": 5e-4, "rank": 16}},
        {"settings": {"learning_rate": 5e-4}},
        {"checkpoint": CheckpointRef(name="org/other", revision="a" * 40)},
        {"checkpoint": CheckpointRef(name="org/model", revision="b" * 40)},
        {"checkpoint": CheckpointRef(name="org/model", revision="a" * 40, init="random")},
        {"protocol": protocol(version=2)},
        {"protocol": protocol(batch=16)},
        {"protocol": protocol(seeds=3)},
        {"protocol": protocol(max_length=64)},
        {"protocol": protocol(budget={"epochs": 2.0, "min_steps": 4, "max_steps": 4})},
        {"protocol": protocol(selection={"looks": 2, "learning_rates": (1.0, 3.0)})},
        {"protocol": protocol(limits={"train": 10})},
        {"protocol": protocol(precision="bf16")},
        {"tasks": (task(version=2),)},
        {"tasks": (task(chance=0.4),)},
        {"tasks": (task(labels=("bad", "good")),)},
        {"tasks": (task(limits={"train": 10}),)},
        {"tasks": (task(columns={"text": "text", "label": "label"}),)},
        {"tasks": (task(splits=specs.Splits(validation=specs.Carve(seed=1))),)},
        {"tasks": (task(dataset=DatasetRef(path="csv", revision="sha256:" + "1" * 64)),)},
        {"tasks": (task(dataset=DatasetRef(path="org/mood", revision="c" * 40)),)},
        {"tasks": (task(dataset=DatasetRef(path="org/mood", revision="c" * 40, unpinned=True)),)},
    ],
    ids=lambda changed: json.dumps(changed, default=str)[:60],
)
def test_whatever_could_move_a_number_moves_the_key(changed: dict[str, Any]) -> None:
    assert run_spec(**changed).key() != run_spec().key()


@pytest.mark.parametrize(
    "changed",
    [
        {"checkpoint": CheckpointRef(name="org/model", revision="a" * 40, folder="/elsewhere")},
        {"checkpoint": CheckpointRef(name="org/model", revision="a" * 40, modality="image")},
        {"tasks": (task(file="/elsewhere/mood.yaml", lines={"name": 7}),)},
    ],
    ids=["folder", "modality", "file"],
)
def test_where_things_lie_does_not_move_the_key(changed: dict[str, Any]) -> None:
    assert run_spec(**changed).key() == run_spec().key()


def test_a_run_of_several_tasks_has_a_key_a_task() -> None:
    joint = run_spec(tasks=(task(), task(name="other")))
    assert len({joint.key("mood"), joint.key("other"), run_spec().key("mood")}) == 3
    assert run_spec().key("mood") == run_spec().key()


# -- putting and getting -----------------------------------------------------------------------------------------------


def test_what_is_put_comes_back(url: str) -> None:
    store, made = Store(url), result()
    key = made.record.key
    assert not store.has(key)
    put = store.put(made)
    assert store.has(key)
    again = Store(url)
    assert again.get(key) == put
    assert again.get(key).spec == made.record.spec
    columns = again.predictions(key)
    assert columns == made.columns
    assert again.find(key[:8]) == [key]
    assert again.find("f" * 64) == []


def test_scores_are_kept_as_fp32_and_values_as_fp64(folder: Path) -> None:
    made = result()
    made.columns["scores"] = [[0.1, 0.9]] * 4
    made.columns["value"] = [0.1] * 4
    record = Store(str(folder)).put(made)
    columns = Store(str(folder)).predictions(record.key)
    assert columns["scores"][0] == [float(np.float32(0.1)), float(np.float32(0.9))]
    assert columns["value"][0] == 0.1


def test_the_first_of_two_results_of_one_key_stays(url: str) -> None:
    store = Store(url)
    first = store.put(result(right=3))
    assert store.put(result(right=1)) == first
    assert store.predictions(first.key) == result(right=3).columns


def test_a_result_put_again_is_a_further_attempt_linked_to_the_first(url: str) -> None:
    store = Store(url)
    first = store.put(result(right=3))
    second, third = (store.put(result(right=right), again=True) for right in (1, 2))
    assert [first.attempt, second.attempt, third.attempt] == [1, 2, 3]
    assert first.parent is None
    assert second.parent == third.parent == f"{first.key}-1"
    assert store.get(first.key) == first
    assert store.get(first.key, 2) == second
    assert store.predictions(first.key, 3) == result(right=2).columns
    assert [entry.record for entry in store.contents().entries] == [first]  # the first is the one that counts


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=5), st.text(max_size=20))
@settings(max_examples=25, deadline=None)
def test_any_scores_and_texts_come_back(scores: list[float], text: str) -> None:
    text = text.encode(errors="ignore").decode()
    made = result()
    made.columns["scores"] = [scores] * 4
    made.columns["label"] = [text] * 4
    store = Store(f"memory://{uuid.uuid4().hex}")
    store.put(made)
    assert store.predictions(made.record.key) == made.columns


def test_a_field_of_a_newer_schema_is_kept(url: str) -> None:
    store = Store(url)
    key = store.put(result(energy_joules=12.5)).key
    assert Store(url).get(key).model_extra == {"energy_joules": 12.5}
    assert store.contents().entries[0].record.model_extra == {"energy_joules": 12.5}


@pytest.mark.parametrize(
    "key", ["", "..", "../../etc/passwd", "/etc/passwd", "a" * 63, "A" * 64, f"../{'a' * 64}", "a" * 65]
)
def test_a_name_that_is_no_key_leads_nowhere(url: str, key: str) -> None:
    for ask in (Store(url).has, Store(url).get, Store(url).predictions):
        with pytest.raises(SuiteError, match="expected a key of 64 hexadecimal digits"):
            ask(key)


def test_a_record_of_a_foreign_key_cannot_be_put_outside(folder: Path) -> None:
    made = result()
    foreign = Result(made.record.model_copy(update={"key": "../../../escaped"}), made.columns)
    with pytest.raises(SuiteError, match="is no record"):
        Store(str(folder)).put(foreign)
    assert not list(folder.parent.rglob("*escaped*"))


def test_what_is_not_there_is_told(url: str) -> None:
    with pytest.raises(SuiteError, match="is not in the store"):
        Store(url).get("0" * 64)
    assert Store(url).contents().entries == []


# -- damage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["record.json", "predictions.parquet"])
def test_changed_bytes_are_named(folder: Path, file: str) -> None:
    record = Store(str(folder)).put(result())
    path = folder / "records" / record.key[:2] / f"{record.key}-1" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SuiteError, match=rf"{record.key}-1: the bytes of {file} are not those that were put"):
        Store(str(folder)).get(record.key)


def test_a_record_moved_to_another_name_is_named(folder: Path) -> None:
    one, other = (Store(str(folder)).put(result(run_spec(seed=seed))) for seed in (0, 1))
    entries = [folder / "records" / r.key[:2] / f"{r.key}-1" for r in (one, other)]
    for path in entries[0].iterdir():
        (entries[1] / path.name).write_bytes(path.read_bytes())
    with pytest.raises(SuiteError, match=f"{other.key}-1: the record inside says it is {one.key}-1"):
        Store(str(folder)).get(other.key)


def test_a_record_edited_after_it_was_indexed_is_found_out(folder: Path) -> None:
    record = Store(str(folder)).put(result())
    assert not Store(str(folder)).contents().faults
    path = folder / "records" / record.key[:2] / f"{record.key}-1" / "record.json"
    path.write_bytes(path.read_bytes().replace(b'"accuracy":0.75', b'"accuracy":0.95'))
    contents = Store(str(folder)).contents()
    assert not contents.entries
    assert "the bytes of record.json" in contents.faults[f"{record.key}-1"]


def test_a_record_of_a_schema_to_come_that_cannot_be_read_says_so(folder: Path) -> None:
    record = Store(str(folder)).put(result())
    entry = folder / "records" / record.key[:2] / f"{record.key}-1"
    body = json.loads((entry / "record.json").read_bytes()) | {"schema_version": 99, "metrics": "elsewhere"}
    (entry / "record.json").write_text(specs.canonical_json(body))
    digests = json.loads((entry / "digest.json").read_bytes())
    digests["record.json"] = specs.digest((entry / "record.json").read_bytes())
    (entry / "digest.json").write_text(json.dumps(digests))
    with pytest.raises(SuiteError, match="It has schema 99, newer than this version's"):
        Store(str(folder)).get(record.key)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_crash_while_writing_leaves_no_entry(folder: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    class Crash(BaseException):
        """Not even an Exception: like a kill."""

    calls: list[int] = []

    def fsync(file: int) -> None:
        calls.append(file)
        if len(calls) == step:
            raise Crash

    monkeypatch.setattr("os.fsync", fsync)
    monkeypatch.setattr("shutil.rmtree", lambda *args, **kwargs: None)  # a killed process does not tidy up
    with pytest.raises(Crash):
        Store(str(folder)).put(result())
    monkeypatch.undo()
    store = Store(str(folder))
    assert not store.has(result().record.key)
    assert not store.contents().entries
    assert not store.contents().faults
    store.put(result())
    assert len(store.contents().entries) == 1


def test_a_crash_before_the_digest_is_no_entry_elsewhere_than_in_a_folder() -> None:
    url = f"memory://{uuid.uuid4().hex}"
    store = Store(url)
    record = store.put(result())
    fsspec.filesystem("memory").rm_file(
        f"{url.removeprefix('memory:/')}/records/{record.key[:2]}/{record.key}-1/digest.json"
    )
    assert not store.has(record.key)
    assert list(store.contents().faults) == [f"{record.key}-1"]
    assert store.put(result()) == record
    assert not store.contents().faults


def _put_many(url: str, right: int, barrier: Any) -> None:
    store = Store(url)
    barrier.wait()
    for seed in range(30):
        store.put(result(run_spec(seed=seed), right=right))


def _read_all_the_time(url: str, stop: Any, answers: Any) -> None:
    seen, wrong = 0, []
    while not stop.is_set():
        for seed in range(30):
            key = run_spec(seed=seed).key()
            if Store(url).has(key):
                try:
                    record, columns = Store(url).get(key), Store(url).predictions(key)
                    seen += 1
                    if record.score != sum(columns["value"]) / 4:
                        wrong.append(f"{key} is mixed")
                except SuiteError as error:
                    wrong.append(str(error))
    answers.put((seen, wrong))


def test_two_writers_of_one_key_agree_or_one_loses_whole_and_a_reader_never_sees_half(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, stop, answers = context.Barrier(2), context.Event(), context.Queue()
    reader = context.Process(target=_read_all_the_time, args=(str(folder), stop, answers))
    writers = [context.Process(target=_put_many, args=(str(folder), right, barrier)) for right in (1, 3)]
    for process in (reader, *writers):
        process.start()
    for process in writers:
        process.join(120)
        assert process.exitcode == 0
    stop.set()
    seen, wrong = answers.get(timeout=120)
    reader.join(120)
    assert seen > 0
    assert wrong == []
    contents = Store(str(folder)).contents()
    assert len(contents.entries) == 30
    assert not contents.faults
    for entry in contents.entries:
        assert entry.record.attempt == 1
        assert entry.record.score == entry.values.mean()
    assert not list(folder.glob("records/.draft-*"))


# -- the index ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the entries that are read and not taken from the index."""
    names: list[str] = []
    whole: Callable[..., Any] = Store._read

    def counted(self: Store, name: str) -> Any:
        names.append(name)
        return whole(self, name)

    monkeypatch.setattr(Store, "_read", counted)
    return names


def test_the_index_is_brought_up_to_date_by_what_is_new_only(url: str, reads: list[str]) -> None:
    store = Store(url)
    for seed in range(3):
        store.put(result(run_spec(seed=seed)))
    assert len(store.contents().entries) == 3
    assert len(reads) == 3
    assert len(Store(url).contents().entries) == 3
    assert len(reads) == 3
    new = store.put(result(run_spec(seed=9)))
    assert len(Store(url).contents().entries) == 4
    assert reads[3:] == [f"{new.key}-1"]


def _older(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"index": b"0"}), path)


def _foreign(path: Path) -> None:
    pq.write_table(pa.table({"name": ["x"], "price": [1.0]}), path)


def _of_this_version_but_foreign(path: Path) -> None:
    metadata = pq.read_schema(path).metadata
    pq.write_table(pa.table({"name": ["x"], "price": [1.0]}).replace_schema_metadata(metadata), path)


@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: path.write_text("not a table"),
        _older,
        _foreign,
        _of_this_version_but_foreign,
    ],
    ids=["gone", "empty", "cut", "text", "older", "foreign", "foreign-marked"],
)
def test_an_index_that_is_of_no_use_is_made_again(folder: Path, reads: list[str], spoil: Callable[[Path], Any]) -> None:
    store = Store(str(folder))
    for seed in range(2):
        store.put(result(run_spec(seed=seed)))
    before = store.contents()
    spoil(folder / "index.parquet")
    reads.clear()
    after = Store(str(folder)).contents()
    assert [e.record for e in after.entries] == [e.record for e in before.entries]
    assert len(reads) == 2
    assert Store(str(folder)).contents().entries
    assert len(reads) == 2  # it is whole again


def test_an_entry_that_is_taken_away_leaves_the_index(folder: Path) -> None:
    import shutil

    store = Store(str(folder))
    one, other = (store.put(result(run_spec(seed=seed))) for seed in (0, 1))
    assert len(store.contents().entries) == 2
    shutil.rmtree(folder / "records" / one.key[:2] / f"{one.key}-1")
    assert [e.record.key for e in store.contents().entries] == [other.key]
    assert pq.read_table(folder / "index.parquet")["name"].to_pylist() == [f"{other.key}-1"]


def test_values_come_from_the_index_as_they_were_put(folder: Path) -> None:
    store = Store(str(folder))
    store.put(result(right=1))
    for _ in range(2):
        (entry,) = store.contents().entries
        assert entry.values.dtype == np.float64
        assert entry.values.tolist() == [1.0, 0.0, 0.0, 0.0]


def test_a_store_that_is_only_read_works_without_its_index(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(str(folder)).put(result())
    store = Store(str(folder))

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("suite.files.draft", refuse)
    assert len(store.contents().entries) == 1
    assert not (folder / "index.parquet").exists()
    assert not list(folder.glob(".index-*"))


# -- clusters ----------------------------------------------------------------------------------------------------------


def with_clusters(names: list[Any], seed: int = 0) -> Result:
    made = result(run_spec(seed=seed))
    return Result(made.record, made.columns | {"cluster": names})


def test_clusters_come_back_as_numbers_with_and_without_the_index(url: str, reads: list[str]) -> None:
    store = Store(url)
    made = with_clusters(["e2", "e1", "e2", "row 7"])
    key = store.put(made).key
    assert store.predictions(key) == made.columns
    plain = store.put(result(run_spec(seed=1))).key
    reads.clear()
    for _ in range(2):
        found = {entry.record.key: entry.clusters for entry in Store(url).contents().entries}
        assert len(reads) == 2  # from then on the index knows
        clusters = found[key]
        assert clusters is not None and clusters.dtype == np.int32
        assert clusters.tolist() == [1, 0, 1, 2]
        assert found[plain] is None


@given(st.lists(st.text(max_size=4), min_size=4, max_size=4))
def test_any_names_tell_the_same_clusters_apart(names: list[str]) -> None:
    names = [name.encode(errors="ignore").decode() for name in names]
    store = Store(f"memory://{uuid.uuid4().hex}")
    store.put(with_clusters(names))
    for _ in range(2):
        (entry,) = store.contents().entries
        assert entry.clusters is not None
        same = [[a == b for a in entry.clusters] for b in entry.clusters]
        assert same == [[a == b for a in names] for b in names]


def test_a_cluster_without_a_name_is_a_fault_of_that_record_alone(folder: Path) -> None:
    store = Store(str(folder))
    bad = store.put(with_clusters(["a", None, "a", "b"])).key
    good = store.put(with_clusters(["a", "a", "a", "b"], seed=1)).key
    contents = store.contents()
    assert [entry.record.key for entry in contents.entries] == [good]
    assert list(contents.faults) == [f"{bad}-1"]
    assert "predictions.parquet is no table of predictions" in contents.faults[f"{bad}-1"]


def test_an_index_from_before_there_were_clusters_is_made_again(folder: Path, reads: list[str]) -> None:
    store = Store(str(folder))
    store.put(with_clusters(["b", "a", "b", "b"]))
    store.contents()
    path = folder / "index.parquet"
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["clusters"]).replace_schema_metadata({b"index": b"2"}), path)
    reads.clear()
    for _ in range(2):
        (entry,) = Store(str(folder)).contents().entries
        assert entry.clusters is not None and entry.clusters.tolist() == [1, 0, 1, 1]
    assert len(reads) == 1
    assert pq.read_table(path).column_names == table.column_names


@pytest.mark.parametrize("golden", ["store", "newer"])
def test_records_from_before_there_were_clusters_load(golden: str, folder: Path) -> None:
    import shutil

    shutil.copytree(Path(__file__).parent / "golden" / golden, folder)
    for _ in range(2):
        contents = Store(str(folder)).contents()
        assert not contents.faults
        assert [entry.clusters for entry in contents.entries] == [None, None]
        assert all(len(entry.values) == entry.record.counts["test"] for entry in contents.entries)


# -- what cannot be written --------------------------------------------------------------------------------------------


def test_a_store_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(str(tmp_path / "file"))
    for write in (store.check_writable, lambda: store.put(result())):
        with pytest.raises(SuiteError, match=r"^The store '.*file' cannot be written: .*\.$"):
            write()
    assert store.log("x", "text") is None


def test_details_of_a_failure_are_kept(url: str) -> None:
    store = Store(url)
    path = store.log("abc", "Traceback ...")
    assert path is not None
    assert path.endswith("failures/abc.log")
    assert store.contents().entries == []

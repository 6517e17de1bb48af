"""From a store to the Hub and back: records, cards and weights, read by the clients that others use."""

from __future__ import annotations

import io
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import Told, records
from hub_session import TOKEN, Session
from json_schema import mistakes
from loopback_hub import LoopbackHub, Repository, User
from made_records import LOSS, grid, made

from suite import publication
from suite.publication import _pack
from suite.publication._every_eval_ever import document
from suite.spec import CheckpointRef, DatasetRef, SuiteError, digest
from suite.store import Store

OTHER = "hf_otherotherotherotherother"
LOAD = """
import datasets
datasets.disable_progress_bars()
rows = datasets.load_dataset(repo, "records", split="train")
tables = datasets.load_dataset(repo, "predictions", split="train")
result = [rows.to_pandas().drop(columns=["record", "digest"]).to_dict("list"), tables["name"][:]]
"""
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        hub.users |= {TOKEN: User("ann", ("org",)), OTHER: User("bob")}
        yield hub


@pytest.fixture(scope="module")
def session(hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(hub, tmp_path_factory.mktemp("home")) as session:
        yield session


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Twelve records: two checkpoints, two tasks, three seeds."""
    return filled(tmp_path / "results", grid({"org/a": 0.8, "org/b": 0.6}, ["one", "two"], n=40))


def filled(path: Path, results: list[Any]) -> Path:
    opened = Store(str(path))
    for result in results:
        opened.put(result)
    return path


def published(hub: LoopbackHub, repo: str) -> Repository:
    return hub.repositories["datasets", repo]


def names_in(repository: Repository) -> list[str]:
    """Return the names of all records of a repository, pack by pack."""
    packs = [content for path, content in repository.files.items() if path.endswith("/records.parquet")]
    return [name for pack in packs for name in pq.read_table(io.BytesIO(pack))["name"].to_pylist()]


def size_of(store: Path) -> int:
    return sum(path.stat().st_size for folder in records(store) for path in folder.iterdir())


# -- records -----------------------------------------------------------------------------------------------------------


def test_records_become_a_data_set_that_anyone_can_load(hub: LoopbackHub, session: Session, store: Path) -> None:
    told = session.suite("publish-results", "--to", "org/loaded", "--store", store)
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("12 records are new. 5 files of the data set 'org/loaded' changed in one commit: http")
    columns, names = session.run(LOAD, None, repo="org/loaded")  # without a token
    assert sorted(columns["name"]) == sorted(f"{folder.name}" for folder in records(store))
    assert columns["name"] == names
    opened = Store(str(store))
    for row, name in enumerate(names):
        record = opened.record_of(name)
        assert (columns["model"][row], columns["score"][row]) == (record.spec.checkpoint.name, record.score)
        assert (columns["task"][row], columns["seed"][row]) == (record.task, record.spec.seed)
    page = published(hub, "org/loaded").files["SCHEMA.md"].decode()
    for name in columns:
        assert f"| `{name}` |" in page


def test_a_published_data_set_is_a_store(session: Session, store: Path) -> None:
    session.suite("publish-results", "--to", "org/read", "--store", store)
    there = "hf://datasets/org/read"
    for command in (["leaderboard"], ["leaderboard", "--format", "json"], ["compare", "org/a", "org/b"]):
        here, away = session.suite(*command, "--store", store), session.suite(*command, "--store", there, token=None)
        assert (away.code, away.out, away.err) == (here.code, here.out, here.err)
    shown = session.suite("verify", *sorted({folder.name[:12] for folder in records(store)})[:2], "--store", there)
    assert "these predictions were made" not in shown.err
    assert {line.split()[0] for line in shown.out.splitlines()[:-1]} <= {"ok", "unknown", "FAILED"}
    assert "changed or damaged" not in shown.out


def test_a_copy_on_this_machine_is_a_store_too(hub: LoopbackHub, session: Session, store: Path, tmp_path: Path) -> None:
    session.suite("publish-results", "--to", "org/copied", "--store", store)
    for path, content in published(hub, "org/copied").files.items():
        (tmp_path / "copy" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / path).write_bytes(content)
    (pack,) = (tmp_path / "copy" / "packs").iterdir()
    shutil.copytree(pack, pack.with_name("twice"))  # as two who proposed the same
    filled(tmp_path / "copy", grid({"org/c": 0.7}, ["one"], n=40))  # and takes more
    filled(store, grid({"org/c": 0.7}, ["one"], n=40))
    here, there = (session.suite("leaderboard", "--store", place) for place in (store, tmp_path / "copy"))
    assert there.out == here.out


def test_every_byte_of_a_record_comes_back(hub: LoopbackHub, session: Session, tmp_path: Path) -> None:
    """Records of an older schema too: what was filed then is what is published."""
    shutil.copytree(HERE / "golden" / "store", tmp_path / "old")
    told = session.suite("publish-results", "--to", "org/old", "--store", tmp_path / "old")
    assert told.code == 0, told.err
    read = """
from suite import packs
fs, root = packs.opened("hf://datasets/org/old")
result = {path: fs.cat_file(f"{root}/{path}").hex() for path in paths}
"""
    files = [path for folder in records(tmp_path / "old") for path in sorted(folder.iterdir())]
    paths = [str(path.relative_to(tmp_path / "old")) for path in files]
    assert session.run(read, paths=paths) == {
        path: file.read_bytes().hex() for path, file in zip(paths, files, strict=True)
    }


def test_reading_leaves_no_commit_even_if_the_index_is_of_another_version(
    hub: LoopbackHub, session: Session, store: Path
) -> None:
    session.suite("publish-results", "--to", "org/index", "--store", store)
    repository = published(hub, "org/index")
    (path,) = [path for path in repository.files if path.endswith("/index.parquet")]
    table = pq.read_table(io.BytesIO(repository.files[path]))
    other = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({b"index": b"0"}), other)
    folder = path.rpartition("/")[0]
    named = f"{folder.partition('-')[0]}-{digest(other.getvalue())[7:39]}"  # as that version would have named it
    files = {name.replace(folder, named): content for name, content in repository.files.items()}
    repository.commit(files | {f"{named}/index.parquet": other.getvalue()})
    commits, before = len(repository.commits), len(hub.requests)
    away = session.suite("leaderboard", "--store", "hf://datasets/org/index")
    assert away.out == session.suite("leaderboard", "--store", store).out
    assert len(repository.commits) == commits
    assert {request.method for request in hub.requests[before:]} <= {"GET", "HEAD", "POST"}
    assert not [r for r in hub.requests[before:] if r.method == "POST" and "paths-info" not in r.path]


def test_only_new_records_are_added_and_nothing_is_rewritten(
    hub: LoopbackHub, session: Session, store: Path, tmp_path: Path
) -> None:
    publish = ("publish-results", "--to", "org/grows", "--store")
    session.suite(*publish, store)
    first = dict(published(hub, "org/grows").files)
    again = session.suite(*publish, store)
    assert again.out == "Nothing to change: the data set 'org/grows' has all of it already.\n"
    filled(store, grid({"org/c": 0.7}, ["one", "two"], n=40))
    told = session.suite(*publish, store)
    assert told.out.startswith("6 records are new, 12 are there already. 3 files of the data set 'org/grows' changed")
    after = published(hub, "org/grows").files
    assert {path: after[path] for path in first} == first
    assert len(names_in(published(hub, "org/grows"))) == len(set(names_in(published(hub, "org/grows")))) == 18
    away = session.suite("leaderboard", "--store", "hf://datasets/org/grows")
    assert away.out == session.suite("leaderboard", "--store", store).out
    before = list(published(hub, "org/grows").commits)[1]
    pinned = session.suite("leaderboard", "--store", f"hf://datasets/org/grows@{before}", "--format", "json")
    assert sorted(row["model"] for row in json.loads(pinned.out)) == ["org/a", "org/b"]


def test_a_rerun_is_published_beside_the_first(hub: LoopbackHub, session: Session, tmp_path: Path) -> None:
    opened, (result,) = Store(str(tmp_path)), grid({"org/a": 0.8}, ["one"], seeds=1)
    opened.put(result)
    session.suite("publish-results", "--to", "org/again", "--store", tmp_path)
    opened.put(result, again=True)
    told = session.suite("publish-results", "--to", "org/again", "--store", tmp_path)
    assert "1 record is new, 1 is there already." in told.out
    assert [name[-2:] for name in sorted(names_in(published(hub, "org/again")))] == ["-1", "-2"]


def test_small_packs_become_one_and_every_byte_stays(hub: LoopbackHub, session: Session, tmp_path: Path) -> None:
    store, words = tmp_path / "results", ("publish-results", "--to", "org/small", "--store", tmp_path / "results")
    for place in range(3):
        filled(store, grid({f"org/m{place}": 0.7}, ["one", "two"], seeds=1, n=30))
        assert session.suite(*words).code == 0
    repository, there = published(hub, "org/small"), "hf://datasets/org/small"
    assert len({path.split("/")[1] for path in repository.files if path.startswith("packs/")}) == 3
    before, names = session.suite("leaderboard", "--store", there).out, names_in(repository)
    shown = session.suite(*words, "--merge", "--dry-run").out
    assert shown.count("\n- packs/") == 9
    assert len({path.split("/")[1] for path in repository.files if path.startswith("packs/")}) == 3
    commits = len(repository.commits)
    told = session.suite(*words, "--merge")
    assert (told.code, told.err) == (0, "")
    assert "Small packs: 12 files of the data set 'org/small' changed in one commit" in told.out
    assert len(repository.commits) == commits + 1
    (pack,) = {path.split("/")[1] for path in repository.files if path.startswith("packs/")}
    assert sorted(names_in(repository)) == sorted(names)
    for name in names:
        for file in ("record.json", "predictions.parquet"):
            here = (store / "records" / name[:2] / name / file).read_bytes()
            read = session.run(READ_FILE, store=there, path=f"records/{name[:2]}/{name}/{file}")
            assert bytes.fromhex(read) == here
    assert session.suite("leaderboard", "--store", there).out == before
    assert "Small packs: Nothing to change" in session.suite(*words, "--merge").out
    repository.commit({**repository.files, f"packs/{pack}x/index.parquet": b"none", "packs/y/index.parquet": b""})
    told = session.suite("publish-results", "--to", "org/small", "--store", store, "--merge")
    assert (told.code, "is no index of records; nothing was published" in told.err) == (2, True)
    assert session.suite("publish-results", "--to", "org/gone", "--store", store, "--merge", "--dry-run").code == 2


READ_FILE = """
from suite import packs
fs, root = packs.opened(store)
result = fs.cat_file(f"{root}/{path}").hex()
"""


def test_two_publish_at_once(hub: LoopbackHub, tmp_path: Path) -> None:
    """Both have a record in common and one of their own; each meets the other's commit."""
    common = grid({"org/a": 0.8}, ["one"], seeds=1)
    stores = [filled(tmp_path / name, [*common, *grid({f"org/{name}": 0.7}, ["one"])]) for name in ("x", "y")]
    told: dict[int, Told] = {}
    both = threading.Barrier(2, timeout=120)
    hub.repository("org/busy", "datasets").commit({"README.md": b"# Ours\n"})
    hub.fail("POST /api/datasets/org/busy/commit/main", times=2, before=both.wait)

    def work(place: int) -> None:
        with Session(hub, tmp_path / f"home{place}") as own:
            told[place] = own.suite("publish-results", "--to", "org/busy", "--store", stores[place])

    threads = [threading.Thread(target=work, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [told[place].code for place in range(2)] == [0, 0], told
    repository = published(hub, "org/busy")
    names = names_in(repository)
    assert len(names) == len(set(names)) == 7
    assert "# Ours" in repository.files["README.md"].decode()
    assert len(repository.commits) == 3
    assert sorted(line.out.split(".")[0] for line in told.values()) == [
        "3 records are new, 1 is there already",
        "4 records are new",
    ]


def test_a_line_cut_in_mid_upload_publishes_nothing_and_the_same_command_finishes(
    hub: LoopbackHub, session: Session, store: Path
) -> None:
    hub.blobs.clear()  # other tests published the same
    hub.fail("PUT /lfs/", times=18, cut=100)  # three files, each tried six times
    words = ("publish-results", "--to", "org/cut", "--store", store)
    told = session.suite(*words)
    assert told.code == 2
    (mistake,) = told.mistakes
    assert mistake.startswith("The line to the Hub broke while the data set 'org/cut' was written to")
    assert mistake.endswith("Nothing was published; the same command does it, or the rest of it.")
    assert published(hub, "org/cut").files.keys() == {".gitattributes"}
    hub.faults.clear()
    assert session.suite(*words).out.startswith("12 records are new.")


def test_a_pull_request_of_somebody_else(hub: LoopbackHub, session: Session, store: Path) -> None:
    repository = hub.repository("org/open", "datasets")
    head = repository.commit({"README.md": b"---\nlicense: mit\n---\n# Ours\n\nWords.\n"})
    words = ("publish-results", "--to", "org/open", "--store", store, "--pr")
    told = session.suite(*words, token=OTHER)
    assert "Pull request 1 to the data set 'org/open' changes 5 files: http" in told.out
    assert session.suite(*words, token=OTHER).out == (
        "Nothing to change: the data set 'org/open' has all of it already in pull request 1, which is open.\n"
    )
    assert repository.refs["main"] == head
    readme = repository.commits[repository.refs["refs/pr/1"]]["README.md"].decode()
    assert readme.startswith("---\nlicense: mit\n")
    assert "# Ours\n\nWords.\n" in readme
    assert "config_name: records" in readme


def test_a_dry_run_sends_nothing(hub: LoopbackHub, session: Session, store: Path) -> None:
    before = len(hub.requests)
    told = session.suite("publish-results", "--to", "org/dry", "--store", store, "--dry-run", token=None)
    assert told.code == 0
    assert "+pretty_name: Transfer Suite results" in told.out
    assert "/predictions.parquet (" in told.out
    assert told.out.endswith(
        "12 records would be new. 5 files of the data set 'org/dry' would change. It would be created.\n"
    )
    assert ("datasets", "org/dry") not in hub.repositories
    assert {request.method for request in hub.requests[before:]} == {"GET"}


def test_a_private_data_set_is_made_private(hub: LoopbackHub, session: Session, store: Path) -> None:
    session.suite("publish-results", "--to", "org/secret", "--store", store, "--private")
    assert published(hub, "org/secret").private
    told = session.suite("leaderboard", "--store", "hf://datasets/org/secret", token=OTHER)
    assert told.mistakes == [
        "The Hub does not know the data set 'org/secret'. Check the spelling; if it is private, log in with: "
        "hf auth login"
    ]
    assert session.suite("leaderboard", "--store", "hf://datasets/org/secret").code == 0


@pytest.mark.slow
def test_a_thousand_records_are_one_commit_of_no_more_than_their_size(
    hub: LoopbackHub, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    models = {f"org/m{i}": 0.5 + i / 25 for i in range(10)}
    results = grid(models, [f"t{i}" for i in range(9)], seeds=10, n=100)
    noise = np.random.default_rng(0)
    for model in models:  # scores that nothing makes smaller
        results += [made(model, "loss", noise.exponential(size=500), seed=seed, main=LOSS) for seed in range(10)]
    store = filled(tmp_path / "large", results)
    assert len(records(store)) == 1000
    before = hub.sent()
    told = session.suite("publish-results", "--to", "org/large", "--store", store)
    assert told.out.startswith("1,000 records are new. 5 files"), told
    repository = published(hub, "org/large")
    assert len(repository.commits) == 2  # the one that made it, and this one
    assert hub.sent() - before < 1.1 * size_of(store)
    count = """
from suite import store
found = store.Store("hf://datasets/org/large").contents()
result = [len(found.entries), len({entry.head.name for entry in found.entries}), found.faults]
"""
    before_reading = len(hub.requests)
    assert session.run(count) == [1000, 1000, {}]
    assert len(hub.requests) - before_reading < 10


# -- what cannot be published ------------------------------------------------------------------------------------------


def test_foreign_and_damaged_records_are_named_and_left_out(hub: LoopbackHub, session: Session, store: Path) -> None:
    damaged, newer, *_ = records(store)
    (damaged / "record.json").write_text("{}")
    (store / "records" / "aa").mkdir(exist_ok=True)
    shutil.copytree(newer, store / "records" / "aa" / ("aa" * 32 + "-1"))  # under a name that is not its own
    shutil.copytree(newer, store / "records" / "aa" / "notes-1")
    told = session.suite("publish-results", "--to", "org/foreign", "--store", store)
    assert told.code == 0, told.err
    left = [line for line in told.out.splitlines() if line.startswith("Left out: ")]
    assert len(left) == 2
    assert any(line.startswith(f"Left out: {damaged.name}: the bytes of record.json are not those") for line in left)
    assert any("the record inside says it is" in line for line in left)
    assert "11 records are new." in told.out
    assert damaged.name not in names_in(published(hub, "org/foreign"))


def test_a_pack_that_is_none_is_named_and_the_others_are_shown(hub: LoopbackHub, session: Session, store: Path) -> None:
    session.suite("publish-results", "--to", "org/odd", "--store", store)
    repository = published(hub, "org/odd")
    repository.commit(repository.files | {"packs/odd/index.parquet": b"no parquet"})
    told = session.suite("leaderboard", "--store", "hf://datasets/org/odd")
    assert told.code == 0
    assert "org/a" in told.out
    assert "packs/odd/index.parquet is no index of records" in " ".join(told.out.split())
    more = session.suite("publish-results", "--to", "org/odd", "--store", store)
    assert more.mistakes == [
        "packs/odd/index.parquet of the data set 'org/odd' is no index of records; nothing was published."
    ]


def test_a_table_that_is_none_of_predictions_is_told_when_it_is_published() -> None:
    result = made("org/a", "one", [1.0, 0.0])
    one = pa.DictionaryArray.from_arrays(np.zeros(1_000_000, dtype=np.int32), pa.array(["x" * 1_000_000]))
    grown = io.BytesIO()
    pq.write_table(pa.table({"value": np.ones(1_000_000), "label": one}), grown, store_schema=False)
    for table, reason in ((b"junk", "ends as no parquet file does"), (grown.getvalue(), "at most 2,000,000,000 are")):
        with pytest.raises(SuiteError, match=f"is no table of predictions: .*{reason}"):
            _pack.Filed("x-1", result.record, b"", b"", table).values()


def test_a_pack_that_does_not_hold_what_its_index_says_is_found_out(
    hub: LoopbackHub, session: Session, store: Path
) -> None:
    session.suite("publish-results", "--to", "org/lies", "--store", store)
    repository = published(hub, "org/lies")
    (path,) = [path for path in repository.files if path.endswith("/records.parquet")]
    table = pq.read_table(io.BytesIO(repository.files[path]))
    texts = [[text.replace('"accuracy":0', '"accuracy":1') for text in table["record"].to_pylist()]]
    names = table.column_names
    spoilt = {
        "does not hold it as its index says (Casting": table.set_column(names.index("digest"), "digest", [[None] * 12]),
        "the bytes of record.json are not those": table.set_column(names.index("record"), "record", texts),
        "does not hold it as its index says (index out of bounds": table.slice(0, 0),
        "does not hold it as its index says (row": table.take(list(range(11, -1, -1))),
        "does not hold it as its index says (it has no column": table.drop_columns(["record"]),
    }
    for reason, spoil in spoilt.items():
        changed = io.BytesIO()
        pq.write_table(spoil, changed)
        repository.commit(repository.files | {path: changed.getvalue()})
        told = session.suite("verify", "--all", "--store", "hf://datasets/org/lies")
        assert told.code == 1
        assert told.out.count(reason) == 12


def test_what_cannot_be_published_is_one_sentence(
    hub: LoopbackHub, session: Session, store: Path, tmp_path: Path
) -> None:
    hub.repository("bob/theirs", "datasets").commit({"README.md": b"# Bob's"})
    results = ("publish-results", "--store", store, "--to")
    told: list[tuple[tuple[Any, ...], str | None, str]] = [
        ((*results, "org/x"), None, "Writing to the Hub needs a token, and there is none. Log in with: hf auth login"),
        ((*results, "org/x"), "hf_wrongwrongwrongwrong", "The Hub does not take this token"),
        ((*results, "bob/theirs"), TOKEN, "This token may not write to the data set 'bob/theirs'"),
        ((*results, "bob/mine"), TOKEN, "This token may not write to the data set 'bob/mine'"),
        ((*results, "org/nowhere", "--pr"), TOKEN, "there is nothing to open a pull request on"),
        ((*results, "no id"), TOKEN, "'no id' is no repository of the Hub: expected org/name."),
        (("publish-results",), TOKEN, "Say where to: --to org/name, or --every-eval-ever FOLDER."),
        (("publish-results", "--to", "org/x", "--store", tmp_path / "none"), TOKEN, "holds no record to publish"),
        (
            ("publish", "org/nobody", "--to", "org/x", "--store", store),
            TOKEN,
            "No checkpoint in the store named 'org/no",
        ),
        (("publish", "org/a", "--to", "x", "--store", store), TOKEN, "'x' says no name space: expected org/name"),
        (
            ("publish", "org/a", "--to", "bob/x", "--store", store),
            TOKEN,
            "This token may not write to the model 'bob/x'",
        ),
        (("publish", "org/a", "--to", "org/x", "--store", store), None, "Writing to the Hub needs a token"),
        (("publish", "org/a", "--to", "org/x", "--store", store, "--weights", "abc"), TOKEN, "'abc' is no key"),
        (
            ("leaderboard", "--store", "hf://datasets/org/nowhere"),
            TOKEN,
            "The Hub does not know the data set 'org/nowh",
        ),
    ]
    before = {name: dict(one.refs) for name, one in hub.repositories.items()}
    for words, token, sentence in told:
        answer = session.suite(*words, token=token)
        assert answer.code == 2, words
        assert len(answer.mistakes) == 1, answer.err
        assert sentence in answer.mistakes[0], words
    assert {name: one.refs for name, one in hub.repositories.items()} == before


def test_a_record_with_a_token_in_it_is_left_out(hub: LoopbackHub, session: Session, store: Path) -> None:
    filled(store, [made("org/a", "leak", [1.0, 0.0], environment={"code_commit": TOKEN[:9] + "x" * 30})])
    told = session.suite("publish-results", "--to", "org/leak", "--store", store)
    assert "Left out: " in told.out
    assert "the record holds what looks like a token of the Hub." in told.out
    assert "12 records are new." in told.out


# -- cards -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    data = {"dataset": DatasetRef(path="org/films", config="short", revision="1" * 40)}
    return filled(tmp_path / "scored", grid({"org/a": 0.8}, ["films"], task_fields=data))


def test_a_card_is_merged_with_its_authors_words(hub: LoopbackHub, session: Session, scored: Path) -> None:
    theirs = b"---\nlicense: mit\n---\n# A model\n\nIts author's words.\n"
    repository = hub.repository("org/a")
    repository.commit(
        {"README.md": theirs, ".eval_results/transfer-suite-gone-full.yaml": b"[]\n", ".eval_results/b.yaml": b""}
    )
    words = ("publish", "org/a", "--to", "org/a", "--store", scored)
    shown = session.suite(*words, "--dry-run")
    assert "-[]" in shown.out
    assert "+library_name" not in shown.out
    told = session.suite(*words)
    assert "3 files of the model 'org/a' changed in one commit" in told.out
    readme = repository.files["README.md"].decode()
    assert readme.startswith("---\nlicense: mit\n")
    assert "# A model\n\nIts author's words.\n" in readme
    assert sorted(path for path in repository.files if path.startswith(".eval")) == [
        ".eval_results/b.yaml",
        ".eval_results/transfer-suite-films-full.yaml",
    ]
    assert session.suite(*words).out == "Nothing to change: the model 'org/a' has all of it already.\n"
    read = """
from huggingface_hub import ModelCard, hf_hub_download, parse_eval_result_entries
import yaml
card = ModelCard.load("org/a")
entries = yaml.safe_load(open(hf_hub_download("org/a", ".eval_results/transfer-suite-films-full.yaml")))
result = [[(r.dataset_type, r.metric_value) for r in card.data.eval_results], card.data.license,
          [(e.dataset_id, e.value) for e in parse_eval_result_entries(entries)]]
"""
    index, licence, entries = session.run(read)
    assert licence == "mit"
    assert [name for name, _ in index] == [name for name, _ in entries] == ["org/films"]
    assert index[0][1] == entries[0][1]


def test_a_card_that_goes_elsewhere_names_the_licence_of_the_checkpoints_own(
    hub: LoopbackHub, session: Session, tmp_path: Path
) -> None:
    front = "---\nlicense: other\nlicense_name: films-1.0\nlicense_link: https://example.org/films\n---\n# A\n"
    first = hub.repository("ann/licensed").commit({"README.md": front.encode()})
    hub.repository("ann/licensed").commit({"README.md": b"---\nlicense: mit\n---\n# A\n"})  # of a later commit
    spec = {"checkpoint": CheckpointRef(name="ann/licensed", revision=first)}
    store = filled(tmp_path / "licensed", [made("ann/licensed", "films", [1.0, 0.0, 1.0], spec_fields=spec)])
    words = ("publish", "ann/licensed", "--to", "org/elsewhere", "--store", store)
    assert session.suite(*words).code == 0
    text = hub.repositories["models", "org/elsewhere"].files["README.md"].decode()
    assert text.startswith(front.removesuffix("---\n# A\n"))
    hub.fail("GET /api/models/ann/licensed", times=9, status=503)
    told = session.suite("card", "ann/licensed", "--store", store)
    hub.faults.clear()
    assert (told.code, "\nlicense: " in told.out) == (0, False)
    told = session.suite("card", "ann/licensed", "--store", store, "--license", "mit")
    assert told.out.startswith("---\nlicense: mit\n")


def test_an_author_who_writes_meanwhile_loses_nothing(hub: LoopbackHub, session: Session, scored: Path) -> None:
    repository = hub.repository("org/meanwhile")
    repository.commit({"README.md": b"# First\n"})
    hub.fail(
        "POST /api/models/org/meanwhile/commit/main",
        before=lambda: repository.commit({"README.md": b"# Second\n", "new.txt": b"new"}),
    )
    assert session.suite("publish", "org/a", "--to", "org/meanwhile", "--store", scored).code == 0
    assert "# Second\n" in repository.files["README.md"].decode()
    assert "transfer-suite:begin" in repository.files["README.md"].decode()
    assert repository.files["new.txt"] == b"new"


def test_a_checkpoint_without_a_repository_goes_where_it_is_told(
    hub: LoopbackHub, session: Session, tmp_path: Path
) -> None:
    folder = {"checkpoint": CheckpointRef(name="my-model", revision="sha256:" + "a" * 64)}
    twin = {"checkpoint": CheckpointRef(name="my-model", revision="sha256:" + "a" * 64, init="random")}
    results = [made("", "one", [1.0, 0.0, 1.0, 1.0], spec_fields=fields) for fields in (folder, twin)]
    store = filled(tmp_path / "local", results)
    assert session.suite("publish", "my-model", "--to", "org/from-here", "--store", store).code == 0
    assert "my-model" in hub.repositories["models", "org/from-here"].files["README.md"].decode()
    only = filled(tmp_path / "twin", results[1:])
    told = session.suite("publish", "my-model", "--to", "org/from-here", "--store", only)
    assert "holds only runs of 'my-model' from random weights, which have no card." in told.mistakes[0]
    told = session.suite("publish-results", "--to", "org/from-here-results", "--store", store)
    assert "2 records are new." in told.out


# -- Every Eval Ever ---------------------------------------------------------------------------------------------------

SCHEMA = json.loads((HERE / "every_eval_ever" / "eval.schema.json").read_text())


def test_records_fit_the_schema_of_every_eval_ever(tmp_path: Path) -> None:
    results = [
        made("org/a", "one", [1.0, 0.0] * 20, task_fields={"dataset": DatasetRef(path="org/d", revision="1" * 40)}),
        made("org/a", "sure", [1.0] * 10),
        made("org/a", "loss", [0.25, 2.5], main=LOSS),
        made("bundled/b", "few", [1.0], columns={"cluster": ["x"]}),
        made("flat", "one", [1.0, 0.0], spec_fields={"checkpoint": CheckpointRef(name="flat", revision="sha256:1")}),
        made(
            "org/a", "one", [1.0, 0.0], spec_fields={"checkpoint": CheckpointRef(name="t", revision="1", init="random")}
        ),
    ]
    store = filled(tmp_path / "store", results)
    written = publication.export(str(store), tmp_path / "out", "org")
    assert publication.export(str(store), tmp_path / "out", "org") == written
    documents = [json.loads(path.read_text()) for path in written]
    assert len(documents) == 5  # one of a model of random weights says nothing of the model
    for one in documents:
        assert not list(mistakes(one, SCHEMA, SCHEMA))
    by_task = {d["evaluation_results"][0]["evaluation_name"] + d["model_info"]["name"]: d for d in documents}
    (one,) = by_task["oneorg/a"]["evaluation_results"]
    assert one["source_data"]["hf_repo"] == "org/d"
    assert one["score_details"]["score"] == 0.5
    lower, upper = (one["score_details"]["uncertainty"]["confidence_interval"][side] for side in ("lower", "upper"))
    assert lower < 0.5 < upper
    assert by_task["oneorg/a"]["source_metadata"]["evaluator_relationship"] == "first_party"
    assert by_task["fewbundled/b"]["source_metadata"]["evaluator_relationship"] == "third_party"
    sure = by_task["sureorg/a"]["evaluation_results"][0]["score_details"]["uncertainty"]["confidence_interval"]
    assert sure["lower"] < 1.0
    (loss,) = by_task["lossorg/a"]["evaluation_results"]
    assert (loss["metric_config"]["lower_is_better"], loss["metric_config"]["max_score"]) == (True, "Infinity")
    assert "uncertainty" not in by_task["fewbundled/b"]["evaluation_results"][0]["score_details"]
    assert by_task["oneflat"]["model_info"]["developer"] == "org"
    for path in written:
        assert path.relative_to(tmp_path / "out").parts[:2] == ("data", "transfer-suite")
        assert path.stem[14] == "4"  # a UUID of version 4, as their validator wants


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("eval_library"),
        lambda d: d.update(more=1),
        lambda d: d["evaluation_results"][0]["score_details"].update(score="high"),
        lambda d: d["evaluation_results"][0]["metric_config"].pop("min_score"),
        lambda d: d["model_info"]["additional_details"].update(deployment_type="mine"),
        lambda d: d["model_info"]["additional_details"].update(seed=1),
        lambda d: d["evaluation_results"][0]["source_data"].update(source_type="url"),
    ],
)
def test_the_schema_can_refuse(tmp_path: Path, spoil: Callable[[Any], Any]) -> None:
    store = filled(tmp_path / "store", [made("org/a", "one", [1.0, 0.0])])
    (path,) = publication.export(str(store), tmp_path, "org")
    document = json.loads(path.read_text())
    spoil(document)
    assert list(mistakes(document, SCHEMA, SCHEMA))


def test_a_record_that_does_not_fit_is_told(tmp_path: Path) -> None:
    store = filled(tmp_path / "store", [made("org/a", "one", [1.0, 0.0], created="2026-01-01T00:00:00")])
    assert publication.export(str(store), tmp_path, "org")
    with pytest.raises(SuiteError, match=r"does not fit Every Eval Ever 0\.3\.0: created: "):
        document(made("org/a", "one", [1.0, 0.0], created="yesterday").record, None, "org")
    broken = made("org/a", "two", [1.0, 0.0], metrics={"accuracy": float("inf")})
    with pytest.raises(SuiteError, match=r"does not fit Every Eval Ever 0\.3\.0: .*score"):
        document(broken.record, None, "org")


# -- the whole story ---------------------------------------------------------------------------------------------------

README = b"""---
configs:
- config_name: short
  data_files:
  - {split: train, path: short/train.parquet}
  - {split: test, path: short/test.parquet}
---
"""
BACK = """
import io, torch
import datasets, pyarrow.parquet as pq
from huggingface_hub import ModelCard
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer
datasets.disable_progress_bars()
card = ModelCard.load("ann/films-full")
model = AutoModelForSequenceClassification.from_pretrained("ann/films-full")
tokenizer = AutoTokenizer.from_pretrained("ann/films-full")
with torch.no_grad():
    logits = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits
said = [model.config.id2label[int(i)] for i in logits.argmax(-1)]
base = AutoModelForSequenceClassification.from_pretrained("org/tiny", num_labels=2)
adapter = PeftModel.from_pretrained(base, "ann/films-lora")
rows = datasets.load_dataset("org/story", split="train").to_pandas()
told = rows[["model", "strategy", "revision", "score"]].values.tolist()
result = [card.data.to_dict(), said, adapter.peft_config["default"].base_model_name_or_path, told]
"""


@pytest.mark.slow
def test_from_a_name_on_the_hub_to_a_card_that_is_read_back(
    hub: LoopbackHub, tiny_bert: Path, tiny_protocol: Path, tmp_path: Path
) -> None:
    commit = hub.repository("org/tiny").commit(
        {path.name: path.read_bytes() for path in tiny_bert.iterdir()} | {"README.md": b"# Tiny\n"}
    )
    texts = [f"{'sunny' if i % 2 else 'bitter'} day {i}" for i in range(40)]
    content = io.BytesIO()
    pd.DataFrame({"sentence": texts, "label": ["bad", "good"] * 20}).to_parquet(content, index=False)
    data = hub.repository("org/films", "datasets").commit(
        {"README.md": README, "short/train.parquet": content.getvalue(), "short/test.parquet": content.getvalue()}
    )
    task = tmp_path / "films.yaml"
    task.write_text(
        "name: films\nversion: 1\nkind: text_classification\n"
        f"dataset: {{path: org/films, config: short, revision: '{data}'}}\n"
        "columns: {text: sentence, label: label}\n"
    )
    store, home = tmp_path / "results", tmp_path / "home"
    with Session(hub, home) as session:
        run = ["run", "-m", "org/tiny", "-t", task, "-s", "full", "lora", "--seeds", 1, "--protocol", tiny_protocol]
        told = session.suite(*run, "--keep-weights", "--device", "cpu", "--threads", 1, "--json", "--store", store)
        assert told.code == 0, told.err
        keys = {line["strategy"]: line["key"] for line in told.objects}
        assert session.suite("publish-results", "--to", "org/story", "--store", store).code == 0
        there = "hf://datasets/org/story"
        card = session.suite("publish", "org/tiny", "--to", "org/tiny", "--store", there, "--pr", token=OTHER)
        assert "Pull request 1 to the model 'org/tiny' changes" in card.out, card
        for strategy, key in keys.items():
            words = ["publish", key[:12], "--to", f"ann/films-{strategy}", "--store", store, "--license", "mit"]
            assert "in one commit" in session.suite(*words).out
            assert "Nothing to change" in session.suite(*words).out
        named = ["publish", "org/tiny", "--weights", keys["full"][:9], "--store", store, "--license", "mit"]
        assert "Nothing to change" in session.suite(*named, "--to", "ann/films-full").out
        bare = session.suite("publish", keys["lora"], "--weights", "none", "--to", "ann/bare", "--store", store)
        assert bare.code == 0, bare.err
        assert not [path for path in hub.repositories["models", "ann/bare"].files if path.endswith(".safetensors")]
        other = session.suite("publish", "org/else", "--weights", keys["full"], "--to", "ann/x", "--store", store)
        assert "were made of 'org/tiny', not of 'org/else'." in other.mistakes[0]
        for repo, sentence in (
            ("org/tiny", "the weights would take the place of its own"),
            ("org/tiny2", "other weights"),
        ):
            hub.repository("org/tiny2").commit({"model.safetensors": b"theirs"})
            told = session.suite("publish", keys["full"], "--to", repo, "--store", store)
            assert sentence in told.mistakes[0]
        away, here = (session.suite("leaderboard", "--store", place).out for place in (there, store))
        assert away == here
        about, said, base, rows = session.run(BACK, texts=texts)
    request = hub.repositories["models", "org/tiny"].commits[hub.repositories["models", "org/tiny"].refs["refs/pr/1"]]
    assert request["README.md"].decode().startswith("---\n")
    assert "# Tiny\n" in request["README.md"].decode()
    assert request["model.safetensors"] == (tiny_bert / "model.safetensors").read_bytes()
    assert (about["license"], about["base_model"], about["datasets"]) == ("mit", "org/tiny", ["org/films"])
    opened = Store(str(store))
    assert sorted(said) == sorted(opened.predictions(keys["full"])["prediction"])
    assert base == "org/tiny"
    assert sorted(row[1] for row in rows) == ["full", "lora"]
    for _, strategy, revision, score in rows:
        assert (revision, score) == (commit, opened.get(keys[strategy]).score)
    check_no_token(hub, session, store, home)


def check_no_token(hub: LoopbackHub, session: Session, *folders: Path) -> None:
    """Look for the token in all that was said, kept and sent but the header that it belongs in."""
    assert TOKEN in {request.token for request in hub.requests}
    for secret in (TOKEN, OTHER):
        assert secret not in session.said
        for request in hub.requests:
            assert secret.encode() not in request.body
            assert secret not in request.path + str(request.query)
        for repository in hub.repositories.values():
            for files in repository.commits.values():
                assert not [path for path, content in files.items() if secret.encode() in content]
        for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
            assert secret.encode() not in path.read_bytes()

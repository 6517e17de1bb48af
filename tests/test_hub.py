"""The real Hub clients against a Hub on this machine: pins, what is downloaded, what is refused, what is kept."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import SUITE, Told, records
from hub_data import picture
from hub_session import TOKEN, RefusedError, Session
from loopback_hub import Files, LoopbackHub, User

from suite.store import Store

RESOLVE = """
import json, sys
from suite import hub
from suite.spec import SuiteError
for word in sys.argv[2:]:
    try:
        ref = hub.resolve(word, offline=sys.argv[1] == "offline")
        print(json.dumps([ref.name, ref.revision, ref.modality, str(hub.fetch(ref))]))
    except SuiteError as error:
        print(json.dumps(str(error)))
"""


@dataclass(frozen=True)
class World:
    """A Hub, the home of a user, and the commits there are."""

    hub: LoopbackHub
    home: Path
    commits: dict[str, str]

    def suite(self, *words: str | Path, **environment: Any) -> Told:
        """Run a command of ours against this Hub."""
        env = self.hub.environment(environment.pop("home", self.home), TOKEN, **environment)
        command = [SUITE, *map(str, words)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
        told = Told(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in told.err, told.err
        assert TOKEN not in told.out + told.err
        return told

    def resolve(self, *words: str, offline: bool = False, home: Path | None = None) -> list[Any]:
        """Resolve and fetch checkpoints in a process of their own: [name, commit, modality, folder] or a sentence."""
        mode = "offline" if offline else "online"
        done = subprocess.run(
            [sys.executable, "-c", RESOLVE, mode, *words],
            env=self.hub.environment(home or self.home, TOKEN),
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert TOKEN not in done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


def parquet(label: str, n: int) -> bytes:
    rows = [
        {"sentence": f"{'sunny' if i % 2 else 'bitter'} {label} {i}", "label": ("bad", "good")[i % 2]} for i in range(n)
    ]
    content = io.BytesIO()
    pd.DataFrame(rows).to_parquet(content, index=False)
    return content.getvalue()


README = b"""---
configs:
- config_name: short
  data_files:
  - {split: train, path: short/train.parquet}
  - {split: test, path: short/test.parquet}
- config_name: long
  data_files:
  - {split: train, path: long/train.parquet}
---
"""


@pytest.fixture(scope="module")
def world(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    good: Files = {path.name: path.read_bytes() for path in tiny_bert.iterdir()}
    config = json.loads(good["config.json"])
    weights = good.pop("model.safetensors")
    beside = {"pytorch_model.bin": b"a pickle", "modeling.py": b"raise SystemExit", "README.md": b"# tiny"}
    with_code = json.dumps(config | {"auto_map": {"AutoModel": "modeling.Model"}}).encode()
    with LoopbackHub() as hub:
        tiny = hub.repository("org/tiny")
        commits = {"first": tiny.commit(good | beside | {"model.safetensors": weights})}
        commits["branch"] = tiny.commit(good | {"model.safetensors": weights[:-4] + bytes(4)}, ref="v2")
        commits["pickled"] = hub.repository("org/pickled").commit(good | beside)
        commits["code"] = hub.repository("org/code").commit(
            good | beside | {"config.json": with_code, "model.safetensors": weights}
        )
        hub.repository("org/no-config").commit({"model.safetensors": weights})
        gated = hub.repository("org/gated")
        gated.commit(good | {"model.safetensors": weights})
        gated.gated = True
        hub.repository("org/broken").commit(good)
        hub.repository("org/broken").status = 500
        films = hub.repository("org/films", "datasets")
        for name in ("old", "new"):
            splits = {f"short/{split}.parquet": parquet(f"{name} {split}", 40) for split in ("train", "test")}
            commits[name] = films.commit({"README.md": README, "long/train.parquet": parquet("long", 9), **splits})
        yield World(hub, tmp_path_factory.mktemp("home"), commits)


@pytest.fixture
def films(world: World, tmp_path: Path) -> Path:
    return write_task(tmp_path, f"  revision: {world.commits['old']}\n")


def write_task(folder: Path, pin: str, name: str = "films") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(
        f"name: {name}\nversion: 1\nkind: text_classification\n"
        f"dataset:\n  path: org/films\n  config: short\n{pin}"
        "columns: {text: sentence, label: label}\n"
    )
    return path


# -- checkpoints -------------------------------------------------------------------------------------------------------


def test_a_name_a_branch_and_a_commit_become_a_commit(world: World, tmp_path: Path) -> None:
    first, branch = world.commits["first"], world.commits["branch"]
    words = ["org/tiny", "org/tiny@v2", f"org/tiny@{first}", f"org/tiny@{branch}"]
    found = world.resolve(*words, home=tmp_path)
    assert [answer[:3] for answer in found] == [
        ["org/tiny", commit, "text"] for commit in (first, branch, first, branch)
    ]
    for _, commit, _, folder in found:
        assert Path(folder).name == commit
    assert [answer[:2] for answer in world.resolve(*words, offline=True, home=tmp_path)] == [a[:2] for a in found]


def test_neither_pickles_nor_code_are_ever_downloaded(world: World, tmp_path: Path) -> None:
    ((_, _, _, folder),) = world.resolve("org/tiny", home=tmp_path)
    names = {path.name for path in Path(folder).iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    for suffix in (".bin", ".py"):
        assert not [name for name in names if name.endswith(suffix)]
        assert not [name for name in world.hub.fetched() if name.endswith(suffix)]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("org/nowhere", "The Hub does not know the model 'org/nowhere'. Check the spelling; if it is private, log in"),
        ("org/tiny@v9", "The model 'org/tiny@v9': the Hub knows the repository, but not that revision."),
        ("org/gated", "The model 'org/gated' is gated: ask for access on its page and log in with: hf auth login"),
        ("org/broken", "The Hub answered 500 when asked for the model 'org/broken'; try again later."),
        ("org/pickled", "org/pickled has pickled weights only (pytorch_model.bin)"),
        ("org/code", "org/code needs code of its own (auto_map in config.json), which is never run here."),
        ("org/no-config", "org/no-config has no config.json"),
    ],
)
def test_what_the_hub_does_not_give_is_one_sentence(world: World, word: str, expected: str, tmp_path: Path) -> None:
    (told,) = world.resolve(word, home=tmp_path)
    assert isinstance(told, str)
    assert expected in told
    assert "\n" not in told
    assert "127.0.0.1" not in told


def test_a_hub_that_does_not_answer_is_one_sentence(world: World, tmp_path: Path) -> None:
    env = world.hub.environment(tmp_path) | {"HF_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE, "online", "org/tiny"],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "The Hub cannot be reached for the model 'org/tiny'" in json.loads(done.stdout)


def test_all_that_is_wrong_is_told_at_once(world: World, films: Path, tmp_path: Path) -> None:
    models = ["org/nowhere", "org/tiny@v9", "org/gated", "org/pickled"]
    told = world.suite("run", "-m", *models, "-t", films, "-s", "full", "--store", tmp_path / "results")
    assert told.code == 2
    assert len(told.mistakes) == 4
    assert not (tmp_path / "results").exists()


ASK = """
from suite import hub
from suite.hub import _heads
_heads.PATIENCE = patience
ref = hub.resolve(word)
result = [ref.revision, sorted(path.name for path in hub.fetch(ref).iterdir())]
"""


@pytest.fixture(scope="module")
def guarded(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LoopbackHub, Session]]:
    """A Hub that knows who asks."""
    files: Files = {path.name: path.read_bytes() for path in tiny_bert.iterdir()}
    with LoopbackHub() as hub:
        hub.users[TOKEN] = User("ann", ("org",))
        for name in ("org/private", "bob/private", "org/gated", "bob/gated", "org/open"):
            hub.repository(name).commit(files | {"who.txt": name.encode()})
            hub.repository(name).private, hub.repository(name).gated = "private" in name, "gated" in name
        with Session(hub, tmp_path_factory.mktemp("guarded"), HF_HUB_DISABLE_PROGRESS_BARS="1") as session:
            yield hub, session


def test_what_is_shown_to_some_is_read_with_their_token(guarded: tuple[LoopbackHub, Session]) -> None:
    hub, session = guarded
    for name in ("org/private", "org/gated", "org/open"):
        commit, files = session.run(ASK, word=name, patience=60)
        assert commit == hub.repository(name).refs["main"]
        assert "model.safetensors" in files
    refused = [
        (
            "bob/private",
            TOKEN,
            "The Hub does not know the model 'bob/private'. Check the spelling; if it is private, log",
        ),
        ("org/private", None, "The Hub does not know the model 'org/private'."),
        ("bob/gated", TOKEN, "The model 'bob/gated' is gated: ask for access on its page and log in"),
        ("org/open", "hf_wrongwrongwrongwrong", "The Hub does not take this token: it is wrong or was taken back."),
    ]
    for word, token, sentence in refused:
        with pytest.raises(RefusedError) as error:
            session.run(ASK, token, word=word, patience=60)
        assert sentence in str(error.value)


def test_a_deleted_repository_and_a_hub_that_is_slow_or_down(guarded: tuple[LoopbackHub, Session]) -> None:
    hub, session = guarded
    slow = hub.fail("GET /api/models/org/open", delay=1.0)
    assert session.run(ASK, word="org/open", patience=60)
    slow.times = 1
    with pytest.raises(RefusedError, match=r"The Hub cannot be reached for the model 'org/open' \(ReadTimeout\)"):
        session.run(ASK, word="org/open", patience=0.2)
    hub.fail("GET /api/models/org/open", cut=0)
    with pytest.raises(RefusedError, match=r"The Hub cannot be reached for the model 'org/open' \(RemoteProtocolError"):
        session.run(ASK, word="org/open", patience=60)
    hub.repositories.pop(("models", "org/open"))
    with pytest.raises(RefusedError, match="The Hub does not know the model 'org/open'"):
        session.run(ASK, word="org/open", patience=60)


# -- data sets and whole runs ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def online(
    world: World, text_task: Path, tiny_protocol: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Any], Told]:
    """A whole run: a Hub checkpoint on a task of files, a pinned Hub data set and one that is not pinned."""
    folder = tmp_path_factory.mktemp("online")
    pinned = write_task(folder, f"  revision: {world.commits['old']}\n")
    unpinned = write_task(folder, "", "loose")
    options = [
        "-s",
        "linear_probe",
        "--protocol",
        tiny_protocol,
        "--seeds",
        1,
        "--device",
        "cpu",
        "--threads",
        1,
        "--json",
    ]
    command = ["run", "-m", "org/tiny", *options, "-t", text_task, pinned]
    told = world.suite(*command, unpinned, "--allow-unpinned", "--store", folder / "results")
    assert told.code == 0, told.err
    return folder, command, told


@pytest.mark.slow
def test_a_run_from_the_hub_records_its_commits(world: World, online: tuple[Path, list[Any], Told]) -> None:
    folder, _, told = online
    lines = {line["task"]: line for line in told.objects}
    assert lines.keys() == {"mood", "films", "loose"}
    store = Store(str(folder / "results"))
    for line in lines.values():
        assert (line["model"], line["revision"]) == ("org/tiny", world.commits["first"])
        record = store.get(line["key"])
        assert record.spec.checkpoint.revision == world.commits["first"]
        assert record.checkpoint["files_sha256"] == store.get(lines["mood"]["key"]).checkpoint["files_sha256"]
    films, loose = (store.get(lines[name]["key"]) for name in ("films", "loose"))
    assert (films.data["revision"], films.data["unpinned"]) == (world.commits["old"], False)
    assert (loose.data["revision"], loose.data["unpinned"]) == (world.commits["new"], True)
    assert loose.task_spec.dataset.unpinned
    assert films.data["rows_sha256"] != loose.data["rows_sha256"]
    assert films.counts["test"] == 40


@pytest.mark.slow
def test_no_token_is_kept_anywhere(world: World, online: tuple[Path, list[Any], Told]) -> None:
    assert TOKEN in {request.token for request in world.hub.requests}  # it was used
    kept = [path for path in (online[0]).rglob("*") if path.is_file()]
    assert records(online[0] / "results")
    for path in kept:
        assert TOKEN.encode() not in path.read_bytes()


@pytest.mark.slow
def test_offline_from_the_cache_gives_the_same(
    world: World, online: tuple[Path, list[Any], Told], tmp_path: Path
) -> None:
    folder, command, first = online
    asked = len(world.hub.requests)
    told = world.suite(*command, "--offline", "--store", tmp_path)
    assert told.code == 0, told.err
    assert len(world.hub.requests) == asked
    assert {line["task"] for line in told.objects} == {"mood", "films"}
    for line in told.objects:
        (before,) = [one for one in first.objects if one["task"] == line["task"]]
        assert (line["key"], line["metrics"]) == (before["key"], before["metrics"])
        names = [f"records/{line['key'][:2]}/{line['key']}-1/predictions.parquet" for _ in range(2)]
        assert (tmp_path / names[0]).read_bytes() == (folder / "results" / names[1]).read_bytes()


@pytest.mark.slow
def test_what_is_stored_comes_back_offline_and_online(world: World, online: tuple[Path, list[Any], Told]) -> None:
    folder, command, first = online
    for more in ([], ["--offline"]):
        told = world.suite(*command, *more, "--store", folder / "results")
        assert [line["stored"] for line in told.objects] == [True, True]
        assert {line["key"] for line in told.objects} < {line["key"] for line in first.objects}


def test_offline_without_a_cache_is_one_sentence(world: World, films: Path, tmp_path: Path) -> None:
    told = world.suite("run", "-m", "org/tiny", "-t", films, "-s", "full", "--offline", home=tmp_path)
    assert told.code == 2
    assert told.mistakes == [
        "The model 'org/tiny' at 'main' is not in the Hub cache and there is no going online. "
        "Run once without --offline, or name a folder."
    ]


def test_an_unpinned_data_set_is_refused(world: World, tmp_path: Path) -> None:
    path = write_task(tmp_path, "")
    told = world.suite("run", "-m", "org/tiny", "-t", path, "-s", "full", "--store", tmp_path / "results")
    assert told.code == 2
    (mistake,) = told.mistakes
    assert "films.yaml:4: org/films has no revision" in mistake
    assert "--allow-unpinned" in mistake


LOAD = """
import json, sys
from pathlib import Path
from suite import data, tasks
from suite.spec import SuiteError
for word in sys.argv[1:]:
    try:
        rows = data.load(tasks.load_file(Path(word)), None, {})
        print(json.dumps([rows.test.columns["text"][0], len(rows.train) + len(rows.validation), len(rows.test)]))
    except SuiteError as error:
        print(json.dumps(str(error)))
"""


def load(world: World, home: Path, *paths: Path, offline: bool = False) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *map(str, paths)],
        env=world.hub.environment(home, TOKEN, offline),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_data_set_is_read_at_its_commit_and_never_at_another_one(world: World, tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    old, new = (write_task(tmp_path / n, f"  revision: {world.commits[n]}\n") for n in ("old", "new"))
    (first,) = load(world, tmp_path, old)
    assert first == ["bitter old test 0", 40, 40]
    from_cache, missing = load(world, tmp_path, old, new, offline=True)
    assert from_cache == first
    assert f"films.yaml:7: org/films short at {world.commits['new'][:12]} is not in the cache" in missing
    assert load(world, tmp_path, new) == [["bitter new test 0", 40, 40]]
    assert [rows[0] for rows in load(world, tmp_path, old, new, offline=True)] == [
        "bitter old test 0",
        "bitter new test 0",
    ]


def test_a_data_set_that_is_not_there_is_one_sentence(world: World, tmp_path: Path) -> None:
    path = write_task(tmp_path, "  revision: '" + "0" * 40 + "'\n")
    path.write_text(path.read_text().replace("org/films", "org/nowhere"))
    (told,) = load(world, tmp_path, path)
    assert "films.yaml:4: cannot load org/nowhere short: " in told
    (told,) = load(world, tmp_path, write_task(tmp_path, "  revision: '" + "0" * 40 + "'\n"))
    assert "films.yaml:4: cannot load org/films short: " in told
    assert "\n" not in told


def test_a_data_set_of_folders_of_images_is_read_with_its_labels(world: World, tmp_path: Path) -> None:
    files = {
        f"{split}/{label}/{i}.png": picture(f"{split} {label} {i}", "PNG")
        for split, n in (("train", 12), ("test", 5))
        for label in ("cat", "dog")
        for i in range(n)
    }
    commit = world.hub.repository("org/folders", "datasets").commit(files)
    path = tmp_path / "folders.yaml"
    path.write_text(
        "name: folders\nversion: 1\nkind: image_classification\n"
        f"dataset: {{path: org/folders, revision: '{commit}'}}\ncolumns: {{image: image, label: label}}\n"
    )
    code = LOAD.replace('rows.test.columns["text"][0]', "sorted(zip(rows.test.columns['label'], rows.test.hashes))")
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env=world.hub.environment(tmp_path, TOKEN),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    labelled, trained, tested = json.loads(done.stdout)
    assert [label for label, _ in labelled] == ["cat"] * 5 + ["dog"] * 5
    assert len({row for _, row in labelled}) == 10
    assert (trained, tested) == (24, 10)


def test_a_configuration_that_is_not_there_says_which_are(world: World, tmp_path: Path) -> None:
    path = write_task(tmp_path, f"  revision: {world.commits['old']}\n")
    path.write_text(path.read_text().replace("config: short", "config: shrt"))
    (told,) = load(world, tmp_path, path)
    assert "cannot load org/films shrt: " in told
    assert "'short'" in told

"""What visitors submit: what is looked at before it waits, the queue as files, who is let in how often, the work."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from command_line import call, records
from hub_session import TOKEN, RefusedError, Session
from loopback_hub import LoopbackHub, User

import suite.hub
from suite import submissions
from suite.spec import SuiteError
from suite.submissions import MOST_PENDING, Ask, Gate, Queue, Submission, check

CHECK = """
from suite import submissions
from suite.submissions import _check
_check.MOST_BYTES = most
queue = submissions.Queue(store)
made = submissions.check(submissions.Ask(model, strategy, collection, revision), store, queue)
queue.put(made)
result = made.model_dump(mode="json")
"""
CARD = b"---\nlicense: mit\n---\n# A model\n"


def submission(number: int = 0, **fields: Any) -> Submission:
    about: dict[str, Any] = {
        "id": f"20260101-000000-{number:08x}",
        "model": f"org/m{number}",
        "revision": "a" * 40,
        "strategy": "linear_probe",
        "collection": "quick",
        "protocol": "quick",
        "tasks": ("digits",),
        "runs": 3,
        "created": "2026-01-01T00:00:00+00:00",
    }
    return Submission(**about | fields)


# -- the queue ---------------------------------------------------------------------------------------------------------


def test_a_submission_goes_from_pending_to_running_to_done(tmp_path: Path) -> None:
    queue = Queue(str(tmp_path))
    assert queue.listed() == queue.waiting() == []
    queue.put(submission(1))
    queue.put(submission(2))
    assert [one.submission.id[-1] for one in queue.listed()] == ["2", "1"]  # newest first
    oldest = queue.waiting()[0]
    assert (oldest.submission, oldest.state) == (submission(1), "pending")
    assert queue.claim(oldest)
    assert not queue.claim(oldest)  # another was first
    assert [one.submission.id[-1] for one in queue.waiting()] == ["2"]
    assert queue.counts() == {"pending": 1, "running": 1, "done": 0, "failed": 0}
    queue.finish(oldest, "done", "3 records")
    assert [(one.state, one.note) for one in queue.listed()] == [("pending", ""), ("done", "3 records")]
    assert [one.submission.id[-1] for one in queue.open()] == ["2"]
    assert sorted(path.name for path in (tmp_path / "submissions").iterdir()) == [
        "20260101-000000-00000001.done.json",
        "20260101-000000-00000001.json",
        "20260101-000000-00000002.json",
    ]


def test_a_queue_elsewhere_is_the_same() -> None:
    queue = Queue("memory://queue-of-tests")
    queue.put(submission(1))
    (one,) = queue.waiting()
    assert queue.claim(one)
    assert not queue.claim(one)
    queue.finish(one, "failed", "no such model")
    assert [(found.state, found.note) for found in queue.listed()] == [("failed", "no such model")]


@pytest.mark.parametrize(
    ("host", "process", "age", "left"),
    [
        (socket.gethostname(), os.getpid(), 0, False),  # at work
        (socket.gethostname(), 2**22 + 1, 0, True),  # killed
        ("another", 2**22 + 1, 23, False),  # nobody can tell
        ("another", 1, 25, True),  # nobody works so long
    ],
)
def test_who_was_killed_leaves_its_submission_to_others(
    host: str, process: int, age: int, left: bool, tmp_path: Path
) -> None:
    queue = Queue(str(tmp_path))
    queue.put(submission(1))
    at = (datetime.now(UTC) - timedelta(hours=age)).isoformat()
    claim = tmp_path / "submissions" / f"{submission(1).id}.running.json"
    claim.write_text(json.dumps({"at": at, "host": host, "process": process}))
    assert bool(queue.waiting()) is left
    if left:
        assert queue.claim(queue.waiting()[0])
        assert not queue.waiting()


def test_files_that_are_no_submissions_are_passed_over(tmp_path: Path) -> None:
    queue = Queue(str(tmp_path))
    queue.put(submission(1))
    folder = tmp_path / "submissions"
    whole = (folder / f"{submission(1).id}.json").read_text()
    for name, text in (
        ("20260101-000000-00000009.json", "{"),
        ("20260101-000000-0000000a.json", whole),  # another's
        ("20260101-000000-0000000b.json", "[" * 100_000),
        ("20260101-000000-0000000c.done.json", "{}"),  # of nothing
        ("notes.txt", "x"),
        ("../outside.json", whole),
    ):
        (folder / name).write_text(text)
    assert [one.submission.id for one in queue.listed()] == [submission(1).id]
    assert len(queue.waiting()) == 1


def test_a_full_queue_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(str(tmp_path))
    monkeypatch.setattr(submissions._queue, "MOST_PENDING", 3)
    for number in range(3):
        queue.put(submission(number))
    with pytest.raises(SuiteError, match="The queue is full: 3 submissions wait"):
        queue.put(submission(9))
    assert MOST_PENDING == 200


def test_a_queue_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SuiteError, match="cannot be written"):
        Queue(str(tmp_path / "file")).put(submission(1))
    with pytest.raises(SuiteError, match="cannot be opened"):
        Queue("nowhere://x")


# -- who is let in -----------------------------------------------------------------------------------------------------


def refused(gate: Gate, visitor: str) -> str | None:
    try:
        gate.knock(visitor)
    except SuiteError as error:
        return str(error)
    return None


def test_a_visitor_tries_so_often_an_hour_and_submits_so_many_a_day() -> None:
    at = [0.0]
    gate = Gate(tries=3, taken=2, clock=lambda: at[0])
    assert [refused(gate, "a") for _ in range(3)] == [None] * 3
    assert refused(gate, "a") == "3 tries an hour are taken of a visitor; try again in 60 min."
    assert refused(gate, "b") is None
    at[0] = 3601
    assert refused(gate, "a") is None
    gate.take("a")
    gate.take("a")
    at[0] = 3 * 3600
    assert refused(gate, "a") == "2 submissions a day are taken of a visitor; try again in 23 h."
    at[0] = 90_100
    assert refused(gate, "a") is None


def test_all_visitors_together_have_a_limit_too_and_are_forgotten() -> None:
    at = [0.0]
    gate = Gate(tries=3, together=5000, clock=lambda: at[0])
    told = [refused(gate, f"v{number}") for number in range(20_000)]
    assert told.count(None) == 5000
    assert set(told[5000:]) == {"Too many submissions are being checked; try again in an hour."}
    at[0] = 90_000
    assert refused(gate, "new") is None
    assert len(gate._knocks) < 100


# -- what is looked at before ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (Ask("", "full", "quick"), "'' is no model"),
        (Ask("../../etc", "full", "quick"), "is no model"),
        (Ask("/etc/passwd", "full", "quick"), "is no model"),
        (Ask("tests", "full", "quick"), "'tests' is no model"),  # a folder of this machine
        (Ask("a/b/c", "full", "quick"), "is no model"),
        (Ask("org/m<script>", "full", "quick"), "is no model"),
        (Ask("x" * 10_000, "full", "quick"), "is no model"),
        (Ask("org/m", "full", "quick", "../main"), "'../main' is no revision"),
        (Ask("org/m@a b", "full", "quick"), "is no revision"),
        (Ask("org/m", "ful", "quick"), "No strategy named 'ful'. Did you mean 'full'?"),
        (Ask("org/m", "full", "tasks/x.yaml"), "No collection named"),
        (Ask("bundled/none", "full", "quick"), "No bundled checkpoint named 'none'"),
        (Ask("bundled/tiny-resnet", "full", "bundled-text"), "reads images, and bundled-text has no such task"),
        (Ask("bundled/tiny-bert", "few_shot", "superglue"), ""),
        (Ask("org/m", "full", "quick"), "is not in the Hub cache"),
    ],
)
def test_words_that_mean_nothing_are_told_in_a_sentence(ask: Ask, told: str, tmp_path: Path) -> None:
    queue = Queue(str(tmp_path))
    if not told:
        assert check(ask, str(tmp_path), queue, offline=True).runs > 0
        return
    with pytest.raises(SuiteError) as error:
        check(ask, str(tmp_path), queue, offline=True)
    assert told in str(error.value)
    assert len(str(error.value)) < 700


def test_a_collection_gives_a_checkpoint_the_tasks_that_it_reads(tmp_path: Path) -> None:
    queue = Queue(str(tmp_path))
    found = check(Ask("bundled/tiny-resnet", "linear_probe", "quick"), str(tmp_path), queue, offline=True)
    assert found.tasks == ("digits", "fashion-tops")
    assert found.runs == 2 * 3  # the protocol's seeds
    assert found.protocol == "quick"
    queue.put(found)
    with pytest.raises(SuiteError, match="is in the queue already"):
        check(Ask("bundled/tiny-resnet", "linear_probe", "quick"), str(tmp_path), queue, offline=True)


@pytest.fixture(scope="module")
def hub(tiny_bert: Path) -> Iterator[LoopbackHub]:
    files = {path.name: path.read_bytes() for path in tiny_bert.iterdir()}
    config = json.loads(files["config.json"])
    others = {name: content for name, content in files.items() if name != "model.safetensors"}
    with LoopbackHub() as hub:
        hub.repository("org/good").commit(files | {"README.md": CARD})
        hub.repository("org/good").commit(files | {"README.md": CARD + b"More."}, "side")
        hub.repository("org/bare").commit(files)
        hub.repository("org/odd").commit(files | {"README.md": b"---\nlicense: other\n---\n"})
        hub.repository("org/broken-card").commit(files | {"README.md": b"---\nlicense: [\n---\n"})
        hub.repository("org/pickled").commit(others | {"pytorch_model.bin": b"x", "README.md": CARD})
        code = json.dumps(config | {"auto_map": {"AutoModel": "m.M"}}).encode()
        hub.repository("org/code").commit(files | {"config.json": code, "README.md": CARD})
        hub.repository("org/gated").commit(files | {"README.md": CARD})
        hub.repository("org/gated").gated = True
        hub.repository("org/down").status = 503
        yield hub


@pytest.fixture(scope="module")
def session(hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(hub, tmp_path_factory.mktemp("home")) as session:
        yield session


def asked(session: Session, store: Path, model: str, **how: Any) -> dict[str, Any]:
    words = {"revision": "", "strategy": "linear_probe", "collection": "bundled-text", "most": 2_000_000_000}
    found: dict[str, Any] = session.run(CHECK, store=str(store), model=model, **words | how)
    return found


def test_a_branch_is_pinned_to_its_commit_and_is_queued_once(
    session: Session, hub: LoopbackHub, tmp_path: Path
) -> None:
    found = asked(session, tmp_path, "org/good", revision="side")
    assert found["revision"] == hub.repository("org/good").resolve("side")
    assert Submission.model_validate_json(json.dumps(found)).word == f"org/good@{found['revision']}"
    with pytest.raises(RefusedError, match="in the queue already"):
        asked(session, tmp_path, f"org/good@{found['revision']}")
    assert asked(session, tmp_path, "org/good")["revision"] != found["revision"]
    assert not [name for name in hub.fetched() if name.endswith(".safetensors")]  # nothing large is fetched to look
    assert TOKEN not in "".join(path.read_text() for path in tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("model", "how", "told"),
    [
        ("org/none", {}, "The Hub does not know the model 'org/none'"),
        ("org/good", {"revision": "nowhere"}, "but not that revision"),
        ("org/gated", {}, "gated"),
        ("org/down", {}, "answered 503"),
        ("org/pickled", {}, "pickled weights only"),
        ("org/code", {}, "needs code of its own"),
        ("org/bare", {}, "states no licence"),
        ("org/odd", {}, "states no licence"),
        ("org/broken-card", {}, "states no licence"),
        ("org/good", {"most": 1000}, "GB of weights"),
        ("org/good", {"collection": "bundled-image"}, "reads texts, and bundled-image has no such task"),
    ],
)
def test_what_cannot_be_taken_is_told_in_a_sentence(
    model: str, how: dict[str, Any], told: str, session: Session, tmp_path: Path
) -> None:
    with pytest.raises(RefusedError) as error:
        asked(session, tmp_path, model, **how)
    assert told in str(error.value)
    assert not list(tmp_path.rglob("*.json"))


# -- the work ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_queue_is_worked_off_into_the_store(tmp_path: Path) -> None:
    queue, store = Queue(str(tmp_path)), str(tmp_path)
    ours = check(Ask("bundled/tiny-resnet", "linear_probe", "quick"), store, queue, offline=True)
    queue.put(ours.model_copy(update={"id": "20260101-000000-00000001", "tasks": ("digits",)}))
    queue.put(submission(2, model="org/none"))
    place = ["--store", tmp_path, "--device", "cpu", "--threads", 1, "--offline"]

    first = call("queue", "work", *place, "--most", 1, "--json")
    assert first.code == 0
    (done,) = first.objects
    assert (done["state"], done["note"], done["model"]) == ("done", "3 records", "bundled/tiny-resnet")
    assert len(records(tmp_path)) == 3

    second = call("queue", "work", *place)
    assert second.code == 1
    assert "is not in the Hub cache" in second.out
    listed = call("queue", "list", "--store", tmp_path, "--json")
    assert [(one["id"][-1], one["state"]) for one in listed.objects] == [("2", "failed"), ("1", "done")]
    assert call("queue", "work", *place).out == "Nothing waits.\n"
    assert "1 done, 1 failed" in call("queue", "list", "--store", tmp_path).out

    again = check(Ask("bundled/tiny-resnet", "linear_probe", "quick"), store, queue, offline=True)
    assert again.runs == 3  # fashion-tops is left; what is stored is not run again


def test_whoever_is_interrupted_gives_its_submission_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: Any) -> Any:
        raise KeyboardInterrupt

    queue = Queue(str(tmp_path))
    queue.put(submission(1, model="bundled/tiny-resnet", revision="sha256:1"))
    monkeypatch.setattr(submissions._work, "carry_out", interrupted)
    told = call("queue", "work", "--store", tmp_path, "--offline")
    assert told.code == 130
    assert [one.state for one in queue.waiting()] == ["pending"]


def test_a_reason_tells_nothing_of_this_machine() -> None:
    told = submissions._work._told(f"{Path.home()}/x/y is\n  gone: {Path.cwd()}/z " + "a" * 900)
    assert str(Path.home()) not in told
    assert told.startswith("~/x/y is gone: ./z") or told.startswith("~")
    assert len(told) <= 501


def test_an_empty_queue_is_told(tmp_path: Path) -> None:
    assert call("queue", "list", "--store", tmp_path).out == "Nothing was submitted.\n"
    assert call("queue", "list", "--store", "nowhere://x").code == 2


QUEUE = """
from suite.submissions import Queue, Submission
queue = Queue("hf://datasets/org/results")
before = queue.counts()["pending"]
queue.put(Submission.model_validate_json(given))
(one,) = queue.waiting()
claims = [queue.claim(one), queue.claim(one)]
running = queue.counts()
queue.finish(one, "done", "3 records")
result = [before, claims, running, [[found.state, found.note] for found in queue.listed()]]
"""


def test_a_queue_on_the_hub_is_the_same(hub: LoopbackHub, session: Session) -> None:
    hub.repository("org/results", "datasets").commit({"README.md": CARD})
    hub.users[TOKEN] = User("ann", ("org",))
    try:
        before, claims, running, listed = session.run(QUEUE, given=submission(1).model_dump_json())
    finally:
        hub.users.clear()
    assert (before, claims) == (0, [True, False])
    assert running == {"pending": 0, "running": 1, "done": 0, "failed": 0}
    assert listed == [["done", "3 records"]]
    names = [name for name in hub.repository("org/results", "datasets").files if name.startswith("submissions/")]
    assert sorted(names) == [f"submissions/{submission(1).id}.done.json", f"submissions/{submission(1).id}.json"]


@pytest.mark.slow
def test_what_was_submitted_on_the_hub_is_evaluated_here_and_published_there(tmp_path: Path) -> None:
    """Where the results cannot be published the submission waits again; nothing is run twice."""
    pinned = suite.hub.resolve("bundled/tiny-resnet")
    asked = submission(1, model="bundled/tiny-resnet", revision=pinned.revision, collection="quick")
    asked = asked.model_copy(update={"strategy": "linear_probe", "tasks": ("digits",), "protocol": "quick"})
    with LoopbackHub() as hub, Session(hub, tmp_path / "home") as session:
        hub.users[TOKEN] = User("ann", ("org",))
        hub.repository("org/board", "datasets").commit({"README.md": CARD})
        there = "hf://datasets/org/board"
        session.run(PUT, store=there, given=asked.model_dump_json())
        work = ("queue", "work", "--store", there, "--device", "cpu", "--threads", 1)
        broken = hub.fail("POST /datasets/org/board.git/info/lfs", times=6, status=503)
        told = session.suite(*work)
        hub.faults.clear()
        assert (told.code, broken.times) == (2, 0)
        assert "The Hub answered 503 while the data set 'org/board' was written to." in told.err
        files = hub.repository("org/board", "datasets").files
        assert sorted(name for name in files if name.startswith("submissions/")) == [f"submissions/{asked.id}.json"]
        told = session.suite(*work)
        assert told.code == 0, told.err
        assert "3 records are new. 5 files of the data set 'org/board' changed in one commit" in told.out
        assert "3 records; published" in told.out
        files = hub.repository("org/board", "datasets").files
        assert not [name for name in files if name.startswith("records/")]  # packs, as publish-results makes them
        assert len([name for name in files if name.startswith("packs/")]) == 3
        assert f"submissions/{asked.id}.done.json" in files
        board = session.suite("leaderboard", "--store", there, "--format", "json", token=None)
        assert [row["model"] for row in json.loads(board.out)] == ["bundled/tiny-resnet"]
        assert session.suite(*work).out == "Nothing waits.\n"


PUT = """
from suite.submissions import Queue, Submission
Queue(store).put(Submission.model_validate_json(given))
"""


@pytest.mark.parametrize(("token", "store"), [(None, "org/results"), (TOKEN, "other/results"), (TOKEN, "org/none")])
def test_a_queue_that_may_not_be_written_is_one_sentence(
    token: str | None, store: str, hub: LoopbackHub, session: Session
) -> None:
    for name in ("org/results", "other/results"):
        hub.repository(name, "datasets").commit({"README.md": CARD})
    hub.users[TOKEN] = User("ann", ("org",))
    try:
        with pytest.raises(RefusedError) as error:
            session.run(PUT, token=token, store=f"hf://datasets/{store}", given=submission(1).model_dump_json())
    finally:
        hub.users.clear()
    told = str(error.value)
    assert told.startswith(f"The queue of 'hf://datasets/{store}' cannot be written: ")
    assert "\n" not in told
    assert hub.url not in told
    assert len(told) < 300

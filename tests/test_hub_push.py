"""The real Hub client writes to a Hub on this machine: one commit or none, nobody's work overwritten, no token told."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_session import TOKEN, RefusedError, Session
from loopback_hub import LoopbackHub, Repository, User

OTHER, READER = "hf_otherotherotherotherother", "hf_readerreaderreaderreader"
PUSH = """
from suite import hub
made = hub.push(repo, {path: text.encode() for path, text in files.items()}, message, **how)
result = [made.sentence(), [change.path for change in made.changes], made.commit, made.request]
"""
APPEND = """
from suite import hub
def compose(head):
    return {"log.txt": (head.read("log.txt") or b"") + line.encode()}
made = hub.push(repo, compose, "A line", **how)
result = [made.sentence(), [change.path for change in made.changes], made.commit, made.request]
"""
PREVIEW = """
from suite import hub
made = hub.preview(repo, {path: text and text.encode() for path, text in files.items()})
result = [made.sentence(), [[c.path, c.before, c.size, c.diff] for c in made.changes]]
"""
WEIGHTS = """
from pathlib import Path
from suite import hub
made = hub.push(repo, {path.name: path for path in map(Path, paths)} | {"README.md": b"# Mine"}, "Weights")
result = [made.sentence(), sorted(change.path for change in made.changes), made.commit]
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        hub.users |= {TOKEN: User("ann", ("org",)), OTHER: User("bob"), READER: User("ann", ("org",), write=False)}
        yield hub


@pytest.fixture(scope="module")
def session(hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(hub, tmp_path_factory.mktemp("home")) as session:
        yield session


@pytest.fixture
def repository(hub: LoopbackHub, request: pytest.FixtureRequest) -> Iterator[Repository]:
    made = hub.repository(f"org/r{abs(hash(request.node.name)) % 10**8}")
    made.commit({"log.txt": b"first\n", "README.md": b"# Old\n"})
    yield made
    left, hub.faults = [fault for fault in hub.faults if fault.times], []
    assert not left, "a fault never came up"


def push(session: Session, repo: Repository | str, files: dict[str, str], token: str | None = TOKEN, **how: Any) -> Any:
    name = repo if isinstance(repo, str) else repo.name
    return session.run(PUSH, token, repo=name, files=files, message=how.pop("message", "Files"), how=how)


def append(session: Session, repo: Repository, line: str, token: str | None = TOKEN, **how: Any) -> Any:
    return session.run(APPEND, token, repo=repo.name, line=line, how=how)


# -- one commit or none ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "word"), [("model", "model"), ("dataset", "data set"), ("space", "Space")])
def test_a_repository_is_made_and_filled_in_one_commit(
    hub: LoopbackHub, session: Session, kind: str, word: str
) -> None:
    files = {"README.md": "# Mine\n", "deep/er/a.json": "{}"}
    sentence, paths, commit, _ = push(session, f"org/new-{kind}", files, kind=kind)
    made = hub.repositories[f"{kind}s", f"org/new-{kind}"]
    assert made.refs["main"] == commit
    assert len(made.commits) == 2  # the one that made it, and this one
    assert {path: made.files[path].decode() for path in paths} == files
    assert made.sdk == ("gradio" if kind == "space" else None)
    assert sentence.startswith(f"2 files of the {word} 'org/new-{kind}' changed in one commit: http")


def test_what_is_there_already_makes_no_commit(session: Session, hub: LoopbackHub, repository: Repository) -> None:
    head = repository.refs["main"]
    before = len(hub.requests)
    sentence, paths, commit, _ = push(session, repository, {"README.md": "# Old\n", "log.txt": "first\n"})
    assert sentence == f"Nothing to change: the model '{repository.name}' has all of it already."
    assert (paths, commit, repository.refs["main"]) == ([], None, head)
    assert not [r for r in hub.requests[before:] if "commit" in r.path or "preupload" in r.path]
    _, paths, _, _ = push(session, repository, {"README.md": "# New\n", "log.txt": "first\n"})
    assert paths == ["README.md"]


def test_a_file_is_taken_away_and_large_ones_are_told_apart(
    session: Session, repository: Repository, tmp_path: Path
) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(bytes(300_000))
    assert session.run(WEIGHTS, repo=repository.name, paths=[str(weights)])[1] == ["README.md", "model.safetensors"]
    assert session.run(WEIGHTS, repo=repository.name, paths=[str(weights)])[1] == []
    weights.write_bytes(bytes(299_999) + b"1")
    assert session.run(WEIGHTS, repo=repository.name, paths=[str(weights)])[1] == ["model.safetensors"]
    gone = (
        "from suite import hub\nresult = hub.push(repo, {'model.safetensors': None, 'never': None}, 'Off').sentence()"
    )
    assert "1 file of" in session.run(gone, repo=repository.name)
    assert sorted(repository.files) == ["README.md", "log.txt"]


def test_a_preview_sends_nothing_and_shows_what_differs(
    hub: LoopbackHub, session: Session, repository: Repository
) -> None:
    before = len(hub.requests)
    files = {"README.md": "# New\n", "log.txt": "first\n", "more.txt": "more\n"}
    sentence, changes = session.run(PREVIEW, None, repo=repository.name, files=files)
    assert sentence == f"2 files of the model '{repository.name}' would change."
    (readme, more) = changes
    assert readme[:3] == ["README.md", 6, 6]
    assert readme[3].splitlines()[2:] == ["@@ -1 +1 @@", "-# Old", "+# New"]
    assert (more[:3], "+more" in more[3]) == (["more.txt", None, 5], True)
    assert {r.method for r in hub.requests[before:] if "paths-info" not in r.path} <= {"GET", "HEAD"}
    sentence, _ = session.run(PREVIEW, None, repo="org/not-yet", files=files)
    assert sentence == "3 files of the model 'org/not-yet' would change. It would be created."


# -- somebody else was faster ------------------------------------------------------------------------------------------


def test_a_conflict_is_made_anew_on_the_new_head(hub: LoopbackHub, session: Session, repository: Repository) -> None:
    def theirs() -> None:
        repository.commit(repository.files | {"log.txt": repository.files["log.txt"] + b"theirs\n"})

    hub.fail(f"POST /api/models/{repository.name}/commit/main", times=3, before=theirs)
    append(session, repository, "ours\n")
    assert repository.files["log.txt"] == b"first\ntheirs\ntheirs\ntheirs\nours\n"
    assert len(repository.commits) == 5


def test_plain_files_never_overwrite_what_others_changed(
    hub: LoopbackHub, session: Session, repository: Repository
) -> None:
    commit = f"POST /api/models/{repository.name}/commit/main"
    hub.fail(commit, before=lambda: repository.commit(repository.files | {"theirs.txt": b"theirs"}))
    push(session, repository, {"log.txt": "second\n"})
    assert repository.files == {"README.md": b"# Old\n", "log.txt": b"second\n", "theirs.txt": b"theirs"}
    hub.fail(commit, before=lambda: repository.commit(repository.files | {"log.txt": b"theirs\n"}))
    with pytest.raises(
        RefusedError, match=r"log\.txt of the model .* was changed by others meanwhile; run the command again"
    ):
        push(session, repository, {"log.txt": "third\n"})
    assert repository.files["log.txt"] == b"theirs\n"
    with pytest.raises(RefusedError, match=r"log\.txt of the model"):
        push(session, repository, {"log.txt": "fourth\n"}, parent=next(iter(repository.commits)))


def test_a_fight_ends(hub: LoopbackHub, session: Session, repository: Repository) -> None:
    turns = iter(range(100))

    def theirs() -> None:
        repository.commit(repository.files | {"log.txt": f"{next(turns)}".encode()})

    fault = hub.fail(f"POST /api/models/{repository.name}/commit/main", times=99, before=theirs)
    with pytest.raises(
        RefusedError, match=r"Others kept pushing to the model .* after 8 attempts nothing was published"
    ):
        append(session, repository, "ours\n")
    fault.times = 0
    assert repository.files["log.txt"] == b"7"


# -- the line goes down ------------------------------------------------------------------------------------------------


def test_a_line_cut_in_mid_upload_leaves_nothing_and_the_same_command_finishes(
    hub: LoopbackHub, session: Session, repository: Repository, tmp_path: Path
) -> None:
    paths = [tmp_path / f"part{i}.safetensors" for i in range(3)]
    for place, path in enumerate(paths):
        path.write_bytes(bytes([place]) * 400_000)
    head = repository.refs["main"]
    one = "PUT /lfs/" + hashlib.sha256(paths[2].read_bytes()).hexdigest()
    hub.fail(one, times=6, cut=10_000)  # the client tries so often
    with pytest.raises(
        RefusedError, match=r"The line to the Hub broke while the model .* was written to .*Nothing was publish"
    ):
        session.run(WEIGHTS, repo=repository.name, paths=list(map(str, paths)))
    assert repository.refs["main"] == head
    before = len(hub.requests)
    session.run(WEIGHTS, repo=repository.name, paths=list(map(str, paths)))
    assert [r.path for r in hub.requests[before:] if r.method == "PUT"] == [one.removeprefix("PUT ")]  # not the others
    assert {path.name for path in paths} < repository.files.keys()


def test_a_cut_is_tried_again_before_anybody_hears_of_it(
    hub: LoopbackHub, session: Session, repository: Repository, tmp_path: Path
) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"w" * 200_000)
    hub.fail("PUT /lfs/", times=2, cut=10_000)
    hub.fail(f"POST /api/models/{repository.name}/preupload", status=503)
    hub.fail("POST /lfs-verify", delay=0.3)
    session.run(WEIGHTS, repo=repository.name, paths=[str(path)])
    assert repository.files["w.safetensors"] == path.read_bytes()


def test_an_answer_that_was_lost_is_looked_for(hub: LoopbackHub, session: Session, repository: Repository) -> None:
    commits = len(repository.commits)
    hub.fail(f"POST /api/models/{repository.name}/commit/main", lost=True)
    _, paths, commit, _ = append(session, repository, "ours\n")
    assert (paths, commit) == (["log.txt"], repository.refs["main"])
    assert len(repository.commits) == commits + 1
    hub.fail(f"POST /api/models/{repository.name}/commit/main", lost=True)
    *_, request = append(session, repository, "theirs\n", OTHER, pull_request=True)
    assert request == 1
    assert len(repository.discussions) == 1


def test_a_hub_that_is_down_is_one_sentence(hub: LoopbackHub, session: Session, repository: Repository) -> None:
    head = repository.refs["main"]
    hub.fail(f"POST /api/models/{repository.name}/commit/main", status=503)
    with pytest.raises(
        RefusedError, match=r"The Hub answered 503 while the model .* was written to. Nothing was published"
    ):
        append(session, repository, "ours\n")
    assert repository.refs["main"] == head
    hub.fail("GET /api/whoami-v2", cut=0)
    with pytest.raises(RefusedError, match=r"The line to the Hub broke"):
        append(session, repository, "ours\n", READER)
    hub.fail("GET /api/whoami-v2", status=429)
    with pytest.raises(RefusedError, match=r"The Hub asks to wait"):
        append(session, repository, "ours\n", READER)


STALLED = r"The Hub stopped answering while the model .* was written to\. The same command looks for what has arrived"


def test_a_hub_that_falls_silent_is_one_sentence_and_the_same_command_finishes(
    hub: LoopbackHub, repository: Repository, tmp_path: Path
) -> None:
    """Without an end to its patience the client would wait for ever: each silence here is longer than that."""
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"silence" * 30_000)  # no other test has sent these
    head, name, of = repository.refs["main"], repository.name, f"/api/models/{repository.name}"
    with Session(hub, tmp_path / "home") as impatient:
        impatient.run("from suite.hub import _heads\n_heads.PATIENCE = 0.3")
        for silent, times in (("PUT /lfs/", 6), (f"POST {of}/preupload", 6), (f"POST {of}/commit", 1)):
            fault = hub.fail(silent, times=times, delay=2.0, status=503)  # tried so often; nothing comes of it
            began = time.monotonic()
            with pytest.raises(RefusedError, match=STALLED):
                impatient.run(WEIGHTS, repo=name, paths=[str(path)])
            assert fault.times == 0
            assert time.monotonic() - began < 10
            assert repository.refs["main"] == head
        with pytest.raises(RefusedError, match=r"The Hub cannot be reached for the model .* \(ReadTimeout\)"):
            hub.fail(f"GET {of}", delay=2.0)
            impatient.run("from suite import hub\nhub.look(repo)", repo=name)
        sentence, *_ = impatient.run(WEIGHTS, repo=name, paths=[str(path)])
        assert "in one commit" in sentence
    assert repository.files["w.safetensors"] == path.read_bytes()


# -- pull requests -----------------------------------------------------------------------------------------------------


def test_a_pull_request_is_opened_once_and_added_to(session: Session, repository: Repository) -> None:
    head = repository.refs["main"]
    sentence, _, _, request = append(session, repository, "ours\n", OTHER, pull_request=True)
    assert request == 1
    assert sentence.startswith(f"Pull request 1 to the model '{repository.name}' changes 1 file: http")
    assert repository.refs["main"] == head
    made = [(d.title, d.author) for d in repository.discussions]
    assert made == [("A line", "bob")]
    assert repository.commits[repository.refs["refs/pr/1"]]["log.txt"] == b"first\nours\n"
    same = push(session, repository, {"log.txt": "first\nours\n"}, OTHER, message="A line", pull_request=True)
    assert same[0] == (
        f"Nothing to change: the model '{repository.name}' has all of it already in pull request 1, which is open."
    )
    more = append(session, repository, "more\n", OTHER, pull_request=True)
    assert more[3] == 1
    assert repository.commits[repository.refs["refs/pr/1"]]["log.txt"] == b"first\nours\nmore\n"
    assert len(repository.discussions) == 1
    repository.discussions[0].status = "merged"
    assert append(session, repository, "new\n", OTHER, pull_request=True)[3] == 2


# -- who may not -------------------------------------------------------------------------------------------------------


def test_who_may_not_is_told_why(hub: LoopbackHub, session: Session, repository: Repository) -> None:
    hidden, gated = hub.repository("bob/hidden"), hub.repository("bob/gated")
    for one in (hidden, gated):
        one.commit({"README.md": b"# Bob's"})
    hidden.private = gated.gated = True
    files = {"a.txt": "a"}
    told = [
        (repository.name, None, {}, "Writing to the Hub needs a token, and there is none. Log in with: hf auth login"),
        (
            repository.name,
            "hf_wrongwrongwrongwrong",
            {},
            "The Hub does not take this token: it is wrong or was taken b",
        ),
        (repository.name, READER, {}, "This token may not write to the model"),
        (repository.name, OTHER, {}, "Propose the change with --pr where the repository exists"),
        (
            "bob/hidden",
            TOKEN,
            {},
            "This token may not write to the model 'bob/hidden': its name space belongs to others",
        ),
        ("bob/gated", TOKEN, {}, "This token may not write to the model 'bob/gated'"),
        ("bob/new", TOKEN, {}, "This token may not write to the model 'bob/new'"),
        ("bob/hidden", TOKEN, {"pull_request": True}, "there is nothing to open a pull request on. Check the spelling"),
        ("no name", TOKEN, {}, "'no name' is no repository of the Hub: expected org/name."),
        ("a/b/c", TOKEN, {}, "'a/b/c' is no repository of the Hub"),
        ("alone", TOKEN, {}, "'alone' says no name space: expected org/name, or your-name/alone."),
    ]
    before = {name: dict(one.refs) for name, one in hub.repositories.items()}
    for repo, token, how, sentence in told:
        with pytest.raises(RefusedError) as refused:
            push(session, repo, files, token, **how)
        assert sentence in str(refused.value), repo
        assert "\n" not in str(refused.value)
        assert "127.0.0.1" not in str(refused.value)
    assert {name: one.refs for name, one in hub.repositories.items()} == before


def test_a_repository_that_goes_away_meanwhile(hub: LoopbackHub, session: Session, repository: Repository) -> None:
    name = ("models", repository.name)
    hub.fail(f"POST /api/models/{repository.name}/preupload", before=lambda: hub.repositories.pop(name))
    with pytest.raises(RefusedError, match=r"The Hub does not know the model .*, or does not show it to this token"):
        append(session, repository, "ours\n")


def test_no_file_with_a_token_is_ever_published(session: Session, repository: Repository) -> None:
    head = repository.refs["main"]
    for text in (f"log in with {TOKEN}", "hf_abcdefghijklmnopqrstuvwxyzabcdefgh", "Authorization: Bearer abcdefghijkl"):
        with pytest.raises(
            RefusedError, match=r"notes\.txt holds what looks like a token of the Hub; nothing was published"
        ):
            push(session, repository, {"notes.txt": text})
    assert repository.refs["main"] == head


def test_metadata_that_the_hub_does_not_take(session: Session, repository: Repository) -> None:
    with pytest.raises(RefusedError, match=r'does not take what was to be pushed .* "license" must be a string'):
        push(session, repository, {"README.md": "---\nlicense: [a, b]\n---\n# Mine\n"})
    assert repository.files["README.md"] == b"# Old\n"


def test_offline_nothing_can_be_pushed(hub: LoopbackHub, tmp_path: Path) -> None:
    with (
        Session(hub, tmp_path, HF_HUB_OFFLINE="1") as offline,
        pytest.raises(RefusedError, match=r"HF_HUB_OFFLINE is set"),
    ):
        push(offline, "org/any", {"a.txt": "a"})


def test_tokens_are_taken_out_of_what_a_server_says(session: Session) -> None:
    code = "from suite.hub._errors import redact\nresult = redact(text)"
    said = session.run(code, text=f"bad token {OTHER} at https://x")
    assert said == "bad token hf_*** at https://x"

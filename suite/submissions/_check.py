"""Is this a submission? Asked before it is queued, so that what waits can be evaluated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from suite import hub, kinds, strategies, tasks
from suite.plan import Request, plan
from suite.spec import CheckpointRef, SuiteError, TaskSpec, unknown
from suite.store import Store
from suite.submissions._queue import Queue
from suite.submissions._submission import Submission, new_id, now

MOST_BYTES = 2_000_000_000
"""Of weights: half a billion parameters in fp32."""

NO_LICENCE = ("", "unknown", "other")
_WORD = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
_COMMIT, _FOLDER_PIN = re.compile(r"[0-9a-f]{40}"), re.compile(r"sha256:[0-9a-f]{1,64}")
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]{0,95}", re.ASCII)


@dataclass(frozen=True)
class Ask:
    """The words of a submission, as a visitor gave them."""

    model: str
    strategy: str
    collection: str
    revision: str = ""


def check(ask: Ask, store: str, queue: Queue, offline: bool = False) -> Submission:
    """Return the submission that the words mean, pinned, after looking at everything that can be looked at.

    It must exist, be safetensors without code of its own, be small enough, state a licence, read what the collection
    gives, and neither be stored nor be waiting already.

    Raises:
        SuiteError: it is not so; the sentence says what is wrong.
    """
    word = _word(ask)
    _check_names(ask)
    checkpoint = hub.resolve(word, offline)
    about = hub.facts(checkpoint)
    if about.bytes > MOST_BYTES:
        size, most = f"{about.bytes / 1e9:.1f} GB", f"{MOST_BYTES / 1e9:g} GB"
        raise SuiteError(f"{checkpoint.name} has {size} of weights; up to {most} are taken here.")
    ours = checkpoint.name.startswith("bundled/")
    if not ours and (about.licence or "").lower() in NO_LICENCE:
        raise SuiteError(
            f"{checkpoint.name} states no licence that says what others may do with it; its card must name one."
        )
    submission = _planned(ask, checkpoint, store, offline)
    if any(submission.is_like(one.submission) for one in queue.open()):
        raise SuiteError(f"{checkpoint.name} with {ask.strategy} on {ask.collection} is in the queue already.")
    return submission


def _word(ask: Ask) -> str:
    """Return the checkpoint's name as the Hub is asked for it: nothing here leads to a file of this machine.

    Raises:
        SuiteError: it is no name.
    """
    model, revision = ask.model.strip(), ask.revision.strip()
    if not revision and "@" in model:
        model, _, revision = model.partition("@")
    if not _WORD.fullmatch(model) or ".." in model or Path(model).exists():
        raise SuiteError(f"'{model[:100]}' is no model; expected a name on the Hub, as in org/name.")
    if revision and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise SuiteError(f"'{revision[:100]}' is no revision; expected a branch, a tag or a commit.")
    return f"{model}@{revision}" if revision and not model.startswith("bundled/") else model


def _check_names(ask: Ask) -> None:
    if ask.strategy not in strategies.names():
        raise unknown("strategy", ask.strategy[:100], strategies.names())
    if ask.collection not in tasks.collection_files():
        raise unknown("collection", ask.collection[:100], tasks.collection_files())


def recheck(submission: Submission) -> None:
    """Look at the words of a submission that lies in the queue: whoever may write there may have written anything.

    None of them may lead to a file of this machine, and the checkpoint must be pinned.

    Raises:
        SuiteError: one does, or means nothing.
    """
    words = Ask(submission.model, submission.strategy, submission.collection)
    _word(words)
    _check_names(words)
    ours = submission.model.startswith("bundled/")
    if not (_FOLDER_PIN if ours else _COMMIT).fullmatch(submission.revision):
        raise SuiteError(f"'{submission.revision[:100]}' is no pin; expected a commit.")
    for name in submission.tasks or ("",):
        if name not in tasks.task_files():
            raise unknown("task", name[:100], tasks.task_files())
    if submission.protocol not in tasks.protocol_files():
        raise unknown("protocol", submission.protocol[:100], tasks.protocol_files())


def _planned(ask: Ask, checkpoint: CheckpointRef, store: str, offline: bool) -> Submission:
    """Return the submission of a checkpoint that may be taken.

    Raises:
        SuiteError: it can do none of the tasks, or all of its runs are stored.
    """
    collection = tasks.load_collection(ask.collection)
    able = [task.name for task in tasks.load(ask.collection) if _fits(task, checkpoint, ask.strategy)]
    if not able:
        raise SuiteError(
            f"{checkpoint.name} reads {checkpoint.modality}s, and {ask.collection} has no such task for {ask.strategy}."
        )
    protocol = collection.protocol or "standard"
    pinned = Submission(
        id=new_id(),
        model=checkpoint.name,
        revision=checkpoint.revision,
        strategy=ask.strategy,
        collection=ask.collection,
        protocol=protocol,
        tasks=tuple(able),
        runs=0,
        created=now().isoformat(timespec="seconds"),
    )
    request = Request((pinned.word,), pinned.tasks, (ask.strategy,), protocol=protocol, offline=offline)
    specs, kept = plan(request), Store(store)
    missing = [spec for spec in specs if not all(kept.has(spec.key(task.name)) for task in spec.tasks)]
    if not missing:
        raise SuiteError(f"{checkpoint.name} with {ask.strategy} on {ask.collection} is on the board already.")
    return pinned.model_copy(update={"runs": len(missing)})


def _fits(task: TaskSpec, checkpoint: CheckpointRef, strategy: str) -> bool:
    kind, targets = kinds.get(task.kind), strategies.get(strategy).targets
    return kind.modality == checkpoint.modality and (not targets or kind.target in targets)

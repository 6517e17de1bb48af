"""The door to the Hub: what a checkpoint's name means, and how files get there.

Reading: a name becomes a commit, a folder a hash, and nothing of a stranger's checkpoint ever runs. Writing: one
commit that is there whole or not at all, on the head that was looked at; if somebody else was faster, on the new one.
"""

from suite.hub._changes import Change, Files, has_token
from suite.hub._checkpoints import (
    WEIGHTS,
    bundled,
    check_files,
    dataset_commit,
    fetch,
    hash_folder,
    modality,
    resolve,
)
from suite.hub._errors import explain
from suite.hub._facts import Facts, facts, licence
from suite.hub._folders import MAX_CONFIG_BYTES, PATTERNS, check_adapter, check_folder
from suite.hub._heads import Head, Kind, check_name, is_offline, look, patient
from suite.hub._push import Compose, Pushed, create, preview, push

__all__ = [
    "MAX_CONFIG_BYTES",
    "PATTERNS",
    "WEIGHTS",
    "Change",
    "Compose",
    "Facts",
    "Files",
    "Head",
    "Kind",
    "Pushed",
    "bundled",
    "check_adapter",
    "check_files",
    "check_folder",
    "check_name",
    "create",
    "dataset_commit",
    "explain",
    "facts",
    "fetch",
    "has_token",
    "hash_folder",
    "is_offline",
    "licence",
    "look",
    "modality",
    "patient",
    "preview",
    "push",
    "resolve",
]

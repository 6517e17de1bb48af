"""A data set on the Hub: its commit of today, its configuration and splits, and some rows without the rest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite import hub
from suite.drafting._columns import Column, columns_of
from suite.drafting._local import part_of, reading, words_of
from suite.spec import SuiteError, unknown

MOST = 500
"""Rows are streamed: each of them is downloaded, so fewer are looked at than of a file."""

PAGE = "https://huggingface.co/datasets/"


@dataclass(frozen=True)
class Remote:
    """A data set at a commit; `splits` says which of its splits is train, validation or test."""

    path: str
    config: str
    commit: str
    license: str | list[str] | None
    name: str
    splits: dict[str, str]
    notes: tuple[str, ...]

    def columns(self, part: str, most: int) -> list[Column]:
        """Return the columns of the first rows of a part."""
        import datasets

        with reading(f"the data set '{self.path}'"):
            stream = datasets.load_dataset(
                self.path, self.config, split=self.splits[part], revision=self.commit, streaming=True
            )
            known = stream.features or {}
            images = [name for name, feature in known.items() if isinstance(feature, datasets.Image)]
            kept = datasets.Features({name: feature for name, feature in known.items() if name not in images})
            few = list(stream.remove_columns(images).take(min(most, MOST)))
            rows = datasets.Dataset.from_list(few, features=kept or None)
            return columns_of(stream.features or rows.features, rows)

    def dataset(self, splits: Iterable[str], folder: Path) -> dict[str, Any]:
        """Return what the field `dataset` says."""
        config = {} if self.config == "default" else {"config": self.config}
        terms = {"license": self.license} if isinstance(self.license, str) else {}
        return {"path": self.path} | config | {"revision": self.commit} | terms | {"source": f"{PAGE}{self.path}"}


def find(word: str) -> Remote:
    """Return the data set that `owner/name[:config][@revision]` means, at the commit of now.

    Raises:
        SuiteError: there is none, it cannot be reached, or it has several configurations and none is named.
    """
    import datasets
    from huggingface_hub import HfApi

    match = re.fullmatch(r"(?P<path>[\w.-]+/[\w.-]+)(:(?P<config>[^@]+))?(@(?P<revision>.+))?", word.removeprefix(PAGE))
    if match is None:
        forms = "owner/name, owner/name:config or owner/name:config@revision"
        raise SuiteError(f"'{word}' is no file or folder here, and a Hub data set has the form {forms}.")
    if hub.is_offline():
        raise SuiteError(
            f"There is no file or folder '{word}', and the Hub cannot be asked for it without a connection."
        )
    path, wanted = match["path"], match["config"]
    with reading(f"the data set '{path}'"):
        info = HfApi().dataset_info(path, revision=match["revision"])
        config = _chosen(path, wanted, datasets.get_dataset_config_names(path, revision=info.sha))
        splits = datasets.get_dataset_split_names(path, config, revision=info.sha)
    terms = info.card_data.get("license") if info.card_data else None
    name, parts = path.split("/")[1], _parts(path, splits)
    left = ", ".join(split for split in splits if split not in parts.values())
    notes = (f"splits that are not used: {left}",) if left else ()
    return Remote(path, config, str(info.sha), terms, f"{name}-{config}" if wanted else name, parts, notes)


def _chosen(path: str, wanted: str | None, configs: Sequence[str]) -> str:
    if wanted is not None and wanted not in configs:
        raise unknown(f"configuration of {path}", wanted, configs)
    if wanted is None and len(configs) > 1:
        listed = ", ".join(configs[:20]) + (f", ... ({len(configs)})" if len(configs) > 20 else "")
        raise SuiteError(f"{path} has several configurations; name one, as in {path}:{configs[0]}. It has: {listed}.")
    return wanted or configs[0]


def _parts(path: str, splits: Sequence[str]) -> dict[str, str]:
    """Return which split plays which part; an only split is train."""
    if len(splits) == 1:
        return {"train": splits[0]}
    parts: dict[str | None, str] = {}
    for split in sorted(splits, key=lambda split: len(words_of(split))):
        parts.setdefault(part_of(words_of(split)), split)
    if "train" not in parts:
        raise SuiteError(
            f"{path} has no split that looks like train; it has: {', '.join(splits)}. "
            "Write the task file by hand: splits: {train: ..., test: ...}."
        )
    return {part: split for part, split in parts.items() if part}

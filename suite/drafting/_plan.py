"""What a draft says, wherever it will lie: the task file's fields, and the rows that have to lie beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.drafting import _cutting, _rendering
from suite.drafting._finding import Guess
from suite.drafting._hub import PAGE, Remote
from suite.drafting._local import Local

if TYPE_CHECKING:
    from datasets import Dataset

LARGER_SHARE = 0.25
_READ_BY = {".csv": "csv", ".jsonl": "json", ".parquet": "parquet"}


@dataclass(frozen=True)
class Plan:
    """A task by its name, its source and what was guessed.

    `parts` maps train, validation and test to the source's parts; without test, train is cut in two. Of few rows
    (`is_small`) more are held out for validation than a tenth, which could be none.
    """

    name: str
    is_named: bool
    source: Local | Remote
    guess: Guess
    parts: dict[str, str]
    labels: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    is_small: bool = False

    @property
    def is_cut(self) -> bool:
        """Whether there is no test split, so that one has to be made."""
        return "test" not in self.parts

    def tables(self) -> dict[str, str]:
        """Return the names of the files that have to be written for each part."""
        if not isinstance(self.source, Local) or (not self.is_cut and self.source.separator == ","):
            return {}
        suffix = _cutting.SUFFIXES[self.source.builder]
        return {part: f"{self.name}-{part}{suffix}" for part in (*self.parts, *(["test"] if self.is_cut else []))}

    def rows(self) -> Iterator[tuple[str, Dataset]]:
        """Yield the rows of each of those files."""
        assert isinstance(self.source, Local)
        if self.is_cut:
            rows = self.source.rows("train")
            yield from ((part, rows.select(chosen)) for part, chosen in _cutting.cut(rows, self.guess).items())
        else:
            yield from ((part, self.source.rows(own)) for part, own in self.parts.items())

    def text(self, folder: Path) -> str:
        """Return the text of the task file that lies in a folder."""
        return _rendering.render(
            self.name, self.guess, self._dataset(folder), self._splits(), (self.labels, self.hints)
        )

    def _splits(self) -> dict[str, Any]:
        """Return what the field `splits` says, if it is not what is meant anyway."""
        source = self.source
        own: dict[str, Any] = {
            part: source.parts[name] if isinstance(source, Remote) else part for part, name in self.parts.items()
        }
        own.setdefault("test", "test")
        if "validation" not in own and self.is_small:
            own["validation"] = {"from": own["train"], "fraction": LARGER_SHARE}
        order = ("train", "validation", "test")
        return {} if own == {"train": "train", "test": "test"} else {part: own[part] for part in order if part in own}

    def _dataset(self, folder: Path) -> dict[str, Any]:
        """Return what the field `dataset` says."""
        if isinstance(self.source, Remote):
            config = {} if self.source.config == "default" else {"config": self.source.config}
            terms = {"license": self.source.license} if self.source.license else {}
            pin = {"revision": self.source.commit}
            return {"path": self.source.path} | config | pin | terms | {"source": f"{PAGE}{self.source.path}"}
        tables = self.tables()
        if tables:
            return {"path": _READ_BY[Path(tables["train"]).suffix], "data_files": tables}
        named = {part: self.source.data_files(own, folder) for part, own in self.parts.items()}
        shown = {part: files[0] if len(files) == 1 else files for part, files in named.items()}
        return {"path": self.source.builder, "data_files": shown}

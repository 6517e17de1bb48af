"""Reading with `datasets`, quietly, its many errors as one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from suite.spec import SuiteError

if TYPE_CHECKING:
    from datasets import Dataset


def load(builder: str, files: dict[str, list[str]], separator: str) -> dict[str, Dataset]:
    """Return the rows of each split's files.

    Raises:
        SuiteError: they cannot be read.
    """
    import datasets

    hush()
    options: dict[str, Any] = {} if separator == "," else {"sep": separator}
    try:
        return dict(datasets.load_dataset(builder, data_files=files, **options))
    except Exception as error:  # datasets raises dozens of types; each becomes one sentence
        raise SuiteError(f"Cannot read {next(iter(files.values()))[0]}: {reason(error)}.") from error


def hush() -> None:
    """Let the libraries print nothing: what they would log, we raise."""
    import datasets
    from huggingface_hub.utils import logging as hub_logging

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # its client would tell of every retry


def reason(error: BaseException) -> str:
    """Return the cause that lies deepest, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    if "corresponds to no data" in text or "the first 0 values" in text:
        return "it holds no rows"
    return text[:300]

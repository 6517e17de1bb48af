"""A metric of the Hub by name, `hub:OWNER/NAME@<commit>`: a stranger's code, so only pinned, trusted and online.

`evaluate.load` with a revision looks for ./OWNER/NAME/NAME.py first and, if the Hub does not answer, takes
whichever commit was loaded last. Here the commit is downloaded and its script is what is loaded.
"""

from __future__ import annotations

import functools
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from suite import hub
from suite.metrics._metric import TARGETS, Metric
from suite.metrics._ways import Examples, Regrouped
from suite.spec import SuiteError

if TYPE_CHECKING:
    import evaluate

PREFIX = "hub:"
TRUST = "TRANSFER_SUITE_HUB_METRICS"
_PINNED = re.compile(r"hub:(?P<repository>[\w.-]+/(?P<script>\w+))@(?P<commit>[0-9a-f]{40})")


def get(name: str) -> Metric:
    """Return a metric of the Hub; nobody knows its range, and larger is taken as better.

    Raises:
        SuiteError: the name has no commit.
    """
    _parts(name)
    way = Regrouped(functools.partial(_value, name))
    return Metric(name, (None, None), dict.fromkeys(TARGETS, way))


def _parts(name: str) -> tuple[str, str, str]:
    """Return repository, script and commit."""
    match = _PINNED.fullmatch(name)
    if match is None:
        raise SuiteError(
            f"'{name}' is no pinned metric of the Hub; expected hub:OWNER/NAME@ and a commit of 40 hex digits."
        )
    return match["repository"], match["script"], match["commit"]


def _value(name: str, labels: Examples, predictions: Examples, scores: Examples) -> float:
    loaded, (_, script, _) = load(name), _parts(name)
    plain = [c.tolist() if isinstance(c, np.ndarray) else c for c in (predictions, labels)]
    try:
        result = loaded.compute(predictions=plain[0], references=plain[1])
    except Exception as error:
        load.cache_clear()  # it may keep these examples for the next time
        raise SuiteError(f"The metric '{name}' failed on these examples: {_told(error)}") from error
    return _number(name, script, result)


def _number(name: str, script: str, result: Any) -> float:
    """Return the number that has the script's name, or the only one."""
    numbers = {k: float(v) for k, v in dict(result or {}).items() if isinstance(v, int | float | np.number)}
    found = numbers.get(script, next(iter(numbers.values())) if len(numbers) == 1 else None)
    if found is None or not math.isfinite(found):
        raise SuiteError(
            f"The metric '{name}' gave {dict(result or {})}; expected a finite number named '{script}', or only one."
        )
    return found


@functools.lru_cache(maxsize=32)
def load(name: str) -> evaluate.Metric:
    """Return the metric, downloading its commit and running its code.

    Raises:
        SuiteError: the name has no commit, its code is not trusted, or it cannot be had or loaded.
    """
    repository, script, commit = _parts(name)
    if os.environ.get(TRUST) != "1":
        raise SuiteError(
            f"The metric '{name}' is code from the Hub and would run on this machine. "
            f"Read it, and set {TRUST}=1 to say that such code is trusted."
        )
    path = _download(name, repository, commit) / f"{script}.py"
    if not path.is_file():
        raise SuiteError(f"The metric '{name}' has no {path.name} at that commit.")
    import evaluate
    from evaluate.loading import get_imports

    elsewhere = [source for sort, _, source, _ in get_imports(str(path)) if sort == "external"]
    if elsewhere:
        raise SuiteError(f"The metric '{name}' takes code from {elsewhere[0]}, which no commit pins.")
    try:
        return evaluate.load(str(path), keep_in_memory=True)
    except Exception as error:
        raise SuiteError(f"The metric '{name}' cannot be loaded: {_told(error)}") from error


def _download(name: str, repository: str, commit: str) -> Path:
    from huggingface_hub import constants, errors, snapshot_download
    from huggingface_hub.utils import logging
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if constants.HF_HUB_OFFLINE or hub.is_offline():
        raise SuiteError(f"The metric '{name}' comes from the Hub, and HF_HUB_OFFLINE forbids asking it.")
    disable_progress_bars()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # its client would tell of every retry
    try:
        return Path(snapshot_download(repository, repo_type="space", revision=commit, allow_patterns="*.py"))
    except errors.HfHubHTTPError as error:
        raise hub.explain(error, f"the metric '{name}'") from None
    except Exception as error:
        raise SuiteError(
            f"The Hub cannot be reached for the metric '{name}' ({type(error).__name__}). "
            "Check the network, or leave the metric out."
        ) from None


def _told(error: Exception) -> str:
    """Return an error of a stranger's code in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]

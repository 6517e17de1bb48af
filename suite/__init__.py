"""Transfer Suite: how well does a pre-trained checkpoint adapt, and will the answer still hold next year?

    import suite
    report = suite.run("bundled/tiny-bert", "wordnet-pos", "linear_probe", protocol="quick", store="./results")
    board = suite.rank("./results")

Names are imported on first use, so that `import suite` loads neither torch nor transformers.
"""

import importlib
from typing import Any

_NAMES = {
    "run": "suite.grid",
    "rank": "suite.leaderboard",
    "transfer": "suite.effects",
    "compare": "suite.comparison",
    "verify": "suite.verification",
    "screen": "suite.selection",
    "race": "suite.selection",
    "recommend": "suite.selection",
    "write_report": "suite.report",
    "Store": "suite.store",
    "TaskSpec": "suite.spec",
    "Mixture": "suite.spec",
    "Protocol": "suite.spec",
    "RunSpec": "suite.spec",
    "Record": "suite.spec",
    "SuiteError": "suite.spec",
}

__all__ = [
    "Mixture",
    "Protocol",
    "Record",
    "RunSpec",
    "Store",
    "SuiteError",
    "TaskSpec",
    "compare",
    "race",
    "rank",
    "recommend",
    "run",
    "screen",
    "transfer",
    "verify",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'suite' has no attribute '{name}'")
    return getattr(importlib.import_module(_NAMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

"""The Space: a store's leaderboard to look at, explore and try, and a desk for submissions.

    python app.py                                        opens on the results that lie beside it
    SUITE_STORE=hf://datasets/org/results python app.py  opens on a store

It reads through suite.store and suite.evidence; torch is loaded by the demo alone, when somebody first uses it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before Gradio is imported: nothing is told to anybody
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

from showroom.space import Settings, launch

from suite.spec import SuiteError

if __name__ == "__main__":
    try:
        launch(Settings.of_environment())
    except SuiteError as error:
        sys.exit(f"error: {error}")

"""The tabs, one module each: what a visitor sees and does, in Gradio's own parts. Only here Gradio is known."""

from __future__ import annotations

from typing import Any

QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""Of events that only read: they answer at once and wait in no queue."""

LATEST: dict[str, Any] = {**QUICK, "trigger_mode": "always_last"}
"""Likewise, of which the last one counts where they come faster than the answers."""

TELL: dict[str, Any] = {**QUICK, "js": "(query) => shop.tell(query)"}
"""Of what follows them: the address tells the view."""

SLOW: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}
"""Of events that may take seconds."""

"""How figures look: colours by role, plain text whatever a name holds, and sizes in pixels of the page.

A figure is drawn in the light colours. In the page each of them becomes a CSS variable of its role, so
that one drawing reads in the light and in the dark.
"""

from __future__ import annotations

import contextlib
import functools
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from suite.evidence.words import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 760
"""Of every figure, in pixels."""

INK, MUTED, RULE, BAND, ACCENT, WARN = "#1a1f26", "#58616d", "#d3d8de", "#f1f4f7", "#0b5cab", "#b4380d"
SERIES = ("#0b5cac", "#b4380e", "#0a7355", "#8f3f8a", "#806300", "#4d5966", "#0c7084", "#a02252")
"""Told apart by the colour-blind too, and by their marks: every series has a mark of its own beside its colour."""

MARKS = ("o", "s", "^", "D", "v", "P", "X", "p")

ROLES = {INK: "ink", MUTED: "muted", RULE: "rule", BAND: "band", ACCENT: "accent", WARN: "warn"} | {
    colour: f"s{i}" for i, colour in enumerate(SERIES)
}

FONT = "DejaVu Sans"
"""The one font that travels with matplotlib. It is wide: text that fits in it fits in a reader's own font."""


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Draw in our style inside: text is text, never TeX, and the same figure gives the same bytes."""
    import matplotlib as mpl

    settings = {
        "text.parse_math": False,
        "text.usetex": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "transfer-suite",
        "font.family": [FONT],
        "font.size": 11,
        "text.color": INK,
        "axes.edgecolor": RULE,
        "axes.labelcolor": MUTED,
        "axes.linewidth": 1,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.unicode_minus": True,
        "axes.formatter.use_mathtext": False,
        "grid.color": RULE,
        "grid.linewidth": 0.8,
        "xtick.color": RULE,
        "xtick.labelcolor": MUTED,
        "ytick.color": RULE,
        "ytick.labelcolor": MUTED,
        "xtick.labelsize": 10,
        "ytick.labelsize": 10,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "xtick.minor.size": 0,
        "ytick.minor.size": 0,
        "lines.solid_capstyle": "butt",
        "path.simplify": False,
    }
    with mpl.rc_context(settings), warnings.catch_warnings():  # type: ignore[arg-type]  # known keys, one by one
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # emoji: the reader's fonts have them
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support .* natively")
        yield


def figure(height: float) -> Figure:
    """Return an empty figure of the page's width and a height in pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH / 72, height / 72), dpi=72, facecolor="none")


def axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Return axes at a place in pixels from the figure's top left corner."""
    wide, high = (float(size) * 72 for size in figure.get_size_inches())
    made = figure.add_axes((left / wide, 1 - (top + height) / high, width / wide, height / high))
    made.set_facecolor("none")
    made.set_axisbelow(True)
    return made


def write(figure: Figure, x: float, y: float, text: str, **how: Any) -> None:
    """Write text at pixels from the figure's top left corner."""
    wide, high = (float(size) * 72 for size in figure.get_size_inches())
    figure.text(x / wide, 1 - y / high, text, **{"va": "center"} | how)


def series(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return a colour and a mark a name, in the order given."""
    return {name: (SERIES[i % len(SERIES)], MARKS[i % len(MARKS)]) for i, name in enumerate(dict.fromkeys(names))}


def fitted(text: str, width: float, size: float = 11) -> str:
    """Return text that is at most `width` pixels wide, its middle left out where it is longer."""
    text = clean(text)
    if wide(text, size) <= width:
        return text
    kept = len(text) - 1
    while kept > 2:
        head, tail = (kept + 1) // 2, kept // 2
        shorter = f"{text[:head]}…{text[-tail:]}"
        if (over := wide(shorter, size) - width) <= 0:
            return shorter
        kept -= max(1, int(over / size))
    return "…"


def wide(text: str, size: float = 11) -> float:
    """Return how many pixels wide a text is."""
    return size * sum(_advance(sign) for sign in text)


@functools.lru_cache(maxsize=4096)
def _advance(sign: str) -> float:
    """Return a sign's width in units of the font size; of one that the font lacks, what other fonts give it."""
    font, full = _font(), unicodedata.east_asian_width(sign) in "WF"
    if unicodedata.combining(sign) or not font.get_char_index(ord(sign)):
        return 1.4 if full else 0.7
    return float(font.load_char(ord(sign)).linearHoriAdvance) / 65536 / 100


@functools.lru_cache(maxsize=1)
def _font() -> Any:
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    font = FT2Font(findfont(FontProperties(family=FONT)))  # our own: its size is a state
    font.set_size(100, 72)
    return font

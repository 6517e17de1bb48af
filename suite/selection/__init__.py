"""Which checkpoint to take, and how to spend a budget finding out.

`screen` looks before any training, `race` spends runs where the ranking is undecided, `recommend` reads a store.
"""

from suite.selection._advice import Advice, by_modality, recommend
from suite.selection._course import race
from suite.selection._front import Choice
from suite.selection._result import Raced
from suite.selection._screening import MEASURES, Cell, Screened, screen
from suite.selection._standing import Standing

__all__ = [
    "MEASURES",
    "Advice",
    "Cell",
    "Choice",
    "Raced",
    "Screened",
    "Standing",
    "by_modality",
    "race",
    "recommend",
    "screen",
]

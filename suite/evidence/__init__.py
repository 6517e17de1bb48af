"""Boards with the records behind them: what reports and cards are made of.

A section is one board, or its losses; a line is a row of it with its entries. `pins` says what was evaluated, on what
and with what; `words` says it in sentences.
"""

from suite.evidence._boards import sections
from suite.evidence._sections import LONG, SHOWN, Column, Line, Section

__all__ = ["LONG", "SHOWN", "Column", "Line", "Section", "sections"]

"""What visitors of the Space ask to have evaluated: checked before it is queued, and filed beside the records.

    <store>/submissions/20261126-165302-3f9c1a2b.json           what is asked
                        20261126-165302-3f9c1a2b.running.json   who works on it, and since when
                        20261126-165302-3f9c1a2b.done.json      or failed: what came of it

Who asked is written nowhere. What is counted of a visitor is kept in memory alone.
"""

from suite.submissions._check import MOST_BYTES, Ask, check
from suite.submissions._gate import Gate
from suite.submissions._queue import MOST_PENDING, Queue
from suite.submissions._submission import STATES, Queued, State, Submission
from suite.submissions._work import work

__all__ = [
    "MOST_BYTES",
    "MOST_PENDING",
    "STATES",
    "Ask",
    "Gate",
    "Queue",
    "Queued",
    "State",
    "Submission",
    "check",
    "work",
]

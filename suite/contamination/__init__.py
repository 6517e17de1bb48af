"""Which test rows the training rows hold too, exactly or nearly, and the score on the others.

Rows are compared by what a model is given of them, all input columns together; their answers, ids and groups
are left aside. `_texts` and `_images` say when two are equal and when they are near. What was found is kept
by the rows' content (`_kept`), so that the runs of a grid look once.
"""

from suite.contamination._found import Found, clean_scores, look
from suite.contamination._tasks import of_collection, of_task

__all__ = ["Found", "clean_scores", "look", "of_collection", "of_task"]

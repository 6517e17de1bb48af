"""What a board needs of each record, as tables: a cache that saves opening thousands of files.

    name     what comparable says of it     numbers                        examples
    3f9c-1   row, column, protocol          score, seed, fold, cost, ...   values, clusters, seen

Texts that many records share (a task, a metric, a row) stand in a table once. What examples give is packed: bits
where all of it is 0 or 1, else fp64. Of a table no more is read than is asked for: names to see what is there, the
columns of those that are wanted, what examples give when a mean over them is made. The record itself is read when
somebody asks for it.
"""

from suite.index._contents import Contents, Indexed, Part, Wanted
from suite.index._entry import Entry, Examples, Source, entry_of, pack, unpack
from suite.index._line import SCHEMA, VERSION, Line, Writer, differences, line_of, read, table_of, write, written
from suite.index._piece import Piece

__all__ = [
    "SCHEMA",
    "VERSION",
    "Contents",
    "Entry",
    "Examples",
    "Indexed",
    "Line",
    "Part",
    "Piece",
    "Source",
    "Wanted",
    "Writer",
    "differences",
    "entry_of",
    "line_of",
    "pack",
    "read",
    "table_of",
    "unpack",
    "write",
    "written",
]

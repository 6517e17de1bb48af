"""How much of a stranger's file is read: sizes, depths, pixels and formats, looked at before the reading.

    limits.parse_json(content, "config.json")      a value that is nested no deeper than MAX_DEPTH
    limits.read_table(content)                     a parquet file whose footer claims no more than fits
    limits.open_picture(content)                   a picture of a plain format, not yet decoded

    limits.check_rows(path, "parquet")             a data file, whatever its size

Every function raises ValueError with half a sentence, which whoever knows the file's name makes a whole one of.
"""

from suite.limits._json import MAX_DEPTH, parse_json
from suite.limits._pictures import FORMATS, MAX_PIXELS, open_picture
from suite.limits._rows import check_rows
from suite.limits._tables import MAX_DATA_BYTES, MAX_TABLE_BYTES, open_table, read_table
from suite.limits._yaml import MAX_YAML_BYTES, parse_yaml, read_front_matter

__all__ = [
    "FORMATS",
    "MAX_DATA_BYTES",
    "MAX_DEPTH",
    "MAX_PIXELS",
    "MAX_TABLE_BYTES",
    "MAX_YAML_BYTES",
    "check_rows",
    "open_picture",
    "open_table",
    "parse_json",
    "parse_yaml",
    "read_front_matter",
    "read_table",
]

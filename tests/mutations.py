"""Valid inputs made invalid: bytes flipped, cut and doubled; fields of JSON taken away, swapped and made absurd."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

DEEP = 3_000
ABSURD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**31,
    2**63,
    2**80,
    -(2**80),
    1e308,
    -0.0,
    float("nan"),
    float("inf"),
    "",
    " ",
    "x" * 5_000,
    "../../x",
    "/etc/passwd",
    "..",
    "a\0b",
    "a/b",
    "\uff0e\uff0e\uff0fx",  # look-alikes of dots and slash
    "\u202egpj.exe",  # written from right to left
    "\ud800",  # half a sign
    "e\u0301\u200b\ufeff",
    "1e999",
    "null",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "${HOME}",
    "~root/x",
    "hf://datasets/x/y",
    [],
    {},
    [[]],
    {"": None},
    [None] * 50,
    {"__class__": "os.system", "auto_map": {"a": "b"}},
)


PIECES = (b"\0", b"\xff", b"\xed\xa0\x80", b"[" * 60, b"{" * DEEP, b"&a *a", b"!!")


def bytes_of(content: bytes, random: Random) -> bytes:
    """Return bytes changed in one to four places."""
    made = bytearray(content)
    for _ in range(random.randint(1, 4)):
        at, size = random.randrange(len(made) + 1), random.choice((1, 2, 8, 64))
        way = random.randrange(7)
        if way == 0 and made:
            made[at % len(made)] ^= 1 << random.randrange(8)
        elif way == 1:
            made = made[:at]
        elif way == 2:
            made[at:at] = random.randbytes(size)
        elif way == 3:
            del made[at : at + size]
        elif way == 4:
            made[at:at] = made[at : at + size] * random.choice((1, 3, 200))
        elif way == 5:
            made[at : at + size] = random.choice(PIECES)
        else:
            other = random.randrange(len(made) + 1)
            made[at : at + size] = made[other : other + size]
    return bytes(made)


def value_of(value: Any, random: Random) -> Any:
    """Return a JSON value changed in one to three places."""
    made = copy.deepcopy(value)
    for _ in range(random.randint(1, 3)):
        made = _changed(made, random)
    return made


def _changed(value: Any, random: Random) -> Any:
    places = list(_places(value))
    if not places:
        return random.choice(ABSURD)
    holder, key = random.choice(places)
    way = random.randrange(8)
    if way == 0:
        del holder[key]
    elif way == 1:
        other, there = random.choice(places)
        holder[key], other[there] = copy.deepcopy((other[there], holder[key]))
    elif way == 2 and isinstance(holder, dict):
        holder[random.choice(("extra", "", "\0", "a" * 300, *map(str, holder)))] = holder.pop(key)
    else:
        holder[key] = _other(holder[key], way, random)
    return value


def _other(value: Any, way: int, random: Random) -> Any:
    """Return another value for a place: this one wrapped, doubled or distorted, or an absurd one."""
    if way == 3:
        return [value] * random.choice((1, 2, 30))
    if way == 4:
        return {"x": value}
    if way == 5 and isinstance(value, str):
        return bytes_of(value.encode("utf-8", "surrogatepass"), random).decode("utf-8", "replace")
    if way == 6 and isinstance(value, int | float):
        return random.choice((-value, value * 10**20, value + 0.5, str(value)))
    return copy.deepcopy(random.choice(ABSURD))


def _places(value: Any) -> Any:
    """Yield every place inside a value as (what holds it, its key)."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(inside):
        yield value, key
        yield from _places(inner)


def json_of(value: Any, random: Random) -> bytes:
    """Return a value as JSON, most often changed as a value, else as bytes; some are nested very deep."""
    if random.random() < 0.3:
        return bytes_of(json.dumps(value).encode(), random)
    text = json.dumps(value_of(value, random), ensure_ascii=random.random() < 0.7)
    if random.random() < 0.05:
        text = text.replace("null", "[" * DEEP + "]" * DEEP, 1)
    return text.encode("utf-8", "surrogatepass")


def word(random: Random, *known: str) -> str:
    """Return a word for the command line: a known one, one that is nearly so, or none at all."""
    way = random.randrange(4)
    if way == 0 and known:
        return random.choice(known)
    if way == 1 and known:
        return bytes_of(random.choice(known).encode(), random).decode("utf-8", "replace")
    if way == 2:
        return str(random.choice(ABSURD))
    signs = "abz019-_./\\:@=,~* \t\n\0'\"<>&%#[]{}()$éß\u0660\uff0f\u202e\U0001f600"
    return "".join(random.choice(signs) for _ in range(random.choice((0, 1, 3, 10, 80, 400))))

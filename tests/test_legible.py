"""What strangers wrote is shown, and never obeyed."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from suite import legible

STEERS = ("Cc", "Cf", "Cs", "Zl", "Zp")


def test_a_name_is_one_line_without_what_steers() -> None:
    assert legible.clean(" a\x1b[31m\n\t b\u202ec\ud800 ") == "a\ufffd[31m b\ufffdc\ufffd"
    assert legible.line("ok   a\nok\u2028 \x9b2Jb") == "ok   a ok  \ufffd2Jb"
    assert legible.page("a\n  b\x1b[2J\r\n") == "a\n  b\ufffd[2J \n"
    assert legible.clean("\u200d\u0645\u06cc\u200c\u062e 日本\u3000語 é") == "\u200d\u0645\u06cc\u200c\u062e 日本 語 é"


@given(st.text())
def test_nothing_that_steers_is_left(text: str) -> None:
    for shown in (legible.clean(text), legible.line(text), legible.page(text).replace("\n", "")):
        assert not [sign for sign in shown if unicodedata.category(sign) in STEERS and sign not in "\u200c\u200d"]
    assert len(legible.line(text)) == len(text) == len(legible.page(text))


@given(st.text(st.characters(exclude_categories=[*STEERS, "Zs", "Cn"]) | st.just(" ")))
def test_other_text_stays_as_it_is(text: str) -> None:
    assert legible.line(text) == legible.page(text) == text


def test_a_field_is_no_formula_and_a_number_stays() -> None:
    for sign in ("=", "+", "-", "@", "\t", "\r", " =", "\n+"):
        assert legible.field(f"{sign}1").startswith("'"), sign
    for value in ("a=1", "", "1-2", -1.5, None, True):
        assert legible.field(value) is value

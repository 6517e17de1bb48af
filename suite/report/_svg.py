"""A figure -> SVG inside the page, in CSS colours and the page's font, or a file of its own."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

from suite.report import _theme
from suite.spec import SuiteError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "png")
PIXELS_PER_POINT = 2.5
"""Of PNG files: 1,900 pixels wide."""

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_NOTHING = {"Date": None, "Creator": None, "Format": None, "Type": None}
_NUMBER = re.compile(r"-?\d+\.\d+(e-?\d+)?")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_FACE = f"font-family: '{_theme.FONT}'"


def inline(figure: Figure, name: str, title: str, description: str) -> str:
    """Return a figure as an `svg` element: own ids, colours by role, a title and a description to be read out."""
    root = ET.fromstring(_svg(figure, "none"))
    for element in list(root):
        if element.tag == f"{{{_SVG}}}metadata":
            root.remove(element)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', ET.tostring(root, encoding="unicode")))
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        element.attrib = {_attribute(k): _value(k, v, name) for k, v in element.attrib.items() if _kept(k, v, used)}
    _describe(root, name, title, description)
    return ET.tostring(root, encoding="unicode", short_empty_elements=True)


def _svg(figure: Figure, face: str) -> str:
    """Return a figure as matplotlib has it, on a colour or on none."""
    stream = io.StringIO()
    with _theme.style():
        figure.savefig(stream, format="svg", metadata=_NOTHING, facecolor=face)
    return stream.getvalue()


def _kept(name: str, value: str, used: set[str]) -> bool:
    """Return whether an attribute does anything: ids that nothing refers to and turns by nothing do not."""
    return value in used if name == "id" else not value.startswith("rotate(-0 ")


def _attribute(name: str) -> str:
    return name.removeprefix(f"{{{_XLINK}}}").removeprefix(f"{{{_SVG}}}")


def _value(attribute: str, value: str, name: str) -> str:
    """Return an attribute's value as the page has it."""
    if attribute == "id":
        return f"{name}-{value}"
    if attribute == f"{{{_XLINK}}}href":
        return f"#{name}-{value.removeprefix('#')}"
    if attribute == "clip-path":
        return value.replace("url(#", f"url(#{name}-")
    if attribute == "style":
        text = _COLOUR.sub(lambda found: f"var(--{role})" if (role := _theme.ROLES.get(found[0])) else found[0], value)
        return text.replace(_FACE, "font-family: var(--sans)")
    return _NUMBER.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), value)


def _describe(root: ET.Element, name: str, title: str, description: str) -> None:
    wide, high = root.attrib["viewBox"].split()[2:]
    kept = {"viewBox": root.attrib["viewBox"], "width": wide, "height": high}
    root.attrib = kept | {"role": "img", "aria-labelledby": f"{name}-title {name}-desc"}
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(tag, {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(place, element)


def save(figure: Figure, path: Path) -> None:
    """Write a figure to a file of the format that its name ends in, on white.

    Raises:
        SuiteError: the file cannot be written.
    """
    try:
        if path.suffix == ".svg":
            path.write_text(_svg(figure, "white").replace(_FACE, f"{_FACE}, Verdana, sans-serif"), encoding="utf-8")
            return
        with _theme.style():
            scale = 72 * PIXELS_PER_POINT
            figure.savefig(path, format="png", dpi=scale, facecolor="white", metadata={"Software": None})
    except OSError as error:
        raise SuiteError(f"The figure '{path}' cannot be written: {error.strerror or error}.") from None

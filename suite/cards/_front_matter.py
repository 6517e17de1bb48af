"""A card's front matter as text that is edited in place: keys that nobody asks to change keep every byte.

PyYAML says where a node begins and ends in the text, so that one key, or one result of the model-index, is cut out and
another put in its place. Where the layout does not allow that (a mapping in braces), the part in question is written
anew with the same values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from suite import limits
from suite.cards._metadata import dump, is_ours
from suite.spec import SuiteError

INDEX = "model-index"
MAX_REFERENCES = 20
"""More could stand for a text of any size."""

_NO_YAML = (yaml.YAMLError, ValueError, RecursionError, AttributeError, LookupError, TypeError)


@dataclass(frozen=True)
class FrontMatter:
    """The text between the fences, what it says, and how its lines end."""

    text: str
    values: dict[Any, Any]
    root: yaml.MappingNode
    end: str

    def without(self, key: str) -> FrontMatter:
        """Return it without a key."""
        start, stop = self._span(key)
        return read(self.text[:start] + self.text[stop:], self.end)

    def having(self, key: str, value: Any) -> FrontMatter:
        """Return it with a value under a key, in the place where the key is, else at the end."""
        if key in self.values and self.values[key] == value:
            return self
        block = dump({key: value}).replace("\n", self.end)
        start, stop = self._span(key) if key in self.values else (len(self.text), len(self.text))
        before = self.text[:start]
        if before and not before.endswith(("\n", "\r")):
            before += self.end
        return read(before + block + self.text[stop:], self.end)

    def with_results(self, results: list[dict[str, Any]], name: str) -> FrontMatter:
        """Return it with these results in the model-index in the place of ours; others stay, in their order.

        Raises:
            SuiteError: what stands under model-index is none.
        """
        if self.values.get(INDEX, []) == []:
            return self.having(INDEX, [{"name": name, "results": results}]) if results else self
        models = self.values[INDEX]
        if not _is_index(models) or _has_references(_value_of(self.root, INDEX), set()):
            raise SuiteError(
                f"The card's {INDEX} is no list of models with their results, or has references (*name) in it; mend it "
                "or take it out."
            )
        if [one for model in models for one in model["results"] if is_ours(one)] == results:
            return self
        if not results and all(is_ours(one) for model in models for one in model["results"]):
            return self.without(INDEX)
        return self._edited(results) or self._written_anew(results)

    def _edited(self, results: list[dict[str, Any]]) -> FrontMatter | None:
        """Return it with the results of the first model edited in place; None where its layout does not allow that."""
        models = _value_of(self.root, INDEX)
        lists = [_value_of(model, "results") for model in models.value]
        if any(of.flow_style or not of.value for of in lists):
            return None
        first, text = lists[0], self.text
        edits = [(self._lines(node), "") for of in lists for node in of.value if is_ours(_plain(node))]
        indent = " " * first.start_mark.column
        added = "".join(f"{indent}{line}{self.end}" for line in yaml_lines(results))
        last = self._lines(first.value[-1])[1]
        for (start, stop), new in sorted([*edits, ((last, last), added)], reverse=True):
            gap = self.end if new and start and not text[:start].endswith(("\n", "\r")) else ""
            text = text[:start] + gap + new + text[stop:]
        try:
            made = read(text, self.end)
        except SuiteError:
            return None
        return made if repr(made.values) == repr(self._expected(results)) else None

    def _written_anew(self, results: list[dict[str, Any]]) -> FrontMatter:
        """Return it with the model-index serialised from its nodes: every scalar as the author wrote it."""
        models, (start, stop) = _value_of(self.root, INDEX), self._span(INDEX)
        for place, model in enumerate(models.value):
            of = _value_of(model, "results")
            of.value = [node for node in of.value if not is_ours(_plain(node))]
            of.value += _nodes(results) if place == 0 else []
            of.flow_style = not of.value
        key = yaml.ScalarNode("tag:yaml.org,2002:str", INDEX)
        whole = yaml.MappingNode("tag:yaml.org,2002:map", [(key, models)], flow_style=False)
        expected = self._expected(results)
        for block in _serialised(whole, self.end):
            made = read(self.text[:start] + block + self.text[stop:], self.end)
            if repr(made.values) == repr(expected):
                return made
        raise _unfit()

    def _expected(self, results: list[dict[str, Any]]) -> dict[Any, Any]:
        models = [
            model | {"results": [one for one in model["results"] if not is_ours(one)] + (results if not place else [])}
            for place, model in enumerate(self.values[INDEX])
        ]
        return self.values | {INDEX: models}

    def _span(self, key: str) -> tuple[int, int]:
        """Return where the lines of a key begin and end."""
        node, value = next((k, v) for k, v in self.root.value if k.value == key)
        return node.start_mark.index, self._line_end(max(node.end_mark.index, _stop(value)))

    def _lines(self, node: yaml.Node) -> tuple[int, int]:
        """Return where the lines of an item of a list begin and end."""
        return self.text.rfind("\n", 0, node.start_mark.index) + 1, self._line_end(_stop(node))

    def _line_end(self, index: int) -> int:
        if index and self.text[:index].endswith("\n"):  # a block of text ends behind its last line
            return index
        found = self.text.find("\n", index)
        return len(self.text) if found < 0 else found + 1


def read(text: str, end: str) -> FrontMatter:
    """Return front matter.

    Raises:
        SuiteError: it is no mapping in YAML.
    """
    try:
        _check_references(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = None if root is None else _plain(root)
    except _NO_YAML as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 2}: " if mark else ""
        reason = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise SuiteError(f"The card's metadata cannot be read: {where}{reason}. Mend them first.") from None
    if root is None:
        return FrontMatter(text, {}, yaml.MappingNode("tag:yaml.org,2002:map", []), end)
    if not isinstance(values, dict) or not isinstance(root, yaml.MappingNode):
        raise SuiteError("The card's metadata are no mapping of names to values; mend them first.")
    made = FrontMatter(text, values, root, end)
    return made if _is_regular(root) else _regular(made)


def _check_references(text: str) -> None:
    if len(text) > limits.MAX_YAML_BYTES:
        raise ValueError(f"they have {len(text):,} characters; at most {limits.MAX_YAML_BYTES:,} are read")
    if text.count("*") <= MAX_REFERENCES:
        return
    count = sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader))
    if count > MAX_REFERENCES:
        raise ValueError(f"it has {count} references (*name), of which at most {MAX_REFERENCES} are read")


def _is_regular(root: yaml.MappingNode) -> bool:
    """Return whether every key begins a line of its own."""
    lines = [key.start_mark.line for key, _ in root.value]
    return len(set(lines)) == len(lines) and all(key.start_mark.column == 0 for key, _ in root.value)


def _regular(held: FrontMatter) -> FrontMatter:
    """Return it with every key on a line of its own."""
    held.root.flow_style = False
    for text in _serialised(held.root, held.end):
        made = read(text, held.end)
        if repr(made.values) == repr(held.values):
            return made
    raise _unfit()


def _serialised(node: yaml.Node, end: str) -> Iterator[str]:
    """Yield a node's YAML as it reads best, then with all but ASCII escaped: PyYAML breaks its own lines at U+0085."""
    for plain in (True, False):
        text: str = yaml.serialize(node, Dumper=yaml.SafeDumper, allow_unicode=plain, width=1000)
        yield text.replace("\n", end)


def _unfit() -> SuiteError:
    return SuiteError("The card's metadata have a layout that cannot be added to; write them a key a line.")


def yaml_lines(results: list[dict[str, Any]]) -> list[str]:
    """Return a list as lines of YAML."""
    return yaml.safe_dump(results, sort_keys=False, allow_unicode=True, width=1000).splitlines() if results else []


def _nodes(results: list[dict[str, Any]]) -> list[yaml.Node]:
    made: Any = yaml.compose("\n".join(yaml_lines(results)), Loader=yaml.SafeLoader)
    return [] if made is None else list(made.value)


def _is_index(models: Any) -> bool:
    return isinstance(models, list) and all(
        isinstance(model, dict) and isinstance(model.get("results"), list) for model in models
    )


def _has_references(node: yaml.Node, seen: set[int]) -> bool:
    """Return whether a node stands for several places: it is the same object in each."""
    if id(node) in seen:
        return True
    seen.add(id(node))
    return any(_has_references(one, seen) for one in _inner(node))


def _inner(node: Any) -> list[yaml.Node]:
    if isinstance(node, yaml.ScalarNode):
        return []
    return [one for pair in node.value for one in (pair if isinstance(pair, tuple) else (pair,))]


def _value_of(node: Any, key: str) -> Any:
    return next(value for name, value in node.value if name.value == key)


def _plain(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _stop(node: Any) -> int:
    """Return where a node's own text ends: a block's mark is that of the next key, behind comments that are not its."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style:
        return int(node.end_mark.index)
    return max((_stop(one) for one in _inner(node)), default=int(node.start_mark.index))

"""YAML of a user's file within bounds: the plain scalars of version 1.2, keys that stand once, no tags, limited depth.

Aliases are read as long as the document stays small when they are written out.
"""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml

from probekit.errors import UserError
from probekit.user_files.json_files import INTEGER_BITS
from probekit.user_files.text import read_text

MOST_BYTES: Final = 2**22
MOST_NESTED: Final = 32
MOST_VALUES: Final = 100_000
"""Values of a document, each alias written out."""

_PREFIX: Final = "tag:yaml.org,2002:"
_NULL: Final = re.compile(r"^(?:~|null|Null|NULL|)$")
_BOOL: Final = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_INTEGER: Final = re.compile(r"^(?:[-+]?[0-9][0-9_]*|0o[0-7]+|0x[0-9a-fA-F]+)$")
_FLOAT: Final = re.compile(
    r"""^(?:[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?
    |[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)
_SCALARS: Final = (
    ("null", _NULL, ["~", "n", "N", ""]),
    ("bool", _BOOL, list("tTfF")),
    ("int", _INTEGER, list("-+0123456789")),
    ("float", _FLOAT, list("-+0123456789.")),
)


class _Loader(yaml.SafeLoader):
    """YAML without the surprises of version 1.1: 1e-4 is a number, 1:30 and 2024-01-01 are texts, a key stands once."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse depth before the composer runs out of stack."""
        if self._depth > MOST_NESTED:
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, f"more than {MOST_NESTED} levels", event.start_mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a key that stands twice, and keys that are lists or mappings."""
        if not isinstance(node, yaml.MappingNode):
            raise _refused(f"a value that is not what its tag {node.tag} says", node)
        made: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _refused("a key is no plain text", key_node)
            key = self.construct_object(key_node, deep=True)
            if key in made:
                raise _refused(f"repeated key {key!r}", node)
            made[key] = self.construct_object(value_node, deep=deep)
        return made

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """An integer of 64 bits: decimal, 0o or 0x."""
        _must_be(_INTEGER, node)
        text = node.value.replace("_", "")
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        if len(text) > INTEGER_BITS or int(text, base).bit_length() > INTEGER_BITS:
            raise _refused(f"an integer of {len(text)} digits, more than {INTEGER_BITS} bits can say", node)
        return int(text, base)

    def construct_float(self, node: yaml.ScalarNode) -> float:
        """A number with a point or an exponent."""
        _must_be(_FLOAT, node)
        return super().construct_yaml_float(node)

    def construct_bool(self, node: yaml.ScalarNode) -> bool:
        """True or false."""
        _must_be(_BOOL, node)
        return super().construct_yaml_bool(node)

    def construct_undefined(self, node: yaml.Node) -> Any:
        """Refuse tags that are not those of plain values."""
        raise _refused(f"the tag {node.tag}, which no value needs", node)


def _must_be(pattern: re.Pattern[str], node: yaml.ScalarNode) -> None:
    """Hold a value that a tag calls a number or a truth value against its pattern."""
    if not isinstance(node, yaml.ScalarNode) or not pattern.match(node.value):
        raise _refused(f"a value that is not what its tag {node.tag} says", node)


def _refused(problem: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


_Loader.yaml_implicit_resolvers = {}
_Loader.yaml_constructors = {}
for _name, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(_PREFIX + _name, _pattern, _first)
for _name, _constructor in {
    "null": _Loader.construct_yaml_null,
    "bool": _Loader.construct_bool,
    "int": _Loader.construct_integer,
    "float": _Loader.construct_float,
    "str": _Loader.construct_yaml_str,
    "seq": _Loader.construct_yaml_seq,
    "map": _Loader.construct_yaml_map,
}.items():
    _Loader.add_constructor(_PREFIX + _name, _constructor)
_Loader.add_constructor(None, _Loader.construct_undefined)


def read_yaml(path: Path, *, what: str, fix: str) -> Any:
    """Read a YAML file of the user.

    Args:
        path: place of the file.
        what: name of the kind of file in messages.
        fix: advice where there is no such file.

    Raises:
        UserError: As `read_text`, or as `parse_yaml`.
    """
    return parse_yaml(read_text(path, what=what, fix=fix, most=MOST_BYTES), str(path))


def parse_yaml(text: str, source: str) -> Any:
    """Parse YAML.

    Args:
        text: text of the document.
        source: beginning of messages.

    Raises:
        UserError: The text is no YAML, or goes beyond its bounds.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _written_out(node, {}, ())
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise UserError(f"{source} is not valid YAML: {_place(error)}.", "Mend that line.") from error


def _place(error: yaml.YAMLError) -> str:
    """Line and problem of an error in one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        return f"line {error.problem_mark.line + 1}: {problem}"
    return " ".join(str(error).split())


def _written_out(node: yaml.Node, known: dict[int, int], parents: tuple[int, ...]) -> int:
    """Number of values below a node with every alias written out."""
    if id(node) in parents:
        raise _refused("an alias of what it stands in", node)
    if id(node) not in known:
        below = node.value if isinstance(node, yaml.CollectionNode) else []
        children = [child for entry in below for child in (entry if isinstance(entry, tuple) else (entry,))]
        known[id(node)] = 1 + sum(_written_out(child, known, (*parents, id(node))) for child in children)
    if known[id(node)] > MOST_VALUES:
        raise _refused(f"more than {MOST_VALUES:,} values, aliases written out", node)
    return known[id(node)]

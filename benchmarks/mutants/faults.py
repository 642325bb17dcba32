"""Which changes are made: the operators of cosmic-ray that have a meaning here, and where they apply.

cosmic-ray replaces each operator by each other one. Most of these changes fail at once (a bit operation on floats) and
would only raise the share of killed ones, so a replacement is listed here or is not made.
"""

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

Position = tuple[int, int]
"""Line from 1 and column from 0, in characters."""

REPLACED: Final = {
    "ReplaceBinaryOperator": (
        *("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "Div_FloorDiv", "FloorDiv_Div", "FloorDiv_Mul", "Mod_FloorDiv"),
        *("Pow_Mul", "Mod_Mul", "BitAnd_BitOr", "BitOr_BitAnd", "BitXor_BitAnd", "LShift_RShift", "RShift_LShift"),
    ),
    "ReplaceComparisonOperator": (
        *("Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt"),
        *("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is"),
    ),
    "ReplaceUnaryOperator": ("Delete_USub", "Delete_Invert", "Delete_Not"),
}
OTHERS: Final = (
    *("AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ExceptionReplacer", "NumberReplacer"),
    *("RemoveDecorator", "ZeroIterationForLoop"),
)
OPERATORS: Final = (*(f"core/{kind}_{pair}" for kind, pairs in REPLACED.items() for pair in pairs), *OTHERS)
NAMES: Final = frozenset(name if name.startswith("core/") else f"core/{name}" for name in OPERATORS)
"""Operators by cosmic-ray's names."""

EXCLUDED: Final = {
    "annotation": "types are mypy's to check",
    "signature": "stars and slashes of a parameter list; default values are changed",
    "message": "text of errors, warnings and log lines",
    "assertion": "invariants that no input reaches",
    "names": "`__all__`",
    "types only": "blocks under TYPE_CHECKING",
    "protocol": "names for type checkers; nothing runs them",
    "strict": "`strict` of zip: lengths that no input makes different",
    "decorator": "caches change the speed, marks for type checkers nothing",
}
"""Where no change is made, with the reason. Docstrings hold nothing that an operator changes."""

_MARKS: Final = {"cache", "lru_cache", "overload", "override", "final", "abstractmethod", "runtime_checkable"}
_LOGGERS: Final = {"logging", "logger", "log", "warnings"}


class Span(NamedTuple):
    """Part of a source text, with the rule that excludes it."""

    start: Position
    end: Position
    rule: str

    def holds(self, position: Position) -> bool:
        """Whether a position lies inside."""
        return self.start <= position < self.end


def excluded_spans(source: str) -> list[Span]:
    """Parts of a module in which no change is made."""
    lines = source.splitlines()
    return [span for node in ast.walk(ast.parse(source)) for span in _spans(node, lines)]


def _spans(node: ast.AST, lines: list[str]) -> Iterator[Span]:
    match node:
        case ast.AnnAssign():
            yield _span(node.annotation, "annotation", lines)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from _signature(node, lines)
            yield from _marks(node, lines)
        case ast.ClassDef() if any(_name(base) == "Protocol" for base in node.bases):
            parts: list[ast.expr | ast.stmt] = [node, *node.decorator_list]
            yield Span(min(_start(part, lines) for part in parts), _end(node, lines), "protocol")
        case ast.ClassDef():
            yield from _marks(node, lines)
        case ast.Call() if _is_message(node.func):
            yield _span(node, "message", lines)
        case ast.Call(func=ast.Name(id="zip")):
            yield from (_span(word.value, "strict", lines) for word in node.keywords if word.arg == "strict")
        case ast.Assert():
            yield _span(node, "assertion", lines)
        case ast.Assign() if any(_name(target) == "__all__" for target in node.targets):
            yield _span(node, "names", lines)
        case ast.If() if _name(node.test) == "TYPE_CHECKING":
            yield _span(node, "types only", lines)


def _marks(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, lines: list[str]) -> Iterator[Span]:
    """Decorators that stay, from the beginning of their line: a change begins at the sign before the name."""
    for mark in node.decorator_list:
        if _name(mark) in _MARKS:
            yield Span((mark.lineno, 0), _end(mark, lines), "decorator")


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> Iterator[Span]:
    """What lies between the name and the body, without the default values."""
    defaults = [value for value in (*node.args.defaults, *node.args.kw_defaults) if value is not None]
    edges = [_start(node, lines)]
    for value in sorted(defaults, key=lambda default: _start(default, lines)):
        edges += [_start(value, lines), _end(value, lines)]
    edges.append(_start(node.body[0], lines))
    yield from (Span(*pair, "signature") for pair in zip(edges[::2], edges[1::2], strict=True))


def _is_message(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.value.id.lower().lstrip("_") in _LOGGERS
    return _name(function).endswith(("Error", "Warning"))


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return _name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _span(node: ast.expr | ast.stmt, rule: str, lines: list[str]) -> Span:
    return Span(_start(node, lines), _end(node, lines), rule)


def _start(node: ast.expr | ast.stmt, lines: list[str]) -> Position:
    return node.lineno, _column(lines[node.lineno - 1], node.col_offset)


def _end(node: ast.expr | ast.stmt, lines: list[str]) -> Position:
    if node.end_lineno is None or node.end_col_offset is None:
        raise ValueError("Syntax trees of a text have ends.")
    return node.end_lineno, _column(lines[node.end_lineno - 1], node.end_col_offset)


def _column(line: str, offset: int) -> int:
    """Characters before an offset in bytes, which is what `ast` gives."""
    return len(line.encode()[:offset].decode())

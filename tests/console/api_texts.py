"""What the API can say, read out of its source: sentences, actions, kinds of record, codes."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import chroniccare

ROOT = Path(chroniccare.__file__).parent
_NOT_CALLED = frozenset({
    "fhir", "smart", "demo", "commands", "simulator", "lambdas", "migrations", "platform", "codes",
    "daily", "mesh",
})  # fmt: skip
"""What the console does not call, or what speaks to operators alone."""
_TO_OPERATORS = (
    "addresses", "assembly", "batch", "callbacks", "cli", "drivers", "front", "selftest",
    "settings", "table",
)  # fmt: skip
_PROBLEMS = frozenset({
    "Conflict", "Forbidden", "Invalid", "NotFound", "Problem", "Unprocessable", "ValueError",
})  # fmt: skip
_WITH_REASON = frozenset({"FieldError", "Fault", "PydanticCustomError"})


@lru_cache
def trees() -> dict[Path, ast.Module]:
    """Return every module of the product, by its place in the package."""
    found = sorted(ROOT.rglob("*.py"))
    return {one.relative_to(ROOT): ast.parse(one.read_text(encoding="utf-8")) for one in found}


def _is_called(place: Path) -> bool:
    return not _NOT_CALLED & set(place.parts) and not place.name.startswith(_TO_OPERATORS)


def _texts(node: ast.expr) -> Iterator[str]:
    """Return the texts that `node` may be, 7 standing for what is put in."""
    match node:
        case ast.Constant(value=str(text)):
            yield text.replace("%r", "7")
        case ast.JoinedStr(values=parts):
            yield "".join(str(one.value) if isinstance(one, ast.Constant) else "7" for one in parts)
        case ast.IfExp(body=body, orelse=other):
            yield from (*_texts(body), *_texts(other))


def sentences() -> dict[str, str]:
    """Return each sentence of a problem or a field, and where it stands."""
    found: dict[str, str] = {}
    for place, tree in trees().items():
        if not _is_called(place):
            continue
        for node in ast.walk(tree):
            for one in _said(node):
                found |= {
                    text: f"{place}:{one.lineno}"
                    for text in _texts(one)
                    if " " in text and not text.startswith(" ")
                }
    return found


def _said(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Assign(targets=[ast.Name(id="reason" | "message")], value=value):
            yield value
        case ast.Assign(targets=[ast.Tuple()], value=ast.Tuple(elts=values)):
            yield from values
        case ast.Call(func=ast.Attribute(attr="field"), args=[_, reason, *_]):
            yield reason
        case ast.Call(func=ast.Name(id=name), args=args) if name in _WITH_REASON:
            yield from args[1:]
        case ast.Call(func=ast.Name(id="Finding"), args=[*_, message]):
            yield message
        case ast.Call(func=ast.Name(id=name), args=[message, *_]) if name in _PROBLEMS:
            yield message


def arguments(name: str, *, by_place: bool = True) -> set[str]:
    """Return the texts that are passed as the argument `name`, by name, by default, or by place.

    A name in capitals is what its module, or any other, says that it is.
    """
    known, places = capitals(), _places(name) if by_place else defaultdict[str, set[int]](set)
    found: set[str] = set()
    for place, tree in trees().items():
        if _NOT_CALLED & set(place.parts) - {"fhir", "smart", "commands"}:
            continue
        for node in ast.walk(tree):
            for one in _passed(node, name, places):
                if isinstance(one, ast.Name):
                    found |= known[one.id]
                else:
                    found |= set(_texts(one))
    return found


def capitals() -> dict[str, set[str]]:
    """Return the texts of constants, by the constant's name."""
    found: dict[str, set[str]] = defaultdict(set)
    for tree in trees().values():
        for node in tree.body:
            match node:
                case ast.Assign(
                    targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))
                ) if name.isupper():
                    found[name].add(text)
    return found


def _places(name: str) -> dict[str, set[int]]:
    """Return at which places functions have an argument `name`, by the function's name."""
    found: dict[str, set[int]] = defaultdict(set)
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names = [one.arg for one in node.args.args]
                if name in names:
                    found[node.name].add(names.index(name))
    return found


def _passed(node: ast.AST, name: str, places: dict[str, set[int]]) -> Iterator[ast.expr]:
    match node:
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)):
            yield from (one.value for one in node.keywords if one.arg == name)
            yield from (node.args[at] for at in places[called] if at < len(node.args))
        case ast.arguments():
            with_default = zip(node.kwonlyargs, node.kw_defaults, strict=True)
            yield from (value for one, value in with_default if one.arg == name and value)

"""Checks of the source that no linter has: each yields one line for each thing found.

Every check takes a parsed module and is proved to bite in test_checks.py.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "chroniccare"

MAX_FUNCTION = 60
MAX_FILE = 400

# The kernel converts between local time and instants; whoever else does gets gaps and folds wrong.
MAY_CONVERT_TIME = {"core/time.py"}

# Everywhere else the time is `tx.now`, so that one transaction sees one clock and tests can set it.
MAY_READ_CLOCK = {
    "commands/backup.py": "an edge as well: a copy of the database is named after its second",
    "platform/postgres.py": "the edge where Tx.now comes from",
    "core/wire.py": "the timestamp of an answer, which decides nothing",
    "simulator/forward.py": "as below",
    "simulator/ledger.py": "a provider has a clock of its own",
    "simulator/services.py": "as above",
    "simulator/topics.py": "as above",
}
MAY_COMPOSE_SQL = {
    "fhir/composing.py": "a search has the conditions a client names; their texts are constants",
    "fhir/stored/composing.py": "what a resource refers to is looked for by its types; as above",
    "fhir/composing_versions.py": "as above; earlier versions stand in for the tables of a type",
}
MAY_PRINT = {"cli.py", "cli_groups.py"}
_CHOSEN = "so that AWS's library, a third of a second, is loaded only where settings choose it"
MAY_IMPORT_LATE = {
    "cli.py": "so that --help stays quick",
    "commands/backing.py": "as above",
    "commands/simulating.py": "as above",
    "cli_groups.py": "as above",
    "lambdas/__init__.py": "so that a cold start loads one handler's needs",
    "medications/interactions/service.py": "so that aiohttp is loaded only where a service is set",
    "smart/tokens.py": "so that aiohttp is loaded only where a client has its keys at an address",
    "platform/telemetry.py": "so that OpenTelemetry's SDK is loaded only where settings ask",
    "audit/copying.py": _CHOSEN,
    "platform/bucket.py": _CHOSEN,
    "platform/masterkey_file.py": _CHOSEN,
    "notifications/channels/email.py": _CHOSEN,
    "notifications/channels/push.py": _CHOSEN,
    "notifications/channels/registrars.py": _CHOSEN,
    "notifications/channels/sms.py": _CHOSEN,
    "notifications/channels/selftest.py": _CHOSEN,
}
MAY_USE_FASTAPI = re.compile(r"^(app\.py|assembly\.py|([a-z_]+/)+([a-z_]+_)?api\.py|console/.*)$")

_CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"),
           ("time", "time"), ("time", "time_ns")}  # fmt: skip
_CONSTANT = re.compile(r"^_?[A-Z][A-Z0-9_]*$")
_BOTTOM = {"queries", "rules", "schemas"}


@dataclass(frozen=True, slots=True)
class Module:
    """One source file; `name` is its path below src/chroniccare."""

    name: str
    text: str
    tree: ast.Module


Check = Callable[[Module], Iterator[str]]


def parse(name: str, text: str) -> Module:
    """Return the module with this text."""
    return Module(name, text, ast.parse(text))


def modules(source: Path = SOURCE) -> list[Module]:
    """Return every module below `source`."""
    return [
        parse(path.relative_to(source).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(source.rglob("*.py"))
    ]


def _at(module: Module, node: ast.AST, what: str) -> str:
    return f"src/chroniccare/{module.name}:{getattr(node, 'lineno', 1)}: {what}"


def _calls(module: Module) -> Iterator[tuple[ast.Call, str, str]]:
    """Yield each call with the name called and the name it is called on, if any."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                owner = node.func.value
                if isinstance(owner, ast.Attribute):
                    yield node, node.func.attr, owner.attr
                else:
                    yield node, node.func.attr, owner.id if isinstance(owner, ast.Name) else ""
            elif isinstance(node.func, ast.Name):
                yield node, node.func.id, ""


def local_time(module: Module) -> Iterator[str]:
    """Only core/time.py converts between local time and instants."""
    if module.name in MAY_CONVERT_TIME:
        return
    for node, name, owner in _calls(module):
        arguments = {keyword.arg for keyword in node.keywords}
        if (
            name in {"astimezone", "localize", "ZoneInfo"}
            or (name == "combine" and owner == "datetime")
            or (name == "replace" and "tzinfo" in arguments)
        ):
            yield _at(module, node, f"{name}: only core/time.py converts local time to instants")


def clock(module: Module) -> Iterator[str]:
    """Only the edge reads the clock."""
    if module.name in MAY_READ_CLOCK:
        return
    for node, name, owner in _calls(module):
        if (owner, name) in _CLOCKS:
            yield _at(module, node, f"{owner}.{name}: the time is tx.now, passed in")


def printing(module: Module) -> Iterator[str]:
    """Only the command line prints."""
    if module.name in MAY_PRINT:
        return
    for node, name, owner in _calls(module):
        if name == "print" and not owner:
            yield _at(module, node, "print: only cli.py prints")


def built_sql(module: Module) -> Iterator[str]:
    """Statements are module constants, put together from other constants and nothing else."""
    inside = {id(node) for function in _functions(module) for node in ast.walk(function)}
    if not module.name.endswith("postgres.py") and module.name not in MAY_COMPOSE_SQL:
        for call, name, _ in _calls(module):
            if name in {"Query", "Command"} and id(call) in inside and _is_sql(call):
                yield _at(module, call, f"{name} inside a function: statements are constants")
    if not module.name.rpartition("/")[2].startswith("queries"):
        return
    looped = {
        name.id
        for node in ast.walk(module.tree)
        if isinstance(node, ast.comprehension) and id(node) not in inside
        for name in ast.walk(node.target)
        if isinstance(name, ast.Name)
    }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FormattedValue):
            good = id(node) not in inside and _is_constant(node.value, looped)
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            good = called != "format" and (called != "join" or id(node) not in inside)
        else:
            continue
        if not good:
            yield _at(module, node, "SQL may be put together from module constants only")


def _is_sql(node: ast.Call) -> bool:
    """Tell our Query and Command from FastAPI's Query, whose arguments are keywords."""
    return bool(node.args)


def _is_constant(node: ast.expr, looped: set[str]) -> bool:
    if isinstance(node, ast.Attribute):  # GET.sql
        return _is_constant(node.value, looped)
    return isinstance(node, ast.Name) and bool(_CONSTANT.match(node.id) or node.id in looped)


def _functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(module: Module) -> Iterator[str]:
    """Functions and files stay short enough to be read at once."""
    lines = len(module.text.splitlines())
    if lines > MAX_FILE:
        yield _at(module, module.tree, f"{lines} lines: split the file by meaning at {MAX_FILE}")
    for node in _functions(module):
        size = (node.end_lineno or node.lineno) - node.lineno + 1
        if size > MAX_FUNCTION:
            yield _at(module, node, f"{node.name} has {size} lines, more than {MAX_FUNCTION}")


def late_imports(module: Module) -> Iterator[str]:
    """Imports stand at the top, where a reader looks for them."""
    if module.name in MAY_IMPORT_LATE:
        return
    for function in _functions(module):
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield _at(module, node, "import inside a function")


def fastapi_only_at_the_edge(module: Module) -> Iterator[str]:
    """FastAPI is known to app, api modules and the console."""
    if MAY_USE_FASTAPI.match(module.name):
        return
    for node, name in _imports(module):
        if name.split(".")[0] in {"fastapi", "fastapi_offline"}:
            yield _at(module, node, "fastapi: only app.py, api.py and console/ import it")


def bottom_of_a_slice(module: Module) -> Iterator[str]:
    """Queries, rules and schemas import nothing else of their slice."""
    slice_, _, file = module.name.partition("/")
    if file.removesuffix(".py").split("_")[0] not in _BOTTOM:
        return
    for node, name in _imports(module):
        parts = name.split(".")
        # The bottom of a part of the slice, such as medications.dosing.schemas, is as low.
        low = {part.split("_")[0] for part in parts[2:4]} & _BOTTOM
        if parts[:2] == ["chroniccare", slice_] and len(parts) > 2 and not low:
            yield _at(module, node, f"imports {name}, which stands above it in the slice")


def _imports(module: Module) -> Iterator[tuple[ast.stmt, str]]:
    """Yield each imported module; of `from package import name` the two joined."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node, f"{node.module}.{alias.name}"


CHECKS: tuple[Check, ...] = (
    local_time,
    clock,
    printing,
    built_sql,
    length,
    late_imports,
    fastapi_only_at_the_edge,
    bottom_of_a_slice,
)


def findings(source: Path = SOURCE) -> list[str]:
    """Run every check over every module."""
    return [line for module in modules(source) for check in CHECKS for line in check(module)]

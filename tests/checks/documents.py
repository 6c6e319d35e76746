"""Checks of the documents: what they name exists, and docs/settings.md is what the code says."""

import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import annotated_types
from pydantic.fields import FieldInfo
from typer.main import get_command

from chroniccare import settings
from tests.checks.code import ROOT

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_PATH = re.compile(r"^\.?[\w*][\w./*-]*(\.(py|md|sql|toml|ya?ml|lock|html|css)|/)$")
_MAKE = re.compile(r"(?:^|[\s;&|(])make\s+([a-z][a-z-]*)")
_COMMAND = re.compile(r"(?:^|[\s/])chroniccare\s+([a-z][a-z-]*)(?:\s+([a-z][a-z-]*))?")
_VARIABLE = re.compile(r"\bCHRONICCARE_[A-Z_]+\b")
_HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)

_DATA_DIR = (
    f"| `{settings.PREFIX}DATA_DIR` | | a folder | Where the embedded engines keep their data;"
    " `--data-dir` wins. |"
)
SETTINGS_PAGE = "docs/settings.md"


def documents(root: Path = ROOT) -> list[Path]:
    """Return every document that people read."""
    return [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def links(path: Path, text: str, root: Path = ROOT) -> Iterator[str]:
    """Relative links lead somewhere, and so do their anchors."""
    for target in _LINK.findall(_FENCE.sub("", text)):
        if re.match(r"^[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        found = path if not file else path.parent / file
        if not found.exists():
            yield f"{_name(path, root)}: links to {target}, which does not exist"
        elif anchor and found.suffix == ".md" and anchor not in _anchors(found):
            yield f"{_name(path, root)}: links to {target}, which has no such heading"


def _anchors(path: Path) -> set[str]:
    titles = _HEADING.findall(path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


def paths(path: Path, text: str, root: Path = ROOT) -> Iterator[str]:
    """Files and folders named in code type exist, from the root, the document or the package."""
    for span in _SPAN.findall(_FENCE.sub("", text)):
        if not _PATH.match(span) or "NNNN" in span:
            continue
        if span.endswith("/") and span.count("/") == 1:
            continue  # a folder's bare name may be one in the data directory
        bases = (root, path.parent, root / "src" / "chroniccare", root / "src")
        if "/" not in span:  # a bare name, such as api.py: it must be somewhere
            found = any(not _hidden(hit) for base in bases[:3] for hit in base.rglob(span))
        else:
            found = any(any(base.glob(span.rstrip("/"))) for base in bases)
        if not found:
            yield f"{_name(path, root)}: names {span}, which does not exist"


def _hidden(path: Path) -> bool:
    return any(part in {".venv", ".git", "node_modules"} for part in path.parts)


def _code(text: str) -> Iterator[str]:
    """Yield every line in code type: fenced blocks and spans; the rest is prose."""
    for block in _FENCE.findall(text):
        yield from block.splitlines()
    yield from _SPAN.findall(_FENCE.sub("", text))


def make_targets(path: Path, text: str, root: Path = ROOT) -> Iterator[str]:
    """Every `make` target named is one."""
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    for line in _code(text):
        for target in _MAKE.findall(line):
            if target not in targets:
                yield f"{_name(path, root)}: names `make {target}`, which does not exist"


@cache
def commands() -> dict[str, set[str]]:
    """Return the commands of the command line, each with its own commands."""
    group = get_command(importlib.import_module("chroniccare.cli").app)
    found: dict[str, object] = getattr(group, "commands", {})
    return {name: set(getattr(command, "commands", {})) for name, command in found.items()}


def cli_commands(path: Path, text: str, root: Path = ROOT) -> Iterator[str]:
    """Every `chroniccare` command named is one."""
    for line in _code(text):
        for name, second in _COMMAND.findall(line):
            below = commands().get(name)
            if below is None or (below and second and second not in below):
                named = f"{name} {second}".strip() if below else name
                yield f"{_name(path, root)}: names `chroniccare {named}`, which does not exist"


def variables(path: Path, text: str, root: Path = ROOT) -> Iterator[str]:
    """Every variable named is a setting."""
    known = {settings.variable(name) for name in settings.Settings.model_fields}
    known.add(settings.PREFIX + "DATA_DIR")
    for name in sorted(set(_VARIABLE.findall(text)) - known):
        yield f"{_name(path, root)}: names {name}, which is no setting"


CHECKS = (links, paths, make_targets, cli_commands, variables)


def settings_page() -> str:
    """Return docs/settings.md as the settings class says it."""
    rows = [_row(name, info) for name, info in settings.Settings.model_fields.items()]
    return "\n".join(
        [
            "# Settings",
            "",
            "Read once at start, from the environment. An unknown `CHRONICCARE_` variable or a",
            "value out of bounds stops the start with one line that names it.",
            "Generated from `src/chroniccare/settings.py` by `make docs`; do not edit.",
            "",
            "| Variable | Default | Bounds | Meaning |",
            "|---|---|---|---|",
            *rows,
            _DATA_DIR,
            "",
        ]
    )


def _row(name: str, info: FieldInfo) -> str:
    default = settings.values_of(settings.Settings(), name)
    shown = f"`{default}`" if default else ""
    description = (info.description or "").replace("|", "\\|")
    return f"| `{settings.variable(name)}` | {shown} | {_bounds(info)} | {description} |"


def _bounds(info: FieldInfo) -> str:
    choices = getattr(info.annotation, "__args__", None)
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    low = next((str(m.ge) for m in info.metadata if isinstance(m, annotated_types.Ge)), None)
    high = next((str(m.le) for m in info.metadata if isinstance(m, annotated_types.Le)), None)
    if low and high:
        return f"{low} to {high}"
    pattern = next((m.pattern for m in info.metadata if hasattr(m, "pattern")), None)
    if pattern:
        return "`" + str(pattern).replace("|", "\\|") + "`"
    return "text" if info.annotation is str else "secret text"


def settings_are_documented(root: Path = ROOT) -> Iterator[str]:
    """docs/settings.md is what `make docs` writes."""
    page = root / SETTINGS_PAGE
    if not page.exists() or page.read_text(encoding="utf-8") != settings_page():
        yield f"{SETTINGS_PAGE}: differs from settings.py; run `make docs`"


def findings(root: Path = ROOT) -> list[str]:
    """Run every check over every document."""
    found = list(settings_are_documented(root))
    for path in documents(root):
        text = path.read_text(encoding="utf-8")
        found += [line for check in CHECKS for line in check(path, text, root)]
    return found

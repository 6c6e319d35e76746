"""Sets of interactions and the site's subset of RxNorm, for the operator of the machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chroniccare.codes import actions as codes
from chroniccare.codes import rrf
from chroniccare.commands.tenants import caller
from chroniccare.core.errors import Invalid
from chroniccare.core.rows import FileError
from chroniccare.medications.interactions import actions, files
from chroniccare.platform.postgres import begin

_MOST_NAME = 100
_MOST_VERSION = 50


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import has to say; `refused`: nothing was imported."""

    text: str
    refused: bool = False


def check(file: Path, *, name: str, version: str, licensed: bool) -> None:
    """Make sure that an import can be tried, before anything is started.

    Raises:
        Invalid: no licence, a name that cannot be one, or no such file.
    """
    if not licensed:
        raise Invalid.field(
            "--license-acknowledged",
            "say that you hold a licence to use this set; most are not free",
        )
    _check_word("--name", name, _MOST_NAME)
    _check_word("--version", version, _MOST_VERSION)
    if name == actions.built_in_name():
        raise Invalid.field("--name", "is the built-in set's")
    if not file.is_file():
        raise Invalid.field("FILE", "there is no such file")


def check_release(folder: Path, release: str) -> None:
    """Make sure that a subset of RxNorm can be looked for; see `check`."""
    _check_word("--release", release, _MOST_VERSION)
    if not folder.is_dir():
        raise Invalid.field("FOLDER", "there is no such folder")


def _check_word(option: str, text: str, most: int) -> None:
    if not 0 < len(text) <= most or not text.isprintable() or text != text.strip():
        raise Invalid.field(option, f"must be one line of 1 to {most} characters")


async def load(subdomain: str | None, file: Path, *, name: str, version: str) -> Outcome:
    """Import a set; see `actions.replace`."""
    who = await caller(subdomain)
    try:
        checked = files.check(file)
        async with begin(who) as tx:
            made = await actions.replace(tx, name=name, version=version, checked=checked)
    except FileError as error:
        return refused(error)
    return Outcome(f"imported {made.pairs} pairs as {made.name} {made.version}")


async def load_rxnorm(subdomain: str | None, folder: Path, *, release: str) -> Outcome:
    """Load a subset of RxNorm; see `codes.actions.replace_rxnorm`."""
    who = await caller(subdomain)
    try:
        concepts = rrf.read(folder)  # takes seconds, with no transaction open
        async with begin(who) as tx:
            count = await codes.replace_rxnorm(tx, release, concepts)
            told = await actions.disagreements(tx)
    except FileError as error:
        return refused(error)
    return Outcome("\n".join([*told, f"loaded {count} concepts of RxNorm {release}"]))


def refused(error: FileError) -> Outcome:
    """Return every row at fault, and the line that says what follows."""
    lines = [f"line {fault.line}: {fault.reason}" for fault in error.faults]
    return Outcome("\n".join([*lines, str(error)]), refused=True)


async def listed(subdomain: str | None) -> list[dict[str, Any]]:
    """Return the sets that checks look into, the built-in one first."""
    async with begin(await caller(subdomain)) as tx:
        found: list[dict[str, Any]] = (await actions.listed(tx))["sets"]
    return found


async def remove(subdomain: str | None, name: str) -> None:
    """Remove an imported set; see `actions.remove`."""
    async with begin(await caller(subdomain)) as tx:
        await actions.remove(tx, name)

"""Files that are loaded as a whole or not at all: what is wrong with which line."""

from dataclasses import dataclass, field

SHOWN = 1000
"""Most faults that are kept; the others are counted."""


@dataclass(frozen=True, slots=True)
class RowFault:
    """What is wrong with one row: `line` counts from 1; in JSON it is the item's number."""

    line: int
    reason: str


@dataclass(slots=True)
class Faults:
    """What is wrong with a file, as far as it was read."""

    count: int = 0
    kept: list[RowFault] = field(default_factory=list)

    def add(self, line: int, reason: str) -> None:
        """Note a fault."""
        self.count += 1
        if len(self.kept) < SHOWN:
            self.kept.append(RowFault(line, reason))


class FileError(Exception):
    """A file was not loaded, and nothing of it; the message is one line for people.

    Attributes:
        faults: the rows at fault, `SHOWN` of them at most.
    """

    def __init__(self, message: str, faults: list[RowFault] | None = None) -> None:
        self.faults = faults or []
        super().__init__(message)


def refuse(name: str, faults: Faults) -> None:
    """Refuse the file called `name` if anything is wrong with it.

    Raises:
        FileError: something is.
    """
    if faults.count:
        rows = "1 row is" if faults.count == 1 else f"{faults.count} rows are"
        raise FileError(f"{name}: {rows} wrong; nothing was imported", faults.kept)

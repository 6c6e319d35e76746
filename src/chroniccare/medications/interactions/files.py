"""The file of `chroniccare interactions import`: read row by row, every row checked.

CSV with a first line `a,b,severity,text`, or JSON: a list of objects with these four names, or an
object with such a list as `pairs`. `a` and `b` are RXCUIs of ingredients.
"""

import codecs
import csv
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from chroniccare.codes.rules import is_rxcui
from chroniccare.core.rows import Faults, FileError, refuse

COLUMNS = ("a", "b", "severity", "text")
SEVERITIES = ("contraindicated", "warning")
MOST_PAIRS = 1_000_000
MOST_TEXT = 1000
_CHUNK = 65_536
_OPENING = re.compile(r'\s*(\{\s*"pairs"\s*:\s*)?\[')
_BETWEEN = re.compile(r"[\s,]*")


@dataclass(slots=True)
class Reading:
    """A file while it is read: iterate over its good rows, then look at `faults` and `count`.

    Memory grows by a number for each pair, which finds those that are named twice, and no more.
    """

    path: Path
    faults: Faults = field(default_factory=Faults)
    count: int = 0
    seen: set[int] = field(default_factory=set)
    digest: Any = field(default_factory=hashlib.sha256)

    @property
    def name(self) -> str:
        """Return the file's name."""
        return self.path.name

    def sha256(self) -> str:
        """Return the digest of what was read."""
        return str(self.digest.hexdigest())

    def __iter__(self) -> Iterator[dict[str, str]]:
        """Yield each row that is right, the smaller id first.

        Raises:
            FileError: the file as a whole cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                read = self._json if self.path.suffix.lower() == ".json" else self._csv
                for line, row in read(file):
                    checked = self._checked(line, row)
                    if checked is not None:
                        self.count += 1
                        yield checked
        except OSError as error:
            raise FileError(f"{self.path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise FileError(f"{self.path}: is not text in UTF-8") from None
        if not (self.count or self.faults.count):
            raise FileError(f"{self.name}: holds no pair; nothing was imported")

    def _checked(self, line: int, row: dict[str, Any]) -> dict[str, str] | None:
        wrong = list(_wrong(row))
        if not wrong:
            a, b = sorted((row["a"], row["b"]))
            number = int(a) * 10**8 + int(b)
            if number in self.seen:
                wrong.append("names a pair that stands in the file already")
            elif len(self.seen) == MOST_PAIRS:
                raise FileError(f"{self.name}: has more than {MOST_PAIRS} pairs")
            self.seen.add(number)
        if wrong:
            self.faults.add(line, "; ".join(wrong))
            return None
        return {"a": a, "b": b, "severity": row["severity"], "text": row["text"].strip()}

    def _csv(self, file: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
        rows = csv.reader(self._lines(file), strict=True)
        line = 1
        try:
            head = [name.strip() for name in next(rows, [])]
            wrong = [name for name in COLUMNS if head.count(name) != 1]
            if wrong:
                raise FileError(f"{self.name}: the first line must name {', '.join(wrong)} once")
            line = rows.line_num + 1
            for values in rows:
                if len(values) > len(head):
                    self.faults.add(line, "has more values than the first line")
                elif values:
                    yield line, dict(zip(head, map(str.strip, values), strict=False))
                line = rows.line_num + 1
        except csv.Error as error:
            raise FileError(f"{self.name}: line {line} is not CSV: {error}") from None

    def _lines(self, file: BinaryIO) -> Iterator[str]:
        first = True
        while raw := file.readline(_CHUNK):
            self.digest.update(raw)
            if len(raw) == _CHUNK:
                raise FileError(f"{self.name}: a line has more than {_CHUNK} bytes")
            yield raw.decode("utf-8-sig" if first else "utf-8")
            first = False

    def _json(self, file: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
        chunks = self._chunks(file)
        buffer, at = self._opened(next(chunks, ""))
        decoder, number = json.JSONDecoder(), 0
        while True:
            at = _BETWEEN.match(buffer, at).end()  # type: ignore[union-attr]  # it matches nothing, too
            if buffer.startswith("]", at):
                for _ in chunks:  # so that the digest is the whole file's
                    pass
                return
            try:
                item, at = decoder.raw_decode(buffer, at)
            except ValueError:
                more = next(chunks, "")
                if not more or len(buffer) - at > _CHUNK:
                    where = f"behind item {number}"
                    raise FileError(f"{self.name}: is not valid JSON {where}") from None
                buffer, at = buffer[at:] + more, 0
                continue
            number += 1
            if isinstance(item, dict):
                yield number, item
            else:
                self.faults.add(number, "must be an object")

    def _chunks(self, file: BinaryIO) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        while raw := file.read(_CHUNK):
            self.digest.update(raw)
            yield decoder.decode(raw)
        decoder.decode(b"", final=True)

    def _opened(self, buffer: str) -> tuple[str, int]:
        """Return the beginning of the file, and where in it the list's first item may be."""
        found = _OPENING.match(buffer)
        if found is None:
            raise FileError(f'{self.name}: must be a list, or an object that begins with "pairs"')
        return buffer, found.end()


def check(path: Path) -> Reading:
    """Read the file once for what is wrong with it.

    Raises:
        FileError: it cannot be read, or rows are wrong: all of them are named.
    """
    reading = Reading(path)
    for _ in reading:
        pass
    refuse(reading.name, reading.faults)
    reading.seen.clear()  # it is read once more, and that takes as much again
    return reading


def _wrong(row: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a row."""
    values = {name: row.get(name) for name in COLUMNS}
    for name in ("a", "b"):
        if not is_rxcui(values[name]):
            yield f"{name} must be an RXCUI: a number of at most 8 digits, as text"
    if values["a"] == values["b"] and is_rxcui(values["a"]):
        yield "b must be another ingredient than a"
    if values["severity"] not in SEVERITIES:
        yield f"severity must be {' or '.join(SEVERITIES)}"
    text = values["text"]
    if not isinstance(text, str) or not 0 < len(text.strip()) <= MOST_TEXT:
        yield f"text must have 1 to {MOST_TEXT} characters"
    elif not all(one.isprintable() for one in text):
        yield "text must be one line without control characters"

"""ICD-10-CM as shipped: data/icd10cm.bin, made by tools/icd10cm.py and opened at the first use.

The codes stand in order, packed in blocks; a lookup unpacks one of them. Nothing is read when this
module is imported.
"""

import bisect
import zlib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

import orjson

_MAGIC = b"CCICD1\n"
_KEPT_BLOCKS = 32


@dataclass(frozen=True, slots=True)
class Code:
    """One code; `billable` says that no longer one stands below it."""

    code: str
    billable: bool
    description: str


@dataclass(frozen=True, slots=True)
class Table:
    """The whole table; the dates are the first and the last day on which it is in force.

    Attributes:
        sha256: of the content, as tools/icd10cm.py prints it.
        firsts: the first code of each block, and `places` where in `data` the block lies.
    """

    release: str
    effective_from: str
    effective_until: str
    codes: int
    sha256: str
    firsts: list[str]
    places: list[tuple[int, int]]
    data: bytes

    def find(self, code: str) -> Code | None:
        """Return one code, written with its dot."""
        found = self.begin(code, after=None, limit=1)
        return found[0] if found and found[0].code == code else None

    def begin(self, prefix: str, *, after: str | None, limit: int) -> list[Code]:
        """Return the codes that begin with `prefix`, in order, from behind `after` on."""
        start = max(prefix, after or "")
        found: list[Code] = []
        for block in range(max(bisect.bisect_right(self.firsts, start) - 1, 0), len(self.firsts)):
            for one in _block(block):
                if one.code < start or one.code == after:
                    continue
                if len(found) == limit or not one.code.startswith(prefix):
                    return found
                found.append(one)
        return found


@cache
def table() -> Table:
    """Return the table."""
    raw = files("chroniccare.codes").joinpath("data/icd10cm.bin").read_bytes()
    start = len(_MAGIC) + 4
    end = start + int.from_bytes(raw[len(_MAGIC) : start], "big")
    head = orjson.loads(raw[start:end])
    return Table(
        release=head["release"],
        effective_from=head["effective_from"],
        effective_until=head["effective_until"],
        codes=head["codes"],
        sha256=head["sha256"],
        firsts=[first for first, _, _ in head["index"]],
        places=[(end + at, end + at + size) for _, at, size in head["index"]],
        data=raw,
    )


@lru_cache(maxsize=_KEPT_BLOCKS)
def _block(number: int) -> tuple[Code, ...]:
    start, end = table().places[number]
    lines = zlib.decompress(table().data[start:end]).decode().split("\n")
    return tuple(
        Code(code, billable == "1", words)
        for code, billable, words in (line.split("\t") for line in lines)
    )

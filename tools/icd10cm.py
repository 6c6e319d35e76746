"""Makes the table of ICD-10-CM that is shipped, out of the package simple-icd-10-cm (MIT).

    python3 -m venv /tmp/icd && /tmp/icd/bin/pip install simple-icd-10-cm==1.5.0
    /tmp/icd/bin/python tools/icd10cm.py            writes src/chroniccare/codes/data/icd10cm.bin
    /tmp/icd/bin/python tools/icd10cm.py --check    exit 1 if the file holds anything else

The package holds the tabular list of the National Center for Health Statistics, which is in the
public domain; it takes seconds to import, so nothing of ours imports it at run time. The same
release makes the same content, whose SHA-256 stands in the file; zlib's versions may pack it
differently.
"""

import argparse
import hashlib
import importlib
import json
import sys
import zlib
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "src" / "chroniccare" / "codes" / "data" / "icd10cm.bin"
MAGIC = b"CCICD1\n"
SOURCE = "simple-icd-10-cm 1.5.0"
RELEASE = {"release": "2026-04", "effective_from": "2026-04-01", "effective_until": "2026-09-30"}
_BLOCK = 256  # codes that are packed, and unpacked, together


def lines() -> list[str]:
    """Return one line a code, in order: code, 1 if it may be billed, description."""
    tables: Any = importlib.import_module("simple_icd_10_cm")
    found = {}
    for code in tables.get_all_codes(with_dots=True):
        if tables.is_category_or_subcategory(code):
            words = " ".join(str(tables.get_description(code)).split())
            found[code] = f"{code}\t{int(tables.is_leaf(code))}\t{words}"
    return [found[code] for code in sorted(found)]


def packed(rows: list[str]) -> bytes:
    """Return the file: a header in JSON, then the blocks that it lists."""
    index, blocks, at = [], [], 0
    for first in range(0, len(rows), _BLOCK):
        block = zlib.compress("\n".join(rows[first : first + _BLOCK]).encode(), 9)
        index.append([rows[first].partition("\t")[0], at, len(block)])
        blocks.append(block)
        at += len(block)
    header = {
        "system": "icd-10-cm",
        **RELEASE,
        "source": SOURCE,
        "codes": len(rows),
        "sha256": digest(rows),
        "index": index,
    }
    head = json.dumps(header, separators=(",", ":")).encode()
    return b"".join([MAGIC, len(head).to_bytes(4, "big"), head, *blocks])


def digest(rows: list[str]) -> str:
    """Return the SHA-256 of the content."""
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def recorded() -> str:
    """Return the SHA-256 that the file says it has."""
    data = FILE.read_bytes()
    size = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 4], "big")
    start = len(MAGIC) + 4
    return str(json.loads(data[start : start + size])["sha256"])


def main() -> int:
    """Write the file, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare and write nothing")
    rows = lines()
    if parser.parse_args().check:
        return int(recorded() != digest(rows))
    FILE.write_bytes(packed(rows))
    sys.stdout.write(f"{len(rows)} codes, {FILE.stat().st_size} bytes, {digest(rows)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

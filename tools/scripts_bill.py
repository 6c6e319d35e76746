"""Adds the console's scripts to a bill of materials: python -m tools.scripts_bill bill.cdx.json.

cyclonedx-py reads what is installed from requirements.lock; these come from elsewhere, by the
versions and digests of console_scripts.py, and stand in a built wheel all the same.
"""

import base64
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tools.console_scripts import PACKAGES, Package


def component(package: Package) -> dict[str, Any]:
    """Return a package as a component of CycloneDX; its hash is that of npm's archive."""
    name, _, version = package.name.rpartition("@")
    purl = f"pkg:npm/{quote(name)}@{version}"
    digest = base64.b64decode(package.digest, validate=True).hex()
    return {
        "bom-ref": purl,
        "description": "Of the console, in the browser of staff.",
        "hashes": [{"alg": "SHA-512", "content": digest}],
        "name": name,
        "purl": purl,
        "type": "library",
        "version": version,
    }


def with_scripts(bill: dict[str, Any]) -> dict[str, Any]:
    """Return the bill with the scripts behind what it lists; those it has already stay once."""
    added = [component(package) for package in PACKAGES]
    refs = {one["bom-ref"] for one in added}
    return {
        **bill,
        "components": [*(c for c in bill["components"] if c["bom-ref"] not in refs), *added],
        "dependencies": [
            *(d for d in bill.get("dependencies", []) if d["ref"] not in refs),
            *({"ref": ref} for ref in sorted(refs)),
        ],
    }


def main(path: Path) -> None:
    """Write the bill anew, the same bytes for the same bill."""
    bill = with_scripts(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps(bill, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

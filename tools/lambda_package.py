"""Make the package of the functions in deploy/aws: our code, and what it needs, as one zip file.

    python tools/lambda_package.py dist/notifier.zip [--installed]
    python tools/lambda_package.py dist/platform.zip --platform [--installed]

The packages are those of requirements.lock, by their hashes, as wheels for Lambda (Python 3.13 on
arm64), of which pip fetches what it has not kept. With --installed they are copied from this
environment, for its own machine: that is what the tests run. The same input makes the same bytes.

Where the Python that runs this is the functions', compiled code goes in beside the source: Lambda
cannot keep it, so that each cold start would compile everything again.
"""

import argparse
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
ROOTS = (
    "aiobotocore", "aiohttp", "aiosmtplib", "asyncpg", "cryptography", "email-validator",
    "icalendar", "jinja2", "orjson", "phonenumbers", "pydantic", "tzdata", "uuid6",
)  # fmt: skip
"""What the notifier imports; a test runs it with these and what these need, and nothing else."""
SERVICES = ("dynamodb", "lambda", "pinpoint-sms-voice-v2", "s3", "sesv2", "sns", "sts")
"""The services of AWS that it calls; botocore's descriptions of 400 others stay out."""
PLATFORM_ROOTS = (
    *ROOTS, "aio-pika", "argon2-cffi", "fastapi", "fastapi-offline", "hiredis", "holidays",
    "mangum", "msgspec", "opentelemetry-api", "pyjwt", "pyotp", "python-dateutil",
    "python-multipart", "segno",
)  # fmt: skip
"""What the functions of deploy/aws/serverless.yaml import besides."""
PLATFORM_SERVICES = (*SERVICES, "kms", "logs")
PYTHON, PLATFORMS = "3.13", ("manylinux_2_28_aarch64", "manylinux2014_aarch64")
_TARGET = {"python_version": PYTHON, "python_full_version": f"{PYTHON}.0",
           "platform_machine": "aarch64", "sys_platform": "linux"}  # fmt: skip
_DATE = (1980, 1, 1, 0, 0, 0)
_MOST_BYTES = 250 * 2**20
"""Lambda's limit for what is unpacked."""
_OUT = (
    r"(^|/)(__pycache__|tests?)/|\.(pyi|pyx|pxd|c|h)$"
    # Where in the world a number is at home: no function looks at that. Migrations are no function.
    r"|^chroniccare/.*/sql/|^phonenumbers/(carrierdata|geodata|tzdata)/"
)
_NO_TABLES = _OUT + r"|^chroniccare/.*/(data|definitions)/"


@dataclass(frozen=True, slots=True)
class Kind:
    """What goes into a package: packages by name, descriptions of services; `out` stays out."""

    roots: tuple[str, ...]
    services: tuple[str, ...]
    out: str


NOTIFIER = Kind(ROOTS, SERVICES, _NO_TABLES)
PLATFORM = Kind(PLATFORM_ROOTS, PLATFORM_SERVICES, _OUT)


def needed(roots: Iterable[str], environment: dict[str, str]) -> set[str]:
    """Return the names of `roots` and of all that these need in that environment."""
    found: set[str] = set()
    waiting = [canonicalize_name(one) for one in roots]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for line in distribution(name).requires or ():
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate({**environment, "extra": ""}):
                waiting.append(canonicalize_name(wanted.name))
    return found


def locked(lock: str, names: set[str]) -> str:
    """Return the entries of a lock file's text for these packages.

    Raises:
        SystemExit: one is missing.
    """
    entries = re.split(r"\n(?=[A-Za-z0-9])", lock.strip())
    kept = [one for one in entries if canonicalize_name(re.split(r"[=\[]", one)[0]) in names]
    if len(kept) < len(names):
        raise SystemExit(f"requirements.lock has {len(kept)} of {len(names)} packages")
    return "\n".join(kept) + "\n"


def _fetch(names: set[str], folder: Path) -> None:
    listed = folder.with_suffix(".txt")
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    listed.write_text(locked(lock, names), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
         "--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}",
         *(f"--platform={one}" for one in PLATFORMS), f"--target={folder}", "-r", listed],
        check=True,
    )  # fmt: skip


def _copy(names: set[str], folder: Path) -> None:
    for name in names:
        found: Distribution = distribution(name)
        for file in found.files or ():
            source = Path(str(found.locate_file(file)))
            if ".." not in file.parts and source.is_file():
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)


def _wanted(folder: Path, kind: Kind) -> Iterator[tuple[str, Path]]:
    out = re.compile(kind.out)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or name.startswith("bin/"):
            continue
        if name.startswith("botocore/data/"):
            parts = name.split("/")
            if len(parts) == 3 or parts[2] in kind.services:  # noqa: PLR2004  a file of its own
                yield name, path
        elif not out.search(name):
            yield name, path


def _compiled(name: str, path: Path) -> tuple[str, bytes] | None:
    """Return name and bytes of a module's compiled code; it is never compared with the source."""
    stem, _, ending = name.rpartition(".")
    if ending != "py":
        return None
    place, _, module = stem.rpartition("/")
    with tempfile.TemporaryDirectory() as base:
        made = Path(base) / "made.pyc"
        try:
            py_compile.compile(
                str(path), str(made), f"/var/task/{name}", doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )  # fmt: skip
        except py_compile.PyCompileError:  # a template of some package
            return None
        folder = f"{place}/__pycache__" if place else "__pycache__"
        return f"{folder}/{module}.{sys.implementation.cache_tag}.pyc", made.read_bytes()


def write(folder: Path, target: Path, kind: Kind, *, compiled: bool) -> int:
    """Write what is wanted of `folder` to the zip file `target`; return its bytes, unpacked.

    Raises:
        SystemExit: Lambda would not take so much.
    """
    total = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as made:
        for name, path in _wanted(folder, kind):
            found = [(name, path.read_bytes())]
            if compiled and (code := _compiled(name, path)):
                found.append(code)
            for entry_name, data in found:
                entry = zipfile.ZipInfo(entry_name, _DATE)
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                made.writestr(entry, data)
                total += len(data)
    if total > _MOST_BYTES:
        raise SystemExit(f"{total} bytes unpacked, more than Lambda takes")
    return total


def build(target: Path, *, installed: bool, kind: Kind = NOTIFIER) -> int:
    """Make the package; return its size unpacked, in bytes."""
    here = {name: str(value) for name, value in default_environment().items()}
    names = needed(kind.roots, here if installed else here | _TARGET)
    compiled = installed or here["python_version"] == PYTHON
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base) / "package"
        folder.mkdir()
        (_copy if installed else _fetch)(names, folder)
        shutil.copytree(ROOT / "src" / "chroniccare", folder / "chroniccare")
        return write(folder, target, kind, compiled=compiled)


def main() -> None:
    """Make it, and say how large it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--installed", action="store_true")
    parser.add_argument("--platform", action="store_true", help="for serverless.yaml")
    asked = parser.parse_args()
    kind = PLATFORM if asked.platform else NOTIFIER
    size = build(asked.target, installed=asked.installed, kind=kind)
    packed = asked.target.stat().st_size
    print(f"{asked.target}: {packed / 2**20:.1f} MB, {size / 2**20:.1f} MB unpacked")


if __name__ == "__main__":
    main()

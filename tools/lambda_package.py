"""Make the package of the functions in deploy/aws: our code, and what it needs, as one zip file.

    python tools/lambda_package.py dist/notifier.zip [--installed]

The packages are those of requirements.lock, by their hashes, as wheels for Lambda (Python 3.13 on
arm64), of which pip fetches what it has not kept. With --installed they are copied from this
environment, for its own machine: that is what the tests run. The same input makes the same bytes.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
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
"""What the functions import; a test runs them with these and what these need, and nothing else."""
SERVICES = ("dynamodb", "lambda", "pinpoint-sms-voice-v2", "s3", "sesv2", "sns", "sts")
"""The services of AWS that they call; botocore's descriptions of 400 others stay out."""
PYTHON, PLATFORMS = "3.13", ("manylinux_2_28_aarch64", "manylinux2014_aarch64")
_TARGET = {"python_version": PYTHON, "python_full_version": f"{PYTHON}.0",
           "platform_machine": "aarch64", "sys_platform": "linux"}  # fmt: skip
_DATE = (1980, 1, 1, 0, 0, 0)
_MOST_BYTES = 250 * 2**20
"""Lambda's limit for what is unpacked."""
_OUT = re.compile(
    r"(^|/)(__pycache__|tests?)/|\.(pyi|pyx|pxd|c|h)$"
    # Tables of codes, and where in the world a number is at home: no function looks at them.
    r"|^chroniccare/.*/(data|definitions|sql)/|^phonenumbers/(carrierdata|geodata|tzdata)/"
)


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


def _wanted(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or name.startswith("bin/"):
            continue
        if name.startswith("botocore/data/"):
            parts = name.split("/")
            if len(parts) == 3 or parts[2] in SERVICES:  # noqa: PLR2004  a file of its own
                yield name, path
        elif not _OUT.search(name):
            yield name, path


def write(folder: Path, target: Path) -> int:
    """Write what is wanted of `folder` to the zip file `target`; return its bytes, unpacked.

    Raises:
        SystemExit: Lambda would not take so much.
    """
    total = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as made:
        for name, path in _wanted(folder):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(entry, path.read_bytes())
            total += path.stat().st_size
    if total > _MOST_BYTES:
        raise SystemExit(f"{total} bytes unpacked, more than Lambda takes")
    return total


def build(target: Path, *, installed: bool) -> int:
    """Make the package; return its size unpacked, in bytes."""
    here = {name: str(value) for name, value in default_environment().items()}
    names = needed(ROOTS, here if installed else here | _TARGET)
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base) / "package"
        folder.mkdir()
        (_copy if installed else _fetch)(names, folder)
        shutil.copytree(ROOT / "src" / "chroniccare", folder / "chroniccare")
        return write(folder, target)


def main() -> None:
    """Make it, and say how large it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--installed", action="store_true")
    asked = parser.parse_args()
    size = build(asked.target, installed=asked.installed)
    packed = asked.target.stat().st_size
    print(f"{asked.target}: {packed / 2**20:.1f} MB, {size / 2**20:.1f} MB unpacked")


if __name__ == "__main__":
    main()

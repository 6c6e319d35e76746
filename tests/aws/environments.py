"""The tools of these tests, each in an environment of its own: their pins fit nobody else's.

    python -m tests.aws.environments

makes them under `.cache/aws` (or `AWS_TOOLS`), by hash-locked files, once; later runs find them.
"""

import os
import subprocess
import sys
import venv
from hashlib import sha256
from pathlib import Path

from tests.checks.code import ROOT

LOCKS = ROOT / "tests" / "aws" / "locks"
NAMES = ("emulator", "lint", "guard", "rie")
"""MiniStack; cfn-lint, checkov; Guard; AWS's own emulator of Lambda's runtime, and its client."""


def folder(name: str) -> Path:
    """Return where the environment `name` is."""
    return Path(os.environ.get("AWS_TOOLS", ROOT / ".cache" / "aws")) / name


def program(name: str, command: str) -> str:
    """Return the path of a program of an environment."""
    return str(folder(name) / "bin" / command)


def ensure(name: str) -> None:
    """Make the environment, unless it is there as its lock file says."""
    lock = LOCKS / f"{name}.lock"
    stamp = folder(name) / ".made"
    wanted = sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    venv.create(folder(name), clear=True, with_pip=True)
    subprocess.run(
        [program(name, "python"), "-m", "pip", "install", "--quiet", "--quiet", "--no-deps",
         "--disable-pip-version-check", "--require-hashes", "-r", lock],
        check=True,
    )  # fmt: skip
    stamp.write_text(wanted, encoding="utf-8")


def main() -> None:
    """Make what is missing."""
    for name in NAMES:
        sys.stderr.write(f"tools of the AWS tests: {name}\n")
        ensure(name)


if __name__ == "__main__":
    main()

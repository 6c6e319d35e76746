"""Fail when a locked package has a known vulnerability, or could not be asked about.

`pip-audit` says "No known vulnerabilities found" and leaves with 0 about packages that its source
does not know; here a package that was skipped counts as one that failed.

    python tools/vulnerabilities.py requirements.lock requirements-dev.lock
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def faults(report: dict[str, Any], locked: set[str]) -> list[str]:
    """Return what is wrong by a JSON report of pip-audit's about the packages `locked`."""
    found, seen = [], set()
    for one in report["dependencies"]:
        name = one["name"]
        seen.add(name.lower())
        if "skip_reason" in one:
            found.append(f"{name}: not audited: {one['skip_reason']}")
        for known in one.get("vulns", []):
            mended = ", ".join(known["fix_versions"]) or "no version yet"
            found.append(f"{name} {one['version']}: {known['id']}, mended in {mended}")
    found += [f"{name}: missing from the report" for name in sorted(locked - seen)]
    return found


def packages(lock: str) -> set[str]:
    """Return the names in the text of a lock file that every platform and Python needs."""
    lines = [line for line in lock.splitlines() if line and line[0].isalnum() and ";" not in line]
    return {line.partition("==")[0].partition("[")[0].lower() for line in lines}


def unhashed(lock: str) -> list[str]:
    """Return the packages in the text of a lock file without an exact version or a hash."""
    entries = [entry for entry in lock.replace("\\\n", " ").splitlines() if entry.strip()]
    return [
        entry.split()[0] for entry in entries if not ("==" in entry and "--hash=sha256:" in entry)
    ]


def _audit(paths: Sequence[str]) -> dict[str, Any]:
    wanted = [word for path in paths for word in ("-r", path)]
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--format", "json",
         "--progress-spinner", "off", *wanted],
        stdout=subprocess.PIPE, check=False,
    )  # fmt: skip
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def main(paths: Sequence[str]) -> int:
    """Audit the lock files and return the exit status."""
    locks = [Path(path).read_text(encoding="utf-8") for path in paths]
    found = [f"{one}: not pinned by a hash" for lock in locks for one in unhashed(lock)]
    found += faults(_audit(paths), set().union(*map(packages, locks)))
    print(*found, sep="\n")
    if not found:
        print("every locked package was audited; no vulnerability is known")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What the product is made of: pinned, listed, asked about; no secret in the tree."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tools import console_scripts, leaks, scripts_bill, vulnerabilities

from tests.checks.code import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock")
LOCK = "aiohttp==3.14.5 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"


def report(*dependencies: dict[str, object]) -> dict[str, object]:
    return {"dependencies": list(dependencies), "fixes": []}


@pytest.mark.parametrize("lock", LOCKS)
def test_sec_41_every_locked_package_has_a_version_and_a_hash(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert vulnerabilities.unhashed(text) == []
    assert len(vulnerabilities.packages(text)) > 50


@pytest.mark.parametrize(
    "text", ["a==1\n", "a>=1 \\\n    --hash=sha256:aa\n", "a @ file:///a.whl\n", LOCK + "b==2\n"]
)
def test_sec_41_a_package_without_a_hash_is_found(text: str) -> None:
    assert len(vulnerabilities.unhashed(text)) == 1


def test_sec_41_a_vulnerable_package_fails() -> None:
    known = {"id": "PYSEC-1", "fix_versions": ["3.15"], "aliases": [], "description": ""}
    seen = report({"name": "aiohttp", "version": "3.14.5", "vulns": [known]})
    [fault] = vulnerabilities.faults(seen, {"aiohttp"})
    assert fault == "aiohttp 3.14.5: PYSEC-1, mended in 3.15"


def test_sec_41_a_skipped_package_fails_and_so_does_a_missing_one() -> None:
    seen = report({"name": "aiohttp", "skip_reason": "could not be audited"})
    assert len(vulnerabilities.faults(seen, {"aiohttp"})) == 1
    assert vulnerabilities.faults(report(), {"aiohttp"}) == ["aiohttp: missing from the report"]


def test_sec_41_packages_that_were_all_asked_about_pass() -> None:
    seen = report({"name": "aiohttp", "version": "3.14.5", "vulns": []})
    assert vulnerabilities.faults(seen, vulnerabilities.packages(LOCK)) == []


def test_sec_41_the_bill_of_materials_lists_every_locked_package(tmp_path: Path) -> None:
    listed = tmp_path / "bill.json"
    subprocess.run(
        [sys.executable, "-m", "cyclonedx_py", "requirements", ROOT / LOCKS[0],
         "--pyproject", ROOT / "pyproject.toml", "--output-file", listed],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    scripts_bill.main(listed)
    once = listed.read_bytes()
    scripts_bill.main(listed)
    assert listed.read_bytes() == once  # nothing is listed twice
    bill = json.loads(once)
    assert bill["bomFormat"] == "CycloneDX"
    names = {one["name"].lower() for one in bill["components"]}
    locked = vulnerabilities.packages((ROOT / LOCKS[0]).read_text(encoding="utf-8"))
    assert locked <= names
    scripts = {one["purl"]: one for one in bill["components"] if is_script(one)}
    python = [one for one in bill["components"] if not is_script(one)]
    assert all(one["externalReferences"][0]["hashes"] for one in python)
    assert {f"{one['name']}@{one['version']}" for one in scripts.values()} == {
        package.name for package in console_scripts.PACKAGES
    }
    assert "pkg:npm/%40event-calendar/build@5.10.1" in scripts
    htmx = scripts["pkg:npm/htmx.org@4.0.1"]["hashes"]
    digest = base64.b64decode(console_scripts.PACKAGES[0].digest).hex()
    assert htmx == [{"alg": "SHA-512", "content": digest}]
    assert {one["bom-ref"] for one in bill["components"]} == {
        one["ref"] for one in bill["dependencies"]
    } - {bill["metadata"]["component"]["bom-ref"]}


def is_script(component: dict[str, Any]) -> bool:
    return str(component.get("purl", "")).startswith("pkg:npm/")


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        ("src/a.py", 'password = "correct horse battery"'),
        (
            "src/chroniccare/settings.py",
            'url = "https://ann:s3cr3tword@example.com/"\nurl = "https://bob:an0therw0rd@example.com/"',
        ),
        ("docs/a.md", "-----BEGIN EC PRIVATE " + "KEY-----"),
        ("tests/a.py", 'key = "AKIA{}"'.format("QYLPMN5HFIQR7XYA")),
    ],
)
def test_sec_38_a_secret_in_the_tree_is_found(tmp_path: Path, path: str, secret: str) -> None:
    fine = tmp_path / "tests/fine.py"
    fine.parent.mkdir()
    fine.write_text('password = "made up"\n', encoding="utf-8")
    assert leaks.found(tmp_path) == []
    bad = tmp_path / path
    bad.parent.mkdir(parents=True, exist_ok=True)
    bad.write_text(secret + "\n", encoding="utf-8")
    [line] = leaks.found(tmp_path)
    assert line.startswith(f"{path}:")

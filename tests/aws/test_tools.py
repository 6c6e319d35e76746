"""What tools say of deploy/aws, and of the package: no warning, and each exception explained."""

import json
import os
import subprocess
import zipfile
from pathlib import Path

from tests.aws.environments import program
from tests.deploy.template import NOTIFIER, load


def test_sec_40_cfn_lint_has_nothing_to_say() -> None:
    said = subprocess.run(
        [program("lint", "cfn-lint"), "--include-checks", "I", "--template", str(NOTIFIER)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (said.returncode, said.stdout) == (0, "")


def test_sec_40_checkov_finds_nothing_that_is_not_explained(tmp_path: Path) -> None:
    said = subprocess.run(
        [program("lint", "checkov"), "--skip-download", "--compact", "--quiet", "--framework",
         "cloudformation", "--output", "json", "--file", str(NOTIFIER)],
        capture_output=True, text=True, timeout=180, check=False, cwd=tmp_path,
        env={**os.environ, "BC_SKIP_MAPPING": "TRUE"},
    )  # fmt: skip
    found = json.loads(said.stdout)
    assert found["results"]["failed_checks"] == []
    assert found["summary"]["passed"] > 60
    explained = {
        (name, one["id"])
        for name, resource in load()["Resources"].items()
        for one in resource.get("Metadata", {}).get("checkov", {}).get("skip", ())
        if one["comment"]
    }
    assert found["summary"]["skipped"] == len(explained)


def test_the_package_holds_our_code_and_little_else(package: Path) -> None:
    with zipfile.ZipFile(package) as made:
        names = made.namelist()
        size = sum(one.file_size for one in made.infolist())
    assert "chroniccare/lambdas/__init__.py" in names
    services = {name.split("/")[2] for name in names if name.startswith("botocore/data/")}
    assert {one for one in services if "." not in one} == {
        "dynamodb", "lambda", "pinpoint-sms-voice-v2", "s3", "sesv2", "sns", "sts",
    }  # fmt: skip
    assert not [name for name in names if name.startswith(("fastapi/", "granian/", "faker/"))]
    assert size < 100 * 2**20

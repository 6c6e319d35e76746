"""What is in the package of the functions."""

import zipfile
from pathlib import Path


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

"""Fail when something that looks like a secret stands in the tree (detect-secrets).

    python tools/leaks.py [FOLDER]

Tests and benchmarks are full of made-up passwords: there only what has the form of a real
credential counts, such as an AWS key or a private key.
"""

import sys
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

OURS = (
    ".ci", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "README.md",
    "SECURITY.md", "deploy", "docs", "examples", "pyproject.toml", "src", "tools",
)  # fmt: skip
MADE_UP = ("benchmarks", "tests")
KNOWN = {
    "deploy/aws/app.yaml": (1, "the right to read secrets"),
    "deploy/aws/data.yaml": (5, "names of secrets, whose text is made in the account"),
    "deploy/aws/messaging.yaml": (2, "as above"),
    "deploy/aws/notifier.yaml": (1, "the right to read a secret"),
    "deploy/aws/serverless.yaml": (2, "a switch, and the right to read secrets"),
    "deploy/kubernetes/api.yaml": (1, "the name of a secret of the cluster's"),
    "deploy/kubernetes/migrate.yaml": (1, "as above"),
    "deploy/kubernetes/worker.yaml": (1, "as above"),
    "docs/audit.md": (2, "the hash and the signature of a head, as an example"),
    "docs/settings.md": (1, "the form of a database URL"),
    "src/chroniccare/console/words_es.json": (6, "what a password is called in Spanish"),
    "src/chroniccare/medications/interactions/table.py": (1, "the checksum of a table"),
    "src/chroniccare/notifications/daily/entry.py": (1, "the name of a variable"),
    "src/chroniccare/platform/aws_secrets.py": (1, "the name of an operation"),
    "src/chroniccare/platform/embedded_postgres.py": (1, "the name of a method of authentication"),
    "src/chroniccare/platform/probe.py": (1, "the form of a broker's URL"),
    "src/chroniccare/settings.py": (1, "the form of a database URL"),
    "src/chroniccare/staff/accounts/rules.py": (1, "the alphabet of passwords that are given"),
    "src/chroniccare/staff/accounts/rules_common.py": (1, "a row of keys"),
    "src/chroniccare/tenancy/rules.py": (1, "the alphabet of API keys"),
    "src/chroniccare/webhooks/schemas.py": (2, "examples: a published vector's key"),
    "tools/console_scripts.py": (4, "the checksums of packages"),
    "tools/fhir_definitions.py": (1, "the checksum of a package"),
    "tools/fhir_schema.py": (1, "the checksum of a package"),
}
"""Files in which things look like secrets: how many, and what they are."""
_GUESSES = {
    "Base64HighEntropyString",
    "BasicAuthDetector",
    "HexHighEntropyString",
    "KeywordDetector",
}


def files(root: Path, names: tuple[str, ...]) -> Iterator[str]:
    """Yield the text files below `names`; published tables of codes are left out."""
    for name in names:
        whole = root / name
        for path in [whole] if whole.is_file() else sorted(whole.rglob("*")):
            if path.is_file() and path.suffix not in {".pyc", ".png"} and "data" not in path.parts:
                yield path.relative_to(root).as_posix()


def found(root: Path) -> list[str]:
    """Return `path:line: kind` of whatever looks like a secret and is not `KNOWN`."""
    looked = SecretsCollection(root=str(root))
    kinds = set(map(attrgetter("__name__"), get_mapping_from_secret_type_to_class().values()))
    for names, plugins in ((OURS, kinds), (MADE_UP, kinds - _GUESSES)):
        with transient_settings({"plugins_used": [{"name": one} for one in sorted(plugins)]}):
            looked.scan_files(*files(root, names), num_processors=2)
    left = {path: count for path, (count, _) in KNOWN.items()}
    lines = []
    for path, secret in looked:
        if left.get(path):
            left[path] -= 1
        else:
            lines.append(f"{path}:{secret.line_number}: {secret.type}")
    return lines


def main(arguments: list[str]) -> int:
    """Print what was found and return the exit status."""
    lines = found(Path(arguments[0] if arguments else ".").resolve())
    print(*lines, sep="\n") if lines else print("leaks: no secret found")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

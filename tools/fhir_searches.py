"""Makes the table of search parameters of the types that are stored as documents.

    python -m tools.fhir_searches            writes src/chroniccare/fhir/data/r4_searches.json
    python -m tools.fhir_searches --check    exit 1 if the file holds anything else

Out of the same package as `fhir_definitions`, which see. One line a type: the elements that its
summary has, and its parameters by name, each `[kind, paths, targets]`. A path is steps of elements,
with `:type` behind a choice of which one type alone is meant: `component.value:Quantity`. Targets
are the types that a reference may lead to; without any it may lead to all. What a path cannot say
is left out: composites, texts, extents.
"""

import argparse
import json
import re
import sys
import tarfile
import tempfile
from pathlib import Path

from tools.fhir_definitions import FILE as TYPES
from tools.fhir_definitions import Json, fetched, read

FILE = TYPES.with_name("r4_searches.json")
STORED = (
    "AllergyIntolerance", "CarePlan", "Condition", "Coverage", "Device", "DiagnosticReport",
    "DocumentReference", "Encounter", "Endpoint", "EpisodeOfCare", "FamilyMemberHistory", "Flag",
    "Goal", "Group", "Immunization", "List", "Media", "Medication", "Observation", "Procedure",
    "Questionnaire", "QuestionnaireResponse", "ServiceRequest", "Specimen", "Task",
)  # fmt: skip
_MEMBER = "package/dist/fhir/r4/search-parameters.json"
_KINDS = {"date", "quantity", "reference", "string", "token", "uri"}
_ANYTHING = 40
"""Targets; with more, a reference leads to whatever there is."""
_NO_AMOUNT = {"Range", "SampledData"}
_TYPED = re.compile(r"\(?([A-Za-z.]+)\.ofType\((\w+)\)\)?")
_OF = re.compile(r"([A-Za-z.]+)\.where\(resolve\(\) is (\w+)\)")
_PLAIN = re.compile(r"[A-Za-z.]+")


def table(archive: Path) -> Json:
    """Return the parameters of each type by name."""
    parts = read(archive)  # refuses what is another package
    with tarfile.open(archive) as tar:
        member = tar.extractfile(_MEMBER)
        assert member is not None  # noqa: S101  the digest says so
        parameters = [entry["resource"] for entry in json.load(member)["entry"]]
    found: Json = {
        each["id"]: {"summary": _summary(each), "parameters": {}}
        for each in parts["profiles-resources"]
        if each["id"] in STORED
    }
    for one in parameters:
        for name in set(one["base"]) & set(STORED):
            if one["type"] in _KINDS and (made := _parameter(one, name)):
                found[name]["parameters"][one["code"]] = made
    return found


def _summary(definition: Json) -> list[str]:
    """Return the elements of the first level that a summary has."""
    found = []
    for element in definition["snapshot"]["element"]:
        base, _, name = element["path"].partition(".")
        if base == definition["id"] and name and "." not in name and element.get("isSummary"):
            found.append(name.removesuffix("[x]"))
    return sorted(set(found) - {"id", "meta", "implicitRules"})


def _parameter(one: Json, name: str) -> list[object] | None:
    paths, only = [], set()
    for each in one["expression"].split("|"):
        path, target = _path(each.strip(), name)
        if path is not None:
            paths.append(path)
        if target is not None:
            only.add(target)
    if not paths:
        return None
    targets = [] if len(one.get("target", [])) > _ANYTHING else sorted(one.get("target", []))
    return [one["type"], paths, sorted(only) or targets]


def _path(expression: str, name: str) -> tuple[str | None, str | None]:
    """Return the path of one alternative of an expression, and the one type that it leads to."""
    if match := _OF.fullmatch(expression):
        path, kind, target = match[1], "", match[2]
    elif match := _TYPED.fullmatch(expression):
        path, kind, target = match[1], match[2], None
    elif _PLAIN.fullmatch(expression):
        path, kind, target = expression, "", None
    else:
        return None, None
    base, _, rest = path.partition(".")
    if base != name or kind in _NO_AMOUNT or rest.endswith(".text"):
        return None, None
    return f"{rest}:{kind}" if kind else rest, target


def text(found: Json) -> str:
    """Return the file: one line a type."""
    rows = [
        f"{json.dumps(name)}:{json.dumps(found[name], separators=(',', ':'), sort_keys=True)}"
        for name in sorted(found)
    ]
    return "{\n" + ",\n".join(rows) + "\n}\n"


def main() -> int:
    """Write the file, or with --check compare it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--package", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = text(table(arguments.package or fetched(Path(folder))))
    if not arguments.check:
        FILE.write_text(made, encoding="utf-8")
        print(f"{FILE}: {len(made)} characters")
    elif FILE.read_text(encoding="utf-8") != made:
        print(f"{FILE} holds something else than the package makes")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

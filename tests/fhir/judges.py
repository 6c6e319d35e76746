"""Two judges of what is R4, which share no line with ours.

HL7's JSON schema, asked by jsonschema-rs: structure, patterns and codes of all of R4. And
fhir.resources, which knows R4B, in which these types are as in R4: it checks no bindings, few rules
and no lengths.
"""

import importlib
import lzma
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson

_FILE = Path(__file__).parent / "data" / "fhir.schema.json.xz"
GAPS = (b'"valueMeta"', b'"_value')
"""Members that R4 has and fhir.resources does not know everywhere."""


_CANONICAL = "#/definitions/canonical"


@cache
def _schema() -> dict[str, Any]:
    """Return HL7's schema with the five things set right that it has otherwise than HL7's R4."""
    found: dict[str, Any] = orjson.loads(lzma.decompress(_FILE.read_bytes()))
    types = found["definitions"]
    # It was made before the correction of 2019, and takes a binding that may be extended for all.
    types["CapabilityStatement"]["properties"]["fhirVersion"]["enum"].append("4.0.1")
    types["Expression"]["properties"]["language"] = {"$ref": "#/definitions/code"}
    # What is extended and has no value of its own is null in an array, and the other way round.
    for one in types.values():
        members = one.get("properties", {})
        if "valueDosage" in members:  # a value of any type, and Meta is one
            members["valueMeta"] = {"$ref": "#/definitions/Meta"}
        # A canonical can be extended like any primitive; of one alone the schema forgets it.
        alone = [name for name, one in members.items() if one.get("$ref") == _CANONICAL]
        members |= {f"_{name}": {"$ref": "#/definitions/Element"} for name in alone}
        for name, member in members.items():
            items = member.get("items", {})
            led = items.get("$ref", "").rpartition("/")[2]
            if name.startswith("_") or led[:1].islower() or "enum" in items:
                member["items"] = {"anyOf": [items, {"type": "null"}]}
    return found


@cache
def _validator() -> Any:
    """Return one validator for every type; each of its own would hold all the others again."""
    whole = _schema()
    return jsonschema_rs.validator_for(
        {
            "$schema": "http://json-schema.org/draft-07/schema#",  # the first one with `if`
            "definitions": whole["definitions"],
            "allOf": [
                {
                    "if": {"properties": {"resourceType": {"const": name}}},
                    "then": {"$ref": f"#/definitions/{name}"},
                }
                for name in sorted(_types())
            ],
        }
    )


@cache
def _types() -> frozenset[str]:
    return frozenset(
        name
        for name, one in _schema()["definitions"].items()
        if one.get("properties", {}).get("resourceType", {}).get("const") == name
    )


def by_schema(resource: dict[str, Any]) -> list[str]:
    """Return where HL7's JSON schema is broken, and how; nothing: it is not."""
    if resource["resourceType"] not in _types():
        return [f"resourceType: {resource['resourceType']} is no type of R4"]
    found = _validator().iter_errors(resource)
    return [f"{'.'.join(map(str, one.instance_path))}: {one.message[:200]}" for one in found]


def by_models(resource: dict[str, Any]) -> None:
    """Raise pydantic's ValidationError, a ValueError, if fhir.resources refuses."""
    name = resource["resourceType"]
    module = importlib.import_module(f"fhir.resources.R4B.{name.lower()}")
    getattr(module, name).model_validate(resource)


def judge(body: bytes) -> None:
    """Check that both judges take an answer of the server.

    Raises:
        AssertionError: the schema refuses it.
        ValueError: the models do.
    """
    resource = orjson.loads(body)
    found = by_schema(resource)
    if found:
        raise AssertionError(found)
    if not any(gap in body for gap in GAPS):
        by_models(resource)

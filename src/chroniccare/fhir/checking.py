"""`$validate`: everything that is wrong with a resource, and nothing is stored.

What could be written is written, by the actions that would, in a transaction that is never
committed: so the rules of the product are looked at as well as R4's.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson

from chroniccare.core.caller import Caller
from chroniccare.core.errors import Forbidden, Invalid, NotFound, Problem
from chroniccare.fhir import actions, outcome, writing
from chroniccare.fhir.definitions.table import resource_types
from chroniccare.fhir.kind import Kind, Resource
from chroniccare.fhir.operations import Given, In, any_version, read
from chroniccare.fhir.registry import KINDS, opened, seen_by
from chroniccare.fhir.validation import parse
from chroniccare.platform.postgres import begin, database

VALIDATE: Mapping[str, In] = {
    "resource": In(("Resource",)),
    "mode": In(("Code", "String")),
    "profile": In(("Uri", "Canonical", "String")),
}
_MODES = {"create", "update", "delete", "profile"}
_US_CORE = "http://hl7.org/fhir/us/core/"


class _DoneError(Exception):
    """Rolls back what went well."""


async def validate(caller: Caller, name: str, text: str | None, body: bytes) -> Resource:
    """Return an OperationOutcome of everything that is wrong; `text` is the id of a record.

    Raises:
        NotFound: R4 has no such type, or there is no such record.
        Forbidden: the scopes do not open the record.
        Invalid: the request itself says nothing that could be validated.
    """
    if name not in resource_types():
        raise NotFound("R4 has no such type.")
    given = _given(body)
    mode = given.one("mode") or ("create" if text is None else "update")
    if mode not in _MODES:
        raise Invalid.field("mode", f"must be among {', '.join(sorted(_MODES))}", "value")
    profile = str(given.one("profile") or "")
    if profile and not profile.startswith((_US_CORE, "http://hl7.org/fhir/StructureDefinition/")):
        raise Invalid.field("profile", "must be one of R4 or US Core 7", "not-supported")
    resource = given.one("resource")
    if text is not None:
        kept = await _kept(caller, name, text)
        resource = kept if resource is None and mode != "delete" else resource
    if resource is None and mode != "delete":
        raise Invalid.field("resource", "is needed", "required")
    us_core = profile.startswith(_US_CORE) or database().settings.fhir_us_core
    try:
        if resource is not None:
            resource = parse(name, resource, us_core=us_core)
        if mode != "profile":
            await _tried(caller, name, text, resource, mode)
    except Problem as problem:
        return outcome.outcome(problem)
    return outcome.information("Nothing is wrong with it.")


def _given(body: bytes) -> Given:
    """Return the parameters: the body is a resource, or Parameters that hold one."""
    if not body.strip():
        return Given()
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = None
    if isinstance(said, dict) and said.get("resourceType") == "Parameters":
        return read(body, VALIDATE, nested=False)
    return Given({"resource": [body]})


async def _kept(caller: Caller, name: str, text: str) -> Resource | None:
    kind = KINDS.get(name)
    if kind is None:
        raise NotFound
    resource = await actions.read(seen_by(caller, kind), kind, text)
    is_whole = "tag" not in resource["meta"]
    return resource if is_whole else None


async def _tried(
    caller: Caller, name: str, text: str | None, resource: Resource | None, mode: str
) -> None:
    """Write what could be written and undo it.

    Raises:
        Problem: it is refused.
    """
    kind = KINDS.get(name)
    if kind is None or not _may(caller, kind, mode):
        return
    with suppress(_DoneError):
        async with begin(seen_by(caller, kind)) as tx:
            if mode == "delete" and text is not None:
                await writing.delete(tx, kind, text, check=any_version)
            elif mode == "create" and resource is not None:
                await writing.create(tx, kind, resource)
            elif mode == "update" and text is not None and resource is not None:
                await writing.update(tx, kind, text, resource, check=any_version)
            raise _DoneError


def _may(caller: Caller, kind: Kind, mode: str) -> bool:
    """Say whether the caller could write it: others learn what R4 says and no more."""
    letter: Any = {"create": "c", "update": "u", "delete": "d"}[mode]
    if kind.writer is None or (letter == "d" and kind.writer.delete is None):
        return False
    try:
        opened(caller, kind, letter)
    except Forbidden:
        return False
    return True

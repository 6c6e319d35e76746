"""Whose records an export is of: the members of a Group, or patients that are named."""

from datetime import datetime
from zoneinfo import ZoneInfo

from chroniccare.core.caller import Caller
from chroniccare.core.errors import Invalid, Unprocessable
from chroniccare.fhir import actions, composing, conditions
from chroniccare.fhir.kind import Resource
from chroniccare.fhir.parameters import uuids
from chroniccare.fhir.registry import KINDS
from chroniccare.fhir.stored import indexing
from chroniccare.platform.postgres import begin

_PATIENT, _GROUP = KINDS["Patient"], KINDS["Group"]


async def of_group(caller: Caller, text: str) -> list[str]:
    """Return the patients who are members of a Group at this moment; the read is audited.

    Raises:
        Forbidden: the caller's scopes open no Groups.
        NotFound, Gone: this one is not there.
        Unprocessable: it is of no people, or says only what they have in common.
    """
    group = await actions.read(caller, _GROUP, text)
    if group["type"] != "person" or not group["actual"]:
        raise Unprocessable.field("Group", "must be of actual persons", "business-rule")
    async with begin(caller) as tx:
        asked = await actions.asked_of(tx, zones=True)
    return members(group, base=asked.base, zone=asked.zones[0], now=asked.now)


def members(group: Resource, *, base: str, zone: ZoneInfo, now: datetime) -> list[str]:
    """Return the ids of its patients, each once; who has left is none, nor who is to come."""
    found: dict[str, None] = {}
    for one in group.get("member", []):
        led = indexing.target(one["entity"].get("reference", ""), base)
        spans = list(indexing.spans(one.get("period", {}), zone))
        is_of_now = all(low <= now < high for low, high in spans)
        if led and led[0] == "Patient" and is_of_now and not one.get("inactive"):
            found[led[1]] = None
    return list(found)


async def checked(caller: Caller, named: list[str], among: list[str] | None) -> list[str]:
    """Return the patients that are named: all are there, and members where there is a Group.

    Raises:
        Invalid: one is not.
    """
    async with begin(caller) as tx:
        asked = await actions.asked_of(tx, zones=False)
        led = {indexing.target(one, asked.base) for one in named}
        ids = {str(one) for one in uuids([one[1] for one in led if one and one[0] == "Patient"])}
        wanted = [conditions.of_patients(_PATIENT, sorted(ids), asked)]
        count = await tx.value(composing.count(_PATIENT, wanted), *asked.arguments)
    if count < len(led) or (among is not None and not ids <= set(among)):
        raise Invalid.field("patient", "must each be a patient of this clinic or Group", "value")
    return sorted(ids)

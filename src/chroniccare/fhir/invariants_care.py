"""Invariants of the resources of care: patients, visits, medications, findings, plans."""

from typing import Any

from chroniccare.fhir.invariants_view import (
    Rule,
    certainly_after,
    has_choice,
    has_code,
    needs,
    not_both,
    some,
)

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_ALLERGY = f"{_TERMINOLOGY}allergyintolerance-verification"
_CONDITION = f"{_TERMINOLOGY}condition-ver-status"
_CLINICAL = f"{_TERMINOLOGY}condition-clinical"
_ERROR = "entered-in-error"


def _in_order(first: str, second: str) -> Rule:
    """Return the rule that the second moment is not before the first."""

    def rule(thing: Any) -> bool:
        one, two = getattr(thing, first), getattr(thing, second)
        return one is None or two is None or not certainly_after(one, two)

    return rule


def _not_at_home(contact: Any) -> bool:
    return bool(contact.use != "home")


def app_2(visit: Any) -> bool:
    """A start and an end, or neither."""
    return (visit.start is None) == (visit.end is None)


def app_3(visit: Any) -> bool:
    """Only what is not planned yet may lack its times."""
    timed = visit.start is not None and visit.end is not None
    return timed or visit.status in {"proposed", "cancelled", "waitlist"}


def app_4(visit: Any) -> bool:
    """A reason for cancelling belongs to a visit that is not held."""
    return visit.cancelationReason is None or visit.status in {"noshow", "cancelled"}


def ait_1(allergy: Any) -> bool:
    """A clinical status, unless it was entered in error."""
    return allergy.clinicalStatus is not None or has_code(
        allergy.verificationStatus, _ALLERGY, _ERROR
    )


def ait_2(allergy: Any) -> bool:
    """No clinical status if it was entered in error."""
    return allergy.clinicalStatus is None or not has_code(
        allergy.verificationStatus, _ALLERGY, _ERROR
    )


def con_4(condition: Any) -> bool:
    """What has abated is not active."""
    return not has_choice(condition, "abatement") or has_code(
        condition.clinicalStatus, _CLINICAL, "resolved", "remission", "inactive"
    )


def con_5(condition: Any) -> bool:
    """No clinical status if it was entered in error."""
    return condition.clinicalStatus is None or not has_code(
        condition.verificationStatus, _CONDITION, _ERROR
    )


def ctm_1(participant: Any) -> bool:
    """On behalf of an organization acts a practitioner; a member of no named type may be one."""
    reference = participant.member.reference if participant.member is not None else None
    if participant.onBehalfOf is None or reference is None or ":" in reference:
        return True
    return bool(reference.startswith(("Practitioner/", "#")))


def gol_1(target: Any) -> bool:
    """A target needs what is measured."""
    return target.measure is not None or not has_choice(target, "detail")


def grp_1(group: Any) -> bool:
    """Only an actual group has members."""
    return group.member is None or group.actual is True


def mad_1(dosage: Any) -> bool:
    """A dose or a rate."""
    return dosage.dose is not None or has_choice(dosage, "rate")


def obs_6(observation: Any) -> bool:
    """A value, or why there is none."""
    return observation.dataAbsentReason is None or not has_choice(observation, "value")


def obs_7(observation: Any) -> bool:
    """No component has the code of the whole if the whole has a value."""
    if not has_choice(observation, "value"):
        return True
    own = _codings(observation.code)
    return not any(own & _codings(each.code) for each in observation.component or ())


def _codings(concept: Any) -> set[tuple[Any, ...]]:
    found = (concept.coding or ()) if concept is not None else ()
    return {
        (each.system, each.version, each.code, each.display, each.userSelected) for each in found
    }


def lst_2(items: Any) -> bool:
    """Only a list of changes marks what was deleted."""
    return items.mode == "changes" or all(each.deleted is None for each in items.entry or ())


def lst_3(items: Any) -> bool:
    """Only a working list dates its entries."""
    return items.mode == "working" or all(each.date is None for each in items.entry or ())


def _of_a_patient(code: str) -> Rule:
    """Return one of ppc-2 to ppc-5; R4 names the system `something`, so they hold for nobody."""

    def rule(consent: Any) -> bool:
        return consent.patient is not None or not has_code(consent.scope, "something", code)

    return rule


RULES: dict[str, Rule] = {
    "ait-1": ait_1,
    "ait-2": ait_2,
    "app-1": some("type", "actor"),
    "app-2": app_2,
    "app-3": app_3,
    "app-4": app_4,
    "apr-1": some("participantType", "actor"),
    "cmp-1": some("text", "entry", "section"),
    "cmp-2": not_both("emptyReason", "entry"),
    "con-1": some("summary", "assessment"),
    "con-2": some("code", "detail"),
    "con-4": con_4,
    "con-5": con_5,
    "cpl-3": not_both("detail", "reference"),
    "ctm-1": ctm_1,
    "gol-1": gol_1,
    "grp-1": grp_1,
    "imm-1": some("documentType", "reference"),
    "inv-1:Task": _in_order("authoredOn", "lastModified"),
    "lst-1": not_both("emptyReason", "entry"),
    "lst-2": lst_2,
    "lst-3": lst_3,
    "mad-1": mad_1,
    "mdd-1": _in_order("whenPrepared", "whenHandedOver"),
    "obs-3": some("low", "high", "text"),
    "obs-6": obs_6,
    "obs-7": obs_7,
    "org-1": some("identifier", "name"),
    "org-2": _not_at_home,
    "org-3": _not_at_home,
    "pat-1": some("name", "telecom", "address", "organization"),
    "ppc-1": some("policy", "policyRule"),
    "ppc-2": _of_a_patient("patient-privacy"),
    "ppc-3": _of_a_patient("research"),
    "ppc-4": _of_a_patient("adr"),
    "ppc-5": _of_a_patient("treatment"),
    "prr-1": needs("orderDetail", "code"),
    "sev-1": not_both("name", "query"),
}

"""What speaks against giving a drug to a patient, as far as the tables here know."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from chroniccare.codes import queries as codes
from chroniccare.medications.allergies import queries as allergies
from chroniccare.medications.interactions import queries, rules
from chroniccare.medications.interactions.rules_kinds import Severity
from chroniccare.medications.interactions.table import table
from chroniccare.platform.postgres import Tx


@dataclass(frozen=True, slots=True)
class Drug:
    """A drug as it is prescribed; `rxnorm_code` is its RXCUI, if known."""

    name: str
    generic_name: str | None
    rxnorm_code: str | None


async def check(
    tx: Tx, *, patient_id: UUID, drug: Drug, without: UUID | None = None
) -> dict[str, object]:
    """Check a drug against what the patient takes and is allergic to, but for one medication.

    Returns:
        `schemas.Check` as plain JSON; what an external service says is put in by `service.merged`.
    """
    if tx.settings.interaction_checks == "off":
        return rules.result(sets=[], findings=[], not_checked=[], off=True)
    # A day's grace: the last day may not be over yet where the patient lives.
    taken = await tx.all(queries.TAKEN, patient_id, without, tx.now.date() - timedelta(days=1))
    against = await tx.all(allergies.LOOKED_AT, patient_id)
    written = [drug.rxnorm_code, *(one.rxnorm_code for one in taken)]
    written += [one.rxnorm_code for one in against]
    sets = await tx.all(queries.SETS)
    concepts = await _concepts(tx, {code for code in written if code}, with_sets=bool(sets))
    new = rules.known(
        table(), concepts, name=drug.name, generic_name=drug.generic_name, rxcui=drug.rxnorm_code
    )
    others = {
        one.id: rules.known(
            table(), concepts, name=one.medication_name, generic_name=one.generic_name,
            rxcui=one.rxnorm_code,
        )
        for one in taken
    }  # fmt: skip
    findings = rules.interactions(table(), new, others) + rules.duplicates(new, others)
    if sets:
        findings += await _site_findings(tx, new, others)
    not_checked: list[dict[str, Any]] = []
    if not new.complete:
        not_checked.append({"what": "drug", "id": None})
    not_checked += [
        {"what": "medication", "id": str(id_)} for id_, one in others.items() if not one.complete
    ]
    for one in against:
        found, is_known = _allergy(one, new, concepts)
        findings += [found] if found else []
        if not (found or is_known):
            not_checked.append({"what": "allergy", "id": str(one.id)})
    return rules.result(sets=_named(sets), findings=findings, not_checked=not_checked)


def _allergy(
    one: allergies.LookedAt, new: rules.Known, concepts: dict[str, rules.Concept]
) -> tuple[rules.Finding | None, bool]:
    """Return what an allergy has against the drug, and whether it could be told."""
    substance = rules.allergens(
        table(), concepts, substance=one.substance, rxcui=one.rxnorm_code,
        drug_class=one.drug_class,
    )  # fmt: skip
    found = rules.allergy(new, substance, id_=one.id, criticality=one.criticality)
    return found, substance.complete


async def _concepts(tx: Tx, rxcuis: Iterable[str], *, with_sets: bool) -> dict[str, rules.Concept]:
    """Return what the site's subset of RxNorm, or one of its sets, knows of these, by RXCUI."""
    wanted = list(rxcuis)
    if not wanted:
        return {}
    members = await tx.values(queries.MEMBERS, wanted) if with_sets else []
    found = await tx.all(codes.CONCEPTS, wanted)
    inside = sorted({one for concept in found for one in concept.ingredients})
    names = {one.rxcui: one.name for one in await tx.all(codes.CONCEPTS, inside)} if inside else {}
    return {one: rules.Concept({one: one}) for one in members} | {
        concept.rxcui: rules.Concept({one: names[one] for one in concept.ingredients})
        for concept in found
        if concept.ingredients
    }


async def _site_findings(
    tx: Tx, new: rules.Known, others: dict[UUID, rules.Known]
) -> list[rules.Finding]:
    meetings = rules.meetings(new, others)
    lows, highs = [low for low, _ in meetings], [high for _, high in meetings]
    met = await tx.all(queries.MET, lows, highs) if meetings else []
    return [
        rules.Finding(
            "interaction", cast("Severity", one.severity),
            tuple(dict.fromkeys(meetings[one.a, one.b])), f"{one.a}-{one.b}", one.text,
            f"{one.set_name} {one.set_version}", one.set_name,
        )
        for one in met
    ]  # fmt: skip


def _named(sets: list[queries.InteractionSet]) -> list[dict[str, Any]]:
    """Return what the result is based on: the built-in table first."""
    built_in = table()
    return [
        {"name": built_in.name, "version": built_in.version, "sha256": built_in.sha256},
        *({"name": one.name, "version": one.version, "sha256": one.sha256} for one in sets),
    ]

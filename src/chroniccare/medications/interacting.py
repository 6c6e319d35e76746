"""What speaks against a drug stops it, unless somebody who may says why it shall be given."""

from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict, FieldError, Forbidden, NotFound
from chroniccare.medications import queries
from chroniccare.medications.interactions import service
from chroniccare.medications.interactions.checking import Drug, check
from chroniccare.medications.interactions.service import Advice
from chroniccare.medications.schemas import MedicationWrite, Override
from chroniccare.platform.postgres import Tx, begin

SCOPE = "medications:override"


class Contraindicated(Conflict):
    """A finding speaks against the drug; `data` holds the check."""

    code = "CONTRAINDICATED"
    message = "Something speaks against this drug for this patient; see data, or give a reason."

    def __init__(self, found: dict[str, Any]) -> None:
        details = [FieldError("override", "is needed: a finding is contraindicated", "missing")]
        super().__init__(details=details, data={"interaction_check": found})


async def asked(caller: Caller, medication_id: UUID, body: MedicationWrite | None = None) -> Advice:
    """Ask the external service about a prescription as `body` changes it, or as it stands.

    It is called before the transaction of the change: none is open while somebody else's server is
    waited for.

    Raises:
        NotFound: no such prescription.
    """
    if not service.is_used():
        return Advice()
    async with begin(caller) as tx:
        medication = await tx.one(queries.GET, medication_id)
    if medication is None:
        raise NotFound("No such prescription.")
    return await service.ask(
        caller,
        patient_id=medication.patient_id,
        provider_id=(body or medication).prescribing_provider_id,
        drug=drug_of(medication) if body is None else drug_in(body),
    )


async def allowed(
    tx: Tx,
    patient_id: UUID,
    body: MedicationWrite,
    *,
    advice: Advice,
    without: queries.Medication | None,
    stands: dict[str, Any] | None = None,
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Check the drug in `body`; return what was found, and the override to be kept, if any.

    `advice` is what the external service said of it.
    `without` is the prescription that is changed, and `stands` what was set aside for it before,
    which stands as long as the drug is the same.

    Raises:
        Contraindicated: a finding is contraindicated, and nobody set it aside.
        Forbidden: the caller may not set it aside.
    """
    drug = drug_in(body)
    if without is not None and drug != drug_of(without):
        stands = None
    return await weighed(
        tx, patient_id, drug, advice=advice, override=body.override, without=without, stands=stands
    )


async def weighed(
    tx: Tx,
    patient_id: UUID,
    drug: Drug,
    *,
    advice: Advice,
    override: Override | None,
    without: queries.Medication | None,
    stands: dict[str, Any] | None,
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Check a drug; see `allowed`."""
    if override is not None and tx.caller.actor_type != "system" and SCOPE not in tx.caller.scopes:
        raise Forbidden(f"Setting a finding aside needs the scope {SCOPE}.")
    medication_id = None if without is None else without.id
    checked = await check(tx, patient_id=patient_id, drug=drug, without=medication_id)
    found: dict[str, Any] = service.merged(checked, advice)
    if not found["override_needed"]:
        return found, stands
    if override is None:
        if stands is None:
            raise Contraindicated(found)
        return found, stands
    kept = {"reason": override.reason, "by": str(tx.caller.actor_id), "at": tx.now.isoformat()}
    await record(
        tx, action="override_interaction", entity_type="patient", entity_id=patient_id,
        after={"reason": override.reason, "interaction_check": found},
    )  # fmt: skip
    return found, kept


def drug_of(medication: queries.Medication) -> Drug:
    """Return the drug of a prescription."""
    return Drug(medication.medication_name, medication.generic_name, medication.rxnorm_code)


def drug_in(body: MedicationWrite) -> Drug:
    """Return the drug that a body prescribes."""
    return Drug(body.medication_name, body.generic_name, body.rxnorm_code)

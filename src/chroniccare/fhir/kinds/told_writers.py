"""How related persons, consents and messages are written: by the actions of notifications."""

from typing import Any
from uuid import UUID

from chroniccare.core.errors import Conflict, Unprocessable
from chroniccare.fhir import queries_beside
from chroniccare.fhir.kind import Check, Resource, Writer
from chroniccare.fhir.kinds.common import email, phone
from chroniccare.fhir.kinds.writers import here, made, one_id
from chroniccare.fhir.resources import consent_write, told_write
from chroniccare.fhir.resources.common import target_of
from chroniccare.notifications.preferences import actions as preferences
from chroniccare.notifications.preferences.queries import Stored
from chroniccare.notifications.preferences.schemas import PreferencesWrite
from chroniccare.notifications.proxies import actions as proxies
from chroniccare.notifications.proxies.queries import RelatedPerson
from chroniccare.notifications.proxies.schemas import RelatedPersonWrite
from chroniccare.notifications.single import actions as single
from chroniccare.notifications.single.schemas import NotificationWrite
from chroniccare.platform.postgres import Tx


class HasConsent(Conflict):
    """There is one Consent for each patient."""

    code = "CONSENT_EXISTS"
    message = "The patient has a Consent, with the patient's id: replace that one."


def _person(said: Resource, kept: dict[str, Any]) -> RelatedPersonWrite:
    fields = told_write.related(said, kept, phone=phone, email=email)
    body: RelatedPersonWrite = made(RelatedPersonWrite, fields)
    return body


async def _relate(tx: Tx, said: Resource) -> UUID:
    said = here(tx, said)
    patient_id = one_id(target_of(said.get("patient"), "Patient"), "patient_id")
    return (await proxies.create(tx, patient_id, _person(said, {}))).id


async def _held(tx: Tx, person_id: UUID, check: Check) -> RelatedPerson:
    row = await tx.one(queries_beside.RELATED, person_id)
    assert row is not None  # noqa: S101  `writing` has looked
    found = await proxies.get_locked(tx, row.patient_id, person_id)
    check(found.version)
    return found


async def _change(tx: Tx, person_id: UUID, said: Resource, check: Check) -> bool:
    said = here(tx, said)
    found = await _held(tx, person_id, check)
    if one_id(target_of(said.get("patient"), "Patient"), "patient_id") != found.patient_id:
        raise Unprocessable.field("patient_id", "cannot become another")
    kept = {name: getattr(found, name) for name in RelatedPersonWrite.model_fields}
    await proxies.update(tx, found, _person(said, kept))
    return True


async def _remove(tx: Tx, person_id: UUID, check: Check) -> None:
    await proxies.delete(tx, await _held(tx, person_id, check))


RELATED = Writer(
    scope="patients:write",
    places=told_write.RELATED_PLACES,
    create=_relate,
    update=_change,
    delete=_remove,
    patient=lambda row: row.patient_id,
)


async def _agree(tx: Tx, said: Resource) -> UUID:
    said = here(tx, said)
    patient_id = one_id(target_of(said.get("patient"), "Patient"), "patient_id")
    stored = await preferences.locked(tx, patient_id)
    if stored.preferences.get("categories") or any(
        stored.consents.get(one) is not None for one in ("sms", "email", "push")
    ):
        raise HasConsent
    await _replace(tx, stored, said)
    return patient_id


async def _agree_anew(tx: Tx, patient_id: UUID, said: Resource, check: Check) -> bool:
    said = here(tx, said)
    stored = await preferences.locked(tx, patient_id)
    check(stored.version)
    if one_id(target_of(said.get("patient"), "Patient"), "patient_id") != patient_id:
        raise Unprocessable.field("patient_id", "cannot become another")
    await _replace(tx, stored, said)
    return True


async def _replace(tx: Tx, stored: Stored, said: Resource) -> None:
    consents, categories, wrong = consent_write.from_fhir(said, tx.caller.tenant_id)
    if wrong:
        raise Unprocessable(details=wrong)
    body = consent_write.preferences(consents, categories, stored.preferences, stored.channels)
    if not consents and not any(
        one["channels"] or not one["enabled"] for one in body["categories"]
    ):
        raise Unprocessable.field("consents", "must permit or deny something")
    await preferences.replace(tx, stored, made(PreferencesWrite, body))


CONSENT = Writer(
    scope="patients:write",
    places=consent_write.PLACES,
    create=_agree,
    update=_agree_anew,
    delete=None,
    patient=lambda row: row.id,
    keeps=False,
)


async def _ask(tx: Tx, said: Resource) -> UUID:
    said = here(tx, said)
    fields, wrong = told_write.request(said, tx.caller.tenant_id)
    if wrong:
        raise Unprocessable(details=wrong)
    body: NotificationWrite = made(NotificationWrite, fields)
    planned = await single.send(
        tx, appointment_id=body.appointment_id, kind=body.notification_type,
        at=body.scheduled_send_time,
    )  # fmt: skip
    if one_id(target_of(said.get("subject"), "Patient"), "patient_id") != planned.patient_id:
        raise Unprocessable.field("patient_id", "is not whose visit it is")
    return planned.id


REQUEST = Writer(
    scope="notifications:write",
    places=told_write.REQUEST_PLACES,
    create=_ask,
    update=None,  # it waits, and goes out or not by what holds then
    delete=None,
    patient=lambda row: row.patient_id,
    keeps=False,
)

"""Messages, who they go to and what is replied, as they stand in the database."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chroniccare.notifications.batch import notify
from chroniccare.notifications.preferences import optouts
from chroniccare.platform import masterkey, sealing
from chroniccare.platform.postgres import Command, begin
from chroniccare.tenancy import addresses, keys, resealing
from chroniccare.worker import SEALED
from tests.client import Clinic
from tests.files import data_directory, names_of
from tests.notifications.inbound.phone import Phone
from tests.notifications.inbound.test_receiving import told
from tests.notifications.optouts import opt_outs
from tests.notifications.support import NOON, Bench

# No other test keeps these in clear: the search is over the whole server.
NUMBER, OTHER, LETTERS = "+17745550141", "+17745550142", "goudkanarie@example.com"
POINTS = {
    "telecom": [
        {"system": "phone", "value": NUMBER}, {"system": "email", "value": LETTERS, "rank": 2},
    ]
}  # fmt: skip
FILE = (
    "patientId,phoneNumber,email,appointmentTime,doctorName,location,appointmentId\n"
    f"P1,{OTHER},,{(NOON + timedelta(days=1)).isoformat()},Dr. Goudkanarius,Kanariehof,A1\n"
)
STORED = Command(
    "SELECT value FROM contact_points WHERE patient_id IS NOT NULL UNION ALL"
    " SELECT value FROM suppressions UNION ALL"
    " SELECT recipient FROM notification_attempts UNION ALL"
    " SELECT sender FROM inbound_messages UNION ALL SELECT body FROM inbound_messages UNION ALL"
    " SELECT template_data ->> 'sealed' FROM notifications"
)
FROM_BEFORE = (
    Command("UPDATE contact_points SET value = $1, value_index = NULL WHERE system = 'phone'"),
    Command("UPDATE suppressions SET value = $1, value_index = NULL"),
    Command("UPDATE notification_attempts SET recipient = $1, recipient_index = NULL"),
    Command("UPDATE inbound_messages SET sender = $1, sender_index = NULL"),
)
TEXT_FROM_BEFORE = Command("UPDATE inbound_messages SET body = $1")
DATA_FROM_BEFORE = Command(
    "UPDATE notifications SET template_data = template_data - 'sealed' || $1::jsonb"
)


async def test_sec_20_no_file_of_the_database_holds_a_message_or_whom_it_went_to(
    bench: Bench, anonymous: httpx.AsyncClient, database_url: str, tmp_path: Path
) -> None:
    patient_id = await bench.patient(first_name="Controlevogel", contact_info=POINTS)
    _, phone = await told(bench, anonymous, patient_id=patient_id)
    for at, text in enumerate(("Goudkanarie zingt niet", "stop")):
        await phone.says(text, id=f"{bench.clinic.tenant_id}-{at}")
        await bench.drain()
    await bench.planned(patient_id=patient_id)
    await bench.drain()
    assert {one.recipient for one in await bench.outbox()} == {NUMBER, LETTERS}
    listed = tmp_path / "list.csv"
    listed.write_text(FILE)
    sent = await notify(listed, tenant_id=bench.clinic.tenant_id, channels=bench.channels)
    assert sent.success == 1
    texts = {one.body for one in await bench.outbox()}
    assert any("Kanariehof" in one for one in texts)
    folder = await data_directory(database_url)
    assert any(name.startswith("base/") for name in names_of(folder, b"Controlevogel"))
    canaries = [
        NUMBER, OTHER, LETTERS, "zingt niet", "Goudkanarius", "Kanariehof",
        *(text[:40] for text in texts),
    ]  # fmt: skip
    for canary in canaries:
        assert names_of(folder, canary.encode()) == [], canary
        assert names_of(folder, canary.removeprefix("+").encode()) == [], canary


@pytest.fixture
async def written(bench: Bench, anonymous: httpx.AsyncClient) -> Phone:
    """The phone of a patient who was told of a visit, has written, and stopped the messages."""
    _, phone = await told(bench, anonymous)
    await phone.says("Where do I park?")
    await phone.says("stop")
    return phone


async def stored(bench: Bench) -> list[str]:
    async with begin(bench.clinic.caller) as tx:
        return [one for one in await tx.values(STORED) if one is not None]


async def from_before(bench: Bench, phone: Phone) -> None:
    """Have everything stand in clear, as a release wrote it that sealed none of it."""
    async with begin(bench.clinic.caller) as tx:
        for command in FROM_BEFORE:
            await tx.run(command, phone.number)
        await tx.run(TEXT_FROM_BEFORE, "Where do I park?")
        await tx.run(DATA_FROM_BEFORE, {"recipient": {"phone": phone.number}, "clinic": "Oak"})


async def check_understood(phone: Phone) -> None:
    """Check that what was stored is found: replies are read, the opt-out stands, and is lifted."""
    assert await phone.barred() == [f"{phone.number} opted_out"]
    assert "Where do I park?" in {one["body"] for one in await phone.replies()}
    assert (await phone.says("1"))["outcome"] == "confirming"
    await phone.says("start")
    assert await phone.barred() == []


async def test_what_was_stored_in_clear_is_read_as_it_is(bench: Bench, written: Phone) -> None:
    await from_before(bench, written)
    assert written.number in await stored(bench)
    await check_understood(written)


async def test_what_was_stored_in_clear_is_sealed_and_found_by_its_hash(
    bench: Bench, written: Phone
) -> None:
    await from_before(bench, written)
    await resealing.run(bench.clinic.tenant_id, SEALED)
    texts = await stored(bench)
    assert len(texts) > 10
    assert all(one.startswith(sealing.lead(1)) for one in texts)
    await check_understood(written)


async def test_everything_is_sealed_anew_after_a_rotation(bench: Bench, written: Phone) -> None:
    async with begin(bench.clinic.caller) as tx:
        await keys.rotate(tx)
    await resealing.run(bench.clinic.tenant_id, SEALED)
    assert all(one.startswith(sealing.lead(2)) for one in await stored(bench))
    await check_understood(written)


async def test_a_release_that_seals_more_looks_at_every_row_again(
    bench: Bench, written: Phone
) -> None:
    bench.clock.forward(minutes=10)
    await resealing.run(bench.clinic.tenant_id, SEALED[:3])
    await from_before(bench, written)
    await resealing.run(bench.clinic.tenant_id, SEALED[:3])
    assert written.number in await stored(bench)
    await resealing.run(bench.clinic.tenant_id, SEALED)
    assert written.number not in await stored(bench)


async def test_an_address_that_two_releases_listed_is_one_entry_that_is_found(
    bench: Bench, written: Phone
) -> None:
    """The release before did not see the sealed entry, and added its own."""
    await bench.sql(
        "INSERT INTO suppressions (id, tenant_id, channel, value, reason, created_at)"
        " VALUES (gen_random_uuid(), $1, 'sms', $2, 'complained', now())",
        bench.clinic.tenant_id, written.number,
    )  # fmt: skip
    async with begin(bench.clinic.caller) as tx:  # before the worker comes: a further opt-out
        await optouts.entry(tx, channel="sms", address=written.number)
        assert await optouts.barred(tx, [written.number]) == {("sms", written.number)}
    await resealing.run(bench.clinic.tenant_id, SEALED)
    assert len(await opt_outs(bench.clinic.caller)) == 2
    async with begin(bench.clinic.caller) as tx:
        assert len(await optouts.listed(tx, [written.number])) == 1
        assert await optouts.barred(tx, [written.number]) == {("sms", written.number)}


async def test_a_message_to_a_number_that_cannot_be_opened_fails_alone(bench: Bench) -> None:
    one, two = [await bench.planned(patient_id=await bench.patient()) for _ in range(2)]
    await bench.sql(
        "UPDATE contact_points c SET value = o.value FROM contact_points o"
        " WHERE c.patient_id = $1 AND o.patient_id = $2 AND c.system = 'phone'"
        " AND o.system = 'phone'", one.patient_id, two.patient_id,
    )  # fmt: skip
    await bench.drain()
    rows = {
        row.appointment_id: (row.delivery_status, row.details.get("reason"))
        for row in await bench.rows()
        if row.notification_type == "appointment_confirmation"
    }
    assert rows == {
        one.appointment_id: ("failed", "cannot_be_made"), two.appointment_id: ("delivered", None),
    }  # fmt: skip


async def test_a_clinic_whose_keys_are_not_held_here_keeps_no_other_from_its_replies(
    bench: Bench, other_clinic: Clinic, anonymous: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    _, phone = await told(bench, anonymous)
    held = masterkey.held()
    assert held is not None
    both = masterkey.MasterKeys("x", {**held.ciphers, "x": AESGCM(bytes(32))}, held.store)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(masterkey, "_held", both)
        async with begin(other_clinic.caller) as tx:
            assert await keys.rewrap(tx) == 3
    sealing.forget(other_clinic.tenant_id)
    assert (await phone.says("stop"))["outcome"] == "stopped"
    assert await phone.barred() == [f"{phone.number} opted_out"]
    with monkeypatch.context() as elsewhere:  # as the other tests have it
        elsewhere.setattr(masterkey, "_held", replace(both, active=held.active))
        async with begin(other_clinic.caller) as tx:
            await keys.rewrap(tx)


async def test_the_hash_of_a_number_is_another_one_in_every_clinic(
    bench: Bench, other_clinic: Clinic
) -> None:
    found = []
    for clinic in (bench.clinic, other_clinic):
        async with begin(clinic.caller) as tx:
            found.append(addresses.index(await tx.keyring(), NUMBER))
    assert None not in found
    assert len(set(found)) == 2

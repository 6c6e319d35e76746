"""Push messages to devices that SNS knows: registered, renewed, disabled and deleted there."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import pytest

from chroniccare.commands.simulate import APPLICATIONS
from chroniccare.core.drivers import applications
from chroniccare.notifications.channels import push, registrars
from chroniccare.notifications.channels.message import Calls
from chroniccare.notifications.devices import registering
from chroniccare.notifications.devices.registrars import Registrar
from chroniccare.platform.postgres import Command, begin, database
from chroniccare.settings import SettingsError, load
from chroniccare.simulator.faults import Fault
from chroniccare.simulator.run import Simulator
from tests.notifications.devices.test_api import devices, token
from tests.notifications.optouts import opt_outs
from tests.notifications.preferences.support import telecom
from tests.notifications.provider import by
from tests.notifications.simulated import chosen
from tests.notifications.support import Bench, eventually

PHONE = "+14155550123"
FCM = applications(APPLICATIONS)["fcm"].replace(":app/", ":endpoint/")


@pytest.fixture
async def sns(simulator: Simulator, bench: Bench) -> AsyncIterator[Registrar]:
    """SNS as the registrar, and as the bench's driver of push."""
    settings = chosen(simulator, "push")
    async with AsyncExitStack() as stack:
        driver = push.driver("sns", settings, stack)
        assert isinstance(driver, Calls)
        bench.channels = by(bench, push=driver)
        yield registrars.chosen(settings, stack)


async def a_patient(bench: Bench) -> UUID:
    return await bench.patient(
        contact_info=telecom(("phone", PHONE)),
        communication_preferences={"channels": ["push", "sms"]},
    )


async def device(bench: Bench, patient_id: UUID, secret: str | None = None) -> dict[str, Any]:
    bench.clock.forward(seconds=1)
    body = {"platform": "fcm", "token": secret or token()}
    return await bench.clinic.make(f"/patients/{patient_id}/devices", body)


def endpoint(simulator: Simulator, secret: str) -> str:
    """Return the endpoint that SNS has for a token."""
    [found] = [arn for arn, kept in simulator.account.devices.items() if kept["Token"] == secret]
    return found


def pushed(simulator: Simulator) -> list[str]:
    return [one.to for one in simulator.ledger.reached if one.service == "push"]


async def confirmed(bench: Bench, patient_id: UUID) -> str:
    """Plan a visit and send its confirmation; return what became of that, and by which channel."""
    visit = await bench.planned(patient_id=patient_id)
    for _ in range(4):
        await bench.drain()
    [row] = [
        one
        for one in await bench.rows()
        if one.appointment_id == visit.appointment_id
        and one.notification_type == "appointment_confirmation"
    ]
    return f"{row.delivery_status} {row.channel}"


async def test_every_enabled_device_gets_the_message_once(
    bench: Bench, sns: Registrar, simulator: Simulator
) -> None:
    patient_id = await a_patient(bench)
    secrets = [token() for _ in range(3)]
    for secret in secrets:
        await device(bench, patient_id, secret)
    assert await registering.sweep(bench.clinic.tenant_id, sns) == 3
    assert await confirmed(bench, patient_id) == "accepted push"
    arns = [endpoint(simulator, secret) for secret in secrets]
    await _settled(simulator, 3)
    assert pushed(simulator)[0] == arns[2]  # the one seen last has the attempt
    assert sorted(pushed(simulator)) == sorted(arns)
    [attempt] = await bench.attempts()
    assert (attempt.channel, attempt.driver, attempt.status) == ("push", "sns", "accepted")


async def _settled(simulator: Simulator, count: int) -> None:
    async def there() -> bool:
        return len(pushed(simulator)) == count

    await eventually(there)


async def test_a_disabled_endpoint_disables_its_device_and_the_next_has_its_turn(
    bench: Bench, sns: Registrar, simulator: Simulator
) -> None:
    patient_id = await a_patient(bench)
    old, new = token(), token()
    await device(bench, patient_id, old)
    last = await device(bench, patient_id, new)
    await registering.sweep(bench.clinic.tenant_id, sns)
    simulator.account.devices[endpoint(simulator, new)]["Enabled"] = "false"
    assert await confirmed(bench, patient_id) == "accepted push"
    assert pushed(simulator) == [endpoint(simulator, old)]
    assert [one.error_code for one in await bench.attempts()] == ["device_gone", None]
    found = {one["id"]: one for one in await devices(bench.clinic, patient_id)}
    assert (found[last["id"]]["status"], found[last["id"]]["reason"]) == (
        "disabled", "endpoint_disabled",
    )  # fmt: skip
    [barred] = await opt_outs(bench.clinic.caller)
    assert (barred.channel, barred.address) == ("push", endpoint(simulator, new))
    assert barred.lifted_at is None
    # The app names its token again: SNS enables the endpoint, and it is barred no longer.
    await device(bench, patient_id, new)
    await registering.sweep(bench.clinic.tenant_id, sns)
    assert simulator.account.devices[endpoint(simulator, new)]["Enabled"] == "true"
    [barred] = await opt_outs(bench.clinic.caller)
    assert barred.lifted_at is not None
    assert {one["status"] for one in await devices(bench.clinic, patient_id)} == {"enabled"}


async def test_without_a_device_left_the_next_channel_goes(
    bench: Bench, sns: Registrar, simulator: Simulator
) -> None:
    patient_id, secret = await a_patient(bench), token()
    await device(bench, patient_id, secret)
    await registering.sweep(bench.clinic.tenant_id, sns)
    simulator.account.devices[endpoint(simulator, secret)]["Enabled"] = "false"
    assert await confirmed(bench, patient_id) == "delivered sms"
    assert pushed(simulator) == []


async def test_an_endpoint_that_sns_has_lost_is_made_again(
    bench: Bench, sns: Registrar, simulator: Simulator
) -> None:
    patient_id, secret = await a_patient(bench), token()
    await device(bench, patient_id, secret)
    await registering.sweep(bench.clinic.tenant_id, sns)
    lost = endpoint(simulator, secret)
    simulator.account.devices.pop(lost)
    simulator.account.deleted.add(lost)
    assert await confirmed(bench, patient_id) == "delivered sms"
    [one] = await devices(bench.clinic, patient_id)
    assert (one["status"], one["reason"]) == ("waiting", "endpoint_gone")
    await registering.sweep(bench.clinic.tenant_id, sns)
    assert endpoint(simulator, secret) != lost
    assert await confirmed(bench, patient_id) == "accepted push"


async def test_a_new_token_goes_to_the_endpoint_that_is_there(
    bench: Bench, sns: Registrar, simulator: Simulator
) -> None:
    patient_id, first, second = await a_patient(bench), token(), token()
    made = await device(bench, patient_id, first)
    await registering.sweep(bench.clinic.tenant_id, sns)
    before = endpoint(simulator, first)
    path = f"/patients/{patient_id}/devices/{made['id']}"
    await bench.clinic.put(path, {"platform": "fcm", "token": second})
    await registering.sweep(bench.clinic.tenant_id, sns)
    assert endpoint(simulator, second) == before
    # A token that another endpoint has already: SNS says which, and it is taken.
    third, other = token(), f"{FCM}/made-by-the-old-backend"
    simulator.account.devices[other] = {
        "Token": third, "Enabled": "false", "CustomUserData": "old backend",
    }  # fmt: skip
    await bench.clinic.put(path, {"platform": "fcm", "token": third})
    await registering.sweep(bench.clinic.tenant_id, sns)
    assert simulator.account.devices[other]["Enabled"] == "true"
    assert await confirmed(bench, patient_id) == "accepted push"
    assert pushed(simulator) == [other]


async def test_what_sns_refuses_or_does_not_answer(
    bench: Bench, sns: Registrar, simulator: Simulator
) -> None:
    patient_id = await a_patient(bench)
    await device(bench, patient_id, f"bad-{token()}")
    good = token()
    await device(bench, patient_id, good)
    simulator.account.denied = frozenset({"SetEndpointAttributes"})
    await registering.sweep(bench.clinic.tenant_id, sns)
    found = [(one["status"], one["reason"]) for one in await devices(bench.clinic, patient_id)]
    assert found == [("disabled", "token_refused"), ("waiting", "configuration")]
    assert await confirmed(bench, patient_id) == "delivered sms"
    simulator.account.denied = frozenset()
    bench.clock.forward(minutes=5)
    await registering.sweep(bench.clinic.tenant_id, sns)
    assert await confirmed(bench, patient_id) == "accepted push"


async def test_removed_devices_are_forgotten_at_sns_unless_they_have_moved(
    bench: Bench, sns: Registrar, simulator: Simulator
) -> None:
    first, second, secret = await a_patient(bench), await a_patient(bench), token()
    await device(bench, first, secret)
    await registering.sweep(bench.clinic.tenant_id, sns)
    made = await device(bench, second, secret)  # somebody else signs in on the phone
    await registering.sweep(bench.clinic.tenant_id, sns)
    assert await confirmed(bench, first) == "delivered sms"
    assert await confirmed(bench, second) == "accepted push"
    await bench.clinic.delete(f"/patients/{second}/devices/{made['id']}")
    assert await confirmed(bench, second) == "delivered sms"
    await registering.sweep(bench.clinic.tenant_id, sns)
    assert simulator.account.devices == {}


async def test_an_erased_patients_devices_are_deleted_at_sns_once_it_answers(
    bench: Bench, sns: Registrar, simulator: Simulator
) -> None:
    patient_id, secret = await a_patient(bench), token()
    other, theirs = await a_patient(bench), token()
    await device(bench, patient_id, secret)
    await device(bench, other, theirs)
    await registering.sweep(bench.clinic.tenant_id, sns)
    gone, stays = endpoint(simulator, secret), endpoint(simulator, theirs)
    asked = {"reason": "Asked in writing."}
    assert (await bench.clinic.post(f"/patients/{patient_id}/erase", asked)).status_code == 201
    simulator.account.denied = frozenset({"DeleteEndpoint"})
    await registering.sweep(bench.clinic.tenant_id, sns)
    assert simulator.account.devices.keys() == {gone, stays}
    simulator.account.denied = frozenset()
    bench.clock.forward(minutes=5)
    await registering.sweep(bench.clinic.tenant_id, sns)
    assert simulator.account.devices.keys() == {stays}
    async with begin(bench.clinic.caller) as tx:
        assert await tx.value(Command("SELECT count(*) FROM patient_devices")) == 1


async def test_every_device_of_a_clinic_is_deleted_at_sns_in_batches(
    bench: Bench, sns: Registrar, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registering, "BATCH", 2)
    patient_id = await a_patient(bench)
    for _ in range(5):
        await device(bench, patient_id)
    for _ in range(3):
        await registering.sweep(bench.clinic.tenant_id, sns)
    await device(bench, patient_id)  # SNS does not know it yet
    assert len(simulator.account.devices) == 5
    simulator.account.denied = frozenset({"DeleteEndpoint"})
    assert await registering.forget_all(bench.clinic.tenant_id, sns) == 5
    simulator.account.denied = frozenset()
    assert await registering.forget_all(bench.clinic.tenant_id, sns) == 0
    assert simulator.account.devices == {}
    assert await registering.forget_all(bench.clinic.tenant_id, sns) == 0


async def test_a_copy_that_fails_costs_the_message_nothing(
    bench: Bench, sns: Registrar, simulator: Simulator
) -> None:
    patient_id = await a_patient(bench)
    for _ in range(3):
        await device(bench, patient_id)
    await registering.sweep(bench.clinic.tenant_id, sns)
    simulator.plan.script += [Fault("ok"), Fault("error"), Fault("opted_out")]
    assert await confirmed(bench, patient_id) == "accepted push"

    async def disabled() -> bool:
        found = await devices(bench.clinic, patient_id)
        return sorted(one["status"] for one in found) == ["disabled", "enabled", "enabled"]

    await eventually(disabled)
    assert [one.status for one in await bench.attempts()] == ["accepted"]


async def test_a_platform_that_is_not_set_up_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = f"fcm={applications(APPLICATIONS)['fcm']}"
    settings = database().settings.model_copy(
        update={"push_driver": "sns", "push_applications": app}
    )
    monkeypatch.setattr(database(), "settings", settings)
    patient_id = await bench.patient()
    body = {"platform": "apns", "token": token()}
    answer = await bench.clinic.post(f"/patients/{patient_id}/devices", body)
    assert (answer.status_code, answer.json()["error"]["details"][0]["field"]) == (422, "platform")


@pytest.mark.parametrize(
    "text", ["fcm", "fcm=arn:aws:sns:us-east-1:1:app/GCM/x", "ios=" + FCM,
             APPLICATIONS.replace("/GCM/", "/APNS/"), f"{APPLICATIONS},{APPLICATIONS}"],
)  # fmt: skip
def test_platform_applications_are_named_as_sns_names_them(text: str) -> None:
    with pytest.raises(SettingsError, match="CHRONICCARE_PUSH_APPLICATIONS"):
        load({"CHRONICCARE_PUSH_APPLICATIONS": text})

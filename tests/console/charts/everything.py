"""A small clinic in which every screen has something to show, and the screens' addresses."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from chroniccare.console.records import KINDS
from tests.console.charts.made import maria, measured, prescribed
from tests.console.charts.test_messages import refused
from tests.console.charts.test_replies import wrote
from tests.console.test_groups import session
from tests.console.test_series import weekly
from tests.console.visits import booked, where
from tests.notifications.support import NOON, Bench
from tests.notifications.templates.support import written

TEXT = "See you at {{ clinic }}: {{ date }}."


async def screens(bench: Bench) -> list[str]:
    """Fill the clinic of `bench`; return the address of every screen, below /console."""
    clinic = bench.clinic
    [failed] = await refused(bench)
    who = await maria(bench, first_name="Maria", last_name="Ortiz", primary_diagnosis="Diabetes")
    await prescribed(bench, who, "Metformin 500 mg tablet", "tmtmtmtm")
    await measured(clinic, who, 2)
    await wrote(bench, "When do you open on Friday?", "+14155550001")
    provider = await clinic.provider()
    visit = await booked(clinic, provider, patient_id=str(who))
    recurring = await weekly(clinic, provider, patient_id=str(who), series_name="Iron")
    group = await session(clinic, provider, scheduled_start=(NOON + timedelta(days=2)).isoformat())
    entry = await clinic.make("/waitlist", {"patient_id": str(who)})
    due = (NOON.date() - timedelta(days=9)).isoformat()
    recall = {"patient_id": str(who), "appointment_type": "follow_up", "due_on": due}
    await clinic.make("/recalls", recall)
    await written(clinic, TEXT)
    endpoint = await clinic.make(
        "/webhooks", {"url": "https://93.184.215.14/hook", "events": ["appointment.*"]}
    )
    person = await clinic.make(
        "/staff", {"email": "noor@clinic.example", "display_name": "Noor Haddad",
                   "role": "clinician"}
    )  # fmt: skip
    listed = (await clinic.get(f"/patients/{who}/notifications")).json()["data"]["items"]
    slot = {
        "patient_id": str(who), "provider_id": provider["id"], "facility_id": where(provider),
        "start": (NOON + timedelta(hours=5)).isoformat(),
    }  # fmt: skip
    return [
        f"/today?facility_id={where(provider)}", f"/calendar?facility_id={where(provider)}",
        "/calendar?view=week", f"/book?patient_id={who}", f"/book/slot?{urlencode(slot)}",
        f"/visits/{visit['id']}", f"/series/{recurring['series']['id']}", "/waitlist",
        "/groups", "/groups/new", f"/groups/{group['id']}", f"/groups/{group['id']}/edit",
        f"/waitlist/{entry['id']}", f"/waitlist/{entry['id']}/edit", "/patients",
        *(f"/patients/{who}{part}" for part in _chart(listed)), "/recalls", "/adherence",
        "/messages", "/failed", f"/failed/{failed}", "/replies", "/templates",
        "/templates/text?type=appointment_reminder&channel=sms&locale=en", "/outbox",
        "/availability", f"/availability/providers/{provider['id']}",
        f"/availability/facilities/{where(provider)}", "/audit", f"/audit/patients/{who}",
        "/audit/chain", "/admin/staff", "/admin/staff/new", f"/admin/staff/{person['id']}",
        "/admin/keys", "/admin/webhooks", "/admin/webhooks/new",
        f"/admin/webhooks/{endpoint['id']}", "/admin/settings", "/admin/times", "/admin/plans",
        "/admin/plans/appointment_reminder", *_records(provider),
        "/account", "/account/password", "/account/factor", "/keys", "/styleguide", "/nowhere",
    ]  # fmt: skip


def _chart(listed: list[dict[str, Any]]) -> tuple[str, ...]:
    return (
        "", "/visits", "/medicines", "/times", "/messages", f"/messages/{listed[0]['id']}",
        "/readings", "/preferences", "/contact", "/access",
    )  # fmt: skip


def _records(provider: dict[str, Any]) -> tuple[str, ...]:
    at = "/admin/clinic"
    return (
        *(f"{at}/{kind}" for kind in KINDS), *(f"{at}/{kind}/new" for kind in KINDS),
        f"{at}/providers/{provider['id']}", f"{at}/facilities/{where(provider)}",
    )  # fmt: skip

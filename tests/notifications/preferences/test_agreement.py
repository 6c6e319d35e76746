"""What staff are shown is what is sent: the view, the plan, delivery and its last look agree."""

import asyncio
import random
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroniccare.core.ids import new_id
from chroniccare.notifications import decide, dispatch, queries_due, rules
from chroniccare.notifications.preferences import recipients, view
from chroniccare.notifications.preferences.queries import OptOut, Stored
from chroniccare.notifications.rules_categories import CATEGORIES, TYPES, category_of
from tests.notifications.preferences.support import (
    bar,
    caregiver,
    prefer,
    preferences,
    related,
    sent,
    telecom,
    verdicts,
)
from tests.notifications.provider import Provider, by_sms, claimed
from tests.notifications.support import NOON, Bench, eventually

NO_QUIET = rules.parse_quiet_hours("00:00-00:00")
PHONES = ("+14155550101", "+4915112345678", "+33612345678")
MAILS = ("a@example.com", "b@example.com")
SYSTEM = {"sms": "phone", "email": "email", "push": "push"}

channels = st.lists(st.sampled_from(["sms", "email", "push"]), unique=True)
consents = st.dictionaries(st.sampled_from(["sms", "email", "push"]), st.booleans())
contacts = st.lists(
    st.one_of(
        st.sampled_from(PHONES).map(lambda value: {"system": "phone", "value": value}),
        st.sampled_from(MAILS).map(lambda value: {"system": "email", "value": value}),
        st.just({"system": "push", "value": "token"}),
    ),
    max_size=4,
)
stored_preferences = st.fixed_dictionaries(
    {
        "categories": st.dictionaries(
            st.sampled_from(CATEGORIES),
            st.fixed_dictionaries({"enabled": st.booleans(), "channels": channels}),
        )
    }
)
barred = st.sets(
    st.sampled_from([("sms", one) for one in PHONES] + [("email", one) for one in MAILS])
)
days = st.one_of(st.none(), st.sampled_from(["2031-03-03", "2031-03-04", "2031-03-05"]))
proxies = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.uuids(version=4).map(str),
            "name": st.just("Lucia"),
            "relationship": st.just("daughter"),
            "receives": st.sampled_from(["besides", "instead"]),
            "is_active": st.booleans(),
            "period_start": days,
            "period_end": days,
            "categories": st.lists(st.sampled_from(CATEGORIES), unique=True),
            "channels": channels,
            "consents": consents,
            "time_zone": st.sampled_from(["America/New_York", "Europe/Berlin"]),
            "language": st.just("en"),
            "address_country": st.none(),
            "contacts": contacts,
        }
    ),
    max_size=2,
)


def due_of(stored: Stored, kind: str, proxy: dict[str, Any] | None) -> queries_due.Due:
    """Return a message of the kind that waits for the patient, or for a related person."""
    blank: dict[str, Any] = dict.fromkeys(field.name for field in fields(queries_due.Due))
    common = {
        "id": new_id(),
        "patient_id": stored.id,
        "notification_type": kind,
        "channel_plan": ["sms", "email"],
        "channel": "sms",
        "template_data": {},
        "reachable": stored.reachable,
        "scheduled_send_time": NOON,
        "created_at": NOON,
        "proxy_active": True,
        "proxies": [],
        "preferences": stored.preferences,
        "tries": 0,
        "care_stands": True,
    }
    if proxy is None:
        standing_in = [
            one for one in stored.proxies if one["is_active"] and one["receives"] == "instead"
        ]
        mine: dict[str, Any] = {
            "proxies": standing_in, "consents": stored.consents, "contacts": stored.contacts,
            "channels": stored.channels, "time_zone": stored.time_zone,
        }  # fmt: skip
    else:
        start, end = proxy["period_start"], proxy["period_end"]
        mine = {
            "related_person_id": UUID(proxy["id"]),
            "proxy_active": proxy["is_active"],
            "period_start": start and datetime.fromisoformat(start).date(),
            "period_end": end and datetime.fromisoformat(end).date(),
            **{name: proxy[name] for name in ("consents", "contacts", "channels", "time_zone")},
            "categories": proxy["categories"],
        }
    return queries_due.Due(**{**blank, **common, **mine})


def check(
    due: queries_due.Due, shown: list[dict[str, Any]], suppressed: set[tuple[str, str]]
) -> None:
    """Compare what is shown with what delivery makes of the message."""
    decided = decide.decide(
        recipients.up_to_date(due), now=NOON, quiet=NO_QUIET, suppressed=suppressed
    )
    allowed = [one["channel"] for one in shown if one["allowed"]]
    reasons = {one["reason"] for one in shown} - {None}
    if isinstance(decided, decide.Hold):  # by the law of outreach; what follows is the same
        assert category_of(due.notification_type) == "recalls"
        return
    if isinstance(decided, decide.Stop):
        assert allowed == []
        assert decided.reason in reasons
        return
    assert decided.channel in allowed
    assert sorted(decided.plan) == sorted(allowed)
    assert (decided.channel, decided.recipient) not in suppressed


@settings(max_examples=400, deadline=None)
@given(
    kind=st.sampled_from(TYPES), own=contacts, consented=consents, order=channels,
    choice=stored_preferences, others=proxies, suppressed=barred, reachable=st.booleans(),
)  # fmt: skip
def test_the_view_says_what_delivery_decides(
    *, kind: str, own: list[dict[str, str]], consented: dict[str, bool], order: list[str],
    choice: dict[str, Any], others: list[dict[str, Any]], suppressed: set[tuple[str, str]],
    reachable: bool,
) -> None:  # fmt: skip
    stored = Stored(
        new_id(), 1, order, consented, choice, "en", "America/New_York", None, reachable, own,
        others,
    )  # fmt: skip
    opt_outs = [OptOut(new_id(), *pair, "opted_out", NOON) for pair in suppressed]
    found = view.effective(stored, opt_outs, now=NOON, clinic=NO_QUIET)
    category = category_of(kind)
    [mine] = [one for one in found["categories"] if one["category"] == category]
    check(due_of(stored, kind, None), mine["by_channel"], suppressed)
    for proxy, shown in zip(others, found["related_persons"], strict=True):
        theirs = [one for one in shown["categories"] if one["category"] == category]
        for one in theirs:
            check(due_of(stored, kind, proxy), one["by_channel"], suppressed)


def _points(dice: random.Random, number: int) -> list[tuple[str, str]]:
    mine = [
        ("phone", f"+1415555{number:04d}"), ("email", f"x{number}@example.com"),
        ("phone", f"+1415556{number:04d}"),
    ]  # fmt: skip
    return dice.sample(mine, dice.randrange(4))


def _consents(dice: random.Random) -> dict[str, bool]:
    return {one: dice.random() < 0.7 for one in ("sms", "email") if dice.random() < 0.6}


def _first(entries: list[dict[str, Any]]) -> str | None:
    return next((one["channel"] for one in entries if one["allowed"]), None)


@pytest.mark.parametrize("seed", range(12))
async def test_what_is_shown_is_what_is_sent(bench: Bench, seed: int) -> None:
    """The same through the API and the database: SQL, planning and delivery together."""
    dice = random.Random(seed)  # noqa: S311  the same cases every time
    mine, hers = _points(dice, 100 + seed), _points(dice, 200 + seed)
    patient_id = await bench.patient(contact_info=telecom(*mine))
    await prefer(
        bench.clinic, patient_id,
        channels=dice.sample(["sms", "email", "push"], dice.randrange(4)),
        consents=_consents(dice),
        categories=[
            {
                "category": "appointments",
                "enabled": dice.random() < 0.8,
                "channels": dice.sample(["sms", "email"], dice.randrange(3)),
            }
        ],
    )  # fmt: skip
    await related(
        bench.clinic, patient_id, contact_info=telecom(*hers),
        consents={"sms": dice.random() < 0.8, "email": dice.random() < 0.8},
        receives=dice.choice(["besides", "instead"]),
        categories=dice.choice([["appointments"], ["appointments"], ["refills"]]),
        channels=dice.sample(["sms", "email"], dice.randrange(3)),
        period_end=dice.choice([None, None, "2031-03-04", "2031-03-03"]),
    )  # fmt: skip
    for system, value in mine + hers:
        if dice.random() < 0.25:
            await bar(bench, "sms" if system == "phone" else "email", value)
    found = await preferences(bench.clinic, patient_id)
    [own] = [one for one in found["categories"] if one["category"] == "appointments"]
    [proxy] = found["related_persons"]
    theirs = [one for one in proxy["categories"] if one["category"] == "appointments"]
    expected = {("mine", _first(own["by_channel"]))}
    expected |= {("hers", _first(one["by_channel"])) for one in theirs}
    await bench.planned(patient_id=patient_id)
    await bench.drain()
    whose = dict.fromkeys((value for _, value in mine), "mine")
    whose |= dict.fromkeys((value for _, value in hers), "hers")
    got = {(whose[recipient], channel) for channel, recipient in await sent(bench)}
    assert got == {(who, channel) for who, channel in expected if channel is not None}


_CHANGES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "consent": {"consents": {"sms": False}},
    "another consent": {"consents": {"email": False}},
    "category off": {"categories": [{"category": "appointments", "enabled": False}]},
    "another category off": {"categories": [{"category": "recalls", "enabled": False}]},
    "category by email": {"categories": [{"category": "appointments", "channels": ["email"]}]},
    "category by sms": {
        "channels": ["email"], "categories": [{"category": "appointments", "channels": ["sms"]}],
    },
    "everything by email": {"channels": ["email"]},
    "sms last": {"channels": ["email", "sms"]},
}  # fmt: skip


@pytest.mark.parametrize("change", _CHANGES.values(), ids=_CHANGES)
async def test_the_last_look_before_the_call_sees_what_was_just_chosen(
    bench: Bench, change: dict[str, Any]
) -> None:
    patient_id = await bench.patient()
    await _while_it_waits(bench, patient_id, prefer(bench.clinic, patient_id, **change), expect=[])


_HER_CHANGES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "inactive": {"is_active": False},
    "ended": {"period_end": "2031-03-03"},
    "last day": {"period_end": "2031-03-04"},
    "not yet": {"period_start": "2031-03-05"},
    "another category": {"categories": ["refills"]},
    "no consent any more": {"consents": {"sms": False}},
    "consent never given": {"consents": {}},
    "by email": {"channels": ["email"]},
}


@pytest.mark.parametrize("change", _HER_CHANGES.values(), ids=_HER_CHANGES)
async def test_the_last_look_sees_what_became_of_a_related_person(
    bench: Bench, change: dict[str, Any]
) -> None:
    patient_id = await bench.patient(consent_settings={"sms": False, "email": False})
    person = await related(bench.clinic, patient_id)
    path = f"/patients/{patient_id}/related-persons/{person['id']}"
    changing = bench.clinic.put(path, caregiver(**change))
    await _while_it_waits(bench, patient_id, changing, expect=["proxy"])


async def _while_it_waits(
    bench: Bench, patient_id: UUID, changing: Any, *, expect: list[str]
) -> None:
    """Change something between the decision and the call; SMS goes out only if it may still."""
    provider = Provider()
    calls = by_sms(bench, provider.calls())
    slots = calls.drivers["sms"][0].driver.slots  # type: ignore[union-attr]
    await bench.planned(bench.clock.at + timedelta(hours=1), patient_id=patient_id)
    await slots.acquire()
    working = asyncio.create_task(dispatch.handle(await claimed(bench), calls))
    await eventually(bench.attempts)
    await changing
    found = await preferences(bench.clinic, patient_id)
    reason = verdicts(found)["sms"]
    if expect:
        [proxy] = found["related_persons"]
        shown = {one["category"]: one["by_channel"] for one in proxy["categories"]}
        entries = shown.get("appointments", [{"channel": "sms", "reason": "category_off"}])
        reason = {one["channel"]: one["reason"] for one in entries}["sms"]
    slots.release()
    await working
    assert len(provider.got) == (reason is None)


async def test_her_removal_is_seen_by_the_last_look(bench: Bench) -> None:
    patient_id = await bench.patient(consent_settings={"sms": False, "email": False})
    person = await related(bench.clinic, patient_id)
    provider = Provider()
    calls = by_sms(bench, provider.calls())
    slots = calls.drivers["sms"][0].driver.slots  # type: ignore[union-attr]
    await bench.planned(bench.clock.at + timedelta(hours=1), patient_id=patient_id)
    await slots.acquire()
    working = asyncio.create_task(dispatch.handle(await claimed(bench), calls))
    await eventually(bench.attempts)
    await bench.clinic.delete(f"/patients/{patient_id}/related-persons/{person['id']}")
    slots.release()
    await working
    assert provider.got == []

"""Prescriptions over HTTP: written, read, listed, changed."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Command, begin
from chroniccare.tenancy.actions import create_key
from chroniccare.tenancy.rules import SCOPES
from tests.client import Clinic
from tests.conftest import Running
from tests.medications.prescribing import Prescribing

_EVENTS = Command(
    "SELECT coalesce(jsonb_agg(event_type ORDER BY created_at, id), '[]') FROM outbox"
    " WHERE entity_id = $1"
)
_COUNT = Command(
    "SELECT (SELECT count(*) FROM medications) + (SELECT count(*) FROM medication_regimens)"
)


def today() -> date:
    return datetime.now(UTC).date()


def fields(response: Any) -> dict[str, str]:
    """Return the code of each field at fault."""
    return {one["field"]: one["code"] for one in response.json()["error"]["details"]}


async def count(clinic: Clinic) -> int:
    async with begin(clinic.caller) as tx:
        return int(await tx.value(_COUNT))


async def test_a_prescription_is_written_and_read(prescribing: Prescribing) -> None:
    clinic = prescribing.clinic
    made = await prescribing.make(generic_name="metformin", rxnorm_code="861007", strength="500 mg")
    assert made["status"] == "active"
    assert (made["dosage"], made["frequency"], made["route"]) == (
        "1 tablet",
        "2 times a day",
        "oral",
    )
    assert made["in_words"]["en"] == "Take 1 tablet by mouth 2 times a day."
    assert made["interaction_check"] is not None
    [dosage] = made["dosage_instructions"]
    assert dosage["timing"] == {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}
    assert dosage["route"]["coding"][0]["code"] == "26643006"
    read = await clinic.get(f"/medications/{made['id']}")
    assert read.json()["data"] == {**made, "interaction_check": None}
    again = await clinic.get(
        f"/medications/{made['id']}", headers={"If-None-Match": read.headers["etag"]}
    )
    assert again.status_code == 304
    async with begin(clinic.caller) as tx:
        assert await tx.value(_EVENTS, UUID(made["id"])) == ["medication.created"]


async def test_the_same_key_prescribes_once(prescribing: Prescribing) -> None:
    path, headers = prescribing.path, {"Idempotency-Key": "rx-1"}
    answers = [
        await prescribing.clinic.post(path, prescribing.body(), headers=headers) for _ in range(2)
    ]
    assert answers[0].json()["data"] == answers[1].json()["data"]
    assert answers[1].headers["idempotent-replayed"] == "true"


async def test_fhir_is_taken_as_it_is(prescribing: Prescribing) -> None:
    dosage = {
        "timing": {
            "repeat": {"timeOfDay": ["08:00"], "boundsPeriod": {"end": str(today() + timedelta(9))}}
        },
        "route": {"text": "subcutaneous"},
        "doseAndRate": [{"doseQuantity": {"value": 10.0, "unit": "unit"}}],
        "patientInstruction": "Rotate the site.",
    }
    made = await prescribing.make(sig=None, dosage_instructions=[dosage], start_date=str(today()))
    [stored] = made["dosage_instructions"]
    assert stored["timing"]["repeat"]["timeOfDay"] == ["08:00:00"]
    assert stored["timing"]["repeat"]["boundsDuration"]["value"] == 10
    assert stored["doseAndRate"] == [{"doseQuantity": {"value": 10, "unit": "unit"}}]
    assert stored["patientInstruction"] == "Rotate the site."
    assert made["end_date"] == str(today() + timedelta(9))
    assert made["in_words"]["en"] == "Inject 10 units under the skin at 08:00 for 10 days."


async def test_the_words_of_the_frequency_are_enough(prescribing: Prescribing) -> None:
    made = await prescribing.make(sig=None, frequency="twice daily", dosage="500 mg", route="oral")
    assert made["in_words"]["en"] == "Take 500 mg by mouth 2 times a day."
    assert made["frequency"] == "twice daily"


async def test_a_taper_has_an_end_and_what_is_needed_has_no_schedule(
    prescribing: Prescribing,
) -> None:
    taper = await prescribing.make(
        sig="40 mg po daily for 5 days, then 20 mg for 5 days, then stop"
    )
    assert taper["end_date"] == str(date.fromisoformat(taper["start_date"]) + timedelta(9))
    assert [one["sequence"] for one in taper["dosage_instructions"]] == [1, 2]
    needed = await prescribing.make(sig="1 tablet po q6h prn pain, max 4 a day")
    assert (needed["as_needed"], taper["as_needed"]) == (True, False)


async def test_what_is_error_prone_is_flagged(prescribing: Prescribing) -> None:
    made = await prescribing.make(sig="1.0 mg po QD")
    assert [one["text"] for one in made["warnings"]] == ["1.0", "QD"]
    assert made["dosage"] == "1 mg"


UNREADABLE: list[tuple[dict[str, Any], set[str]]] = [
    ({"rxnorm_code": "12a"}, {"rxnorm_code"}),
    ({"rxnorm_code": "123456789"}, {"rxnorm_code"}),
    ({"rxnorm_code": "0"}, {"rxnorm_code"}),
    ({"route": "osmosis"}, {"route"}),
    ({"days_supply": -1}, {"days_supply"}),
    ({"days_supply": 0}, {"days_supply"}),
    ({"days_supply": 401}, {"days_supply"}),
    ({"refills_remaining": -1}, {"refills_remaining"}),
    ({"refills_remaining": 100}, {"refills_remaining"}),
    ({"adherence_threshold": 101}, {"adherence_threshold"}),
    ({"sig": "1 tablet daily " * 700}, {"sig"}),
    ({"status": "stopped"}, {"status"}),
    ({"medication_name": ""}, {"medication_name"}),
    ({"unknown": 1}, {"unknown"}),
    (
        {"dosage_instructions": [{"timing": {"repeat": {"period": -1, "periodUnit": "d"}}}]},
        {"dosage_instructions.0.timing.repeat.period"},
    ),
    (
        {"dosage_instructions": [{"timing": {"repeat": {"timeOfDay": ["25:00"]}}}]},
        {"dosage_instructions.0.timing.repeat.timeOfDay.0"},
    ),
    (
        {"dosage_instructions": [{"timing": {"event": ["2026-12-01"]}}]},
        {"dosage_instructions.0.timing.event"},
    ),
    ({"dosage_instructions": []}, {"dosage_instructions"}),
]


async def test_what_cannot_be_understood_is_named_and_nothing_is_written(
    prescribing: Prescribing,
) -> None:
    for changed, expected in UNREADABLE:
        answer = await prescribing.clinic.post(prescribing.path, prescribing.body(**changed))
        assert (answer.status_code, set(fields(answer))) == (400, expected), changed
    assert await count(prescribing.clinic) == 0


def fhir(repeat: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"sig": None, "dosage": "1 tablet", "route": "oral",
            "dosage_instructions": [{"timing": {"repeat": repeat}, **more}]}  # fmt: skip


AGAINST_A_RULE: list[tuple[dict[str, Any], dict[str, str]]] = [
        (fhir({"frequency": 100, "period": 1, "periodUnit": "d"}),
         {"dosage_instructions.0.timing.repeat": "too_many"}),
        (fhir({"frequency": 2, "period": 1}),
         {"dosage_instructions.0.timing.repeat.periodUnit": "tim-2"}),
        (fhir({"frequency": 2, "period": 1, "periodUnit": "d"}, route={"text": "osmosis"}),
         {"dosage_instructions.0.route": "route"}),
        (fhir({"frequency": 2, "period": 1, "periodUnit": "d"}, route={"text": "rectal"}),
         {"route": "route"}),
        ({"sig": "1 tablet po 100 times a day"}, {"sig": "ask"}),
        ({"sig": "1 tablet po dialy"}, {"sig": "not_understood"}),
        ({"sig": "1 tablet bid"}, {"route": "missing"}),
        ({"sig": "po bid"}, {"dosage": "missing"}),
        ({"sig": None}, {"dosage_instructions": "missing"}),
        ({"dosage_instructions": [{"asNeededBoolean": True}]}, {"sig": "choice"}),
        ({"dosage": "2 tablets"}, {"dosage": "dosage"}),
        ({"frequency": "three times a day"}, {"frequency": "frequency"}),
        ({"end_date": str(today() - timedelta(20))}, {"end_date": "order"}),
        ({"start_date": str(today() - timedelta(30)), "end_date": str(today() - timedelta(20))},
         {"end_date": "past"}),
        ({"start_date": "1999-01-01"}, {"start_date": "range"}),
        ({"start_date": "2190-01-01"}, {"start_date": "range"}),
        ({"is_ongoing": True, "end_date": str(today() + timedelta(9))}, {"is_ongoing": "end"}),
        ({"sig": "1 tab po bid for 9 days", "end_date": str(today() + timedelta(5))},
         {"end_date": "order"}),
        ({"prescribing_provider_id": str(UUID(int=0))}, {"prescribing_provider_id": "unknown"}),
]  # fmt: skip


async def test_what_is_against_a_rule_is_named_and_nothing_is_written(
    prescribing: Prescribing,
) -> None:
    for changed, expected in AGAINST_A_RULE:
        answer = await prescribing.clinic.post(prescribing.path, prescribing.body(**changed))
        assert (answer.status_code, fields(answer)) == (422, expected), changed
    assert await count(prescribing.clinic) == 0


async def test_what_is_not_understood_is_shown_with_its_place(prescribing: Prescribing) -> None:
    answer = await prescribing.clinic.post(prescribing.path, prescribing.body(sig="1 tab dialy"))
    error = answer.json()["error"]
    assert error["code"] == "SIG_NOT_UNDERSTOOD"
    assert error["data"]["not_understood"] == [{"start": 6, "text": "dialy"}]


async def test_a_prescriber_must_be_active_and_a_patient_there(prescribing: Prescribing) -> None:
    clinic = prescribing.clinic
    retired = await clinic.provider(is_active=False)
    answer = await clinic.post(
        prescribing.path, prescribing.body(prescribing_provider_id=retired["id"])
    )
    assert fields(answer) == {"prescribing_provider_id": "inactive"}
    gone = (await clinic.patient())["id"]
    await clinic.delete(f"/patients/{gone}")
    assert (
        await clinic.post(f"/patients/{gone}/medications", prescribing.body())
    ).status_code == 404
    assert (await clinic.get(f"/patients/{gone}/medications")).status_code == 404


async def test_a_list_is_by_status_in_pages_and_never_stale(prescribing: Prescribing) -> None:
    clinic, path = prescribing.clinic, prescribing.path
    made = [(await prescribing.make())["id"] for _ in range(3)]
    draft = (await prescribing.make(status="draft"))["id"]

    async def ids(**params: Any) -> list[str]:
        data = (await clinic.get(path, params=params)).json()["data"]
        return [one["id"] for one in data["items"]]

    assert await ids() == [draft, *reversed(made)]
    assert await ids(status="active") == list(reversed(made))
    assert await ids(status="draft") == [draft]
    first = (await clinic.get(path, params={"status": "active", "limit": 2})).json()["data"]
    rest = await ids(status="active", limit=2, cursor=first["next_cursor"])
    assert [one["id"] for one in first["items"]] + rest == list(reversed(made))
    stopped = await clinic.send("DELETE", f"/medications/{made[2]}", json={"reason": "Cough"})
    assert stopped.status_code == 200
    assert await ids(status="active") == [made[1], made[0]]
    two = prescribing.body(sig="2 tabs po bid", medication_name="Testdrug 1")
    await clinic.put(f"/medications/{made[0]}", two)
    page = (await clinic.get(path, params={"status": "active"})).json()["data"]["items"]
    assert [one["dosage"] for one in page] == ["1 tablet", "2 tablets"]


async def test_how_it_is_taken_changes_by_a_new_regimen(prescribing: Prescribing) -> None:
    clinic = prescribing.clinic
    made = await prescribing.make()
    path = f"/medications/{made['id']}"
    rest = await clinic.put(path, prescribing.body(refills_remaining=5))
    assert (rest.json()["data"]["regimen_version"], rest.json()["data"]["version"]) == (1, 2)
    changed = await clinic.put(path, prescribing.body(sig="2 tablets by mouth twice a day"))
    data = changed.json()["data"]
    assert (data["regimen_version"], data["dosage"]) == (2, "2 tablets")
    new, old = (await clinic.get(f"{path}/regimens")).json()["data"]["items"]
    assert old["effective_until"] == new["effective_from"]
    assert new["effective_until"] is None
    assert old["in_words"]["en"] == "Take 1 tablet by mouth 2 times a day."
    one = (await clinic.get(f"{path}/regimens", params={"limit": 1})).json()["data"]
    two = await clinic.get(f"{path}/regimens", params={"limit": 1, "cursor": one["next_cursor"]})
    assert two.json()["data"] == {"items": [old], "next_cursor": None}


async def test_a_change_may_hold_from_later_on_and_be_replaced_before(
    prescribing: Prescribing,
) -> None:
    clinic = prescribing.clinic
    path = f"/medications/{(await prescribing.make())['id']}"
    later = today() + timedelta(10)
    two = prescribing.body(sig="2 tablets po bid", effective_on=str(later))
    assert (await clinic.put(path, two)).status_code == 200
    new, old = (await clinic.get(f"{path}/regimens")).json()["data"]["items"]
    assert new["starts_on"] == str(later)
    assert old["effective_until"] == new["effective_from"]
    assert new["effective_from"].startswith(str(later))
    await clinic.put(path, prescribing.body(sig="3 tablets po bid"))
    third, second, first = (await clinic.get(f"{path}/regimens")).json()["data"]["items"]
    assert first["effective_until"] == third["effective_from"]
    assert second["effective_until"] == second["effective_from"]  # it never began
    assert third["effective_until"] is None


TOO_EARLY_OR_LATE: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"effective_on": str(today() - timedelta(3))}, {"effective_on": "range"}),
    ({"effective_at": "2020-01-01T00:00:00Z"}, {"effective_at": "range"}),
    (
        {
            "effective_at": (datetime.now(UTC) + timedelta(3)).isoformat(),
            "effective_on": str(today() + timedelta(3)),
        },
        {"effective_on": "choice"},
    ),
    (
        {"effective_on": str(today() + timedelta(30)), "end_date": str(today() + timedelta(9))},
        {"effective_on": "order"},
    ),
    (
        {"effective_on": str(today() + timedelta(3)), "sig": "1 tablet by mouth twice a day"},
        {"effective_on": "unchanged"},
    ),
]


async def test_a_change_cannot_hold_from_any_time(prescribing: Prescribing) -> None:
    path = f"/medications/{(await prescribing.make())['id']}"
    for changed, expected in TOO_EARLY_OR_LATE:
        body = {**prescribing.body(sig="2 tablets po bid"), **changed}
        answer = await prescribing.clinic.put(path, body)
        assert (answer.status_code, fields(answer)) == (422, expected), changed
    assert (await prescribing.clinic.get(path)).json()["data"]["version"] == 1


async def test_the_end_moves_without_a_new_regimen_and_the_start_only_before_it(
    prescribing: Prescribing,
) -> None:
    clinic = prescribing.clinic
    begun = await prescribing.make(start_date=str(today() - timedelta(9)))
    path = f"/medications/{begun['id']}"
    end = str(today() + timedelta(30))
    body = prescribing.body(start_date=begun["start_date"], end_date=end)
    assert (await clinic.put(path, body)).json()["data"]["regimen_version"] == 1
    [regimen] = (await clinic.get(f"{path}/regimens")).json()["data"]["items"]
    assert regimen["ends_on"] == end
    moved = await clinic.put(path, prescribing.body(start_date=str(today())))
    assert fields(moved) == {"start_date": "fixed"}
    coming = await prescribing.make(start_date=str(today() + timedelta(9)))
    sooner = str(today() + timedelta(5))
    path = f"/medications/{coming['id']}"
    await clinic.put(path, prescribing.body(start_date=sooner))
    new, old = (await clinic.get(f"{path}/regimens")).json()["data"]["items"]
    assert (new["starts_on"], old["effective_until"]) == (sooner, old["effective_from"])


async def test_nobody_changes_what_somebody_else_changed(prescribing: Prescribing) -> None:
    made = await prescribing.make()
    path = f"/medications/{made['id']}"
    first = await prescribing.clinic.put(path, prescribing.body(), headers={"If-Match": '"1"'})
    assert first.headers["etag"] == '"2"'
    second = await prescribing.clinic.put(path, prescribing.body(), headers={"If-Match": '"1"'})
    assert second.status_code == 412


async def test_a_contraindicated_drug_needs_a_reason_and_a_scope(
    running: Running, prescribing: Prescribing
) -> None:
    clinic, drug = prescribing.clinic, {"medication_name": "Clarithromycin"}
    await prescribing.make(medication_name="Simvastatin")
    before = await count(clinic)
    refused = await clinic.post(prescribing.path, prescribing.body(**drug))
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "CONTRAINDICATED"
    found = refused.json()["error"]["data"]["interaction_check"]["findings"]
    assert [one["severity"] for one in found] == ["contraindicated"]
    assert await count(clinic) == before
    override = {"reason": "Cardiology agrees."}
    async with begin(clinic.caller) as tx:
        key = await create_key(
            tx, pepper=running.app.state.authority.pepper, name="nurse",
            scopes=SCOPES - {"medications:override"},
        )  # fmt: skip
    body = prescribing.body(**drug, override=override)
    nurse = await clinic.post(prescribing.path, body, headers={"X-API-Key": key})
    assert nurse.status_code == 403
    made = await prescribing.make(**drug, override=override)
    assert made["override"]["reason"] == "Cardiology agrees."
    path = f"/medications/{made['id']}"
    kept = await clinic.put(path, prescribing.body(**drug, refills_remaining=1))
    assert kept.json()["data"]["override"] == made["override"]
    other = await clinic.put(path, prescribing.body(medication_name="Erythromycin"))
    assert other.status_code == 409
    audited = await clinic.get("/audit", params={"entity_id": prescribing.patient_id})
    actions = {one["action"] for one in audited.json()["data"]["items"]}
    assert "override_interaction" in actions


async def test_sig_text_is_read_and_nothing_is_written(clinic: Clinic) -> None:
    answer = await clinic.post("/medications/sig", {"sig": "1 tab po QD x7d"})
    data = answer.json()["data"]
    assert data["in_words"]["en"] == "Take 1 tablet by mouth once a day for 7 days."
    assert [one["text"] for one in data["warnings"]] == ["QD", "x7d"]
    with_route = await clinic.post("/medications/sig", {"sig": "1 tab daily", "route": "oral"})
    assert with_route.json()["data"]["in_words"]["en"] == "Take 1 tablet by mouth once a day."
    other = await clinic.post("/medications/sig", {"sig": "1 tab po daily", "route": "rectal"})
    assert fields(other) == {"route": "route"}
    asked = await clinic.post("/medications/sig", {"sig": "1-2 tabs daily"})
    assert asked.status_code == 422
    assert asked.json()["error"]["data"]["questions"] == ["a range of amounts: say one amount"]
    assert await count(clinic) == 0


async def test_reads_and_writes_are_audited(prescribing: Prescribing) -> None:
    made = await prescribing.make()
    await prescribing.clinic.get(f"/medications/{made['id']}")
    await prescribing.clinic.get(f"/medications/{made['id']}/regimens")
    await prescribing.clinic.get(prescribing.path)
    audited = await prescribing.clinic.get("/audit", params={"entity_id": made["id"]})
    found = [one["action"] for one in audited.json()["data"]["items"]]
    assert sorted(found) == ["create", "list", "read", "read_regimens"]


async def test_what_is_taken_as_needed_too_often_is_written_down_with_a_warning(
    prescribing: Prescribing,
) -> None:
    made = await prescribing.make(sig="1 tablet by mouth as needed for pain, max 2 a day")
    path = f"/medications/{made['id']}/adherence"
    said = []
    for number in range(3):
        report = {"was_taken": True, "source": "patient", "notes": f"Tablet {number}"}
        said.append((await prescribing.clinic.make(path, report))["warnings"])
    assert said == [[], [], ["too_many"]]


async def test_an_episode_ends_with_its_prescription(prescribing: Prescribing) -> None:
    made = await prescribing.make(drug_class="anticoagulant")
    async with begin(prescribing.clinic.caller) as tx:
        await tx.run(
            Command(
                "INSERT INTO adherence_episodes (id, tenant_id, patient_id, medication_id, reason,"
                " opened_at) VALUES ($1, $2, $3, $4, 'missed_doses', now())"
            ),
            new_id(), prescribing.clinic.tenant_id, UUID(prescribing.patient_id), UUID(made["id"]),
        )  # fmt: skip
    stopped = await prescribing.clinic.send(
        "DELETE", f"/medications/{made['id']}", json={"reason": "Bleeding"}
    )
    assert stopped.status_code == 200
    async with begin(prescribing.clinic.caller) as tx:
        ended = Command("SELECT closed_reason FROM adherence_episodes WHERE medication_id = $1")
        assert await tx.value(ended, UUID(made["id"])) == "ended"

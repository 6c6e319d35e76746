"""A drug is checked for a patient: what it meets, and what could not be told."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chroniccare.codes import actions as codes
from chroniccare.codes import rrf
from chroniccare.medications.interactions import actions
from chroniccare.medications.interactions.table import SHA256, table
from chroniccare.platform.postgres import begin, database
from tests.client import Clinic
from tests.codes.rrf import conso, write
from tests.medications.interactions.support import check, pairs, take
from tests.medications.interactions.test_table import ONC


async def allergic(clinic: Clinic, patient: dict[str, Any], substance: str, **fields: Any) -> str:
    made = await clinic.make(
        f"/patients/{patient['id']}/allergies", {"substance": substance, **fields}
    )
    return str(made["id"])


async def with_subset(clinic: Clinic, folder: Path) -> None:
    async with begin(clinic.caller) as tx:
        await codes.replace_rxnorm(tx, "2026-11-02", rrf.read(write(folder)))


async def test_all_fifteen_pairs_are_found_in_both_directions(clinic: Clinic) -> None:
    for number, sides in ONC.items():
        for new, old in (sides, sides[::-1]):
            patient = await clinic.patient()
            [taken] = await take(clinic, patient, old)
            found = await check(clinic, patient, new)
            assert found["status"] == "findings"
            assert found["override_needed"] is True
            [finding] = [
                one for one in found["findings"] if one["pair"].startswith(f"onc-{number:02}")
            ]
            assert finding["with"] == [taken]
            assert finding["severity"] == "contraindicated"
            assert finding["needs_override"] is True
            assert finding["set"] == "onc-high-priority"


async def test_a_result_says_what_it_is_based_on(clinic: Clinic) -> None:
    patient = await clinic.patient()
    await take(clinic, patient, "metformin")
    found = await check(clinic, patient, "lisinopril")
    assert found == {
        "status": "ok",
        "override_needed": False,
        "sets": [{"name": "onc-high-priority", "version": table().version, "sha256": SHA256}],
        "findings": [],
        "not_checked": [],
        "service": {"status": "off", "reason": None},
    }


async def test_what_no_table_knows_is_said_and_never_passed_over(clinic: Clinic) -> None:
    patient = await clinic.patient()
    _, unknown = await take(clinic, patient, "metformin", "unobtainium")
    found = await check(clinic, patient, "Wonderpill")
    assert found["status"] == "not_checked"
    assert found["not_checked"] == [
        {"what": "drug", "id": None},
        {"what": "medication", "id": unknown},
    ]
    # Findings go before: but what is not known is still said.
    await take(clinic, patient, "phenelzine")
    found = await check(clinic, patient, "sertraline")
    assert (found["status"], pairs(found)) == ("findings", ["onc-04-ssri-maoi"])
    assert found["not_checked"] == [{"what": "medication", "id": unknown}]


@pytest.mark.parametrize("rxcui", ["10734", "9000001", "9000003", "9000004", "9000005", "9000009"])
async def test_products_count_through_the_sites_subset_of_rxnorm(
    clinic: Clinic, tmp_path: Path, rxcui: str
) -> None:
    patient = await clinic.patient()
    await with_subset(clinic, tmp_path)
    await take(clinic, patient, "A brand", rxcui=rxcui, generic=False)
    found = await check(clinic, patient, "Another", generic_name=None, rxnorm_code="8702")
    assert "onc-14-tranylcypromine-procarbazine" in pairs(found)
    back = await clinic.patient()
    await take(clinic, back, "Another", rxcui="8702", generic=False)
    other_way = await check(clinic, back, "A brand", generic_name=None, rxnorm_code=rxcui)
    assert "onc-14-tranylcypromine-procarbazine" in pairs(other_way)
    assert other_way["not_checked"] == []


async def test_each_ingredient_of_a_combination_counts(clinic: Clinic, tmp_path: Path) -> None:
    patient = await clinic.patient()
    await with_subset(clinic, tmp_path)
    await take(clinic, patient, "phenelzine")
    found = await check(clinic, patient, "Combined", generic_name=None, rxnorm_code="9000006")
    assert pairs(found) == ["onc-07-tricyclics-maoi"]
    assert found["not_checked"] == []


@pytest.mark.parametrize("rxcui", ["9000010", "9999999"])
async def test_a_product_without_known_ingredients_is_not_checked(
    clinic: Clinic, tmp_path: Path, rxcui: str
) -> None:
    patient = await clinic.patient()
    await with_subset(clinic, tmp_path)
    found = await check(clinic, patient, "Product", generic_name=None, rxnorm_code=rxcui)
    assert found["not_checked"] == [{"what": "drug", "id": None}]


async def test_where_rxnorm_has_another_name_for_a_code_it_is_the_one_that_counts(
    clinic: Clinic, tmp_path: Path
) -> None:
    write(tmp_path)
    wrong = conso("8123", "IN", "metformin") + conso("10734", "SCD", "a tablet")
    (tmp_path / "RXNCONSO.RRF").write_text(wrong, encoding="utf-8")
    async with begin(clinic.caller) as tx:
        await codes.replace_rxnorm(tx, "2026-11-02", rrf.read(tmp_path))
        assert await actions.disagreements(tx) == [
            "10734: a tablet in RxNorm, tranylcypromine in the built-in table",
            "8123: metformin in RxNorm, phenelzine in the built-in table",
        ]
    patient = await clinic.patient()
    await take(clinic, patient, "fluoxetine")
    found = await check(clinic, patient, "A drug", generic_name=None, rxnorm_code="8123")
    assert found["findings"] == []


async def test_the_same_ingredient_twice_is_a_duplicate(clinic: Clinic, tmp_path: Path) -> None:
    patient = await clinic.patient()
    await with_subset(clinic, tmp_path)
    [taken] = await take(clinic, patient, "Parnate", rxcui="9000005", generic=False)
    found = await check(clinic, patient, "tranylcypromine")
    [finding] = found["findings"]
    assert (finding["kind"], finding["severity"]) == ("duplicate", "warning")
    assert (finding["pair"], finding["with"]) == ("tranylcypromine", [taken])
    assert found["override_needed"] is True
    replaced = await check(clinic, patient, "tranylcypromine", without=taken)
    assert replaced["status"] == "ok"


@pytest.mark.parametrize(
    ("status", "until", "counts"),
    [
        ("active", None, True),
        ("on_hold", None, True),
        ("draft", None, False),
        ("stopped", None, False),
        ("completed", None, False),
        ("active", "2026-01-31", False),
        ("active", "2100-01-31", True),
    ],
)
async def test_only_what_is_taken_counts(
    clinic: Clinic, status: str, until: str | None, *, counts: bool
) -> None:
    patient = await clinic.patient()
    await take(clinic, patient, "phenelzine", status=status, until=until)
    found = await check(clinic, patient, "fluoxetine")
    assert (found["status"] == "findings") is counts


async def test_another_patients_drugs_do_not_count(clinic: Clinic, other_clinic: Clinic) -> None:
    patient, neighbour = await clinic.patient(), await clinic.patient()
    await take(clinic, neighbour, "phenelzine")
    assert (await check(clinic, patient, "fluoxetine"))["status"] == "ok"
    body = {"name": "fluoxetine"}
    elsewhere = await other_clinic.post(f"/patients/{patient['id']}/medications/check", body)
    assert elsewhere.status_code == 404
    nobody = await clinic.post(f"/patients/{uuid4()}/medications/check", body)
    assert nobody.status_code == 404


@pytest.mark.parametrize(
    ("substance", "fields", "drug"),
    [
        ("a rash from it", {"rxnorm_code": "723"}, "amoxicillin"),
        ("penicillin", {"drug_class": "penicillins"}, "amoxicillin"),
        ("Penicillins", {}, "ampicillin"),
        ("codeine sulfate", {}, "codeine"),
        ("NSAIDs", {"category": "biologic"}, "naproxen"),
        ("Wonderpill", {}, "wonderpill"),
    ],
)
async def test_an_allergy_by_code_class_or_words_is_found(
    clinic: Clinic, substance: str, fields: dict[str, Any], drug: str
) -> None:
    patient = await clinic.patient()
    allergy = await allergic(clinic, patient, substance, **fields)
    found = await check(clinic, patient, drug)
    [finding] = found["findings"]
    assert (finding["kind"], finding["with"]) == ("allergy", [allergy])
    assert (finding["severity"], found["override_needed"]) == ("contraindicated", True)


async def test_how_bad_an_allergy_is_decides_and_what_is_refuted_counts_for_nothing(
    clinic: Clinic,
) -> None:
    patient = await clinic.patient()
    allergy = await allergic(clinic, patient, "codeine", criticality="low")
    found = await check(clinic, patient, "codeine")
    assert [one["severity"] for one in found["findings"]] == ["warning"]
    assert found["override_needed"] is False
    for verification in ("refuted", "entered-in-error"):
        body = {"substance": "codeine", "verification": verification}
        changed = await clinic.put(f"/patients/{patient['id']}/allergies/{allergy}", body)
        assert changed.status_code == 200
        assert (await check(clinic, patient, "codeine"))["status"] == "ok"


async def test_an_allergy_that_cannot_be_told_is_said_but_pollen_is_not(clinic: Clinic) -> None:
    patient = await clinic.patient()
    told = await allergic(clinic, patient, "that white pill")
    await allergic(clinic, patient, "birch pollen", category="environment")
    found = await check(clinic, patient, "metformin")
    assert found["not_checked"] == [{"what": "allergy", "id": told}]
    assert found["status"] == "not_checked"


async def test_checks_can_be_switched_off_and_the_result_says_so(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = await clinic.patient()
    await take(clinic, patient, "phenelzine")
    held = database()
    off = held.settings.model_copy(update={"interaction_checks": "off"})
    monkeypatch.setattr(held, "settings", off)
    found = await check(clinic, patient, "fluoxetine")
    assert (found["status"], found["findings"], found["override_needed"]) == ("off", [], False)
    assert (await clinic.get("/interaction-sets")).json()["data"]["checks"] == "off"


async def test_a_check_writes_nothing_but_that_it_was_made(clinic: Clinic) -> None:
    patient = await clinic.patient()
    await take(clinic, patient, "metformin")
    headers = {"Idempotency-Key": "check-1"}
    body = {"name": "lisinopril"}
    path = f"/patients/{patient['id']}/medications/check"
    first = await clinic.post(path, body, headers=headers)
    again = await clinic.post(path, body, headers=headers)
    assert again.headers["idempotent-replayed"] == "true"
    assert first.json()["data"] == again.json()["data"]
    query = {"entity_id": patient["id"], "action": "check"}
    seen = (await clinic.get("/audit", params=query)).json()["data"]["items"]
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rxnorm_code", "123456789"),
        ("rxnorm_code", "0"),
        ("rxnorm_code", "10734x"),
        ("rxnorm_code", "\uff11\uff10"),
        ("name", ""),
        ("without", "x"),
    ],
)
async def test_a_bad_drug_is_refused(clinic: Clinic, field: str, value: str) -> None:
    patient = await clinic.patient()
    body = {"name": "lisinopril", field: value}
    answer = await clinic.post(f"/patients/{patient['id']}/medications/check", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == field


async def test_the_sets_and_the_classes_of_allergies_are_listed(clinic: Clinic) -> None:
    data = (await clinic.get("/interaction-sets")).json()["data"]
    assert (data["checks"], data["sets"][0]["pairs"]) == ("on", 15)
    assert "penicillins" in {one["key"] for one in data["classes"]}

"""Sig text: what is read, and what is asked about instead of being guessed."""

from decimal import Decimal
from typing import Any

import pytest

from chroniccare.core.errors import Unprocessable
from chroniccare.medications.dosing import abbreviations, sig
from chroniccare.medications.dosing.said import Said, from_fhir


def said(text: str) -> list[dict[str, Any]]:
    """Return what a text says, without what is as it is by default."""
    default = Said()
    return [
        {
            name: getattr(one, name)
            for name in Said.__dataclass_fields__
            if getattr(one, name) != getattr(default, name)
        }
        for one in map(from_fhir, sig.read(text))
    ]


def day(often: int = 1, **more: Any) -> dict[str, Any]:
    return {"frequency": often, "period": Decimal(1), "period_unit": "d", **more}


def every(period: int, unit: str = "h", **more: Any) -> dict[str, Any]:
    return {"frequency": 1, "period": Decimal(period), "period_unit": unit, **more}


def of(quantity: str, unit: str | None = "tablet", **more: Any) -> dict[str, Any]:
    amount = {"quantity": Decimal(quantity)}
    return {**amount, **({"unit": unit} if unit else {}), **more}


ORAL = {"route": "oral"}
SC = {"route": "subcutaneous"}
READ: dict[str, list[dict[str, Any]]] = {
    # How often a day.
    "1 tablet daily": [of("1", **day())],
    "1 tablet once daily": [of("1", **day())],
    "1 tablet once a day": [of("1", **day())],
    "1 tablet every day": [of("1", **day())],
    "1 tablet qd": [of("1", **day())],
    "1 tablet q.d.": [of("1", **day())],
    "1 tab PO BID": [of("1", **ORAL, **day(2))],
    "1 tab po b.i.d.": [of("1", **ORAL, **day(2))],
    "1 tablet twice daily": [of("1", **day(2))],
    "1 tablet 2 times a day": [of("1", **day(2))],
    "1 tablet two times daily": [of("1", **day(2))],
    "1 tab tid": [of("1", **day(3))],
    "1 tab three times a day": [of("1", **day(3))],
    "1 tab 3x/day": [of("1", **day(3))],
    "1 tab 3 x daily": [of("1", **day(3))],
    "1 tab qid": [of("1", **day(4))],
    "1 tab 5 times per day": [of("1", **day(5))],
    "bid": [day(2)],
    "twice a day": [day(2)],
    # Every so many days, weeks, months.
    "1 tablet every other day": [of("1", **every(2, "d"))],
    "1 tablet qod": [of("1", **every(2, "d"))],
    "1 tablet every second day": [of("1", **every(2, "d"))],
    "1 tablet on alternate days": [of("1", **every(2, "d"))],
    "1 tablet every 3 days": [of("1", **every(3, "d"))],
    "1 patch every 3 days": [of("1", "patch", **every(3, "d"))],
    "1 tablet weekly": [of("1", **every(1, "wk"))],
    "1 tablet once a week": [of("1", **every(1, "wk"))],
    "1 tablet every 2 weeks": [of("1", **every(2, "wk"))],
    "1 tablet every other week": [of("1", **every(2, "wk"))],
    "1,000 mcg im monthly": [of("1000", "mcg", route="intramuscular", **every(1, "mo"))],
    "1 injection every 3 months": [of("1", "injection", **every(3, "mo"))],
    # Every so many hours.
    "1 capsule q8h": [of("1", "capsule", **every(8))],
    "1 capsule q 8 h": [of("1", "capsule", **every(8))],
    "1 capsule every 8 hours": [of("1", "capsule", **every(8))],
    "1 capsule every six hours": [],
    "1 patch every 72 hours": [of("1", "patch", **every(72))],
    "5 mL q12hr": [of("5", "mL", **every(12))],
    "2 puffs every 90 minutes": [of("2", "puff", **every(90, "min"))],
    "2 puffs hourly": [of("2", "puff", **every(1))],
    # Days of the week.
    "1 tablet on Mondays": [of("1", **day(days=("mon",)))],
    "1 tablet every Monday": [of("1", **day(days=("mon",)))],
    "1 tablet weekly on Monday": [of("1", **day(days=("mon",)))],
    "1 tablet on Mondays and Thursdays": [of("1", **day(days=("mon", "thu")))],
    "1 tablet Thu, Mon": [of("1", **day(days=("mon", "thu")))],
    "1 tab daily on mon, wed and fri": [of("1", **day(days=("mon", "wed", "fri")))],
    "1 tab 3 times a week on mon, wed, fri": [of("1", **day(days=("mon", "wed", "fri")))],
    "1 tab twice a day on weekdays": [
        of("1", **day(2, days=("mon", "tue", "wed", "thu", "fri")))
    ],
    "1 tab on weekends": [of("1", **day(days=("sat", "sun")))],
    "1 tablet every other Monday": [of("1", **every(2, "wk", days=("mon",)))],
    "1 tablet every 2 weeks on Monday": [of("1", **every(2, "wk", days=("mon",)))],
    # Parts of the day and meals.
    "1 tablet in the morning": [of("1", **day(when=("MORN",)))],
    "1 tablet qam": [of("1", **day(when=("MORN",)))],
    "1 tablet every morning": [of("1", **day(when=("MORN",)))],
    "1 tablet at noon": [of("1", **day(when=("NOON",)))],
    "1 tablet every evening": [of("1", **day(when=("EVE",)))],
    "1 tablet nightly": [of("1", **day(when=("NIGHT",)))],
    "1 tablet at bedtime": [of("1", **day(when=("HS",)))],
    "1 tablet qhs": [of("1", **day(when=("HS",)))],
    "1 tablet hs": [of("1", **day(when=("HS",)))],
    "1 tablet on waking": [of("1", **day(when=("WAKE",)))],
    "1 tablet in the morning and at bedtime": [of("1", **day(2, when=("MORN", "HS")))],
    "1 tablet in the morning and evening": [of("1", **day(2, when=("MORN", "EVE")))],
    "1 tablet twice daily in the morning and evening": [of("1", **day(2, when=("MORN", "EVE")))],
    "1 tablet once daily with breakfast": [of("1", **day(when=("CM",)))],
    "1 tablet with breakfast and dinner": [of("1", **day(2, when=("CM", "CV")))],
    "1 tablet with supper": [of("1", **day(when=("CV",)))],
    "1 tablet with meals": [of("1", **day(3, when=("CM", "CD", "CV")))],
    "1 tablet tid with meals": [of("1", **day(3, when=("CM", "CD", "CV")))],
    "1 tablet bid with meals": [of("1", **day(2, food="with meals"))],
    "1 tablet daily with food": [of("1", **day(food="with food"))],
    "1 tablet daily on an empty stomach": [of("1", **day(food="on an empty stomach"))],
    "10 units sc ac": [of("10", "unit", **SC, **day(3, when=("ACM", "ACD", "ACV")))],
    "1 tablet pc": [of("1", **day(3, when=("PCM", "PCD", "PCV")))],
    "1 capsule 30 minutes before breakfast": [of("1", "capsule", **day(when=("ACM",), offset=30))],
    "1 tablet 1 hour before meals": [of("1", **day(3, when=("ACM", "ACD", "ACV"), offset=60))],
    "1 tablet two hours after dinner": [],
    "1 tablet 2 hours after dinner": [of("1", **day(when=("PCV",), offset=120))],
    # Times.
    "1 tablet at 8:00 and 20:00": [of("1", **day(2, times=("08:00:00", "20:00:00")))],
    "1 tablet at 8 am and 8 pm": [of("1", **day(2, times=("08:00:00", "20:00:00")))],
    "1 tablet daily at 8am": [of("1", **day(times=("08:00:00",)))],
    "1 tablet at 8pm, 12 pm": [of("1", **day(2, times=("12:00:00", "20:00:00")))],
    "1 tablet at 12 am": [of("1", **day(times=("00:00:00",)))],
    "1 tablet on Mondays at 09:30": [of("1", **day(days=("mon",), times=("09:30:00",)))],
    # Schemes.
    "1-0-1": [of("1", None, **day(2, when=("MORN", "EVE")))],
    "1-1-1 tablets": [of("1", **day(3, when=("MORN", "NOON", "EVE")))],
    "1-0-0-1": [of("1", None, **day(2, when=("MORN", "HS")))],
    "0-0-1": [of("1", None, **day(when=("EVE",)))],
    "1-0-2 tablets": [of("1", **day(when=("MORN",))), of("2", **day(when=("EVE",)))],
    "½-0-½": [of("0.5", None, **day(2, when=("MORN", "EVE")))],
    # Amounts, routes, sites.
    "take 1 daily": [of("1", None, **day())],
    "take one tablet by mouth daily": [of("1", **ORAL, **day())],
    "Take 1 tablet by mouth twice a day.": [of("1", **ORAL, **day(2))],
    "1/2 tablet daily": [of("0.5", **day())],
    "1 1/2 tablets daily": [of("1.5", **day())],
    "1½ tablets daily": [of("1.5", **day())],
    "half tablet daily": [of("0.5", **day())],
    "0.5 mg daily": [of("0.5", "mg", **day())],
    ".5 mg daily": [of("0.5", "mg", **day())],
    "1.0 mg daily": [of("1", "mg", **day())],
    "2 tabs po qhs": [of("2", **ORAL, **day(when=("HS",)))],
    "10U subcut qhs": [of("10", "unit", **SC, **day(when=("HS",)))],
    "inject 10 units under the skin at bedtime": [of("10", "unit", **SC, **day(when=("HS",)))],
    "5 ml po tid": [of("5", "mL", **ORAL, **day(3))],
    "5cc po tid": [of("5", "mL", **ORAL, **day(3))],
    "50 ug daily": [of("50", "mcg", **day())],
    "1 drop in the left eye bid": [
        of("1", "drop", route="ophthalmic", site="left eye", **day(2))
    ],
    "2 drops in both ears qid": [of("2", "drop", route="otic", site="both ears", **day(4))],
    "1 spray in each nostril daily": [of("1", "spray", route="nasal", **day())],
    "1 application to affected area bid": [of("1", "application", route="topical", **day(2))],
    "1 suppository pr daily": [of("1", "suppository", route="rectal", **day())],
    # For how long.
    "1 tab bid for 7 days": [of("1", **day(2, length=7))],
    "1 tab bid x 10 days": [of("1", **day(2, length=10))],
    "1 tab bid x7d": [of("1", **day(2, length=7))],
    "1 tab bid for 2 weeks": [of("1", **day(2, length=14))],
    "1 tab q8h for 21 doses": [of("1", **every(8, count=21))],
    "1 tablet as a single dose": [of("1", **day(count=1))],
    "1 tablet daily for 21 days on and 7 days off": [of("1", **day(cycle=(21, 7)))],
    "1 tablet daily, 3 weeks on, 1 week off": [of("1", **day(cycle=(21, 7)))],
    # As needed.
    "1 tablet as needed": [of("1", as_needed=True)],
    "1 tablet prn": [of("1", as_needed=True)],
    "1 tablet every 6 hours as needed for pain": [
        of("1", **every(6, as_needed=True, reason="pain"))
    ],
    "1 tab po q6h prn pain": [of("1", **ORAL, **every(6, as_needed=True, reason="pain"))],
    "2 puffs q4-6h prn for wheezing": [
        of("2", "puff", **every(4, period_max=Decimal(6), as_needed=True, reason="wheezing"))
    ],
    "1 tablet as needed for pain, max 4 a day": [
        of("1", as_needed=True, reason="pain", maximum=Decimal(4))
    ],
    "2 tablets as needed for pain, max 8 tablets a day": [
        of("2", as_needed=True, reason="pain", maximum=Decimal(8), maximum_unit="tablet")
    ],
    "2 tablets as needed, no more than 3 doses in 24 hours": [
        of("2", as_needed=True, maximum=Decimal(3))
    ],
    "1 tablet up to 3 times a day as needed for nausea": [
        of("1", as_needed=True, reason="nausea", maximum=Decimal(3))
    ],
    "1 tablet at bedtime as needed for sleep": [
        of("1", **day(when=("HS",), as_needed=True, reason="sleep"))
    ],
    # Side by side, and one after the other.
    "1 tablet in the morning and 2 tablets at bedtime": [
        of("1", **day(when=("MORN",))), of("2", **day(when=("HS",))),
    ],
    "40 mg daily for 5 days, then 20 mg for 5 days, then stop": [
        of("40", "mg", **day(length=5)), of("20", "mg", sequence=2, **day(length=5)),
    ],
    "20 units sc daily for 3 days then 30 units daily": [
        of("20", "unit", **SC, **day(length=3)), of("30", "unit", **SC, sequence=2, **day()),
    ],
    "4 tabs po qam for 2 days; then 2 tabs for 2 days; then 1 tab for 2 days": [
        of("4", **ORAL, **day(when=("MORN",), length=2)),
        of("2", **ORAL, sequence=2, **day(when=("MORN",), length=2)),
        of("1", **ORAL, sequence=3, **day(when=("MORN",), length=2)),
    ],
    # Spanish.
    "1 tableta por la boca cada 8 horas durante 7 días": [
        of("1", **ORAL, **every(8, length=7))
    ],
    "1 tableta dos veces al día": [of("1", **day(2))],
    "tome 2 cápsulas por la mañana": [of("2", "capsule", **day(when=("MORN",)))],
    "1 tableta al acostarse": [of("1", **day(when=("HS",)))],
    "10 unidades antes del desayuno": [of("10", "unit", **day(when=("ACM",)))],
    "1 tableta una vez al día": [of("1", **day())],
}  # fmt: skip
READ = {text: expected for text, expected in READ.items() if expected}

REFUSED = [
    "", "   ", "as directed", "take as directed", "use as directed by physician", "ud",
    "1 tablet", "metformin 500 mg bid", "1 tablet OD", "1 tablet biweekly", "1 tablet bimonthly",
    "1-2 tablets every 6 hours as needed", "1 to 2 tablets daily", "1 tablet q4-6h",
    "1 tablet every 4 to 6 hours", "1 tablet 3 times a week", "1 tablet twice a week",
    "1 tablet TIW", "1 tablet bid tid", "1 tablet daily twice daily",
    "1 tablet daily every 8 hours",
    "1 tablet daily for pain", "1 tablet daily for blood pressure", "1 tablet dialy",
    "1 tablet twice dayly", "1 tablt daily", "1 tablet daily at 25:00", "1 tablet daily at 8",
    "1 tablet at 13 pm", "1 tablet at 8:75", "1 tablet daily for 3 months",
    "1 tablet daily until finished", "1 tablet daily until gone", "0-0-0", "1-0", "1-0-1-0-1",
    "1-0-1 every other day", "1-0-1 at 8:00", "2 tablets as needed, max 4 a day",
    "40 mg daily for 5 days, then stop, then 20 mg", "40 mg daily then 20 mg daily",
    "40 mg daily, then stop", "then 20 mg daily", "1 tablet daily, 30 mg daily",
    "1 tablet in the morning and 2 tablets at bedtime for 7 days",
    "1 tablet twice daily at bedtime", "1 tablet once daily at 8:00 and 20:00",
    "1 tablet once a week on Monday and Thursday", "1 tablet twice a day 1 hour before meals",
    "0 tablets daily", "1,5 mL daily", "1/0 tablet daily", "1/3 tablet daily",
    "100 tablets 100 times a day", "1 tablet every 0 hours", "1 tablet every 30 minutes",
    "sliding scale", "per protocol", "titrate to effect", "1 tablet daily!", "1 tablet; DROP TABLE",
    "1 teaspoon daily", "1 tablet every 5.7 days", "1 tablet daily if blood pressure over 140",
    "1 tablet morgens", "-1 tablet daily", "1 tablet every Mon or Tue", "１ tablet daily",
    "1 tablet before", "every", "1 tablet every other", "1 tablet at",
    "1 tablet daily except Sunday",
]  # fmt: skip


def test_the_corpus_is_large_enough() -> None:
    assert len(READ) + len(REFUSED) >= 120
    assert len(REFUSED) >= 40


@pytest.mark.parametrize("text", READ)
def test_it_is_read(text: str) -> None:
    assert said(text) == READ[text]


@pytest.mark.parametrize("text", REFUSED)
def test_it_is_asked_about(text: str) -> None:
    with pytest.raises(sig.NotUnderstood) as refused:
        sig.read(text)
    assert {detail.field for detail in refused.value.details} == {"sig"}
    assert {detail.code for detail in refused.value.details} <= {"not_understood", "ask"}


def test_the_words_are_named_with_their_places() -> None:
    with pytest.raises(sig.NotUnderstood) as refused:
        sig.read("1 tablet dialy with breakfst")
    assert refused.value.data == {
        "not_understood": [
            {"start": 9, "text": "dialy"},
            {"start": 15, "text": "with"},
            {"start": 20, "text": "breakfst"},
        ],
        "questions": [],
    }
    [detail] = refused.value.details
    assert detail.reason == "not understood: characters 10 to 14, 16 to 19, 21 to 28"


def test_ten_kilobytes_are_refused_at_once() -> None:
    with pytest.raises(Unprocessable):
        sig.read("1 tablet daily " * 700)


@pytest.mark.parametrize("text", ["1 tab " * 166, "a" * 1000, "1" * 1000, "1-" * 500, " " * 1000])
def test_a_long_text_is_answered_quickly(text: str) -> None:
    with pytest.raises(sig.NotUnderstood):
        sig.read(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1 tab qd", ["qd"]), ("1 tab Q.D.", ["Q.D."]), ("1 tab QOD", ["QOD"]),
        ("1 tab qhs", ["qhs"]), ("1 tab HS", ["HS"]), ("10U sc", ["U", "sc"]),
        ("10 IU SC", ["IU", "SC"]), ("5 cc", ["cc"]), ("5cc", ["cc"]), ("50 µg", ["µg"]),
        ("50ug", ["ug"]), ("1.0 mg", ["1.0"]), (".5 mg", [".5"]), ("0.5 mg", []), ("10 mg", []),
        ("2 gtts AU", ["AU"]), ("2 gtts OD", ["OD"]), ("100000 units", ["100000"]),
        ("100,000 units", []), ("1 tab @ 8 am", ["@"]), ("q6PM", ["q6PM"]), ("1 tab TIW", ["TIW"]),
        ("1 tab x7d", ["x7d"]), ("1 tablet in the morning as needed", []), ("per os", ["per os"]),
        ("MSO4 2 mg", ["MSO4"]), ("1 tablet daily", []), ("D/C", ["D/C"]), ("1.05 mg", []),
    ],
)  # fmt: skip
def test_what_is_error_prone_is_found(text: str, found: list[str]) -> None:
    cautions = abbreviations.warnings(text)
    assert [caution.text for caution in cautions] == found
    assert all(text[one.start :].startswith(one.text) for one in cautions)


def test_an_amount_is_nothing_but_an_amount() -> None:
    assert sig.amount("500 mg") == (Decimal(500), "mg")
    assert sig.amount("1 tablet") == (Decimal(1), "tablet")
    assert sig.amount("1 tablet daily") is None
    assert sig.amount("as directed") is None

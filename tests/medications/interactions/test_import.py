"""A site's own set: imported as a whole or not at all, found in checks, replaced, removed."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core.errors import NotFound
from chroniccare.core.rows import SHOWN, FileError
from chroniccare.medications.interactions import actions, files, queries
from chroniccare.platform.postgres import begin
from tests.client import Clinic
from tests.medications.interactions.support import check, pairs, take

# Warfarin and metronidazole, lisinopril and spironolactone: no pairs of the built-in table.
ROWS = [
    {"a": "11289", "b": "6922", "severity": "contraindicated", "text": "Bleeding."},
    {"a": "29046", "b": "9997", "severity": "warning", "text": "Potassium rises."},
]


def as_csv(rows: list[dict[str, str]], *, bom: bool = False) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, files.COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return (b"\xef\xbb\xbf" if bom else b"") + text.getvalue().encode()


FORMS = {
    "plain.csv": as_csv(ROWS),
    "marked.csv": as_csv(ROWS, bom=True),
    "other-order.csv": b"id,text,b,a,severity\n1,Bleeding.,6922,11289,contraindicated\n\n"
    b'2,"Potassium rises.", 29046 ,9997,warning\n',
    "list.json": json.dumps(ROWS).encode(),
    "object.json": b' { "pairs" : ' + json.dumps(ROWS, indent=2).encode() + b', "more": 1 }\n',
}


async def load(
    clinic: Clinic, file: Path, *, name: str = "licensed", version: str = "1"
) -> queries.InteractionSet:
    checked = files.check(file)
    async with begin(clinic.caller) as tx:
        return await actions.replace(tx, name=name, version=version, checked=checked)


def written(folder: Path, data: bytes, name: str = "set.csv") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


async def sets(clinic: Clinic) -> list[dict[str, Any]]:
    """Return the imported sets."""
    found: list[dict[str, Any]] = (await clinic.get("/interaction-sets")).json()["data"]["sets"]
    return found[1:]


@pytest.mark.parametrize("name", FORMS)
async def test_pairs_of_an_imported_set_are_found_in_both_directions(
    clinic: Clinic, tmp_path: Path, name: str
) -> None:
    made = await load(clinic, written(tmp_path, FORMS[name], name), version="2026-10")
    assert made.pairs == 2
    for new, old in (("lisinopril", "spironolactone"), ("spironolactone", "lisinopril")):
        patient = await clinic.patient()
        [taken] = await take(clinic, patient, old)
        found = await check(clinic, patient, new)
        assert found["findings"] == [
            {
                "kind": "interaction",
                "severity": "warning",
                "needs_override": False,
                "with": [taken],
                "pair": "29046-9997",
                "text": "Potassium rises.",
                "citation": "licensed 2026-10",
                "set": "licensed",
            }
        ]
        assert (found["status"], found["override_needed"]) == ("findings", False)
        assert [one["name"] for one in found["sets"]] == ["onc-high-priority", "licensed"]


async def test_what_a_set_calls_contraindicated_needs_an_override_and_comes_first(
    clinic: Clinic, tmp_path: Path
) -> None:
    more = [*ROWS, {"a": "11289", "b": "29046", "severity": "warning", "text": "Watch it."}]
    await load(clinic, written(tmp_path, as_csv(more)))
    patient = await clinic.patient()
    await take(clinic, patient, "lisinopril")
    await take(clinic, patient, "Flagyl", rxcui="6922", generic=False)
    found = await check(clinic, patient, "warfarin")
    # 6922 is in no other table here: the set itself says that it is an ingredient.
    assert pairs(found) == ["11289-6922", "11289-29046"]
    assert (found["override_needed"], found["not_checked"]) == (True, [])


async def test_a_set_replaces_its_namesake_and_is_removed(
    clinic: Clinic, other_clinic: Clinic, tmp_path: Path
) -> None:
    await load(clinic, written(tmp_path, as_csv(ROWS)))
    await load(clinic, written(tmp_path, as_csv(ROWS[:1])), name="another")
    second = await load(clinic, written(tmp_path, as_csv(ROWS[1:])), version="2")
    found = await sets(clinic)
    assert [(one["name"], one["version"], one["pairs"]) for one in found] == [
        ("another", "1", 1), ("licensed", "2", 1)
    ]  # fmt: skip
    assert await sets(other_clinic) == []
    async with begin(other_clinic.caller) as tx:
        with pytest.raises(NotFound):
            await actions.remove(tx, "licensed")
    async with begin(clinic.caller) as tx:
        await actions.remove(tx, "licensed")
    assert [one["name"] for one in await sets(clinic)] == ["another"]
    logs = (await clinic.get("/audit")).json()["data"]["items"]
    about = [one for one in logs if one["entity_id"] == str(second.id)]
    assert [one["action"] for one in about] == ["delete", "import"]
    assert about[1]["changes"]["before"]["version"] == "1"


BAD = (
    b"a,b,severity,text\n"
    b"11289,6922,contraindicated,Bleeding.\n"
    b"x,6922,contraindicated,Bleeding.\n"
    b"6809,6809,warning,Itself.\n"
    b"6809,1256,deadly,\n"
    b'6809,1191,warning,"two\nlines"\n'
    b"6922,11289,warning,The same the other way round.\n"
    b"6809,519,warning,fine,too many\n"
    b"6809\n"
)
WRONG = {
    3: "a must be an RXCUI: a number of at most 8 digits, as text",
    4: "b must be another ingredient than a",
    5: "severity must be contraindicated or warning; text must have 1 to 1000 characters",
    6: "text must be one line without control characters",
    8: "names a pair that stands in the file already",
    9: "has more values than the first line",
    10: "b must be an RXCUI: a number of at most 8 digits, as text;"
    " severity must be contraindicated or warning; text must have 1 to 1000 characters",
}


async def test_every_row_at_fault_is_named_at_once_and_nothing_is_half_done(
    clinic: Clinic, tmp_path: Path
) -> None:
    await load(clinic, written(tmp_path, as_csv(ROWS)))
    with pytest.raises(FileError, match=r"^set\.csv: 7 rows are wrong; nothing was") as caught:
        await load(clinic, written(tmp_path, BAD), version="2")
    assert {fault.line: fault.reason for fault in caught.value.faults} == WRONG
    [kept] = await sets(clinic)
    assert (kept["version"], kept["pairs"]) == ("1", 2)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.csv", b"", "first line must name a, b, severity, text once"),
        ("a.csv", b"a,b,severity\n", "first line must name text once"),
        ("a.csv", b"a,a,b,severity,text\n", "first line must name a once"),
        ("a.csv", b"a,b,severity,text\n", "holds no pair"),
        ("a.csv", b"a,b,severity,text\n1,2,warning,\xff\n", "not text in UTF-8"),
        ("a.csv", b'a,b,severity,text\n1,2,warning,"open\n', "line 2 is not CSV"),
        ("a.csv", b"a,b,severity,text\n" + b"x" * 70_000, "more than 65536 bytes"),
        ("a.json", b"", "must be a list"),
        ("a.json", b'{"sets": []}', 'begins with "pairs"'),
        ("a.json", b"[]", "holds no pair"),
        ("a.json", b'[{"a": "1"', "not valid JSON behind item 0"),
        ("a.json", b"[" + b"9" * 200_000, "not valid JSON behind item 0"),
        ("a.json", b'["\xff"]', "not text in UTF-8"),
        ("a.json", b"[1, {}]", "2 rows are wrong"),
    ],
)
async def test_a_file_that_is_none_is_refused(
    clinic: Clinic, tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    with pytest.raises(FileError) as caught:
        await load(clinic, written(tmp_path, data, name))
    assert reason in str(caught.value)
    with pytest.raises(FileError, match="No such file"):
        await load(clinic, tmp_path / "absent.csv")


@pytest.mark.parametrize("more", [b"6809,1191,warning,More.\n", b"x,1191,warning,Wrong.\n", b"\n"])
async def test_a_file_that_changes_while_it_is_read_is_refused(
    clinic: Clinic, tmp_path: Path, more: bytes
) -> None:
    path = written(tmp_path, as_csv(ROWS))
    await load(clinic, path)
    checked = files.check(path)
    path.write_bytes(as_csv(ROWS) + more)
    with pytest.raises(FileError, match="nothing was imported"):
        async with begin(clinic.caller) as tx:
            await actions.replace(tx, name="licensed", version="2", checked=checked)
    [kept] = await sets(clinic)
    assert (kept["version"], kept["pairs"]) == ("1", 2)


def test_a_file_that_is_wrong_throughout_is_told_in_bounded_space(tmp_path: Path) -> None:
    path = written(tmp_path, b"a,b,severity,text\n" + b"x,y,z,\n" * 5000)
    reading = files.Reading(path)
    assert list(reading) == []
    assert (reading.faults.count, len(reading.faults.kept)) == (5000, SHOWN)


ids = st.integers(1, 99_999_999).map(str)
some_rows = st.lists(
    st.fixed_dictionaries(
        {
            "a": ids,
            "b": ids,
            "severity": st.sampled_from(files.SEVERITIES),
            "text": st.text(
                st.characters(exclude_categories=("C", "Z")) | st.just(" "), min_size=1
            ).filter(lambda text: text.strip() and text.isprintable()),
        }
    ).filter(lambda row: row["a"] != row["b"]),
    min_size=1,
    max_size=40,
    unique_by=lambda row: tuple(sorted((row["a"], row["b"]))),
)


@given(some_rows)
def test_csv_and_json_say_the_same(tmp_path_factory: Any, rows: list[dict[str, str]]) -> None:
    folder = tmp_path_factory.mktemp("forms")
    expected = [
        {**row, "a": min(row["a"], row["b"]), "b": max(row["a"], row["b"]),
         "text": row["text"].strip()}
        for row in rows
    ]  # fmt: skip
    for name, data in (
        ("a.csv", as_csv(rows)),
        ("a.json", json.dumps(rows, ensure_ascii=len(rows) % 2 == 0).encode()),
    ):
        reading = files.Reading(written(folder, data, name))
        assert list(reading) == expected
        assert reading.faults.count == 0


async def test_more_than_one_batch_is_imported(clinic: Clinic, tmp_path: Path) -> None:
    rows = [
        {"a": str(n), "b": str(n + 1), "severity": "warning", "text": "Watch it."}
        for n in range(1, 12_002)
    ]
    made = await load(clinic, written(tmp_path, as_csv(rows)))
    assert made.pairs == 12_001

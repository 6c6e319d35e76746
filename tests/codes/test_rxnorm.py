"""A site's subset of RxNorm: loaded, looked up, replaced, and refused as a whole."""

from pathlib import Path
from typing import Any

import pytest

from chroniccare.codes import actions, rrf
from chroniccare.core.errors import Invalid
from chroniccare.core.rows import FileError
from chroniccare.platform.postgres import begin
from tests.client import Clinic
from tests.codes.rrf import CONCEPTS, conso, rel, write


async def load(clinic: Clinic, folder: Path, release: str = "2026-11-02") -> int:
    async with begin(clinic.caller) as tx:
        return await actions.replace_rxnorm(tx, release, rrf.read(folder))


async def look(clinic: Clinic, rxcui: str) -> dict[str, Any]:
    data: dict[str, Any] = (await clinic.get(f"/codes/rxnorm/{rxcui}")).json()["data"]
    return data


@pytest.mark.parametrize(
    ("rxcui", "ingredients"),
    [
        ("10734", ["tranylcypromine"]),
        ("9000001", ["tranylcypromine"]),
        ("9000004", ["tranylcypromine"]),
        ("9000005", ["tranylcypromine"]),
        ("9000006", ["amitriptyline", "perphenazine"]),
        ("9000009", ["tranylcypromine"]),
        ("9000010", []),
    ],
)
async def test_a_concept_is_known_with_what_it_is_made_of(
    clinic: Clinic, tmp_path: Path, rxcui: str, ingredients: list[str]
) -> None:
    assert await load(clinic, write(tmp_path)) == len(CONCEPTS)
    found = await look(clinic, rxcui)
    assert (found["known"], found["release"]) == (True, "2026-11-02")
    assert (found["term_type"], found["name"]) == CONCEPTS[rxcui]
    assert sorted(one["name"] for one in found["ingredients"]) == ingredients


async def test_without_a_subset_nothing_is_known(clinic: Clinic) -> None:
    found = await look(clinic, "6809")
    assert (found["known"], found["name"], found["release"]) == (False, None, None)
    assert (await clinic.get("/codes/rxnorm/123456789")).status_code == 400


async def test_a_release_replaces_the_one_before(
    clinic: Clinic, other_clinic: Clinic, tmp_path: Path
) -> None:
    await load(clinic, write(tmp_path))
    (tmp_path / "RXNCONSO.RRF").write_text(conso("6809", "IN", "metformin"), encoding="utf-8")
    assert await load(clinic, tmp_path, "2026-12-07") == 1
    assert (await look(clinic, "6809"))["release"] == "2026-12-07"
    assert (await look(clinic, "10734"))["known"] is False
    assert (await look(other_clinic, "6809"))["known"] is False
    logs = (await clinic.get("/audit")).json()["data"]["items"]
    actions_ = [one["action"] for one in logs if one["entity_type"] == "rxnorm_release"]
    assert actions_ == ["import", "import"]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("RXNCONSO.RRF", conso("6809", "IN", "metformin") + "6809|ENG|\n", 2),
        ("RXNCONSO.RRF", conso("x", "IN", "metformin"), 1),
        ("RXNCONSO.RRF", conso("6809", "IN", ""), 1),
        ("RXNREL.RRF", rel("704", "has_ingredient", "9000007") + "\n", 2),
        ("RXNREL.RRF", rel("704", "has_ingredient", "nine"), 1),
    ],
)
async def test_a_row_that_is_none_is_named_and_nothing_changes(
    clinic: Clinic, tmp_path: Path, name: str, text: str, line: int
) -> None:
    await load(clinic, write(tmp_path))
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(FileError, match="nothing was imported") as caught:
        await load(clinic, tmp_path, "2026-12-07")
    assert [fault.line for fault in caught.value.faults] == [line]
    assert (await look(clinic, "704"))["release"] == "2026-11-02"


async def test_files_that_are_missing_or_no_text_or_empty_are_refused(
    clinic: Clinic, tmp_path: Path
) -> None:
    with pytest.raises(FileError, match=r"RXNCONSO\.RRF: No such file"):
        await load(clinic, tmp_path)
    write(tmp_path)
    (tmp_path / "RXNREL.RRF").write_bytes(b"\xff\xfe")
    with pytest.raises(FileError, match="not text in UTF-8"):
        await load(clinic, tmp_path)
    write(tmp_path)
    (tmp_path / "RXNCONSO.RRF").write_text("", encoding="utf-8")
    with pytest.raises(Invalid):
        await load(clinic, tmp_path)

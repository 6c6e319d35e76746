"""The built-in table on paper: all 15 pairs in both directions, and no alert where none is due."""

import itertools
from collections.abc import Iterator
from importlib.resources import files
from uuid import UUID

import orjson
import pytest

from chroniccare.codes.rules import is_rxcui
from chroniccare.medications.interactions import rules
from chroniccare.medications.interactions.table import table
from tests.medications.interactions.regimens import REGIMENS

TABLE = table()
ID = UUID(int=1)

# Written down by hand from the published list, a drug for each side: not read out of the table.
ONC = {
    1: ("methylphenidate", "phenelzine"),
    2: ("atazanavir", "omeprazole"),
    3: ("febuxostat", "azathioprine"),
    4: ("fluoxetine", "tranylcypromine"),
    5: ("irinotecan", "ketoconazole"),
    6: ("meperidine", "isocarboxazid"),
    7: ("amitriptyline", "phenelzine"),
    8: ("dofetilide", "thioridazine"),
    9: ("ramelteon", "fluvoxamine"),
    10: ("darunavir", "rifampin"),
    11: ("simvastatin", "itraconazole"),
    12: ("ergotamine", "ritonavir"),
    13: ("tizanidine", "ciprofloxacin"),
    14: ("tranylcypromine", "procarbazine"),
    15: ("sumatriptan", "phenelzine"),
}


def drug(name: str) -> rules.Known:
    found = rules.known(TABLE, {}, name=name, generic_name=name, rxcui=None)
    assert found.complete, name
    return found


def met(new: str, old: str) -> list[str]:
    return [str(one.pair) for one in rules.interactions(TABLE, drug(new), {ID: drug(old)})]


def test_the_table_has_the_fifteen_pairs_each_with_its_source() -> None:
    assert [pair.id[:6] for pair in TABLE.pairs] == [f"onc-{n:02}" for n in range(1, 16)]
    for number, pair in enumerate(TABLE.pairs, 1):
        assert "J Am Med Inform Assoc 2012;19:735" in pair.citation
        assert pair.citation.endswith(f"table 4, row {number}")
        assert pair.text.endswith(".")
        assert pair.a
        assert pair.b


def test_every_member_is_an_ingredient_and_no_id_stands_twice() -> None:
    members = {name for one in TABLE.classes.values() for name in one.members}
    assert members <= TABLE.rxcuis.keys()
    codes = [code for code in TABLE.rxcuis.values() if code]
    assert len(codes) == len(set(codes))
    assert all(map(is_rxcui, codes))
    assert all(name == rules.normal(name) or rules.by_name(TABLE, name).complete
               for name in TABLE.rxcuis)  # fmt: skip


def test_what_could_not_be_confirmed_is_said() -> None:
    path = files("chroniccare.medications.interactions").joinpath("data/onc.json")
    unconfirmed = orjson.loads(path.read_bytes())["unconfirmed"]
    assert unconfirmed == sorted(set(unconfirmed))
    assert all(TABLE.rxcuis[name] for name in unconfirmed)
    # docs/medications.md counts them.
    in_pairs = {name for pair in TABLE.pairs for name in pair.a | pair.b}
    assert (len(unconfirmed), len(in_pairs & set(unconfirmed))) == (31, 5)
    assert TABLE.rxcuis["isosorbide mononitrate"] == "28004"  # 6057 is isosorbide


@pytest.mark.parametrize("number", ONC)
def test_each_pair_is_found_in_both_directions(number: int) -> None:
    one, other = ONC[number]
    for new, old in ((one, other), (other, one)):
        assert any(pair.startswith(f"onc-{number:02}") for pair in met(new, old))


def every_meeting() -> Iterator[tuple[str, str, str]]:
    for pair in TABLE.pairs:
        for one, other in itertools.product(sorted(pair.a), sorted(pair.b)):
            if one != other:
                yield pair.id, one, other


def test_every_member_meets_every_member_of_the_other_side() -> None:
    for pair, one, other in every_meeting():
        assert pair in met(one, other)
        assert pair in met(other, one)


def test_a_drug_does_not_interact_with_itself() -> None:
    for name in TABLE.rxcuis:
        assert met(name, name) == []


def test_there_are_fifty_common_regimens_of_several_drugs() -> None:
    assert len(REGIMENS) >= 50
    assert all(len(drugs) >= 3 for drugs in REGIMENS.values())
    assert len({frozenset(drugs) for drugs in REGIMENS.values()}) == len(REGIMENS)


@pytest.mark.parametrize("name", REGIMENS)
def test_a_common_regimen_gives_no_alert_in_whatever_order_it_is_prescribed(name: str) -> None:
    """Not by names alone: each drug is also known by its RXCUI."""
    for new, old in itertools.permutations(REGIMENS[name], 2):
        assert met(new, old) == []
        assert rules.duplicates(drug(new), {ID: drug(old)}) == []
    for one in REGIMENS[name]:
        code = TABLE.rxcuis[one]
        coded = rules.known(TABLE, {}, name="?", generic_name=None, rxcui=code)
        assert coded.ingredients == {one: code}


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("Tranylcypromine", {"tranylcypromine"}),
        ("  SERTRALINE   hydrochloride ", {"sertraline"}),
        ("tenofovir disoproxil fumarate", {"tenofovir disoproxil"}),
        ("calcium carbonate", {"calcium carbonate"}),
        ("lithium carbonate", {"lithium"}),
        ("lopinavir / ritonavir", {"lopinavir", "ritonavir"}),
        ("Lopinavir+Ritonavir", {"lopinavir", "ritonavir"}),
    ],
)
def test_a_generic_name_is_known_as_it_is_commonly_written(text: str, known: set[str]) -> None:
    found = rules.by_name(TABLE, text)
    assert (set(found.ingredients), found.complete) == (known, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Parnate",
        "tranylcypromin",
        "tranyl cypromine",
        "sodium",
        "x" * 300,
        "/",
        "sertraline 50 mg",
    ],
)
def test_what_is_not_exactly_a_name_is_not_guessed(text: str) -> None:
    found = rules.by_name(TABLE, text)
    assert (found.ingredients, found.complete) == ({}, False)


def test_a_part_that_is_not_known_leaves_the_others_checked_and_says_so() -> None:
    found = rules.by_name(TABLE, "ritonavir / unobtainium")
    assert (set(found.ingredients), found.complete) == ({"ritonavir"}, False)


def test_a_name_and_a_code_that_disagree_both_count() -> None:
    found = rules.known(TABLE, {}, name="x", generic_name="metformin", rxcui="10734")
    assert set(found.ingredients) == {"metformin", "tranylcypromine"}

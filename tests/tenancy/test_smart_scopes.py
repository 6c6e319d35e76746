"""The grammar of SMART scopes, and what is left of those asked for."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core.caller import SmartScope
from chroniccare.tenancy.smart_scopes import (
    MOST,
    ScopeError,
    granted,
    grants,
    parse,
    parse_all,
    written,
)

CONTEXTS = ("system", "user", "patient")
TYPES = ("*", "Patient", "Observation")
FILTERS = (("category", "lab"), ("status", "final"), ("_tag", "http://x.example|a,b & c=d%"))


def ordered(letters: set[str]) -> str:
    return "".join(letter for letter in "cruds" if letter in letters)


scopes = st.builds(
    SmartScope,
    st.sampled_from(CONTEXTS),
    st.sampled_from(TYPES),
    st.sets(st.sampled_from("cruds"), min_size=1).map(ordered),
    st.sets(st.sampled_from(FILTERS)).map(lambda found: tuple(sorted(found))),
)


@given(scopes)
def test_what_is_written_is_read_again(scope: SmartScope) -> None:
    assert parse(written(scope)) == scope


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=40)
)
def test_any_printable_value_survives(value: str) -> None:
    scope = SmartScope("system", "Patient", "rs", (("name", value),))
    assert parse(written(scope)) == scope


@given(st.text(max_size=40) | st.text("system/*.Patinrud?=&% ", max_size=40))
def test_other_text_is_a_scope_or_an_error(text: str) -> None:
    try:
        found = parse(text)
    except ScopeError:
        return
    assert parse(written(found)) == found


def test_an_error_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(ScopeError) as caught:
        parse("system/Patient.rs?name=canary&")
    assert "canary" not in str(caught.value)


@given(st.permutations("cruds").map("".join), st.integers(2, 5))
def test_letters_stand_in_one_order(letters: str, count: int) -> None:
    part = letters[:count]
    if part == ordered(set(part)):
        assert parse(f"system/Patient.{part}").letters == part
    else:
        with pytest.raises(ScopeError):
            parse(f"system/Patient.{part}")


@pytest.mark.parametrize(("first", "second"), [("read", "rs"), ("write", "cud"), ("*", "cruds")])
def test_the_first_edition_is_understood(first: str, second: str) -> None:
    assert parse(f"system/*.{first}") == parse(f"system/*.{second}")


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "system", "system/", "system/Patient", "system/Patient.", "system/Patient.x",
        "system/Patient.rr", "system/Patient.sr", "system/Patient.RS", "system/patient.rs",
        "System/Patient.rs", "launch/Patient.rs", "system/Patient.rs?", "system/Patient.rs?a",
        "system/Patient.rs?a=", "system/Patient.rs?=b", "system/Patient.rs?a=b&",
        "system/Patient.rs?a=%ff", "system/Patient.rs?a=%00", "system/Patient.read?a=b",
        "system/Patient.readwrite", "system/**.rs", "system/Patient.rs system/Patient.rs",
        'system/Patient.rs?a="', "system/Patient.rs?a=\\", "system/Patient.rs\n", "openid",
        "system/Pati\u00ebnt.rs", "system/Patient.rs?a=\u00eb", f"system/P{'a' * 64}.rs",
        f"system/Patient.rs?a={'b' * 1000}", f"system/Patient.rs?a={'@' * 400}",
        "system/Patient.rs?a b=c",
    ],
)  # fmt: skip
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(ScopeError):
        parse(text)


@pytest.mark.parametrize("letter", list("!*'()|$"))
def test_what_is_taken_can_be_read_again(letter: str) -> None:
    scope = parse(f"system/Observation.rs?code={letter * 400}")
    assert parse(written(scope)) == scope
    assert granted([scope], [scope]) == (scope,)


def test_two_that_are_too_long_together_are_refused() -> None:
    one, other = (parse(f"system/Observation.rs?{name}={name * 600}") for name in "ab")
    wide = parse("system/Observation.rs")
    assert granted([one], [wide]) == (one,)
    with pytest.raises(ScopeError, match="at most"):
        granted([one], [other])
    assert granted([one, wide], [other]) == (other,)  # what is covered is not told


def test_a_list_is_bounded_and_says_nothing_twice() -> None:
    assert len(parse_all("system/Patient.rs  system/Patient.read system/*.c")) == 2
    for text in ("", "   ", " ".join(["system/Patient.rs"] * (MOST + 1))):
        with pytest.raises(ScopeError):
            parse_all(text)
    many = tuple(SmartScope("system", "*", "r", ((f"a{n}", "x"),)) for n in range(MOST))
    others = tuple(SmartScope("system", "*", "r", ((f"b{n}", "x"),)) for n in range(MOST))
    with pytest.raises(ScopeError, match="too many"):
        granted(many, others)


Record = tuple[str, str, str, frozenset[tuple[str, str]]]
EVERYTHING: list[Record] = [
    (context, kind, letter, frozenset(f for f, is_in in zip(FILTERS, mask, strict=True) if is_in))
    for context in CONTEXTS
    for kind in TYPES[1:]
    for letter in "cruds"
    for mask in product((False, True), repeat=len(FILTERS))
]


def opens(listed: tuple[SmartScope, ...], record: Record) -> bool:
    """Say by the words of the standard whether one of the scopes opens the record."""
    context, kind, letter, matched = record
    return any(
        one.context == context
        and one.type in {"*", kind}
        and letter in one.letters
        and set(one.filters) <= matched
        for one in listed
    )


lists = st.lists(scopes, max_size=5).map(tuple)


@given(lists, lists)
def test_granted_is_what_is_both_asked_for_and_allowed(
    requested: tuple[SmartScope, ...], allowed: tuple[SmartScope, ...]
) -> None:
    found = granted(requested, allowed)
    assert len(set(found)) == len(found)
    for record in EVERYTHING:
        assert opens(found, record) == (opens(requested, record) and opens(allowed, record))
    assert set(granted(found, allowed)) == set(found)


@given(lists)
def test_grants_says_which_records_of_a_type(listed: tuple[SmartScope, ...]) -> None:
    for context, kind, letter, matched in EVERYTHING:
        if context != "system":
            continue
        found = grants(listed, kind, letter)
        is_open = found is not None and (
            found == "all" or any(set(one) <= matched for one in found)
        )
        assert is_open == opens(listed, (context, kind, letter, matched))


def test_only_the_system_is_in_context() -> None:
    assert grants(parse_all("user/*.cruds patient/*.cruds"), "Patient", "r") is None
    assert grants(parse_all("system/Patient.rs"), "Patient", "r") == "all"
    narrow = parse_all("system/Patient.r?active=true system/*.r?_tag=a&_tag=b")
    assert grants(narrow, "Patient", "r") == [
        (("active", "true"),),
        (("_tag", "a"), ("_tag", "b")),
    ]

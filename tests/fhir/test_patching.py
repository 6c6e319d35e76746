"""JSON Patch as RFC 6902 has it, and FHIRPath Patch of one element, on paper."""

from typing import Any

import pytest

from chroniccare.core.errors import Invalid, Problem, TooLarge, Unprocessable
from chroniccare.fhir import patching, patching_paths

# The examples of RFC 6902, appendix A: document, patch, result (None: refused).
RFC: list[tuple[Any, list[dict[str, Any]], Any]] = [
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"foo": "bar", "baz": "qux"}),
    (
        {"foo": ["bar", "baz"]},
        [{"op": "add", "path": "/foo/1", "value": "qux"}],
        {"foo": ["bar", "qux", "baz"]},
    ),
    ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    (
        {"foo": ["bar", "qux", "baz"]},
        [{"op": "remove", "path": "/foo/1"}],
        {"foo": ["bar", "baz"]},
    ),
    (
        {"baz": "qux", "foo": "bar"},
        [{"op": "replace", "path": "/baz", "value": "boo"}],
        {"baz": "boo", "foo": "bar"},
    ),
    (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    (
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    (
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [
            {"op": "test", "path": "/baz", "value": "qux"},
            {"op": "test", "path": "/foo/1", "value": 2.0},
        ],
        {"baz": "qux", "foo": ["a", 2, "c"]},
    ),
    ({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "bar"}], None),
    (
        {"foo": "bar"},
        [{"op": "add", "path": "/child", "value": {"grandchild": {}}}],
        {"foo": "bar", "child": {"grandchild": {}}},
    ),
    (
        {"foo": "bar"},
        [{"op": "add", "path": "/baz", "value": "qux", "xyz": 1}],
        {"foo": "bar", "baz": "qux"},
    ),
    ({"foo": "bar"}, [{"op": "add", "path": "/baz/bat", "value": "qux"}], None),
    ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": "10"}], None),
    ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["a"]}], {"foo": ["bar", ["a"]]}),
    ({"a": 1}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": 1, "b": 1}),
    ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
    ({"a": True}, [{"op": "test", "path": "/a", "value": 1}], None),
    ({"a": [1]}, [{"op": "remove", "path": "/a/00"}], None),
    ({"a": [1]}, [{"op": "remove", "path": "/a/-"}], None),
    ({"a": [1]}, [{"op": "add", "path": "/a/2", "value": 1}], None),
    ({"a": 1}, [{"op": "copy", "from": "/b", "path": "/a"}], None),
]


@pytest.mark.parametrize(("document", "patch", "wanted"), RFC)
def test_json_patch(document: Any, patch: list[dict[str, Any]], wanted: Any) -> None:
    before = repr(document)
    if wanted is None:
        with pytest.raises(Unprocessable):
            patching.patched(document, patch)
    else:
        assert patching.same(patching.patched(document, patch), wanted)
    assert repr(document) == before


@pytest.mark.parametrize(
    "patch",
    [
        {}, [1], [{"op": "jump", "path": ""}], [{"op": "add", "path": "/a"}],
        [{"op": "remove"}], [{"op": "remove", "path": "a"}], [{"op": "remove", "path": "/~2"}],
        [{"op": "move", "from": "/a", "path": "/a/b"}], [{"op": "copy", "path": "/a"}],
    ],
)  # fmt: skip
def test_what_is_no_json_patch(patch: Any) -> None:
    with pytest.raises(Invalid):
        patching.patched({"a": {"b": 1}}, patch)


def test_a_patch_cannot_grow_without_end() -> None:
    double = [{"op": "copy", "from": "", "path": f"/{number}"} for number in range(60)]
    with pytest.raises(TooLarge):
        patching.patched({"a": "b"}, double)


PERSON: dict[str, Any] = {
    "resourceType": "Patient",
    "name": [{"use": "official", "family": "Ng", "given": ["Zoe", "May"]}, {"use": "usual"}],
    "telecom": [
        {"system": "phone", "value": "1", "use": "home"}, {"system": "email", "value": "2"},
        {"system": "phone", "value": "3"},
    ],
    "active": True,
    "deceasedBoolean": False,
    "contact": [{"name": {"family": "Ng"}}],
}  # fmt: skip


def operation(kind: str, path: str, **parts: Any) -> dict[str, Any]:
    """Return an operation; a value that is no part itself is a string."""
    found = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    for name, value in parts.items():
        if isinstance(value, dict):
            found.append({"name": name, **value})
        elif isinstance(value, int):
            found.append({"name": name, "valueInteger": value})  # type: ignore[dict-item]
        else:
            found.append({"name": name, "valueString": value})
    return {"name": "operation", "part": found}


def changed(*operations: dict[str, Any]) -> dict[str, Any]:
    document = patching.patched(PERSON, [])
    parameters = {"resourceType": "Parameters", "parameter": list(operations)}
    return patching_paths.patched(document, parameters)


def test_fhirpath_patch() -> None:
    assert (
        changed(operation("replace", "Patient.name[0].family", value="Öz"))["name"][0]["family"]
        == "Öz"
    )
    where = "Patient.telecom.where(system = 'phone' and use='home').value"
    assert changed(operation("replace", where, value="9"))["telecom"][0]["value"] == "9"
    point = {"valueContactPoint": {"system": "fax", "value": "4"}}
    assert (
        changed(operation("add", "Patient", name="telecom", value=point))["telecom"][3]["value"]
        == "4"
    )
    assert (
        changed(operation("insert", "Patient.telecom", index=1, value=point))["telecom"][1]["value"]
        == "4"
    )
    assert (
        changed(operation("add", "Patient", name="birthDate", value={"valueDate": "1990"}))[
            "birthDate"
        ]
        == "1990"
    )
    dead = changed(
        operation("delete", "Patient.deceased"),
        operation("add", "Patient", name="deceased", value={"valueDateTime": "2020"}),
    )
    assert "deceasedBoolean" not in dead
    assert dead["deceasedDateTime"] == "2020"
    assert "active" not in changed(operation("delete", "Patient.active"))
    assert changed(operation("delete", "Patient.birthDate")) == PERSON
    assert "contact" not in changed(operation("delete", "Patient.contact.first()"))
    moved = changed(operation("move", "Patient.telecom", source=0, destination=2))
    assert [one["value"] for one in moved["telecom"]] == ["2", "3", "1"]
    assert changed(operation("delete", "Patient.name[0].given.last()"))["name"][0]["given"] == [
        "Zoe"
    ]
    parts = {"part": [{"name": "name", "part": [{"name": "family", "valueString": "Li"}]}]}
    backbone = changed(operation("add", "Patient", name="contact", value=parts))
    assert backbone["contact"][1] == {"name": {"family": "Li"}}
    assert (
        changed(operation("delete", "Patient.deceased.ofType(boolean)")).get("deceasedBoolean")
        is None
    )


@pytest.mark.parametrize(
    ("problem", "one"),
    [
        (Unprocessable, operation("replace", "Patient.telecom.value", value="9")),
        (Unprocessable, operation("replace", "Patient.name[7].family", value="9")),
        (Unprocessable, operation("delete", "Patient.telecom")),
        (Unprocessable, operation("delete", "Patient")),
        (Unprocessable, operation("replace", "Patient", value="9")),
        (Unprocessable, operation("add", "Patient", name="color", value="9")),
        (Unprocessable, operation("add", "Patient", name="active", value={"valueBoolean": True})),
        (Unprocessable, operation("add", "Patient.active", name="x", value="9")),
        (Unprocessable, operation("add", "Patient", name="multipleBirth", value="9")),
        (Unprocessable, operation("insert", "Patient.active", index=0, value="9")),
        (Unprocessable, operation("insert", "Patient.telecom", index=4, value="9")),
        (Unprocessable, operation("move", "Patient.telecom", source=3, destination=0)),
        (Invalid, operation("replace", "Patient.name.exists()", value="9")),
        (Invalid, operation("replace", "Person.name", value="9")),
        (Invalid, operation("replace", "Patient.name[0]family", value="9")),
        (Invalid, operation("jump", "Patient.name")),
        (Invalid, operation("delete", "Patient.name", value="9")),
        (Invalid, operation("replace", "Patient.active")),
        (Invalid, operation("add", "Patient", name="contact", value={"part": []})),
        (Invalid, {"name": "other", "part": []}),
    ],
)
def test_fhirpath_patches_that_are_refused(problem: type[Problem], one: dict[str, Any]) -> None:
    with pytest.raises(problem) as refused:
        changed(one)
    assert refused.value.details[0].field.startswith("Parameters.parameter[0]")


def test_extensions_of_values_in_a_list_are_not_shifted() -> None:
    document = {
        "resourceType": "Patient",
        "name": [{"given": ["A", "B"], "_given": [None, {"id": "x"}]}],
    }
    with pytest.raises(Unprocessable):
        patching_paths.patched(
            document,
            {"parameter": [operation("delete", "Patient.name.given[0]")]},
        )


def test_a_patch_that_is_done_again_begins_anew() -> None:
    li = {"valueHumanName": {"family": "Li", "given": ["A"]}}
    name = operation("add", "Patient", name="name", value=li)
    parameters = {
        "parameter": [
            name, operation("add", "Patient.name", name="given", value={"valueString": "B"})
        ]
    }  # fmt: skip
    found = [patching_paths.patched({"resourceType": "Patient"}, parameters) for _ in "12"]
    assert [one["name"][0]["given"] for one in found] == [["A", "B"], ["A", "B"]]


@pytest.mark.parametrize("kind", [["add"], {}, None, 1, "jump"])
def test_what_is_no_operation(kind: Any) -> None:
    with pytest.raises(Invalid):
        patching.patched({}, [{"op": kind, "path": "", "value": 1}])

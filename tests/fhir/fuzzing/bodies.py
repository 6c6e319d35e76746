"""Bodies made of valid resources by mutation, patches of what is there, and Bundles of both."""

import copy
from collections.abc import Iterator
from typing import Any

import orjson

from chroniccare.fhir.definitions.table import resource_types, type_of
from tests.fhir import generated
from tests.fhir.fuzzing.asked import ODD, Asking, Json
from tests.fhir.stored.made import example
from tests.fhir.test_mutations import MUTATIONS, places

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**31, 2**63, 2**64 - 1, 1e308, 0.1, [], {}, [[]], [None], [{}],
    {"resourceType": "Patient"}, {"reference": "Patient/x"}, {"id": "x"},
)  # fmt: skip
_EXTENSION = {"url": "http://example.org/x", "valueString": "x"}
_OPERATIONS = ("add", "remove", "replace", "move", "copy", "test", "jump")
_KINDS = ("add", "insert", "delete", "replace", "move", "jump")
_DEEP = b'{"resourceType":"Patient","extension":' + b"[" * 200 + b"]" * 200 + b"}"
_BROKEN = (
    b"", b"null", b"[]", b"{}", b'"x"', b"{", b"\xff", b"\xef\xbb\xbf{}", b"1e999", b"NaN", _DEEP,
    b'{"resourceType":"Patient","resourceType":"Patient"}', b'{"resourceType":1}',
    b'{"resourceType":"Patient","active":1e400}', b'{"resourceType":"\\ud800"}',
    b'{"resourceType":"Patient","name":[{"family":"\\u0000"}]}', b"<Patient/>",
)  # fmt: skip


def inside(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, Any, tuple[Any, ...]]]:
    """Yield each place of a document: what holds it, its key or number, and the way there."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in list(members):
        yield value, key, (*path, key)
        if isinstance(member, dict | list):
            yield from inside(member, (*path, key))


class Bodies:
    """What is sent, by throws of the dice of `asking`."""

    def __init__(self, asking: Asking) -> None:
        self.asking, self.dice = asking, asking.dice

    def resource(self, name: str) -> Json:
        """Return a resource of a type: one that is there, an example, or one made at random."""
        record = self.asking.record(name)
        if record is not None and not self.asking.is_rare(0.2):
            return copy.deepcopy(record)
        if name not in resource_types():
            return {"resourceType": name}
        if self.asking.is_rare(0.5):
            try:
                return self._led(example(name))
            except KeyError:  # none was written
                pass
        return self._led(generated.resource(name, self.dice, self.asking.some(0.0, 0.1, 0.4)))

    def _led(self, said: Json) -> Json:
        """Have most references lead to what is there."""
        for holder, key, _ in list(inside(said)):
            if key == "reference" and isinstance(holder[key], str) and "/" in holder[key]:
                name = holder[key].partition("/")[0]
                record = self.asking.record(name)
                if record and not self.asking.is_rare():
                    holder[key] = f"{name}/{record['id']}"
        return said

    def changed(self, said: Json) -> Json:
        """Return a resource with up to three mutations."""
        for _ in range(self.asking.some(0, 0, 0, 1, 1, 2, 3)):
            if self.asking.is_rare(0.4):
                self._typed(said)
            else:
                self._anywhere(said)
        return said

    def _typed(self, said: Json) -> None:
        """Make a mistake that the definitions know, where it can be made."""
        try:
            name = said["resourceType"]
            every = list(places(said, type_of(name), name))
            self.dice.choice(MUTATIONS)(self.dice.choice(every), self.dice)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            return  # what was mutated before is no resource there any more

    def _anywhere(self, said: Json) -> None:
        found = list(inside(said))
        if not found:
            return
        holder, key, _ = self.dice.choice(found)
        match self.dice.randrange(6):
            case 0:
                del holder[key]
            case 1:
                holder[key] = copy.deepcopy(self.dice.choice(_VALUES))
            case 2:
                holder[key] = self.dice.choice(ODD)
            case 3:
                other, at, _ = self.dice.choice(found)
                holder[key] = copy.deepcopy(other[at]) if at in _keys(other) else "x"
            case 4 if isinstance(holder[key], list):
                holder[key] = holder[key] * 2
            case 5 if isinstance(holder, dict):
                holder[self.asking.some("x", f"_{key}", "extension", "contained", "id")] = (
                    copy.deepcopy(holder[key])
                )
            case _:
                holder[key] = [copy.deepcopy(holder[key])]

    def body(self, name: str, *, record_id: str | None = None) -> bytes:
        """Return a body of a resource, now and then of none."""
        if self.asking.is_rare(0.03):
            return self.dice.choice(_BROKEN)
        said = self.resource(name)
        if record_id is not None:
            said["id"] = record_id
        elif self.asking.is_rare(0.5):
            said.pop("id", None)
            said.pop("identifier", None)  # a number is given once
        return self.written(self.changed(said))

    def written(self, said: Any) -> bytes:
        """Write a document, now and then with a byte that is not of it."""
        try:
            text = orjson.dumps(said)
        except TypeError:  # over 64 bits, or a surrogate
            text = b"{}"
        if text and self.asking.is_rare(0.03):
            at = self.dice.randrange(len(text))
            text = text[:at] + self.asking.some(b"", b"\xff", b"\0", b'"', b"{") + text[at + 1 :]
        return text

    def json_patch(self, name: str) -> bytes:
        record = self.asking.record(name) or {"a": 1}
        ways = [path for _, _, path in inside(record)]
        made: list[Json] = []
        if self.asking.is_rare(0.3):  # one that may well be taken
            path, value = self.asking.some(
                ("/language", "en"), ("/active", True), ("/extension", [_EXTENSION]),
                ("/note", [{"text": "x"}]), ("/status", "cancelled"), ("/comment", "x"),
            )  # fmt: skip
            return self.written([{"op": "add", "path": path, "value": value}])
        for _ in range(self.asking.some(1, 1, 2, 5)):
            one: Json = {"op": self.dice.choice(_OPERATIONS), "path": self._pointer(ways)}
            if self.asking.is_rare(0.8):
                one["value"] = self._value(record)
            if one["op"] in {"move", "copy"}:
                one["from"] = self._pointer(ways)
            made.append(one)
        return self.written(made[0] if self.asking.is_rare(0.05) else made)

    def _pointer(self, ways: list[tuple[Any, ...]]) -> str:
        if self.asking.is_rare():
            return str(self.some_odd())
        said = "".join(f"/{key}" for key in self.dice.choice(ways))
        return said + str(self.asking.some("", "", "", "/-", "/0", "/x", "/-1", "/01", "/~1"))

    def some_odd(self) -> str:
        return self.dice.choice(ODD)

    def _value(self, record: Json) -> Any:
        holder, key, _ = self.dice.choice(list(inside(record)))
        odd = self.dice.choice([*_VALUES, *ODD])
        return copy.deepcopy(self.asking.some(holder[key], holder[key], odd))

    def path_patch(self, name: str) -> bytes:
        """Return a FHIRPath Patch."""
        record = self.asking.record(name) or {"a": 1}
        ways = [path for _, _, path in inside(record)]
        made = []
        for _ in range(self.asking.some(1, 1, 2)):
            steps = "".join(
                f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.dice.choice(ways)
            )
            path = self.asking.some(name, name + steps, name + steps, f"{name}.where(", steps,
                                    f"{name}{steps}.where(a='b')", self.some_odd())  # fmt: skip
            parts: list[Json] = [
                {"name": "type", "valueCode": self.dice.choice(_KINDS)},
                {"name": "path", "valueString": path},
                {"name": "name", "valueString": self.asking.some("active", "extension", "x", "id")},
                {"name": "value", self.asking.some("valueString", "valueBoolean", "valueCode"):
                    self._value(record)},
                {"name": "index", "valueInteger": self.asking.some(0, 1, -1, 99)},
                {"name": "source", "valueInteger": self.asking.some(0, 1, 99)},
                {"name": "destination", "valueInteger": self.asking.some(0, 1, 99)},
            ]  # fmt: skip
            kept = [one for one in parts if not self.asking.is_rare(0.2)]
            made.append({"name": "operation", "part": kept})
        return self.written(self.changed({"resourceType": "Parameters", "parameter": made}))

    def parameters(self, known: tuple[str, ...]) -> bytes:
        """Return Parameters with some of the names that an operation knows."""
        made = [self._parameter(name) for name in known if self.asking.is_rare(0.4)]
        if self.asking.is_rare():
            made.append({"name": "nonsense", "valueString": "x"})
        return self.written(self.changed({"resourceType": "Parameters", "parameter": made}))

    def _parameter(self, name: str) -> Json:
        if name.endswith("resource"):
            kind = {"patient-resource": "Patient", "appointment-resource": "Appointment"}.get(name)
            return {"name": name, "resource": self.resource(kind or self.asking.type())}
        if name.endswith(("reference", "practitioner", "organization", "slot", "location")):
            return {"name": name, "valueReference": {"reference": self.asking.reference()}}
        if name in {"start", "end", "_since"}:
            value = self.asking.some("2026-12-01", "2026-12-08T10:00:00Z", "2026-12", "x", "9999")
            return {"name": name, self.asking.some("valueDateTime", "valueString"): value}
        if name in {"_count", "count"}:
            return {"name": name, "valueInteger": self.asking.some(0, 1, 10, -1, 10**6)}
        return {"name": name, "valueString": self.asking.some("Patient", "x", self.some_odd())}


def _keys(holder: Any) -> Any:
    return holder if isinstance(holder, dict) else range(len(holder))

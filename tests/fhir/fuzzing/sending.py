"""Requests to every interaction of the CapabilityStatement, and what their answers must be."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from chroniccare.core.errors import Problem
from tests.fhir.fuzzing.asked import ODD, Asking, Json, Records
from tests.fhir.fuzzing.bodies import Bodies
from tests.fhir.server import judged

FHIR, PATCH = "application/fhir+json", "application/json-patch+json"
_FORM = "application/x-www-form-urlencoded"
_KEPT = 25
"""Records of each type that are aimed at."""
_STATUSES = frozenset(
    {200, 201, 202, 204, 304, 400, 404, 405, 406, 409, 410, 412, 413, 414, 415, 422, 429, 501}
)
_HEADERS: dict[str, tuple[str, ...]] = {
    "Accept": ("application/fhir+json", "*/*", "text/html", "application/xml", ";", "", "a/b;q=x"),
    "Prefer": ("return=minimal", "return=OperationOutcome", "handling=lenient", "return", "x=,;"),
    "If-Match": ('W/"1"', 'W/"2"', '"1"', "*", "1", 'W/"x"', 'W/"' + "9" * 30 + '"', "", 'W/"1'),
    "If-None-Match": ('W/"1"', "*", '"1", W/"2"', "x", ""),
    "If-Modified-Since": ("Mon, 30 Nov 2026 10:00:00 GMT", "x", "Mon, 99 Nov 9999 99:99:99 GMT"),
    "If-None-Exist": ("identifier=1", "_id=x", "", "nonsense=1", "%ff=1", "name:exact=x&_count=1"),
    "Content-Type": (FHIR, "application/json", PATCH, _FORM, "text/plain", "application/fhir+xml",
                     "", "application/fhir+json; charset=latin-1", "a" * 500),
    "Content-Encoding": ("gzip", "x"),
    "X-Request-Id": ("a", "\x7f", "x" * 300),
    "Idempotency-Key": ("k-1", "k-2", "x" * 300, ""),
}  # fmt: skip
_OPERATIONS: dict[str, tuple[str, ...]] = {
    "find": ("start", "end", "specialty", "visit-type", "practitioner", "organization",
             "location-reference", "patient-reference", "patient-resource", "reason", "_count"),
    "hold": ("appointment-reference", "patient-reference"),
    "book": ("appointment-reference", "appointment-resource", "patient-reference",
             "patient-resource", "comment"),
    "reschedule": ("start", "slot", "practitioner", "location", "reason"),
    "cancel": ("reason",),
    "everything": ("start", "end", "_since", "_type", "_count", "_cursor"),
    "match": ("resource", "onlyCertainMatches", "count"),
    "validate": ("resource", "mode", "profile"),
    "export": ("_since", "_type", "_outputFormat"),
    "status": ("id",),
    "events": ("eventsSinceNumber", "eventsUntilNumber", "content"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        said = self.body[:3000].decode("utf-8", "replace")
        return f"{self.method} /fhir{self.path} {self.headers} {said}"


class Fuzzer:
    """Requests by the throws of one seed; what is made goes into `records`, and is aimed at."""

    def __init__(self, dice: Random, statement: Json, records: Records) -> None:
        self.dice = dice
        self.asking = Asking(dice, statement, records)
        self.bodies = Bodies(self.asking)
        self.answers: Counter[str] = Counter()
        self.kinds: list[Callable[[str], Asked]] = [
            self.read, self.versions, self.search, self.search, self.search_form, self.page,
            self.create, self.update, self.patch, self.patch, self.delete, self.conditional,
            self.bundle, self.operation, self.nonsense,
        ]  # fmt: skip

    def request(self) -> Asked:
        """Return the next request."""
        asked = self.dice.choice(self.kinds)(self.asking.type())
        headers = {"Content-Type": FHIR, **asked.headers}
        for _ in range(self.asking.some(0, 0, 0, 1, 2)):
            name = self.dice.choice(list(_HEADERS))
            headers[name] = self.dice.choice(_HEADERS[name])
        return Asked(asked.method, asked.path, asked.body, headers)

    def _get(self) -> str:
        return "HEAD" if self.asking.is_rare() else "GET"

    def read(self, name: str) -> Asked:
        query = f"?{self.asking.query(name)}" if self.asking.is_rare(0.2) else ""
        return Asked(self._get(), f"/{quote(name)}/{self.asking.id(name)}{query}")

    def versions(self, name: str) -> Asked:
        one = f"/{quote(name)}/{self.asking.id(name)}/_history"
        number = self.asking.some(1, 2, 0, -1, "x", 10**30)
        path = self.asking.some("/_history", f"/{quote(name)}/_history", one, f"{one}/{number}")
        since = self.asking.some("", "?_count=1", "?_since=2026", "?_at=2026-11", "?_count=0",
                                 "?_since=x", "?_cursor=x", "?_sort=_lastUpdated")  # fmt: skip
        return Asked(self._get(), path + since)

    def search(self, name: str) -> Asked:
        return Asked(self._get(), f"/{quote(name)}?{self.asking.query(name)}")

    def search_form(self, name: str) -> Asked:
        path = f"/{quote(name)}/_search"
        if self.asking.is_rare():
            path += f"?{self.asking.query(name)}"
        body = self.asking.query(name).encode()
        return Asked("POST", path, body, {"Content-Type": _FORM})

    def page(self, name: str) -> Asked:
        """Follow a link of an earlier page, or what it may not be changed to."""
        if not self.asking.cursors:
            return Asked("GET", f"/{quote(name)}?_count=1")
        path = self.dice.choice(self.asking.cursors)
        if self.asking.is_rare(0.3):
            at = self.dice.randrange(1, len(path))
            path = path[:at] + self.asking.some("", "A", "&_count=2&") + path[at + 1 :]
        return Asked("GET", path if path.startswith("/") else f"/{path}")

    def create(self, name: str) -> Asked:
        return Asked("POST", f"/{quote(name)}", self.bodies.body(name))

    def update(self, name: str) -> Asked:
        record_id = self.asking.id(name)
        return Asked("PUT", f"/{quote(name)}/{record_id}",
                     self.bodies.body(name, record_id=record_id))  # fmt: skip

    def patch(self, name: str) -> Asked:
        path = f"/{quote(name)}/{self.asking.id(name)}"
        if self.asking.is_rare():
            path = f"/{quote(name)}?{self.asking.query(name)}"
        if self.asking.is_rare(0.5):
            return Asked("PATCH", path, self.bodies.path_patch(name))
        return Asked("PATCH", path, self.bodies.json_patch(name), {"Content-Type": PATCH})

    def delete(self, name: str) -> Asked:
        if not self.asking.is_rare(0.3):
            return self.update(name)  # else little is left to aim at
        return Asked("DELETE", f"/{quote(name)}/{self.asking.id(name)}")

    def conditional(self, name: str) -> Asked:
        query = f"/{quote(name)}?{self.asking.query(name)}"
        match self.dice.randrange(3):
            case 0:
                return Asked("PUT", query, self.bodies.body(name))
            case 1:
                # Not by what all have in common: nothing would be left to aim at.
                return Asked("DELETE", f"/{quote(name)}?_id={self.asking.id(name)}")
            case _:
                headers = {"If-None-Exist": self.asking.query(name).replace("\r", "")}
                return Asked("POST", f"/{quote(name)}", self.bodies.body(name), headers)

    def bundle(self, _: str) -> Asked:
        entries = [self._entry(number) for number in range(self.asking.some(0, 1, 1, 2, 3, 5))]
        type_ = self.asking.some("batch", "batch", "transaction", "transaction", "document", "x")
        said = {"resourceType": "Bundle", "type": type_, "entry": entries}
        if self.asking.is_rare(0.3):
            self.bodies.changed(said)
        return Asked("POST", self.asking.some("", "/"), self.bodies.written(said))

    def _entry(self, number: int) -> Json:
        name = self.asking.type()
        inner = self.dice.choice(self.kinds[:-2])(name)
        made: Json = {"request": {"method": inner.method, "url": inner.path.removeprefix("/")}}
        if inner.method in {"POST", "PUT"}:
            said = self.bodies.changed(self.bodies.resource(name))
            made["resource"] = said
            if number and self.asking.is_rare(0.4):  # of another entry of this Bundle
                said["subject"] = {"reference": f"urn:uuid:{number - 1:032}"}
        if inner.method == "PATCH":
            binary = {"contentType": PATCH, "data": self.asking.some("W10=", "x", "bnVsbA==")}
            made["resource"] = {"resourceType": "Binary", **binary}
        if self.asking.is_rare(0.5):
            made["fullUrl"] = self.asking.some(f"urn:uuid:{number:032}", "urn:uuid:1", "x")
        for header in ("ifMatch", "ifNoneExist", "ifNoneMatch", "ifModifiedSince"):
            if self.asking.is_rare(0.05):
                made["request"][header] = self.asking.some('W/"1"', "_id=x", "*", "x", "2026")
        return made

    def operation(self, name: str) -> Asked:
        operation = self.dice.choice(list(_OPERATIONS))
        for served, one in self.asking.types.items():
            known = {each["name"] for each in one.get("operation", [])}
            if operation in known and not self.asking.is_rare(0.2):
                name = served
                if operation != "validate" or self.asking.is_rare():
                    break
        at = f"/{self.asking.id(name)}" if self.asking.is_rare(0.6) else ""
        path = f"/{quote(name)}{at}/${operation}"
        if self.asking.is_rare(0.3):
            names = [one for one in _OPERATIONS[operation] if self.asking.is_rare(0.4)]
            query = "&".join(f"{one}={quote(self.asking.value(name, 'date'))}" for one in names)
            return Asked("GET", f"{path}?{query}")
        if operation == "validate" and self.asking.is_rare(0.5):
            return Asked("POST", path, self.bodies.body(name))
        return Asked("POST", path, self.bodies.parameters(_OPERATIONS[operation]))

    def nonsense(self, name: str) -> Asked:
        """Ask by any method for an address that may be none."""
        parts = [self.asking.some(name, self.asking.id(name), self.dice.choice(ODD), "_history",
                                  "_search", "$validate", "metadata", "$export", "..")
                 for _ in range(self.asking.some(1, 2, 3, 4, 5))]  # fmt: skip
        method = self.asking.some("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
        return Asked(method, "/" + "/".join(quote(one, safe="%$") for one in parts))

    def check(self, asked: Asked, answer: httpx.Response) -> None:
        """Judge an answer, and remember what may be aimed at.

        Raises:
            AssertionError: it is not as it must be.
            ValueError: as before, by the judge that knows models.
        """
        judged(answer)
        assert answer.status_code in _STATUSES, f"answered {answer.status_code}"
        body = orjson.loads(answer.content) if answer.content else {}
        if body.get("resourceType") != "Bundle":
            if answer.status_code == 201 and "id" in body:
                self._keep(body)
            elif answer.status_code == 410:
                self._forget(asked.path)
            return
        for entry in body.get("entry", []):
            inner = entry.get("response", {}).get("status", "200")
            assert not inner.startswith("5"), f"an entry answered {inner}"
        self._follow(body)

    def _keep(self, record: Json) -> None:
        kept = self.asking.records.setdefault(record["resourceType"], [])
        kept.append(record)
        if len(kept) > _KEPT:
            kept.pop(self.dice.randrange(len(kept)))

    def _forget(self, path: str) -> None:
        name, _, rest = path.strip("/").partition("/")
        kept = self.asking.records.get(name, [])
        gone = rest.partition("/")[0].partition("?")[0]
        if len(kept) > 2:
            kept[:] = [one for one in kept if one["id"] != gone] or kept[:1]

    def _follow(self, bundle: Json) -> None:
        for link in bundle.get("link", []):
            if link["relation"] == "next":
                self.asking.cursors.append(link["url"].partition("/fhir")[2])
        del self.asking.cursors[:-_KEPT]


async def attempt(http: httpx.AsyncClient, fuzzer: Fuzzer, asked: Asked) -> str | None:
    """Send a request; return what is wrong with its answer, or nothing."""
    headers: Any = [(name, value.encode("utf-8")) for name, value in asked.headers.items()]
    try:
        answer = await http.request(
            asked.method, f"http://clinic.test/fhir{asked.path}", headers=headers,
            content=asked.body,
        )  # fmt: skip
    except httpx.InvalidURL:
        return None  # no client would send it
    except Exception as error:  # noqa: BLE001  whatever the application let through is a fault
        return f"{error!r}"
    if not answer.request.url.path.startswith("/fhir/") and asked.path not in {"", "/"}:
        return None  # httpx has gone up by `..`
    fuzzer.answers[f"{asked.method} {answer.status_code}"] += 1
    try:
        fuzzer.check(asked, answer)
    except (AssertionError, KeyError, ValueError, Problem) as error:
        issues = getattr(error, "issues", "")
        said = f"{answer.status_code}: {error!r:.1500} {issues}"
        return f"{said}\n{answer.text[:1500]}"
    return None

"""Bundles of requests: a transaction as a whole or not at all, a batch entry by entry.

A transaction deletes, makes, replaces and reads, in this order, whatever the order of its entries,
in one transaction of the database. `urn:uuid:...` of an entry, and `Patient?identifier=...`, become
references to the record.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chroniccare.audit.refusals import note_refused
from chroniccare.core.caller import Caller
from chroniccare.core.errors import (
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    Problem,
    TooLarge,
)
from chroniccare.fhir import actions, asking, outcome, writing
from chroniccare.fhir.kind import Kind, Resource
from chroniccare.fhir.registry import KINDS, found, seen_by
from chroniccare.fhir.validation import parse
from chroniccare.platform.postgres import Tx, begin

MOST = 500
_MOST_FOUND = 100
"""Matches of a search in a Bundle, which is one request: the next link leads on."""
_ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "GET": 3, "HEAD": 3}
_LAST = {
    "PractitionerRole": 1, "Appointment": 2, "MedicationRequest": 2,
    "CommunicationRequest": 3, "MedicationAdministration": 3, "MedicationDispense": 3,
}  # fmt: skip
"""Types that refer to others, and so are made after them, and after those before."""


@dataclass(frozen=True, slots=True)
class Step:
    """One entry: its place in the Bundle, what to do, and with what."""

    place: int
    method: str
    url: str
    full_url: str | None
    resource: Resource | None
    request: Resource

    @property
    def path(self) -> list[str]:
        """Return type and id."""
        return self.url.partition("?")[0].strip("/").split("/")

    @property
    def kind(self) -> Kind:
        """Return the type.

        Raises:
            NotFound: it is not served.
        """
        return found(self.path[0])


async def take(caller: Caller, body: bytes, *, told: bool) -> Resource:
    """Do what a Bundle asks for and return what came of each entry; `told`: with the resources.

    Raises:
        Invalid: it is no valid Bundle of type transaction or batch.
        TooLarge: it has more than 500 entries.
        Problem: something in a transaction was refused; the issues name the entry.
    """
    bundle = parse("Bundle", body, nested=False)
    if bundle.get("type") not in {"batch", "transaction"}:
        raise Invalid.field("Bundle.type", "must be transaction or batch", "value")
    entries = bundle.get("entry", [])
    if len(entries) > MOST:
        raise TooLarge(f"A Bundle has {MOST} entries at most.")
    steps = [_step(number, one) for number, one in enumerate(entries)]
    if bundle["type"] == "batch":
        answers = [await _alone(caller, step, told=told) for step in steps]
    else:
        answers = await _together(caller, steps, told=told)
    made: Resource = {"resourceType": "Bundle", "type": f"{bundle['type']}-response"}
    if answers:
        made["entry"] = answers
    return made


def _step(number: int, entry: Resource) -> Step:
    request = entry.get("request")
    if request is None:
        raise Invalid.field(f"Bundle.entry[{number}].request", "is needed", "required")
    for name in ("method", "url"):
        if name not in request:
            raise Invalid.field(f"Bundle.entry[{number}].request.{name}", "is needed", "required")
    return Step(
        number, request["method"], request["url"], entry.get("fullUrl"), entry.get("resource"),
        request,
    )  # fmt: skip


async def _alone(caller: Caller, step: Step, *, told: bool) -> Resource:
    """Do one entry of a batch; what is refused is an answer too."""
    try:
        if step.method in {"GET", "HEAD"}:
            async with begin(caller) as tx:
                seen = await _look(tx, caller, step)
            return {"resource": await actions.told(seen), "response": {"status": "200"}}
        caller = seen_by(caller, step.kind)
        async with begin(caller) as tx:
            written = await _write(tx, step, {})
        return await _answered(caller, step, written, told=told)
    except Problem as problem:
        if isinstance(problem, Forbidden):
            path = {"resource_id": step.path[1]} if len(step.path) > 1 else {}
            await note_refused(caller, step.method, path, "fhir")
        status = {"status": str(problem.status), "outcome": outcome.outcome(problem)}
        return {"response": status}


async def _together(caller: Caller, steps: list[Step], *, told: bool) -> list[Resource]:
    """Do all entries of a transaction, or none."""
    in_order = sorted(
        steps, key=lambda one: (_ORDER.get(one.method, 1), _LAST.get(one.path[0], 0), one.place)
    )
    _check_once(steps)
    written: dict[int, writing.Written | None] = {}
    seen: dict[int, actions.Seen] = {}
    answers: dict[int, Resource] = {}
    known: dict[str, str] = {}
    async with begin(caller) as tx:
        for step in in_order:
            with _Entry(step.place):
                if step.method in {"GET", "HEAD"}:
                    seen[step.place] = await _look(tx, caller, step)
                else:
                    tx.caller = seen_by(caller, step.kind)
                    written[step.place] = one = await _write(tx, step, known)
                    if one is not None and step.full_url is not None:
                        known[step.full_url] = f"{step.path[0]}/{one.resource['id']}"
    for step in in_order:
        with _Entry(step.place):
            if step.place in written:
                answers[step.place] = await _answered(caller, step, written[step.place], told=told)
            else:
                resource = await actions.told(seen[step.place])
                answers[step.place] = {"resource": resource, "response": {"status": "200"}}
    return [answers[step.place] for step in steps]


def _check_once(steps: list[Step]) -> None:
    """Check that no record is replaced or removed twice: which one would stand?

    Raises:
        Invalid: one is.
    """
    named: set[str] = set()
    for step in steps:
        if step.method in {"PUT", "DELETE"} and len(step.path) == 2:  # noqa: PLR2004  type and id
            name = "/".join(step.path)
            if name in named:
                place = f"Bundle.entry[{step.place}]"
                raise Invalid.field(place, "is of the same record as another", "duplicate")
            named.add(name)


class _Entry:
    """Has a problem say in which entry it is."""

    def __init__(self, place: int) -> None:
        self.place = f"Bundle.entry[{place}]"

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Problem):
            error.details = [
                FieldError(self._at(one.field), one.reason, one.code) for one in error.details
            ] or [FieldError(self.place, error.message, "entry")]

    def _at(self, field: str) -> str:
        kind, _, rest = field.partition(".")
        inside = kind in KINDS and rest
        return f"{self.place}.resource.{rest}" if inside else f"{self.place}.{field}"


async def _write(tx: Tx, step: Step, known: Mapping[str, str]) -> writing.Written | None:
    """Do one entry that changes something; None: a record was removed."""
    kind, path = step.kind, step.path
    check = writing.checked(step.request.get("ifMatch"))
    has_id = len(path) == 2 and "?" not in step.url  # noqa: PLR2004  type and id
    if step.method == "DELETE" and has_id:
        await writing.delete(tx, kind, path[1], check=check)
        return None
    if step.resource is None:
        raise Invalid.field("resource", "is needed", "required")
    resource = await _referring(tx, step.resource, known)
    if step.method == "PUT" and has_id:
        return await writing.update(tx, kind, path[1], resource, check=check)
    if step.method == "POST" and len(path) == 1:
        unless = step.request.get("ifNoneExist")
        return await writing.create(tx, kind, resource, unless=unless)
    raise outcome.NotWritable


async def _referring(tx: Tx, resource: Resource, known: Mapping[str, str]) -> Resource:
    """Return the resource with references to entries and to searches replaced by the records'.

    Raises:
        Invalid: a reference names no entry, or its search finds no record.
        PreconditionFailed: its search finds several.
    """
    texts: list[str] = []

    def gather(text: str) -> str:
        texts.append(text)
        return text

    _each_reference(resource, gather)
    names: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        if text in known:
            names[text] = known[text]
        elif text.startswith("urn:"):
            raise Invalid.field(
                "resource", "refers to an entry that is not there, or that comes later", "not-found"
            )
        elif "?" in text:
            names[text] = await _searched(tx, text)
    changed: Resource = _each_reference(resource, lambda text: names.get(text, text))
    return changed


async def _searched(tx: Tx, text: str) -> str:
    name, _, query = text.partition("?")
    row = await writing.existing(tx, found(name), query)
    if row is None:
        raise PreconditionFailed("No record matches a reference that is a search.")
    return f"{name}/{row.id}"


def _each_reference(value: Any, change: Callable[[str], str]) -> Any:
    """Return `value` with each of its references as `change` has it."""
    if isinstance(value, list):
        return [_each_reference(one, change) for one in value]
    if isinstance(value, dict):
        return {
            name: change(one)
            if name == "reference" and isinstance(one, str)
            else _each_reference(one, change)
            for name, one in value.items()
        }
    return value


async def _answered(
    caller: Caller, step: Step, written: writing.Written | None, *, told: bool
) -> Resource:
    """Return the entry of what was written."""
    if written is None:
        return {"response": {"status": "204"}}
    await writing.note(caller, step.kind, written)
    resource = written.resource
    meta = resource["meta"]
    answer: Resource = {
        "response": {
            "status": str(written.status),
            "location": f"{resource['resourceType']}/{resource['id']}",
            "etag": f'W/"{meta["versionId"]}"',
            "lastModified": meta["lastUpdated"],
        }
    }
    return {"resource": resource, **answer} if told else answer


async def _look(tx: Tx, caller: Caller, step: Step) -> actions.Seen:
    """Do one entry that reads or searches, as far as the database goes.

    Raises:
        NotFound: the address has more than a type and an id.
    """
    kind, path = step.kind, step.path
    caller = seen_by(caller, kind)
    if len(path) == 2:  # noqa: PLR2004  type and id
        return await actions.look(tx, caller, kind, path[1])
    if len(path) > 2:  # noqa: PLR2004  as above
        raise NotFound
    ask = asking.read(kind, KINDS, asking.pairs_of(step.url.partition("?")[2]), strict=True)
    ask.count = min(ask.count, _MOST_FOUND)
    return await actions.find(tx, caller, kind, ask)

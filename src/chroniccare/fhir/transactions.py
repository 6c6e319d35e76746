"""Bundles of requests: a transaction as a whole or not at all, a batch entry by entry.

A transaction deletes, makes, replaces and reads, in this order, whatever the order of its entries,
in one transaction of the database. `urn:uuid:...` of an entry, and `Patient?identifier=...`, become
references to the record. Stored types come after those with tables, and may refer to each other in
circles: their ids are chosen before the first is made.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from chroniccare.audit.reads import note_seen
from chroniccare.audit.refusals import note_refused
from chroniccare.core.caller import Caller
from chroniccare.core.errors import (
    Forbidden,
    Invalid,
    NotFound,
    Problem,
    TooLarge,
)
from chroniccare.core.ids import new_id
from chroniccare.fhir import (
    actions,
    asking,
    batches,
    changing,
    conditional,
    creating,
    elsewhere,
    outcome,
    writing,
)
from chroniccare.fhir.entries import Entry
from chroniccare.fhir.kind import Check, Kind, Planned, Resource, is_told_by_version
from chroniccare.fhir.queries_versions import Version
from chroniccare.fhir.referring import has_search, referring
from chroniccare.fhir.registry import KINDS, found, reads, seen_by
from chroniccare.fhir.validation import parse
from chroniccare.platform.gathering import gathered, settle
from chroniccare.platform.postgres import Tx, begin

_log = logging.getLogger(__name__)
MOST = 500
_MOST_FOUND = 100
"""Matches of a search in a Bundle, which is one request: the next link leads on."""
_READS = frozenset({"GET", "HEAD"})
_CHANGES = frozenset({"PUT", "PATCH", "DELETE"})
_TWICE = "is of the same record as another"
_UNPLANNED: Mapping[str, str] = {}
_UNMADE: Mapping[int, writing.Made] = {}


@dataclass(frozen=True, slots=True)
class Step:
    """One entry: its place in the Bundle, what to do, and with what."""

    place: int
    method: str
    url: str
    full_url: str | None
    resource: Resource | None
    request: Resource
    since: datetime | None

    @property
    def path(self) -> list[str]:
        """Return type and id."""
        return self.url.partition("?")[0].strip("/").split("/")

    @property
    def query(self) -> str | None:
        """Return the search that names the record, if one does."""
        _, mark, query = self.url.partition("?")
        return query if mark else None

    @property
    def has_id(self) -> bool:
        """Say whether the address is of one record."""
        return len(self.path) == 2 and self.query is None  # noqa: PLR2004  type and id

    @property
    def is_plain(self) -> bool:
        """Say whether it makes a record, whatever others there are."""
        return self.method == "POST" and self.unless is None

    @property
    def unless(self) -> str | None:
        """Return the search of a conditional create: `ifNoneExist`, or the query of a POST."""
        return self.request.get("ifNoneExist") or (self.query if self.method == "POST" else None)

    @property
    def kind(self) -> Kind:
        """Return the type.

        Raises:
            NotFound: it is not served.
        """
        return found(self.path[0])


Told = Literal["representation", "minimal", "OperationOutcome"]
"""What of a record that was written is told; see the header Prefer."""
_Done = writing.Written | Version | None


async def take(caller: Caller, body: bytes, *, told: Told) -> Resource:
    """Do what a Bundle asks for and return what came of each entry.

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
        answers = await batches.each(
            steps,
            lambda step: _alone(caller, step, told=told),
            lambda several: _shared(caller, several, told=told),
        )
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
    try:
        since = (text := request.get("ifModifiedSince")) and datetime.fromisoformat(text)
    except ValueError:  # a leap second is an instant to FHIR
        place = f"Bundle.entry[{number}].request.ifModifiedSince"
        raise Invalid.field(place, "is no time that can be read", "value") from None
    return Step(
        number, request["method"], request["url"], entry.get("fullUrl"), entry.get("resource"),
        request, since,
    )  # fmt: skip


async def _alone(caller: Caller, step: Step, *, told: Told) -> Resource:
    """Do one entry of a batch; what is refused is an answer too."""
    try:
        if other := await elsewhere.answered(caller, step, lambda one: _read(caller, step, one)):
            return other
        if step.method in _READS:
            async with begin(caller) as tx:
                seen = await _look(tx, caller, step)
            return _read(caller, step, await actions.told(seen))
        caller = seen_by(caller, step.kind)
        async with begin(caller) as tx:
            written = await _write(tx, step, {})
        return await _answered(caller, step, written, told=told)
    except Problem as problem:
        await note_seen(caller, problem)
        if isinstance(problem, Forbidden):
            path = {"resource_id": step.path[1]} if len(step.path) > 1 else {}
            await note_refused(caller, step.method, path, "fhir")
        return outcome.entry(problem)
    except Exception as error:  # noqa: BLE001  one entry's, so the others still have their answers
        _log.error("entry of a batch failed", extra={"error": type(error).__name__})
        return outcome.entry(Problem())


async def _shared(caller: Caller, steps: Sequence[Step], *, told: Told) -> list[Resource] | None:
    """Do several entries of a batch that make records of one type; None: something was refused."""
    is_done = False
    try:
        caller = seen_by(caller, steps[0].kind)
        async with begin(caller) as tx:
            async with gathered(tx):
                are_many = all(creating.can(step, ()) for step in steps)
                made = await creating.at_once(tx, steps, Entry) if are_many else _UNMADE
                written = [await _write(tx, step, {}, made=made.get(step.place)) for step in steps]
            is_done = True
        done = zip(steps, written, strict=True)
        return [await _answered(caller, step, one, told=told) for step, one in done]
    except Exception as error:  # noqa: BLE001  each by itself finds out whose it is
        if not is_done:
            return None
        # The commit failed, or what came after: whether they are made is not known.
        _log.error("entries of a batch failed", extra={"error": type(error).__name__})
        problem = error if isinstance(error, Problem) else Problem()
        return [outcome.entry(problem) for _ in steps]


async def _together(caller: Caller, steps: list[Step], *, told: Told) -> list[Resource]:
    """Do all entries of a transaction, or none."""
    in_order = sorted(steps, key=batches.turn)
    _check_once(steps)
    written: dict[int, _Done] = {}
    named: set[str] = set()
    seen: dict[int, actions.Seen] = {}
    answers: dict[int, Resource] = {}
    plan = _plan(steps)
    known = dict(plan)
    async with begin(caller) as tx, gathered(tx):
        last = ""
        addresses = {step.full_url for step in steps if step.full_url}
        for part in batches.parts(
            in_order, lambda one: creating.can(one, addresses), creating.MOST
        ):
            made = _UNMADE
            if len(part) > 1:
                await settle(tx)
                tx.caller = seen_by(caller, part[0].kind)
                made = await creating.at_once(tx, part, Entry)
                last = part[0].path[0]
            for step in part:
                # It may look at what was written; those that are made at once do not.
                looks = len(part) == 1 and has_search(step.resource)
                if step.path[0] != last or not step.is_plain or looks:
                    await settle(tx)  # before the entry: rows of others are none of its mistakes
                last = step.path[0]
                with Entry(step.place):
                    if step.method in _READS:
                        seen[step.place] = await _look(tx, caller, step)
                        continue
                    tx.caller = seen_by(caller, step.kind)
                    one = await _write(tx, step, known, plan, made=made.get(step.place))
                    written[step.place] = one
                    _check_first(step, one, named)
                    if isinstance(one, writing.Written) and step.full_url is not None:
                        known[step.full_url] = f"{step.path[0]}/{one.resource['id']}"
    for step in in_order:
        with Entry(step.place):
            if step.place in written:
                answers[step.place] = await _answered(caller, step, written[step.place], told=told)
            else:
                answers[step.place] = _read(caller, step, await actions.told(seen[step.place]))
    return [answers[step.place] for step in steps]


def _plan(steps: list[Step]) -> dict[str, str]:
    """Return by `fullUrl` what the entries will be called whose ids can be chosen beforehand."""
    return {
        step.full_url: f"{step.path[0]}/{new_id()}"
        for step in steps
        if step.method == "POST" and step.full_url is not None and batches.is_stored(step)
        and step.unless is None
    }  # fmt: skip


def _check_once(steps: list[Step]) -> None:
    """Check that no record is made, replaced or removed twice: which one would stand?

    Raises:
        Invalid: one is.
    """
    named: set[str] = set()
    for step in steps:
        name = step.full_url if step.method == "POST" else None
        if step.method in _CHANGES and step.has_id:
            name = "/".join(step.path)
        if name in named:
            raise Invalid.field(f"Bundle.entry[{step.place}]", _TWICE, "duplicate")
        if name is not None:
            named.add(name)


def _check_first(step: Step, done: _Done, named: set[str]) -> None:
    """Check the same of those whose record a search names.

    Raises:
        Invalid: another entry has changed it.
    """
    if step.method not in _CHANGES or done is None:
        return
    name = str(done.id) if isinstance(done, Version) else str(done.resource["id"])
    if name in named:
        raise Invalid.field("request.url", _TWICE, "duplicate")
    named.add(name)


async def _write(
    tx: Tx, step: Step, known: Mapping[str, str], plan: Mapping[str, str] = _UNPLANNED, *,
    made: writing.Made | None = None,
) -> _Done:  # fmt: skip
    """Do one entry that changes something; None: there was nothing to remove."""
    kind, path = step.kind, step.path
    is_one = step.has_id or (len(path) == 1 and step.query is not None)
    if not (is_one if step.method in _CHANGES else step.method == "POST" and len(path) == 1):
        raise outcome.NotWritable
    check = conditional.checked(step.request.get("ifMatch"), step.request.get("ifNoneMatch"))
    if step.method == "DELETE":
        if step.query is not None:
            return await changing.delete_where(tx, kind, step.query, check=check)
        return await writing.delete(tx, kind, path[1], check=check)
    if step.resource is None:
        raise Invalid.field("resource", "is needed", "required")
    resource = await referring(tx, step.resource, known)
    if step.method == "POST":
        name = plan.get(step.full_url or "")
        coming = frozenset(plan.values())
        planned = Planned(UUID(name.partition("/")[2]) if name else None, coming)
        return await writing.create(
            tx, kind, resource, unless=step.unless, planned=planned, made=made
        )
    if step.query is not None:
        return await _write_matching(tx, step, resource, check)
    if step.method == "PATCH":
        change = changing.change_of_entry(resource)
        return await changing.patch(tx, kind, path[1], change, check=check)
    return await writing.update(tx, kind, path[1], resource, check=check)


async def _write_matching(tx: Tx, step: Step, resource: Resource, check: Check) -> _Done:
    """Do one entry that replaces or changes the record that a search finds."""
    query = step.query or ""
    if step.method == "PATCH":
        change = changing.change_of_entry(resource)
        return await changing.patch_where(tx, step.kind, query, change, check=check)
    condition = changing.Condition(check, must_exist="ifMatch" in step.request)
    return await changing.update_where(tx, step.kind, query, resource, condition=condition)


async def _answered(caller: Caller, step: Step, done: _Done, *, told: Told) -> Resource:
    """Return the entry of what was written."""
    if not isinstance(done, writing.Written):
        version = {} if done is None else _version(done.version, done.updated_at)
        return {"response": {"status": "204", **version}}
    await writing.note(caller, step.kind, done)
    if not reads(caller, step.kind):
        told = "minimal"
    resource = done.resource
    meta, name = resource["meta"], f"{resource['resourceType']}/{resource['id']}"
    version = _version(meta["versionId"], meta["lastUpdated"])
    location = writing.location(resource)
    response: Resource = {"status": str(done.status), "location": location, **version}
    if told == "OperationOutcome":
        response["outcome"] = outcome.information(f"{name} is written.")
    answer: Resource = {"response": response}
    return {"resource": resource, **answer} if told == "representation" else answer


def _version(version: object, at: datetime) -> Resource:
    return {"etag": f'W/"{version}"', "lastModified": at}


def _read(caller: Caller, step: Step, resource: Resource) -> Resource:
    """Return the entry of what was read: without the resource for HEAD, or who has it already."""
    if resource["resourceType"] == "Bundle":
        answer: Resource = {"response": {"status": "200"}}
        return answer if step.method == "HEAD" else {"resource": resource, **answer}
    meta, request = resource["meta"], step.request
    version = _version(meta["versionId"], meta["lastUpdated"])
    known = conditional.is_known(
        meta["versionId"], meta["lastUpdated"], tags=request.get("ifNoneMatch"), since=step.since
    )
    if known and is_told_by_version(step.kind) and caller.emergency_id is None:
        return {"response": {"status": "304", **version}}
    found: Resource = {"response": {"status": "200", **version}}
    return found if step.method == "HEAD" else {"resource": resource, **found}


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

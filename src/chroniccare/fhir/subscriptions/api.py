"""/fhir/Subscription: R4 with topics of the Subscriptions R5 Backport."""

from collections.abc import Collection, Iterable, Sequence

from fastapi import APIRouter, Request, Response

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.errors import FieldError, Invalid
from chroniccare.fhir import asked_api, bundles, outcome
from chroniccare.fhir.actions import base_of
from chroniccare.fhir.answers_api import caller_of, check_media, form_of, pairs_of
from chroniccare.fhir.conditional import checked
from chroniccare.fhir.kind import Resource
from chroniccare.fhir.subscriptions import actions
from chroniccare.fhir.values import split
from chroniccare.platform.postgres import begin, database
from chroniccare.settings import address
from chroniccare.tenancy.api import KeyFirst

router = APIRouter(
    prefix="/fhir/Subscription", tags=["webhooks"], route_class=KeyFirst, include_in_schema=False
)

PARAMETERS = {
    "_id": "token", "criteria": "string", "payload": "token", "status": "token", "type": "token",
    "url": "uri",
}  # fmt: skip
"""What subscriptions are searched by."""
_PASSED_OVER = frozenset({"_format", "_pretty", "_count", "_total"})
_MOST_DIGITS = 15
Pairs = Sequence[tuple[str, str]]


@router.api_route("", methods=["GET", "HEAD"])
async def search_subscriptions(request: Request) -> Response:
    """Answer the clinic's subscriptions, all on one page: there are 50 at most."""
    return await _search(request, pairs_of(request))


@router.post("/_search")
async def search_subscriptions_by_form(request: Request) -> Response:
    """Answer the same, asked for by a form."""
    return await _search(request, await form_of(request))


async def _search(request: Request, pairs: Pairs) -> Response:
    caller = _caller(request, "s")
    wanted = {name: split(one) for name, one in pairs if name not in _PASSED_OVER}
    _known(wanted, PARAMETERS)
    async with begin(caller) as tx:
        found = await actions.search(tx, wanted)
        base = base_of(tx)
    return _bundle(request, base, found)


@router.post("")
async def create_subscription(request: Request) -> Response:
    """Make a subscription; the answer shows the secret that notifications are signed with, once."""
    caller = _caller(request, "c")
    check_media(request)
    said, url = await actions.read_body(await request.body(), database().settings)
    async with begin(caller) as tx:
        made = await actions.create(tx, said, url=url)
    return _one(request, made, 201)


@router.api_route("/$status", methods=["GET", "HEAD"])
async def read_states(request: Request) -> Response:
    """Answer the state of several subscriptions, chosen by `id` and `status`."""
    caller = _caller(request, "r")
    wanted = {name: split(one) for name, one in pairs_of(request)}
    _known(wanted, {"id", "status"})
    asked = {{"id": "_id"}.get(name, name): one for name, one in wanted.items()}
    async with begin(caller) as tx:
        listed = await actions.search(tx, asked)
        rows = [await actions.get(tx, actions.id_of(one["id"])) for one in listed]
        found = [await actions.state(tx, row) for row in rows]
        base = base_of(tx)
    return _bundle(request, base, found)


@router.api_route("/{subscription_id}", methods=["GET", "HEAD"])
async def read_subscription(subscription_id: str, request: Request) -> Response:
    """Answer one; values of its headers are hidden, and its secret is not told."""
    async with begin(_caller(request, "r")) as tx:
        row = await actions.get(tx, actions.id_of(subscription_id))
        found = await actions.told(tx, row)
    return _one(request, found, 200)


@router.put("/{subscription_id}")
async def update_subscription(subscription_id: str, request: Request) -> Response:
    """Replace one; with If-Match only if nobody changed it since."""
    caller = _caller(request, "u")
    check_media(request)
    said, url = await actions.read_body(await request.body(), database().settings)
    check = checked(request.headers.get("if-match"))
    async with begin(caller) as tx:
        changed = await actions.update(tx, subscription_id, said, url=url, check_=check)
    return _one(request, changed, 200)


@router.delete("/{subscription_id}")
async def delete_subscription(subscription_id: str, request: Request) -> Response:
    """Remove one; 204, also when it is gone already."""
    check = checked(request.headers.get("if-match"))
    async with begin(_caller(request, "d")) as tx:
        await actions.delete(tx, subscription_id, check_=check)
    return Response(status_code=204)


@router.api_route("/{subscription_id}/$status", methods=["GET", "HEAD", "POST"])
async def read_state(subscription_id: str, request: Request) -> Response:
    """Answer the state of one, and how many events there were."""
    async with begin(_caller(request, "r")) as tx:
        row = await actions.get(tx, actions.id_of(subscription_id))
        found = await actions.state(tx, row)
        base = base_of(tx)
    return _bundle(request, base, [found])


@router.api_route("/{subscription_id}/$events", methods=["GET", "HEAD", "POST"])
async def read_events(subscription_id: str, request: Request) -> Response:
    """Answer events by their numbers, so that who missed some can catch up."""
    caller = _caller(request, "r")
    asked = {name: [one] for name, one in await asked_api.asked(request)}
    _known(asked, {"eventsSinceNumber", "eventsUntilNumber", "content"})
    content = asked.get("content", [""])[0] or None
    if content not in {None, "empty", "id-only"}:
        raise Invalid.field("content", "must be empty or id-only", "not-supported")
    async with begin(caller) as tx:
        row = await actions.get(tx, actions.id_of(subscription_id))
        found = await actions.events(
            tx, row, since=_number(asked, "eventsSinceNumber") or 1,
            until=_number(asked, "eventsUntilNumber"), content=content,
        )  # fmt: skip
    return _answer(request, found)


def _number(asked: dict[str, list[str]], name: str) -> int | None:
    if name not in asked:
        return None
    text = asked[name][0]
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
        raise Invalid.field(name, "must be a number", "value")
    return int(text)


def _known(wanted: Iterable[str], known: Collection[str]) -> None:
    wrong = [
        FieldError(name, "is not a parameter here", "not-supported")
        for name in wanted
        if name not in known
    ]
    if wrong:
        raise Invalid(details=wrong)


def _caller(request: Request, letter: str) -> Caller:
    caller = caller_of(request)
    actions.check(caller, letter)
    return caller


def _one(request: Request, resource: Resource, status: int) -> Response:
    base = address(database().settings) + outcome.BASE
    headers = {"etag": f'W/"{resource["meta"]["versionId"]}"'}
    if request.method in {"POST", "PUT"}:
        headers["location"] = f"{base}/{actions.NAME}/{resource['id']}"
    return _answer(request, resource, status, headers)


def _bundle(request: Request, base: str, found: list[Resource]) -> Response:
    entries = [
        {"fullUrl": f"{base}/{actions.NAME}/{one['id']}", "resource": one,
         "search": {"mode": "match"}}
        for one in found
    ]  # fmt: skip
    links = [("self", f"{base}/{actions.NAME}")]
    return _answer(request, bundles.searchset(entries, links=links, total=len(found)))


def _answer(
    request: Request, resource: Resource, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    response = Response(
        wire.dumps(resource), status, headers=headers, media_type=outcome.MEDIA_TYPE
    )
    if request.method == "HEAD":
        response.body = b""
    return response

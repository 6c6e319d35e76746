"""What operations are asked for: in the address, or in a body of Parameters."""

from fastapi import Request

from chroniccare.core import wire
from chroniccare.fhir import asking, outcome
from chroniccare.fhir.validation import parse

Pairs = list[tuple[str, str]]


async def asked(request: Request) -> Pairs:
    """Return names and values of the parameters, those of the address first.

    Raises:
        Invalid: they cannot be read.
        UnsupportedMedia: a body is of another kind.
    """
    pairs = asking.pairs_of(request.scope["query_string"].decode("latin-1"))
    body = await request.body() if request.method == "POST" else b""
    if not body:
        return pairs
    check_media(request)
    for one in parse("Parameters", body).get("parameter", []):
        values = [str(value) for name, value in one.items() if name.startswith("value")]
        pairs.append((one["name"], values[0] if values else ""))
    return pairs


def check_media(request: Request) -> None:
    """Check that the body is FHIR's JSON.

    Raises:
        UnsupportedMedia: it is not.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in {outcome.MEDIA_TYPE, wire.JSON}:
        raise outcome.UnsupportedMedia

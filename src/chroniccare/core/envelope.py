"""The envelope as OpenAPI documents it; the bytes themselves are made in `wire`."""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

T = TypeVar("T")


class Meta(BaseModel):
    """About this answer."""

    requestId: Annotated[str, Field(description="Id to quote when you ask for help.")]  # noqa: N815  the seed's name
    timestamp: Annotated[datetime, Field(description="UTC instant of the answer.")]


class Data(BaseModel, Generic[T]):
    """A successful answer."""

    success: Annotated[Literal[True], Field(description="True.")]
    data: Annotated[T, Field(description="The record.")]
    meta: Meta


class Items(BaseModel, Generic[T]):
    """One page of a list."""

    items: Annotated[list[T], Field(description="The rows of this page.")]
    next_cursor: Annotated[
        str | None, Field(description="Send as `cursor` for the next page; null on the last.")
    ]


class Listed(BaseModel, Generic[T]):
    """A successful answer with one page of a list."""

    success: Annotated[Literal[True], Field(description="True.")]
    data: Annotated[Items[T], Field(description="The page.")]
    meta: Meta


class FieldProblem(BaseModel):
    """One thing wrong with one field."""

    field: Annotated[
        str, Field(description="Path in the request.", examples=["contact_info.telecom.0.value"])
    ]
    reason: Annotated[str, Field(description="What is wrong.", examples=["must be in the future"])]
    code: Annotated[str, Field(description="Stable kind of error.", examples=["past"])]


class Fault(BaseModel):
    """Why the request was refused."""

    code: Annotated[str, Field(description="Stable code.", examples=["VALIDATION_ERROR"])]
    message: Annotated[
        str, Field(description="For people.", examples=["The request is not valid."])
    ]
    details: Annotated[list[FieldProblem], Field(description="Every field at fault.")]
    data: Annotated[
        dict[str, Any] | None,
        Field(description="What helps to go on, such as other times; left out if there is none."),
    ] = None


class Failure(BaseModel):
    """An answer that is no success."""

    success: Annotated[Literal[False], Field(description="False.")]
    error: Fault
    meta: Meta


_REASONS = {
    304: "The client has this version already",
    400: "The request is not valid; every field at fault is named",
    401: "No valid API key",
    403: "The key lacks the scope",
    404: "No such record",
    409: "Another record or the record's state stands in the way",
    408: "The body did not arrive in time",
    412: "The record has changed since it was read",
    413: "The body is larger than the limit",
    422: "Against a rule; the field is named",
    429: "Too many requests for this key",
    503: "The database cannot be reached",
}
_ALWAYS = (400, 401, 403, 429, 503)
_SCHEMA = "#/components/schemas/{model}"
_FAILURE = _SCHEMA.format(model="Failure")


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of an operation's errors: `statuses` and those every one has."""
    found: dict[int | str, dict[str, Any]] = {}
    slow = {408} if 413 in statuses else set()  # noqa: PLR2004  both are about bodies
    for status in sorted({*statuses, *slow, *_ALWAYS}):
        found[status] = {"description": _REASONS[status]}
        if status != 304:  # noqa: PLR2004  the one status without a body
            found[status]["content"] = {"application/json": {"schema": {"$ref": _FAILURE}}}
    return found


def failure_schemas() -> dict[str, Any]:
    """Return the schemas that `errors` refers to, by name.

    With `model` in place of the reference FastAPI makes a validator for each status of each
    operation, which nobody calls: a third of the application's import.
    """
    found = Failure.model_json_schema(ref_template=_SCHEMA, mode="serialization")
    parts: dict[str, Any] = found.pop("$defs")
    return {**parts, "Failure": found}

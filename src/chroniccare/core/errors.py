"""The tree of errors that a client can meet.

    Problem                     a code, a status and a message; the envelope is made of it
     +- Invalid           400   the request is wrong; every field error at once
     +- Unauthenticated   401   no credential, or none that is valid
     +- Forbidden         403   a valid credential without the scope
     +- NotFound          404   no such record, or another tenant's
     +- TooSlow           408   the body did not arrive in time
     +- Conflict          409   the record's state, or another record, stands in the way
     +- PreconditionFailed 412  If-Match names an older version
     +- TooLarge          413   the body is over the limit
     +- Unprocessable     422   understood, but against a rule
     +- RateLimited       429   too many requests for this key
     +- Unavailable       503   the database cannot be reached; try again

A more precise error is a subclass that stands beside the function that raises it.
No message of ours contains a value that the client sent or that the database holds.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field.

    Attributes:
        field: path in the request, dots between the steps (`contact_info.telecom.0.value`).
        reason: what is wrong, without the offending value.
        code: stable, machine-readable kind of error.
    """

    field: str
    reason: str
    code: str = "invalid"


class Problem(Exception):  # noqa: N818  the root of the tree; an answer, not a fault of ours
    """An answer other than success; subclasses set `code`, `status` and `message`.

    Attributes:
        data: what helps the client to go on, such as other times; None for nothing.
        were_read: kinds and ids of records of patients that were read before it was refused; the
            audit has them before the answer leaves, for it may tell of what is in them.
    """

    code = "INTERNAL_ERROR"
    status = 500
    message = "Something went wrong on our side."

    def __init__(
        self,
        message: str | None = None,
        *,
        details: list[FieldError] | None = None,
        data: dict[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.message = message or self.message
        self.details = details or []
        self.data = data
        self.retry_after = retry_after
        self.were_read: list[tuple[str, UUID]] = []
        super().__init__(self.message)


class Invalid(Problem):
    """The request cannot be understood; `details` names every field at fault."""

    code = "VALIDATION_ERROR"
    status = 400
    message = "The request is not valid."

    @classmethod
    def field(cls, field: str, reason: str, code: str = "invalid") -> "Invalid":
        """Build the error for a single field."""
        return cls(details=[FieldError(field, reason, code)])


class Unauthenticated(Problem):
    """No credential, or one that is malformed, unknown, expired or revoked."""

    code = "UNAUTHENTICATED"
    status = 401
    message = (
        "A valid API key is required, as X-API-Key or as Authorization: Bearer, or a valid token."
    )


class Forbidden(Problem):
    """The credential is valid but lacks the scope that the route names."""

    code = "FORBIDDEN"
    status = 403
    message = "This key or role lacks the scope that this operation needs."


class NotFound(Problem):
    """No such record for this tenant; another tenant's record answers the same."""

    code = "NOT_FOUND"
    status = 404
    message = "No such record."


class Conflict(Problem):
    """Another record, or the state of this one, stands in the way."""

    code = "CONFLICT"
    status = 409
    message = "The change conflicts with what is stored."


class PreconditionFailed(Problem):
    """If-Match names a version that is no longer the current one."""

    code = "PRECONDITION_FAILED"
    status = 412
    message = "The record has changed since it was read; read it again and repeat the change."


class TooSlow(Problem):
    """The body did not arrive in time."""

    code = "REQUEST_TIMEOUT"
    status = 408
    message = "The request body did not arrive in time."


class TooLarge(Problem):
    """The body is larger than the limit."""

    code = "PAYLOAD_TOO_LARGE"
    status = 413
    message = "The request body is larger than the limit."


class Unprocessable(Problem):
    """Understood, but against a rule of the domain; `details` names the fields."""

    code = "UNPROCESSABLE"
    status = 422
    message = "The request is against a rule."

    @classmethod
    def field(cls, field: str, reason: str, code: str = "rule") -> "Unprocessable":
        """Build the error for a single field."""
        return cls(details=[FieldError(field, reason, code)])


class RateLimited(Problem):
    """The key's token bucket is empty; `retry_after` is in seconds."""

    code = "RATE_LIMITED"
    status = 429
    message = "Too many requests for this API key."


class Unavailable(Problem):
    """The database cannot be reached or is overloaded; nothing was changed."""

    code = "UNAVAILABLE"
    status = 503
    message = "The service is unavailable for the moment; nothing was changed. Try again."

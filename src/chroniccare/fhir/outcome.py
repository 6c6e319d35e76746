"""Errors under /fhir: each is an OperationOutcome that names everything at fault.

The statuses are those of /api/v1, and beside them 406 and 410.
"""

import re
from collections.abc import Iterable
from typing import Any

from chroniccare.core.errors import FieldError, NotFound, Problem
from chroniccare.core.wire import dumps

MEDIA_TYPE = "application/fhir+json"
BASE = "/fhir"
_SERVER_ERROR = 500

# https://hl7.org/fhir/R4/valueset-issue-type.html
_ISSUE = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    408: "timeout",
    409: "conflict",
    410: "deleted",
    412: "conflict",
    413: "too-long",
    415: "not-supported",
    422: "business-rule",
    429: "throttled",
    503: "transient",
}
_CODES = frozenset(
    {"business-rule", "code-invalid", "duplicate", "extension", "invalid", "invariant",
     "not-found", "not-supported", "required", "structure", "too-costly", "too-long", "value"}
)  # fmt: skip
_UNSAYABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""What no string of FHIR may hold."""
_OTHERS = {"hidden": "suppressed"}
_DUPLICATE, _DUPLICATES = "duplicate", frozenset({"MRN_TAKEN"})


class NotAcceptable(Problem):
    """The client takes no JSON."""

    code = "NOT_ACCEPTABLE"
    status = 406
    message = "Answers are application/fhir+json."


class Gone(Problem):
    """The record was removed."""

    code = "GONE"
    status = 410
    message = "This record was removed."


class UnsupportedMedia(Problem):
    """The body is of another kind."""

    code = "UNSUPPORTED_MEDIA"
    status = 415
    message = (
        "Bodies are application/fhir+json, of PATCH also application/json-patch+json, and of"
        " _search application/x-www-form-urlencoded."
    )


class NotWritable(Problem):
    """The type does not take this."""

    code = "METHOD"
    status = 405
    message = "This type does not take this; see /fhir/metadata."


class NoMatch(NotFound):
    """A search that must name a record finds none."""

    message = "No record matches."


class Ambiguous(Problem):
    """A search that must name one record finds several."""

    code = "MULTIPLE_MATCHES"
    status = 412
    message = "Several records match; the search must name one."


def is_fhir(path: str) -> bool:
    """Say whether `path` is one of this part of the API."""
    return path == BASE or path.startswith(BASE + "/")


def issue(problem: Problem, detail: FieldError | None = None) -> dict[str, Any]:
    """Return one issue: of `detail`, or of the problem as a whole."""
    severity = "fatal" if problem.status >= _SERVER_ERROR else "error"
    code = _ISSUE.get(problem.status, "exception")
    if detail is None:
        text = problem.message
    else:
        code = _DUPLICATE if problem.code in _DUPLICATES else code
        code = detail.code if detail.code in _CODES else _OTHERS.get(detail.code, code)
        text = _UNSAYABLE.sub("\ufffd", f"{detail.field}: {detail.reason}")
    found: dict[str, Any] = {
        "severity": severity,
        "code": code,
        "details": {"coding": [{"code": problem.code}], "text": problem.message},
        "diagnostics": text,
    }
    # A parameter's name is the client's own text: there may be none, or one that JSON cannot show.
    if detail is not None and detail.field.strip():
        found["expression"] = [_UNSAYABLE.sub("\ufffd", detail.field)]
    return found


def outcome(problem: Problem) -> dict[str, Any]:
    """Return the OperationOutcome of `problem`, an issue for each field at fault."""
    issues = [issue(problem, one) for one in problem.details] or [issue(problem)]
    return {"resourceType": "OperationOutcome", "issue": issues}


def entry(problem: Problem) -> dict[str, Any]:
    """Return the entry of a Bundle that answers with `problem`."""
    return {"response": {"status": str(problem.status), "outcome": outcome(problem)}}


def body(problem: Problem) -> bytes:
    """Return the OperationOutcome of `problem` as it goes over the wire."""
    return dumps(outcome(problem))


def information(text: str) -> dict[str, Any]:
    """Return an OperationOutcome of something that went well."""
    issues = [{"severity": "information", "code": "informational", "diagnostics": text}]
    return {"resourceType": "OperationOutcome", "issue": issues}


def warnings(texts: Iterable[str], missing: Iterable[str] = ()) -> dict[str, Any]:
    """Return an OperationOutcome that stands beside what was found.

    `texts` are of what was not taken into account, `missing` of what was, and not to the end.
    """
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {"severity": "warning", "code": code, "diagnostics": text}
            for code, each in (("not-supported", texts), ("incomplete", missing))
            for text in each
        ],
    }

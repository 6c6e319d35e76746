"""What AWS's published service models say of requests and answers: the simulator's contract.

Nothing here talks to AWS; the models are files of botocore.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

import orjson
from botocore.loaders import Loader  # type: ignore[import-untyped]
from botocore.model import ServiceModel  # type: ignore[import-untyped]
from botocore.validate import ParamValidator  # type: ignore[import-untyped]

_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request"
)


class WireError(Exception):
    """A request is not what the model asks for; the text names the parameter, not its value."""


@cache
def model(service: str) -> Any:
    """Return the model of a service, named as in `Client`."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def signed_for(authorization: str) -> str:
    """Return the name that a request was signed for, such as `sms-voice`; empty: not signed."""
    found = _SIGNED.match(authorization)
    return found[2] if found else ""


def signing_name(service: str) -> str:
    """Return the name under which requests to `service` are signed."""
    return str(model(service).signing_name)


def parse_json(service: str, operation: str, body: bytes) -> dict[str, Any]:
    """Return the parameters of a request whose body is JSON, checked against the model.

    Raises:
        WireError: they are not what the model asks for.
    """
    shape = model(service).operation_model(operation).input_shape
    try:
        found = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        raise WireError("the body is not JSON") from None
    parameters: dict[str, Any] = _checked(shape, _plain(shape, found))
    return parameters


def parse_query(service: str, body: bytes) -> tuple[str, dict[str, Any]]:
    """Return operation and parameters of a form in AWS's query protocol, checked.

    Raises:
        WireError: they are not what the model asks for.
    """
    tree: dict[str, Any] = {}
    for key, value in parse_qsl(body.decode(), keep_blank_values=True):
        *path, last = key.split(".")
        branch = tree
        for step in path:
            branch = branch.setdefault(step, {})
        branch[last] = value
    operation, version = tree.pop("Action", ""), tree.pop("Version", "")
    known = model(service)
    if operation not in known.operation_names or version != known.api_version:
        raise WireError("no such Action or Version")
    shape = known.operation_model(operation).input_shape
    return operation, _checked(shape, _grown(shape, tree))


def operation_at(service: str, method: str, path: str) -> tuple[str, dict[str, Any]]:
    """Return the operation behind a path of a REST service, and what stands in the path.

    Raises:
        WireError: there is none.
    """
    for name, verb, pattern in _routes(service):
        found = pattern.fullmatch(path) if verb == method else None
        if found:
            return name, {key: unquote(value) for key, value in found.groupdict().items()}
    raise WireError("no such operation")


@cache
def _routes(service: str) -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    known = model(service)
    made = []
    for name in known.operation_names:
        http = known.operation_model(name).http
        uri = http["requestUri"].partition("?")[0]
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(uri))
        made.append((name, http["method"], re.compile(pattern)))
    return tuple(made)


def check(service: str, operation: str, parameters: Mapping[str, Any]) -> None:
    """Check parameters as a caller gives them to botocore.

    Raises:
        WireError: they are not what the model asks for.
    """
    _checked(model(service).operation_model(operation).input_shape, dict(parameters))


def _checked(shape: Any, parameters: Any) -> Any:
    if shape is None:
        return parameters
    report = ParamValidator().validate(parameters, shape)
    if report.has_errors():
        names = sorted({str(one[1]) for one in _errors(report)})
        raise WireError(f"not as the model asks: {', '.join(names)}")
    # botocore leaves patterns and choices to the service, so they are looked at here.
    wrong = sorted(set(_misfits(shape, parameters, "")))
    if wrong:
        raise WireError(f"not as the model asks: {', '.join(wrong)}")
    return parameters


def _errors(report: Any) -> Iterator[tuple[Any, ...]]:
    """Yield what botocore found: kind, name of the parameter, details."""
    yield from report._errors  # noqa: SLF001  its text would repeat the values


def _misfits(shape: Any, value: Any, name: str) -> Iterator[str]:
    if shape.type_name == "structure":
        for key, inner in value.items():
            yield from _misfits(shape.members[key], inner, f"{name}.{key}")
    elif shape.type_name == "list":
        for inner in value:
            yield from _misfits(shape.member, inner, name)
    elif shape.type_name == "map":
        if len(value) > shape.metadata.get("max", len(value)):
            yield name.lstrip(".")
        for key, inner in value.items():
            yield from _misfits(shape.key, key, f"{name}.key")
            yield from _misfits(shape.value, inner, f"{name}.value")
    elif shape.type_name == "string":
        pattern, choices = shape.metadata.get("pattern"), shape.metadata.get("enum")
        longest = shape.metadata.get("max", len(value))
        misfit = pattern and not re.fullmatch(pattern.removeprefix("^").removesuffix("$"), value)
        if misfit or (choices and value not in choices) or len(value) > longest:
            yield name.lstrip(".")


def _plain(shape: Any, value: Any) -> Any:
    """Return what JSON holds as botocore's types; what does not fit is left for the check."""
    kind = shape.type_name if shape is not None else ""
    if kind == "structure" and isinstance(value, dict):
        return {
            key: _plain(shape.members[key], inner) if key in shape.members else inner
            for key, inner in value.items()
        }
    if kind == "list" and isinstance(value, list):
        return [_plain(shape.member, inner) for inner in value]
    if kind == "map" and isinstance(value, dict):
        return {key: _plain(shape.value, inner) for key, inner in value.items()}
    if kind == "blob" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except ValueError:
            return value
    return value


def _grown(shape: Any, tree: Any) -> Any:
    """Return the parameters that a form's dotted names stand for."""
    if not isinstance(tree, dict):
        return tree
    if shape.type_name == "structure":
        return {
            key: _grown(shape.members[key], inner) if key in shape.members else inner
            for key, inner in tree.items()
        }
    items = list((tree.get("entry") or tree.get("member") or {}).values())
    if shape.type_name == "list":
        return [_grown(shape.member, inner) for inner in items]
    key = shape.key.serialization.get("name", "key")
    value = shape.value.serialization.get("name", "value")
    return {inner[key]: _grown(shape.value, inner[value]) for inner in items}


def query_answer(service: str, operation: str, result: Mapping[str, Any], request_id: str) -> bytes:
    """Return an answer of the query protocol."""
    known = model(service)
    shape = known.operation_model(operation).output_shape
    inner = _xml(shape, result) if shape is not None else ""
    space = known.metadata["xmlNamespace"]
    return (
        f'<{operation}Response xmlns="{space}"><{operation}Result>{inner}</{operation}Result>'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        f"</{operation}Response>"
    ).encode()


def _xml(shape: Any, value: Any) -> str:
    if shape.type_name == "structure":
        return "".join(f"<{k}>{_xml(shape.members[k], v)}</{k}>" for k, v in value.items())
    if shape.type_name == "map":
        return "".join(
            f"<entry><key>{escape(k)}</key><value>{_xml(shape.value, v)}</value></entry>"
            for k, v in value.items()
        )
    if shape.type_name == "boolean":
        return "true" if value else "false"
    return escape(str(value))


def query_error(code: str, message: str, request_id: str) -> bytes:
    """Return an error of the query protocol."""
    return (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
        f"<Message>{escape(message)}</Message></Error><RequestId>{request_id}</RequestId>"
        "</ErrorResponse>"
    ).encode()

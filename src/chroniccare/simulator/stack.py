"""What a function on AWS stands on besides its providers: a table, a bucket, and itself.

Of DynamoDB's expressions only what the delivery log writes: `SET` with values, `if_not_exists` and
`list_append`; conditions of `attribute_not_exists`, `=`, `<>`, `AND`, `OR` and brackets. Requests
are checked against AWS's model, and names or values that no expression uses are refused, as AWS
does.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from chroniccare.platform import aws_model
from chroniccare.simulator.server import Answer, Misbehaviour, Request

_JSON = "application/x-amz-json-1.0"
_TARGET = "DynamoDB_20120810."
_INVOKED = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
_SET = re.compile(r"([#\w]+) = (list_append\(.+?\), (:\w+)\)|if_not_exists\(\w+, (:\w+)\)|(:\w+))")
_TERM = re.compile(r"attribute_not_exists\((\w+)\)|([#\w]+) (=|<>) (:\w+)")
_USED = re.compile(r"[#:]\w+")

Item = dict[str, Any]


@dataclass(slots=True)
class Stack:
    """A table keyed by `notificationId` and `timestamp`, a bucket's files, and what was invoked.

    Attributes:
        delay_ms: how long the table takes for an answer.
        denied: operations that the role may not call, such as `UpdateItem`.
        lost: how many of the next writes are made and not answered.
    """

    items: dict[tuple[str, str], Item] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    invoked: list[Any] = field(default_factory=list)
    delay_ms: int = 0
    denied: set[str] = field(default_factory=set)
    lost: int = 0
    calls: list[str] = field(default_factory=list)

    async def page(self, request: Request) -> Answer | Misbehaviour | None:
        """Answer a request that is for one of them."""
        target = request.headers.get("x-amz-target", "")
        path = unquote(urlsplit(request.path).path)
        signed = aws_model.signed_for(request.headers.get("authorization", ""))
        if target.startswith(_TARGET) and signed == "dynamodb":
            return await self._table(target.removeprefix(_TARGET), request.body)
        if signed == "s3":
            return self._file(path)
        found = _INVOKED.fullmatch(path) if signed == "lambda" else None
        if found is None:
            return None
        self.calls.append("Invoke")
        if "Invoke" in self.denied:
            return _refused("AccessDeniedException", 403)
        self.invoked.append(orjson.loads(request.body))
        return Answer(202, b"")

    def _file(self, path: str) -> Answer:
        self.calls.append("GetObject")
        _, _, key = path.lstrip("/").partition("/")
        code, status = ("NoSuchKey", 404) if key not in self.files else ("AccessDenied", 403)
        if "GetObject" in self.denied or key not in self.files:
            text = f"<Error><Code>{code}</Code><Message>simulated</Message></Error>"
            return Answer(status, text.encode(), "application/xml")
        return Answer(200, self.files[key], "binary/octet-stream")

    async def _table(self, operation: str, body: bytes) -> Answer | Misbehaviour:
        self.calls.append(operation)
        await asyncio.sleep(self.delay_ms / 1000)
        if operation in self.denied:
            return _refused("AccessDeniedException")
        asked = aws_model.parse_json("dynamodb", operation, body)
        if operation == "BatchGetItem":
            [(name, wanted)] = asked["RequestItems"].items()
            found = [self.items[key] for one in wanted["Keys"] if (key := _key(one)) in self.items]
            answer = {"Responses": {name: found}, "UnprocessedKeys": {}}
            return Answer(200, orjson.dumps(answer), _JSON)
        values = asked["ExpressionAttributeValues"]
        names = asked.get("ExpressionAttributeNames", {})
        texts = f"{asked['UpdateExpression']} {asked['ConditionExpression']}"
        if set(_USED.findall(texts)) != names.keys() | values.keys():
            return _refused("ValidationException")
        item = self.items.get(_key(asked["Key"]), {})
        if not _holds(asked["ConditionExpression"], item, names, values):
            return _refused("ConditionalCheckFailedException")
        changed = _changed(asked["UpdateExpression"], item, names, values)
        self.items[_key(asked["Key"])] = {**asked["Key"], **changed}
        if self.lost:
            self.lost -= 1
            return "close"
        return Answer(200, b"{}", _JSON)


def _key(key: Mapping[str, Any]) -> tuple[str, str]:
    return key["notificationId"]["S"], key["timestamp"]["N"]


def _holds(text: str, item: Item, names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    """Say whether a condition of attributes joined by AND, OR and brackets is true."""
    told = [_term(found, item, names, values) for found in _TERM.finditer(text)]
    rest = _TERM.sub("x", text)
    if inner := re.fullmatch(r"\((x(?: AND x)*)\)((?: OR x)*)", rest):
        count = inner[1].count("x")
        return all(told[:count]) or any(told[count:])
    if re.fullmatch(r"x(?: AND x)*", rest):
        return all(told)
    raise aws_model.WireError("a condition that is not simulated")


def _term(
    found: re.Match[str], item: Item, names: Mapping[str, str], values: Mapping[str, Any]
) -> bool:
    if found[1] is not None:
        return found[1] not in item
    held = item.get(names.get(found[2], found[2]))
    return (held == values[found[4]]) is (found[3] == "=")


def _changed(text: str, item: Item, names: Mapping[str, str], values: Mapping[str, Any]) -> Item:
    made = dict(item)
    for found in _SET.finditer(text.removeprefix("SET ")):
        name = names.get(found[1], found[1])
        if found[3]:
            before = item.get(name, {"L": []})["L"]
            made[name] = {"L": [*before, *values[found[3]]["L"]]}
        elif not (found[4] and name in item):
            made[name] = values[found[4] or found[5]]
    return made


def _refused(code: str, status: int = 400) -> Answer:
    body = orjson.dumps({"__type": f"com.amazonaws#{code}", "Message": "simulated"})
    return Answer(status, body, _JSON, {"x-amzn-ErrorType": code})

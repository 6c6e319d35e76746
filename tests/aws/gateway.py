"""API Gateway in front of the functions: a request becomes an event, an answer a response."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx

from tests.aws import rie
from tests.deploy.gateway import chosen


def event(request: httpx.Request) -> dict[str, Any]:
    """Return what a REST API makes of a request, in AWS's format 1.0 of proxy events."""
    query = parse_qs(request.url.query.decode(), keep_blank_values=True)
    return {
        "resource": "/{proxy+}", "path": request.url.path, "httpMethod": request.method,
        "headers": dict(request.headers),
        "multiValueHeaders": {name: [value] for name, value in request.headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": {"proxy": request.url.path[1:]}, "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012", "apiId": "a1b2c3", "stage": "live",
            "httpMethod": request.method, "resourcePath": "/{proxy+}", "requestId": "0f8fad5b",
            "protocol": "HTTP/1.1", "path": f"/live{request.url.path}",
            "identity": {"sourceIp": "203.0.113.9", "userAgent": "tests"},
        },
        "body": request.content.decode() or None, "isBase64Encoded": False,
    }  # fmt: skip


class Gateway(httpx.AsyncBaseTransport):
    """Sends each request to the function that API Gateway would take."""

    def __init__(self, function: Callable[[str], rie.Function]) -> None:
        self.function = function
        self.asked: set[str] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        name, _ = chosen(request.url.path)
        self.asked.add(name)
        answer = await asyncio.to_thread(self.function(name), event(request))
        assert "statusCode" in answer, answer
        body = answer["body"] or ""
        content = base64.b64decode(body) if answer["isBase64Encoded"] else body.encode()
        headers = {name: ", ".join(given) for name, given in answer["multiValueHeaders"].items()}
        return httpx.Response(
            answer["statusCode"], headers=headers | answer.get("headers", {}), content=content
        )

"""The application behind a real port, with Secrets Manager beside it that knows one secret."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from aiohttp import web
from fastapi import FastAPI

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:api-key-a1b2c3"


@dataclass(slots=True)
class Served:
    """What was asked for, by path; `answer` may put another answer in the application's place."""

    app: FastAPI
    key: str
    url: str = ""
    asked: list[str] = field(default_factory=list)
    answer: Callable[[str], web.Response | None] = lambda _: None

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request."""
        if request.method == "POST":
            asked = await request.json()
            assert asked == {"SecretId": SECRET}
            return web.json_response({"SecretString": f"{self.key}\n"})
        self.asked.append(request.path)
        if (made := self.answer(request.path)) is not None:
            return made
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url=self.url) as http:
            found = await http.get(request.raw_path, headers=dict(request.headers))
        return web.Response(
            status=found.status_code, body=found.content,
            headers={"Content-Type": found.headers["content-type"]},
        )  # fmt: skip


@asynccontextmanager
async def serving(app: FastAPI, key: str) -> AsyncIterator[Served]:
    """Serve both."""
    made = Served(app, key)
    runner = web.AppRunner(application := web.Application())
    application.router.add_route("*", "/{path:.*}", made.handle)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield made
    finally:
        await runner.cleanup()

"""The baselines of `read_patient`: Starlette and asyncpg, the same bytes, no more.

No key, no rate limit, no audit, no cache: what the platform's own work is measured by. Under
/api/v1 it runs the same SQL as our read, tenant and role included; under /select the SELECT alone,
with no tenant and no row-level security.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chroniccare.core import wire
from chroniccare.patients.queries import GET, Patient


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda raw: orjson.loads(raw[1:]),
        format="binary",
    )


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    url = os.environ["DATABASE_URL"]
    async with asyncpg.create_pool(url, min_size=1, max_size=10, init=_prepare) as pool:
        app.state.pool = pool
        yield


async def _read(request: Request) -> Response:
    patient_id = UUID(request.path_params["patient_id"])
    async with request.app.state.pool.acquire() as connection:
        await connection.execute(
            "BEGIN; SET LOCAL ROLE chroniccare_app;"
            f" SET LOCAL app.tenant_id = '{os.environ['BENCH_TENANT']}'"
        )
        record = await connection.fetchrow(GET.sql, patient_id)
        await connection.execute("COMMIT")
    return _answer(request, record)


async def _select(request: Request) -> Response:
    patient_id = UUID(request.path_params["patient_id"])
    async with request.app.state.pool.acquire() as connection:
        record = await connection.fetchrow(GET.sql, patient_id)
    return _answer(request, record)


def _answer(request: Request, record: Any) -> Response:
    body = wire.success(wire.dumps(Patient(*record)), request.headers["x-request-id"])
    return Response(body, media_type=wire.JSON)


app = Starlette(
    routes=[
        Route("/api/v1/patients/{patient_id}", _read),
        Route("/select/patients/{patient_id}", _select),
    ],
    lifespan=_lifespan,
)

"""Claim: each sealed field costs a read of a patient a few microseconds.

In one run and one process: a clinic without keys and one with them, the same patients, read in
turns from PostgreSQL by id and in lists of 50. The share of CPU is compared, not the wall clock.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median
from uuid import UUID, uuid4

from chroniccare.core.caller import Caller, system
from chroniccare.migrations.runner import migrate
from chroniccare.patients import actions as patients
from chroniccare.patients.schemas import PatientWrite
from chroniccare.platform import masterkey, wiring
from chroniccare.platform.postgres import begin
from chroniccare.platform.sealing import Column
from chroniccare.settings import load as load_settings
from chroniccare.tenancy import actions as tenancy

from .stage import settings_of, stage

PATIENTS = 400
ROUNDS = 7
VALUES = 20_000
_COLUMN = Column("patients.emergency_contact")
_CONTACT = {"name": "Luis Gonzalez", "phone": "+14155550111", "relationship": "brother"}


async def _clinic(name: str) -> tuple[Caller, list[UUID]]:
    tenant_id = await tenancy.create_tenant(name=name, subdomain=name)
    caller, made = system(tenant_id, job="bench"), []
    async with begin(caller) as tx:
        for number in range(PATIENTS):
            body = {
                "mrn": f"B-{number}", "first_name": "Maria", "last_name": f"Gonzalez {number:03d}",
                "date_of_birth": "1961-04-12", "time_zone": "America/New_York",
                "emergency_contact": _CONTACT,
                "insurance_info": {"payer": "Acme Health", "member": f"M{number}"},
                "contact_info": {
                    "telecom": [{"system": "phone", "value": f"+1415555{number:04d}"}],
                    "address": {"line": ["1 Main St"], "city": "Springfield", "country": "US"},
                },
            }  # fmt: skip
            made.append((await patients.create(tx, PatientWrite.model_validate(body))).id)
    return caller, made


async def _read(caller: Caller, ids: list[UUID]) -> None:
    for patient_id in ids:
        async with begin(caller) as tx:
            await patients.get(tx, patient_id)


async def _list(caller: Caller, ids: list[UUID]) -> None:
    for _ in range(len(ids) // 10):
        async with begin(caller) as tx:
            await patients.search(tx, filters=[None] * 5, name=None, cursor=None, limit=50)


async def _cpu(work: Callable[[], Awaitable[None]]) -> float:
    started = time.process_time()
    await work()
    return time.process_time() - started


async def _compare() -> None:
    held = masterkey.held()
    masterkey.hold(None)
    clear = await _clinic("clear")
    masterkey.hold(held)
    sealed = await _clinic("sealed")
    for name, reading, count in (
        ("patient by id", _read, PATIENTS), ("list of 50", _list, PATIENTS // 10),
    ):  # fmt: skip
        pairs = []
        for _ in range(ROUNDS):
            one = await _cpu(lambda reading=reading: reading(*clear))  # type: ignore[misc]
            two = await _cpu(lambda reading=reading: reading(*sealed))  # type: ignore[misc]
            pairs.append((one / count * 1e6, two / count * 1e6, two / one))
        without, by, ratio = (median(column) for column in zip(*pairs, strict=True))
        print(f"{name:14} clear {without:.0f} us, sealed {by:.0f} us of CPU: {ratio:.2f}")
    await _values(sealed[0])


async def _values(caller: Caller) -> None:
    async with begin(caller) as tx:
        keys = await tx.keyring()
    row = uuid4()
    plain = b"+14155550111"
    data, text = keys.seal(_COLUMN, row, plain), keys.sealed(_COLUMN, row, _CONTACT)
    for name, work in (
        ("seal 12 bytes", lambda: keys.seal(_COLUMN, row, plain)),
        ("unseal 12 bytes", lambda: keys.unseal(_COLUMN, row, data)),
        ("seal a document", lambda: keys.sealed(_COLUMN, row, _CONTACT)),
        ("unseal a document", lambda: keys.unsealed(_COLUMN, row, text)),
        ("blind index", lambda: keys.blind(_COLUMN, "+14155550111")),
    ):
        started = time.process_time()
        for _ in range(VALUES):
            work()
        print(f"{name:18} {(time.process_time() - started) / VALUES * 1e6:.1f} us")


def main() -> None:
    """Run the benchmark."""
    with stage() as where:

        async def run() -> None:
            await migrate(where.database_url)
            async with wiring.opened(load_settings(settings_of(where))):
                await _compare()

        asyncio.run(run())


if __name__ == "__main__":
    main()

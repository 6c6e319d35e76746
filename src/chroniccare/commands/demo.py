"""The demo clinic for `up --demo` and `demo`: loaded once, its key kept where only we can read."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from chroniccare.commands.servers import private_text
from chroniccare.commands.staff import first_administrator
from chroniccare.commands.welcome import ADMINISTRATOR, Shown
from chroniccare.core.caller import system
from chroniccare.core.errors import Conflict, Unauthenticated, Unprocessable
from chroniccare.demo import actions, showing
from chroniccare.platform.embedded_process import write_file
from chroniccare.platform.postgres import begin, database
from chroniccare.settings import Settings, values_of
from chroniccare.staff.keys import actions as keys
from chroniccare.tenancy.actions import create_key
from chroniccare.tenancy.caller import Authority
from chroniccare.tenancy.rules import SCOPES

_KEY = "demo.key"


async def prepared(
    settings: Settings, directory: Path, *, wanted: bool, say: Callable[[str], None]
) -> Shown | None:
    """Return what there is to try in the demo clinic; None when there is none and none is wanted.

    When it is wanted it is loaded, and a few visits are booked whose reminders fall due within a
    minute.
    """
    tenant_id = await actions.find()
    if wanted:
        if tenant_id is None:
            say("loading the demo clinic (once) ...")
        tenant_id = (await actions.load()).tenant_id
        # Whoever has changed the clinic since, or books at this moment, must not hinder the start.
        with suppress(Conflict, Unprocessable):
            await showing.book_soon(tenant_id)
    if tenant_id is None:
        return None
    key = await kept_key(settings, directory, tenant_id)
    password = await first_administrator(tenant_id, ADMINISTRATOR)
    return Shown(key, await showing.visit_tomorrow(tenant_id), password)


async def kept_key(settings: Settings, directory: Path, tenant_id: UUID) -> str:
    """Return the demo clinic's key; a new one when the kept one is missing or no longer valid.

    A key's secret is not in the database, so the key is kept in a file of the data directory.
    """
    path = directory / _KEY
    pepper = values_of(settings, "key_pepper")
    if path.exists():
        key = private_text(path)
        if await _is_valid(key, pepper, tenant_id):
            return key
    async with begin(system(tenant_id, job="demo")) as tx:
        key = await create_key(tx, pepper=pepper, name="demo", scopes=SCOPES)
        await keys.created(tx, key)
    write_file(path, key + "\n", durable=True)
    return key


async def _is_valid(key: str, pepper: str, tenant_id: UUID) -> bool:
    """Say whether the key may do everything in the demo clinic now."""
    try:
        caller = await Authority(pepper, per_second=1, burst=1).authenticate(
            key, now=database().clock()
        )
    except Unauthenticated:
        return False
    return caller.tenant_id == tenant_id and caller.scopes >= SCOPES

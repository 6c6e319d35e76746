"""A clinic's own texts: written once, activated by somebody, replaced and never changed."""

from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.errors import Conflict, FieldError, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.notifications.templates import lint, queries
from chroniccare.notifications.templates.making import Policy
from chroniccare.notifications.templates.schemas import (
    MessagePolicyWrite,
    TemplateWrite,
    VersionWrite,
)
from chroniccare.notifications.templates.text import Source
from chroniccare.platform.postgres import Tx
from chroniccare.settings import takes_replies

ENTITY = "message_template"
DEFAULT_POLICY = queries.MessagePolicy(
    default_locale=Policy().default_locale,
    max_segments=Policy().max_segments,
    plain_letters=Policy().plain_letters,
    asks=None,
    four_eyes=False,
    version=0,
    updated_at=None,
)
"""What holds for a clinic that never said otherwise; the same as the table's own defaults."""


class TemplateExists(Conflict):
    """The clinic has a template of this type, channel and locale already."""

    code = "TEMPLATE_EXISTS"
    message = "There is a template of this type, channel and locale; add a version to it."


class TemplateRefused(Unprocessable):
    """The text holds what no message may; `details` name part and line."""

    code = "TEMPLATE_REFUSED"
    message = "The text cannot be used as it is."


class SameAuthor(Conflict):
    """Two people must look at a text, and this is the one who wrote it."""

    code = "SAME_AUTHOR"
    message = "Somebody else than its author has to activate this version."


async def create(tx: Tx, body: TemplateWrite) -> queries.Template:
    """Write the first version of a template; nothing is sent with it until it is activated.

    Raises:
        TemplateRefused: the text holds what no message may.
        TemplateExists: there is one of this type, channel and locale.
    """
    kind, channel, locale = body.notification_type, body.channel, body.locale
    await _check(tx, kind, channel, locale, body)
    template_id = new_id()
    made = await tx.run(
        queries.INSERT, template_id, tx.caller.tenant_id, kind, channel, locale, tx.now
    )
    if not made:
        raise TemplateExists
    await _write(tx, template_id, 1, body)
    template = await get(tx, template_id)
    await record(tx, action="create", entity_type=ENTITY, entity_id=template_id, after=template)
    return template


async def add_version(tx: Tx, template: queries.Template, body: VersionWrite) -> queries.Version:
    """Write the next version of `template`, which this transaction has locked.

    Raises:
        TemplateRefused: the text holds what no message may.
    """
    await _check(tx, template.notification_type, template.channel, template.locale, body)
    version_id = await _write(tx, template.id, template.latest_number + 1, body)
    await tx.run(queries.TOUCH, template.id, tx.now)
    after = await get(tx, template.id)
    await record(
        tx, action="add_version", entity_type=ENTITY, entity_id=template.id, before=template,
        after=after,
    )  # fmt: skip
    return await get_version(tx, template.id, version_id)


async def activate(tx: Tx, template: queries.Template, version_id: UUID) -> queries.Template:
    """Send this version of `template`, which this transaction has locked, from now on.

    Messages that wait get it as well: the text is chosen when a message is sent.

    Raises:
        NotFound: no such version of this template.
        SameAuthor: the clinic wants two people, and the caller wrote it.
        TemplateRefused: the clinic's rules have changed since it was written.
    """
    found = await get_version(tx, template.id, version_id)
    rules = await policy(tx)
    author = (found.created_by_type, found.created_by)
    if rules.four_eyes and author == (tx.caller.actor_type, tx.caller.actor_id):
        raise SameAuthor
    source = Source(found.text, found.subject, found.html)
    _refuse(template.notification_type, template.channel, template.locale, source, rules)
    return await _switch(tx, template, version_id, "activate")


async def deactivate(tx: Tx, template: queries.Template) -> queries.Template:
    """Go back from `template`, which this transaction has locked, to the built-in text."""
    return await _switch(tx, template, None, "deactivate")


async def get(tx: Tx, template_id: UUID) -> queries.Template:
    """Return one template.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    found = await tx.one(queries.GET, template_id)
    if found is None:
        raise NotFound("No such template.")
    return found


async def get_locked(tx: Tx, template_id: UUID) -> queries.Template:
    """Return one template and lock its row; see `get`."""
    await tx.value(queries.LOCK, template_id)
    return await get(tx, template_id)


async def get_version(tx: Tx, template_id: UUID, version_id: UUID) -> queries.Version:
    """Return one version of a template.

    Raises:
        NotFound: none with this id belongs to this template of the caller's tenant.
    """
    found = await tx.one(queries.GET_VERSION, template_id, version_id)
    if found is None:
        raise NotFound("No such version of this template.")
    return found


async def search(
    tx: Tx, *, filters: list[str | None], cursor: str | None, limit: int
) -> paging.Page[queries.Template]:
    """Return one page of templates; `filters` are type, channel and locale."""
    after = paging.decode(cursor, "templates", filters, [str, str, str]) or [None] * 3
    rows = await tx.all(queries.LIST, *filters, *after, limit + 1)
    return paging.page(
        rows, limit, listing="templates", filters=filters,
        key=lambda row: [row.notification_type, row.channel, row.locale],
    )  # fmt: skip


async def versions(
    tx: Tx, template_id: UUID, *, cursor: str | None, limit: int
) -> paging.Page[queries.Version]:
    """Return one page of a template's versions, the latest first.

    Raises:
        NotFound: no such template.
    """
    await get(tx, template_id)
    listing = f"versions of {template_id}"
    after = paging.decode(cursor, listing, [], [int]) or [None]
    rows = await tx.all(queries.LIST_VERSIONS, template_id, *after, limit + 1)
    return paging.page(rows, limit, listing=listing, filters=[], key=lambda row: [row.number])


async def policy(tx: Tx) -> queries.MessagePolicy:
    """Return the clinic's rules of its texts: its own, or the defaults."""
    return await tx.one(queries.GET_POLICY) or DEFAULT_POLICY


async def policy_locked(tx: Tx) -> queries.MessagePolicy:
    """Return the rules of texts; until this commits, nobody else comes past here."""
    if await tx.run(queries.INSERT_POLICY, tx.caller.tenant_id, tx.now):
        return DEFAULT_POLICY
    return await tx.one(queries.GET_POLICY_FOR_UPDATE) or DEFAULT_POLICY


async def set_policy(
    tx: Tx, before: queries.MessagePolicy, body: MessagePolicyWrite
) -> queries.MessagePolicy:
    """Replace the rules of texts, which were `before`; active versions stay active.

    Raises:
        Unprocessable: replies are asked for, and nobody would read them.
    """
    if body.asks == "reply" and not takes_replies(tx.settings):
        raise Unprocessable.field("asks", "replies are not taken here: see docs/two-way.md", "asks")
    changed = await tx.one(
        queries.SET_POLICY, body.default_locale, body.max_segments, body.plain_letters,
        body.four_eyes, body.asks, tx.now,
    )  # fmt: skip
    if changed is None:
        raise NotFound
    await record(
        tx, action="update", entity_type="message_policy", entity_id=tx.caller.tenant_id,
        before=before, after=changed,
    )  # fmt: skip
    return changed


async def _check(tx: Tx, kind: str, channel: str, locale: str, body: VersionWrite) -> None:
    source = Source(body.text, body.subject, body.html)
    _refuse(kind, channel, locale, source, await policy(tx))


def _refuse(
    kind: str, channel: str, locale: str, source: Source, rules: queries.MessagePolicy
) -> None:
    found = lint.findings(kind, channel, locale, source, in_use(rules))
    errors = [
        FieldError(
            one.field, one.message if one.line is None else f"line {one.line}: {one.message}",
            one.code,
        )
        for one in found
        if one.severity == "error"
    ]  # fmt: skip
    if errors:
        raise TemplateRefused(details=errors)


def in_use(rules: queries.MessagePolicy) -> Policy:
    """Return the rules as texts are made by them."""
    return Policy(rules.default_locale, rules.max_segments, plain_letters=rules.plain_letters)


async def _write(tx: Tx, template_id: UUID, number: int, body: VersionWrite) -> UUID:
    version_id, caller = new_id(), tx.caller
    await tx.run(
        queries.INSERT_VERSION, version_id, caller.tenant_id, template_id, number, body.subject,
        body.text, body.html, body.note, caller.actor_id, caller.actor_type, tx.now,
    )  # fmt: skip
    return version_id


async def _switch(
    tx: Tx, template: queries.Template, version_id: UUID | None, action: str
) -> queries.Template:
    """Make another version, or none, the active one; the same again changes nothing."""
    if template.active_version_id == version_id:
        return template
    await tx.run(queries.ACTIVATE, template.id, version_id, tx.now)
    await tx.run(
        queries.NOTE_ACTIVATION, tx.caller.tenant_id, template.id, version_id, tx.caller.actor_id,
        tx.caller.actor_type, tx.now,
    )  # fmt: skip
    changed = await get(tx, template.id)
    await record(
        tx, action=action, entity_type=ENTITY, entity_id=template.id, before=template,
        after=changed,
    )  # fmt: skip
    return changed

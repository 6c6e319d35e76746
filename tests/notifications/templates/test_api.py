"""Templates through the public API."""

import asyncio
from typing import Any

import httpx
import pytest

from chroniccare.core.caller import system
from chroniccare.core.ids import new_id
from chroniccare.notifications.templates.kinds import CHANNELS, KINDS
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, begin
from chroniccare.settings import Settings
from chroniccare.tenancy.actions import create_key
from tests.client import Clinic
from tests.notifications.templates.support import TEXT, activate, rule, write

EMAIL = {"channel": "email", "subject": "Visit on {{ date }}"}


def problems(response: httpx.Response) -> list[tuple[str, str, str]]:
    """Return field, the line if one is named, and code of each problem."""
    assert response.status_code == 422, response.text
    assert response.json()["error"]["code"] == "TEMPLATE_REFUSED"
    return [
        (one["field"], one["reason"].partition(":")[0] if "line" in one["reason"] else "",
         one["code"])
        for one in response.json()["error"]["details"]
    ]  # fmt: skip


async def test_a_template_is_written_activated_and_switched_off(clinic: Clinic) -> None:
    made = await write(clinic, note="First try.")
    assert (made["active_version_id"], made["active_number"], made["latest_number"]) == (
        None, None, 1,
    )  # fmt: skip
    path = f"/templates/{made['id']}"
    read = await clinic.get(path)
    assert (read.json()["data"], read.headers["etag"]) == (made, '"1"')
    active = await activate(clinic, made)
    assert (active["active_version_id"], active["active_number"], active["version"]) == (
        made["latest_version_id"], 1, 2,
    )  # fmt: skip
    assert await activate(clinic, made) == active  # the same again changes nothing

    body = {"text": f"{TEXT} Bye.", "note": "Friendlier."}
    response = await clinic.post(f"{path}/versions", body, headers={"If-Match": '"2"'})
    second = response.json()["data"]
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/v1{path}/versions/{second['id']}"
    assert (second["number"], second["note"], second["is_active"], second["activated_at"]) == (
        2, "Friendlier.", False, None,
    )  # fmt: skip
    assert (await clinic.get(path)).json()["data"]["active_number"] == 1
    changed = await activate(clinic, made, second["id"])
    assert (changed["active_number"], changed["version"]) == (2, 4)

    listed = (await clinic.get(f"{path}/versions")).json()["data"]["items"]
    assert [(one["number"], one["is_active"]) for one in listed] == [(2, True), (1, False)]
    assert listed[1]["text"] == TEXT
    assert listed[1]["activated_at"] is not None
    assert listed[1]["created_by_type"] == "api_key"
    assert (listed[1]["activated_by_type"], listed[1]["activated_by"]) == (
        "api_key", listed[1]["created_by"],
    )  # fmt: skip
    one = await clinic.get(f"{path}/versions/{second['id']}")
    assert one.json()["data"] == listed[0]

    off = (await clinic.post(f"{path}/deactivate")).json()["data"]
    assert (off["active_version_id"], off["latest_number"]) == (None, 2)
    audit = await clinic.get("/audit", params={"entity_id": made["id"]})
    actions = [entry["action"] for entry in audit.json()["data"]["items"]]
    assert actions == ["deactivate", "activate", "add_version", "activate", "create"]


async def test_there_is_one_template_of_a_type_channel_and_locale(clinic: Clinic) -> None:
    await write(clinic)
    body = {
        "notification_type": "appointment_confirmation", "channel": "sms", "locale": "en",
        "text": "Another for {{ clinic }}",
    }  # fmt: skip
    again = await clinic.post("/templates", body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "TEMPLATE_EXISTS")
    for other in ({"locale": "en-US"}, {"channel": "push"}, {"notification_type": "recall"}):
        changed = {**body, **other}
        if "notification_type" in other:
            changed["text"] = "{{ clinic }}: x"
        assert (await clinic.post("/templates", changed)).status_code == 201


async def test_lists_are_filtered_and_paged(clinic: Clinic, other_clinic: Clinic) -> None:
    for locale in ("es", "en", "en-US"):
        await write(clinic, locale=locale)
    await write(clinic, "Hi {{ first_name }}", **EMAIL)
    await write(other_clinic)
    seen, cursor = [], None
    while True:
        params: dict[str, Any] = {"limit": 1, **({"cursor": cursor} if cursor else {})}
        data = (await clinic.get("/templates", params=params)).json()["data"]
        seen += [(one["channel"], one["locale"]) for one in data["items"]]
        cursor = data["next_cursor"]
        if cursor is None:
            break
    assert seen == [("email", "en"), ("sms", "en"), ("sms", "en-US"), ("sms", "es")]
    for params, count in (
        ({"channel": "sms"}, 3), ({"locale": "en"}, 2), ({"notification_type": "recall"}, 0),
    ):  # fmt: skip
        items = (await clinic.get("/templates", params=params)).json()["data"]["items"]
        assert len(items) == count
    bad = await clinic.get("/templates", params={"channel": "pigeon"})
    assert bad.status_code == 400


async def test_versions_are_paged_from_the_latest(clinic: Clinic) -> None:
    made = await write(clinic)
    path = f"/templates/{made['id']}/versions"
    for number in range(2, 5):
        await clinic.make(path, {"text": f"{TEXT} {number}"})
    first = (await clinic.get(path, params={"limit": 3})).json()["data"]
    rest = await clinic.get(path, params={"limit": 3, "cursor": first["next_cursor"]})
    items = [*first["items"], *rest.json()["data"]["items"]]
    assert [one["number"] for one in items] == [4, 3, 2, 1]


async def test_what_no_message_may_hold_is_refused_with_part_and_line(clinic: Clinic) -> None:
    body = {"notification_type": "appointment_reminder", "channel": "sms", "locale": "en"}
    texts = {
        "Hi {{ clinic }}\n{% for x in clinic %}x{% endfor %}": ("line 2", "not_allowed"),
        "Hi {{ clinic }}\n\n{{ provider }}": ("line 3", "variable"),
        "{{ 'x' * 10**9 }}": ("line 1", "not_allowed"),
        "{{ ''.__class__ }}": ("line 1", "not_allowed"),
        "{{ clinic": ("line 1", "syntax"),
        "{{ clinic }}: reply STOP": ("line 1", "opt_out_word"),
        "{{ clinic }}\nYour diabetes check": ("line 2", "health"),
        "{{ clinic }}" + "x" * 500: ("", "segments"),
    }
    for text, (line, code) in texts.items():
        response = await clinic.post("/templates", {**body, "text": text})
        assert problems(response) == [("text", line, code)]
        assert "__class__" not in response.text
    email = {**body, "channel": "email", "text": "x"}
    assert problems(await clinic.post("/templates", email)) == [("subject", "", "required")]
    script = {**email, "subject": "x", "html": "<p>\n<script>x</script>"}
    assert problems(await clinic.post("/templates", script)) == [("html", "line 2", "html")]
    assert (await clinic.get("/templates")).json()["data"]["items"] == []

    made = await write(clinic)
    path = f"/templates/{made['id']}/versions"
    assert problems(await clinic.post(path, {"text": "{{ provider }}"}))[0][2] == "variable"
    assert len((await clinic.get(path)).json()["data"]["items"]) == 1


async def test_a_request_that_is_repeated_writes_once(clinic: Clinic) -> None:
    made = await write(clinic)
    path = f"/templates/{made['id']}/versions"
    headers = {"Idempotency-Key": "once"}
    first = await clinic.post(path, {"text": TEXT}, headers=headers)
    again = await clinic.post(path, {"text": TEXT}, headers=headers)
    assert first.json()["data"] == again.json()["data"]
    assert len((await clinic.get(path)).json()["data"]["items"]) == 2
    turn = f"{path}/{made['latest_version_id']}/activate"
    old = {"If-Match": '"1"'}
    for refused in (
        await clinic.post(path, {"text": TEXT}, headers=old),
        await clinic.post(turn, headers=old),
        await clinic.post(f"/templates/{made['id']}/deactivate", headers=old),
    ):
        assert refused.status_code == 412
    assert (await clinic.post(turn, headers={"If-Match": '"2"'})).status_code == 200


async def test_versions_written_at_once_have_numbers_of_their_own(clinic: Clinic) -> None:
    made = await write(clinic)
    path = f"/templates/{made['id']}/versions"
    lock = Command("SELECT id FROM message_templates WHERE id = $1 FOR UPDATE")
    async with begin(clinic.caller) as tx:
        await tx.value(lock, made["id"])
        rivals = [asyncio.create_task(clinic.post(path, {"text": TEXT})) for _ in range(4)]
        # The first waits for this transaction, the others for the first.
        waiting = Command("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
        async with asyncio.timeout(10):
            while await tx.value(waiting) < len(rivals):  # noqa: ASYNC110  the server's state
                await asyncio.sleep(0.01)
    numbers = [(await rival).json()["data"]["number"] for rival in rivals]
    assert sorted(numbers) == [2, 3, 4, 5]


async def test_a_version_belongs_to_its_template(clinic: Clinic, other_clinic: Clinic) -> None:
    one, two = await write(clinic), await write(clinic, locale="es")
    foreign = await write(other_clinic)
    for stranger in (two["latest_version_id"], foreign["latest_version_id"], str(new_id())):
        path = f"/templates/{one['id']}/versions/{stranger}"
        assert (await clinic.get(path)).status_code == 404
        assert (await clinic.post(f"{path}/activate")).status_code == 404
    assert (await clinic.get(f"/templates/{foreign['id']}")).status_code == 404


@pytest.mark.parametrize("table", ["message_template_versions", "message_template_activations"])
async def test_what_was_written_never_changes(
    clinic: Clinic, settings: Settings, table: str
) -> None:
    made = await write(clinic)
    await activate(clinic, made)
    changes = [
        f"UPDATE {table} SET tenant_id = tenant_id",  # noqa: S608  two names of our own
        f"DELETE FROM {table}",  # noqa: S608
    ]
    for change in changes:
        with pytest.raises(Exception, match=f"permission denied for table {table}"):
            async with begin(clinic.caller) as tx:
                await tx.run(Command(change))
    async with owner_connection(settings.database_url) as owner:
        for change in (*changes, f"TRUNCATE {table} CASCADE"):
            with pytest.raises(Exception, match=f"{table} is written once"):
                await owner.execute(change)
    listed = await clinic.get(f"/templates/{made['id']}/versions")
    assert listed.json()["data"]["items"][0]["text"] == TEXT


async def second_key(clinic: Clinic) -> dict[str, str]:
    """Return the header of another key of the same clinic."""
    async with begin(system(clinic.tenant_id, job="test")) as tx:
        key = await create_key(
            tx, pepper=clinic.app.state.authority.pepper, name="colleague",
            scopes=frozenset({"templates:write", "templates:read"}),
        )  # fmt: skip
    return {"X-API-Key": key}


async def test_two_people_look_at_a_text_where_the_clinic_wants_it(clinic: Clinic) -> None:
    await rule(clinic, four_eyes=True)
    made = await write(clinic)
    path = f"/templates/{made['id']}/versions/{made['latest_version_id']}/activate"
    own = await clinic.post(path)
    assert (own.status_code, own.json()["error"]["code"]) == (409, "SAME_AUTHOR")
    other = await second_key(clinic)
    assert (await clinic.post(path, headers=other)).status_code == 200
    # To go back to the built-in text is always allowed: it may have to be quick.
    assert (await clinic.post(f"/templates/{made['id']}/deactivate")).status_code == 200


async def test_a_version_that_the_rules_forbid_by_now_is_not_activated(clinic: Clinic) -> None:
    made = await write(clinic, "{{ clinic }}" + "x" * 200)
    await rule(clinic, max_segments=1)
    path = f"/templates/{made['id']}/versions/{made['latest_version_id']}/activate"
    assert problems(await clinic.post(path)) == [("text", "", "segments")]


async def test_rules_of_texts(clinic: Clinic, other_clinic: Clinic) -> None:
    read = await clinic.get("/message-policy")
    defaults = {
        "default_locale": "en", "max_segments": 3, "plain_letters": False, "four_eyes": False,
        "asks": None,
    }  # fmt: skip
    assert read.json()["data"] == {**defaults, "version": 0, "updated_at": None}
    assert read.headers["etag"] == '"0"'
    changed = {
        "default_locale": "es-MX", "max_segments": 2, "plain_letters": True, "four_eyes": True,
    }  # fmt: skip
    first = await clinic.put("/message-policy", changed, headers={"If-Match": '"0"'})
    assert first.headers["etag"] == '"1"'
    assert first.json()["data"].items() >= changed.items()
    late = await clinic.put("/message-policy", changed, headers={"If-Match": '"0"'})
    assert late.status_code == 412
    assert (await clinic.get("/message-policy")).json()["data"]["version"] == 1
    assert (await rule(clinic))["version"] == 2
    untouched = (await other_clinic.get("/message-policy")).json()["data"]
    assert (untouched["version"], untouched["default_locale"]) == (0, "en")
    refused = await other_clinic.put("/message-policy", changed, headers={"If-Match": '"7"'})
    assert refused.status_code == 412
    assert (await other_clinic.get("/message-policy")).json()["data"]["updated_at"] is None
    for bad in ({"max_segments": 0}, {"max_segments": 11}, {"default_locale": "Spanish"}):
        response = await clinic.put("/message-policy", {**changed, **bad})
        assert response.json()["error"]["details"][0]["field"] == next(iter(bad))


async def test_the_table_has_the_same_defaults(clinic: Clinic) -> None:
    before = (await clinic.get("/message-policy")).json()["data"]
    async with begin(clinic.caller) as tx:
        insert = "INSERT INTO message_policies (tenant_id, updated_at) VALUES ($1, $2)"
        await tx.run(Command(insert), clinic.tenant_id, tx.now)
    after = (await clinic.get("/message-policy")).json()["data"]
    assert {**after, "updated_at": None} == before


async def test_types_say_what_each_channel_may_show(clinic: Clinic) -> None:
    data = (await clinic.get("/templates/types")).json()["data"]
    assert data["filters"] == ["capitalize", "cut", "default", "lower", "upper"]
    assert [one["notification_type"] for one in data["types"]] == list(KINDS)
    for one in data["types"]:
        assert [channel["channel"] for channel in one["channels"]] == list(CHANNELS)
        for channel in one["channels"]:
            names = {variable["name"] for variable in channel["variables"]}
            in_subject = {v["name"] for v in channel["variables"] if v["in_subject"]}
            assert not in_subject & {"provider", "medication"}
            if channel["channel"] == "email":
                assert in_subject
            else:
                assert not names & {"provider", "medication"}
                assert not in_subject
            for text in channel["built_in"]:
                # A built-in text is where a clinic begins: it can be written as its own.
                body = {
                    "notification_type": one["notification_type"], "channel": channel["channel"],
                    "locale": text["locale"], "text": text["text"],
                }  # fmt: skip
                if text["subject"]:
                    body["subject"] = text["subject"]
                assert (await clinic.post("/templates", body)).status_code == 201

"""What the tests of templates share."""

from typing import Any

from tests.client import Clinic

TEXT = "Hello {{ first_name }}, {{ clinic }} expects you: {{ when }}."


async def write(clinic: Clinic, text: str = TEXT, **fields: Any) -> dict[str, Any]:
    """Write a template, of an SMS reminder in English unless told otherwise."""
    body = {
        "notification_type": "appointment_confirmation", "channel": "sms", "locale": "en",
        "text": text, **fields,
    }  # fmt: skip
    return await clinic.make("/templates", body)


async def activate(clinic: Clinic, template: dict[str, Any], version_id: str = "") -> Any:
    """Activate a version, the latest unless told otherwise."""
    chosen = version_id or template["latest_version_id"]
    response = await clinic.post(f"/templates/{template['id']}/versions/{chosen}/activate")
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def written(clinic: Clinic, text: str = TEXT, **fields: Any) -> dict[str, Any]:
    """Write a template and activate it."""
    made: dict[str, Any] = await activate(clinic, await write(clinic, text, **fields))
    return made


async def rule(clinic: Clinic, **fields: Any) -> Any:
    """Set the clinic's rules of its texts."""
    body = {
        "default_locale": "en", "max_segments": 3, "plain_letters": False, "four_eyes": False,
        **fields,
    }  # fmt: skip
    response = await clinic.put("/message-policy", body)
    assert response.status_code == 200, response.text
    return response.json()["data"]

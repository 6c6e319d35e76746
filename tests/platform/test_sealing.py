"""Sealed values open where they were sealed and nowhere else; master keys stay private."""

import base64
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.platform import masterkey, masterkey_file
from chroniccare.platform.masterkey import CannotUnwrap, MasterKeys
from chroniccare.platform.sealing import (
    MARK,
    Column,
    Keyring,
    Opens,
    UnknownVersion,
    Unreadable,
    WrappedKey,
    lead,
    places,
    unlocked,
)
from chroniccare.settings import Settings, SettingsError, load

ONE, OTHER = UUID(int=1), UUID(int=2)
CIPHER = AESGCM(bytes(32))  # the same key for everybody: only the place differs
PLACES = st.tuples(
    st.sampled_from([ONE, OTHER]),
    st.sampled_from(["patients.emergency_contact", "patients.insurance_info", "a.b", "a.b|c"]),
    st.sampled_from([str(ONE), str(OTHER), "c", ""]),
)


def keyring(tenant: UUID = ONE, version: int = 1) -> Keyring:
    versions = {("data", n): CIPHER for n in range(1, version + 1)}
    return Keyring(tenant, {"data": version}, versions, b"k" * 32)  # type: ignore[arg-type]


@given(sealed=PLACES, opened=PLACES, value=st.dictionaries(st.text(), st.text(), min_size=1))
def test_sec_21_a_value_opens_at_its_own_place_alone(
    sealed: tuple[UUID, str, str], opened: tuple[UUID, str, str], value: dict[str, str]
) -> None:
    tenant, column, row = sealed
    text = keyring(tenant).sealed(Column(column), row, value)
    assert text.startswith(lead(1))
    tenant, column, row = opened
    if sealed == opened:
        assert keyring(tenant).unsealed(Column(column), row, text) == value
        return
    with pytest.raises(Unreadable) as error:
        keyring(tenant).unsealed(Column(column), row, text)
    named = row if row in {str(ONE), str(OTHER)} else "a row"
    assert str(error.value) == f"cannot decrypt {column} of {named}"


@given(plain=st.binary(max_size=40), data=st.data())
def test_sec_21_no_bit_of_a_sealed_value_can_be_changed(plain: bytes, data: Any) -> None:
    column = Column("patients.insurance_info")
    whole = bytearray(keyring().seal(column, ONE, plain))
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Unreadable):
        keyring().unseal(column, ONE, bytes(whole))


@pytest.mark.parametrize("text", [MARK, MARK + "?", MARK + "AQAB", MARK + "A" * 80])
def test_what_only_looks_sealed_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        keyring().unsealed(Column("a.b"), ONE, text)


def test_equal_values_are_sealed_differently_and_nothing_stays_nothing() -> None:
    held, column = keyring(), Column("a.b")
    assert held.sealed(column, ONE, {"a": 1}) != held.sealed(column, ONE, {"a": 1})
    assert held.sealed(column, ONE, {}) == {}
    assert held.sealed(column, ONE, None) is None
    assert Keyring(ONE).sealed(column, ONE, {"a": 1}) == {"a": 1}


def test_a_version_that_is_not_held_is_told_apart() -> None:
    column = Column("a.b")
    newer = keyring(version=2).sealed(column, ONE, {"a": 1})
    with pytest.raises(UnknownVersion):
        keyring().unsealed(column, ONE, newer)


def test_a_blind_index_finds_equals_of_one_tenant_and_column() -> None:
    held, column = keyring(), Column("contact_points.value")
    blind = held.blind(column, "+14155550111")
    assert blind == held.blind(column, "+14155550111")
    assert len(blind) == 32
    others = [
        held.blind(column, "+14155550112"),
        held.blind(Column("suppressions.value"), "+14155550111"),
        Keyring(ONE, index=b"x" * 32).blind(column, "+14155550111"),
    ]
    assert blind not in others


def test_only_sealed_fields_of_a_record_are_opened() -> None:
    held, column = keyring(), Column("patients.contact_info")
    info = {"address": {"city": "Boston", "country": "US", "line": None}}
    kept = held.sealed_address(column, ONE, info)
    assert kept["address"] == {"country": "US"}
    assert "Boston" not in json.dumps(kept)
    record = [str(ONE), 1, {**kept, "telecom": []}]
    # WrappedKey serves as some record: purpose, version, wrapped, ...
    opens = (Opens(column, "wrapped", by="purpose", within="address"),)
    opened = held.opened(places(WrappedKey, opens), record)
    assert opened[2] == {**info, "telecom": []}


def test_a_wrapped_key_is_bound_to_tenant_purpose_and_version() -> None:
    masters = MasterKeys("m1", {"m1": AESGCM(os.urandom(32))})
    wrapped = masters.wrap(ONE, "data", 1, b"k" * 32)
    assert masters.unwrap(ONE, "data", 1, wrapped) == b"k" * 32
    for place in [(OTHER, "data", 1), (ONE, "record", 1), (ONE, "data", 2)]:
        with pytest.raises(CannotUnwrap):
            masters.unwrap(*place, wrapped)
    # SEC-44: what a backup holds is of no use once the master key around it is gone.
    with pytest.raises(CannotUnwrap, match="no master key m1"):
        MasterKeys("m2", {"m2": AESGCM(os.urandom(32))}).unwrap(ONE, "data", 1, wrapped)


def test_keys_without_a_master_key_are_an_error_and_not_clear_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(masterkey, "_held", None)
    assert unlocked(ONE, []).active == {}
    with pytest.raises(CannotUnwrap):
        unlocked(ONE, [WrappedKey("data", 1, b"", "m1", "active")])


def with_file(path: Path, **more: str) -> Settings:
    return load({"CHRONICCARE_MASTER_KEY_FILE": str(path), **more})


async def test_the_file_is_made_private_and_its_last_key_wraps(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    masterkey_file.make(path)
    assert path.stat().st_mode & 0o777 == 0o600
    first = path.read_text()
    masterkey_file.make(path)  # of two, one wins
    assert path.read_text() == first
    await masterkey_file.add(with_file(path), "m2")
    masters = await masterkey_file.read(with_file(path))
    assert masters is not None
    assert (masters.active, set(masters.ciphers)) == ("m2", {"m1", "m2"})
    assert masterkey_file.keep_last(with_file(path)) == ["m1"]
    assert path.read_text().startswith("m2 ")
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["master.key"]  # noqa: PTH208  nothing is left beside it


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (None, 0o600, "cannot read"),
        ("m1 " + "A" * 43 + "=\n", 0o640, "chmod 600"),
        ("", 0o600, "holds no master key"),
        ("m1\n", 0o600, "not a name and base64"),
        ("m1 ???\n", 0o600, "not a name and base64"),
        ("m1 QUJD\n", 0o600, "has 32 bytes"),
    ],
)
async def test_a_file_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str | None, mode: int, said: str
) -> None:
    path = tmp_path / "master.key"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    with pytest.raises(SettingsError, match=said) as error:
        await masterkey_file.read(with_file(path))
    assert "QUJD" not in str(error.value)


async def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot write"):
        await masterkey_file.add(with_file(tmp_path / "nowhere" / "master.key"), "m1")


async def test_without_a_file_nothing_is_held() -> None:
    assert await masterkey_file.read(load({})) is None


ARN = "arn:aws:kms:us-east-1:111122223333:key/0a1b2c3d-1111-2222-3333-444455556666"


@pytest.fixture
async def kms(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A KMS on loopback that "encrypts" by writing behind a word of its own."""
    seen: list[dict[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        operation = request.headers["X-Amz-Target"].removeprefix("TrentService.")
        seen.append({"operation": operation, **asked})
        made = {"KeyId": ARN}
        if operation == "Decrypt":
            blob = base64.b64decode(asked["CiphertextBlob"])
            if not blob.startswith(b"by kms:"):
                body = {"__type": "InvalidCiphertextException"}
                return web.json_response(body, status=400)
            made["Plaintext"] = base64.b64encode(blob.removeprefix(b"by kms:")).decode()
        else:
            made["CiphertextBlob"] = base64.b64encode(b"by kms:" + os.urandom(32)).decode()
        return web.json_response(made, content_type="application/x-amz-json-1.1")

    application = web.Application()
    application.router.add_post("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}", seen
    await runner.cleanup()


async def test_kms_makes_and_decrypts_the_master_keys(
    tmp_path: Path, kms: tuple[str, list[dict[str, Any]]]
) -> None:
    url, seen = kms
    path = tmp_path / "master.key"
    more = {"CHRONICCARE_MASTER_KEY_KMS": ARN, "CHRONICCARE_AWS_ENDPOINT_URL": url}
    settings = with_file(path, **more)
    await masterkey_file.add(settings, "m1")
    await masterkey_file.add(settings, "m2")
    masters = await masterkey_file.read(settings)
    assert masters is not None
    assert masters.active == "m2"
    tenant = uuid4()
    wrapped = masters.wrap(tenant, "data", 1, b"k" * 32)
    assert masters.unwrap(tenant, "data", 1, wrapped) == b"k" * 32
    assert [one["operation"] for one in seen] == [
        "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "Decrypt", "Decrypt",
    ]  # fmt: skip
    assert {one["KeyId"] for one in seen} == {ARN}
    assert all(one["EncryptionContext"] == {"purpose": "chroniccare-master-key"} for one in seen)
    masterkey_file.make(tmp_path / "clear.key")
    with pytest.raises(SettingsError, match="KMS did not decrypt"):
        await masterkey_file.read(with_file(tmp_path / "clear.key", **more))


def test_an_arn_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="CHRONICCARE_MASTER_KEY_KMS"):
        load({"CHRONICCARE_MASTER_KEY_KMS": "alias/mine"})


def test_production_needs_master_keys() -> None:
    with pytest.raises(SettingsError, match="CHRONICCARE_MASTER_KEY_FILE"):
        load({"CHRONICCARE_ENVIRONMENT": "production"})


def test_what_names_a_row_is_told_only_if_it_is_an_id(caplog: pytest.LogCaptureFixture) -> None:
    row = uuid4()
    assert str(Unreadable(Column("t.c"), row)).endswith(str(row))
    chosen = "booking of Zebulonia Quagmirez"  # an idempotency key, as a client may choose it
    assert "Zebulonia" not in str(Unreadable(Column("idempotency_keys.body"), chosen))
    assert [one.row for one in caplog.records] == [str(row), "a row"]  # type: ignore[attr-defined]

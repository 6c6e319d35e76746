"""$export into a bucket of S3: sealed, fetched, taken over, removed; a fake S3 on loopback."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from chroniccare.core.caller import system
from chroniccare.core.errors import Unavailable
from chroniccare.core.ids import new_id
from chroniccare.fhir.exports import exporting, stores
from chroniccare.platform.aws import session
from chroniccare.platform.postgres import begin, database
from chroniccare.privacy.tenant_erasing import _remove_exports
from chroniccare.settings import Settings
from tests.conftest import Running
from tests.fhir.fake_s3 import Fake, serving
from tests.fhir.server import Server
from tests.fhir.test_exports import begun, done, get, records


@pytest.fixture(scope="module")
def s3() -> Iterator[Fake]:
    with serving() as fake:
        yield fake


@pytest.fixture(autouse=True)
async def bucket(
    running: Running, s3: Fake, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """Have exports go to the bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made up")
    session.cache_clear()
    s3.objects.clear()
    s3.seen.clear()
    base = running.platform.database
    before = base.settings
    changed = {
        "fhir_export_dir": f"s3://{s3.name}/here", "aws_endpoint_url": s3.url,
        "aws_region": "us-east-1",
    }  # fmt: skip
    base.settings = before.model_copy(update=changed)
    yield
    base.settings = before
    session.cache_clear()


async def test_frames_are_sealed_objects_and_are_fetched_in_order(
    fhir: Server, s3: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "PAGE", 2)
    tenant_id = fhir.clinic.tenant_id
    ids = {(await fhir.clinic.patient(last_name="Featherstonehaugh"))["id"] for _ in range(5)}
    manifest = await done(fhir, "/$export?_type=Patient")
    [output] = manifest["output"]
    assert output["count"] == 5
    export_id, file_id = output["url"].split("/")[-2:]
    place = f"here/{tenant_id}/{export_id}/{file_id}"
    assert sorted(s3.objects) == [f"{place}/{number:08}" for number in range(3)]
    assert not any(b"Featherstonehaugh" in one for one in s3.objects.values())
    found = await records(fhir, manifest)
    assert {one["id"] for one in found["Patient"]} == ids
    # Cancelled: all of it goes, page by page, and nothing of anybody else.
    s3.objects["here/elsewhere/1"] = b"of another clinic"
    where = output["url"].removesuffix(f"/{file_id}")
    assert (await fhir.clinic.http.delete(where.removeprefix("http://127.0.0.1:8000"))).is_success
    await exporting.run(tenant_id)
    assert list(s3.objects) == ["here/elsewhere/1"]


@pytest.mark.parametrize("status", [503, 403])
async def test_another_goes_on_when_the_bucket_was_away(
    fhir: Server, s3: Fake, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(exporting, "PAGE", 2)
    tenant_id = fhir.clinic.tenant_id
    ids = {(await fhir.clinic.patient())["id"] for _ in range(5)}
    where = await begun(fhir, "/$export?_type=Patient")
    async with stores.opened(database().settings, tenant_id) as store:
        job = await exporting.claimed(tenant_id, store)
        assert job is not None
        assert await exporting.page(job)
        s3.fails = status
        try:
            with pytest.raises(Unavailable):
                await exporting.page(job)
        finally:
            s3.fails = 0
    assert (await get(fhir, where)).status_code == 202
    async with begin(system(tenant_id, job="test")) as tx:
        await tx.connection.execute("UPDATE fhir_exports SET lease_until = now()")
    await exporting.run(tenant_id)
    manifest = (await get(fhir, where)).json()
    assert [one["count"] for one in manifest["output"]] == [2, 3]
    found = await records(fhir, manifest)
    assert sorted(one["id"] for one in found["Patient"]) == sorted(ids)


async def test_what_no_export_has_is_looked_for_once_an_hour(fhir: Server, s3: Fake) -> None:
    tenant_id = fhir.clinic.tenant_id
    stray, other = f"here/{tenant_id}/{new_id()}/x/0", f"here/{new_id()}/{new_id()}/x/0"
    s3.objects.update({stray: b"late", other: b"of another clinic"})
    base = database()
    clock, now = base.clock, datetime.now(UTC)
    its = now.replace(minute=tenant_id.int % 60)
    try:
        base.clock = lambda: its + timedelta(minutes=1)
        await exporting.run(tenant_id)
        assert s3.seen == []
        base.clock = lambda: its
        await exporting.run(tenant_id)
    finally:
        base.clock = clock
    assert list(s3.objects) == [other]


async def test_a_tenants_end_empties_its_part_of_the_bucket(fhir: Server, s3: Fake) -> None:
    tenant_id = fhir.clinic.tenant_id
    s3.objects.update({f"here/{tenant_id}/{n}": b"x" for n in range(5)}, **{"here/other": b"x"})
    await _remove_exports(database().settings, tenant_id)
    assert list(s3.objects) == ["here/other"]


@pytest.mark.parametrize(
    ("value", "region"),
    [("s3://Bucket", "us-east-1"), ("s3:bucket", "us-east-1"), ("s3://clinic-exports", "")],
)
def test_a_bucket_needs_a_name_and_a_region(settings: Settings, value: str, region: str) -> None:
    said = {**settings.model_dump(), "fhir_export_dir": value, "aws_region": region}
    with pytest.raises(ValueError, match=r"fhir_export_dir|aws_region"):
        Settings(**said)

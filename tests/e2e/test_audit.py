"""`chroniccare audit verify` as a process: what it says, and its exit codes."""

from pathlib import Path

from chroniccare.audit import heads
from chroniccare.platform.owner import owner_connection
from chroniccare.settings import Settings
from tests.audit.chain import chain_of
from tests.client import Clinic
from tests.e2e.process import run


async def test_verify_locates_what_was_done_and_ends_with_1(
    clinic: Clinic, settings: Settings, database_url: str, tmp_path: Path
) -> None:
    chain = await chain_of(clinic, 5)
    await heads.export(settings.model_copy(update={"audit_heads_dir": str(tmp_path)}), {})
    async with owner_connection(database_url) as owner:
        name = await owner.fetchval("SELECT subdomain FROM tenants WHERE id = $1", clinic.tenant_id)

        def verify(*more: str) -> tuple[int, str]:
            done = run(
                "audit", "verify", "--tenant", name, *more,
                DATABASE_URL=database_url, CHRONICCARE_DATA_DIR=str(tmp_path / "none"),
            )  # fmt: skip
            return done.returncode, done.stdout + done.stderr

        given = ("--heads", str(tmp_path / heads.FILE))
        sound = f"{name}: sound; 5 sealed, {{}}, 0 waiting for a seal\n"
        assert verify() == (0, sound.format("confirmed by no head"))
        assert verify(*given) == (0, sound.format("confirmed by a signed head up to 5"))

        await chain.delete(owner, 5, seal=True)
        assert verify()[0] == 0  # without a head nobody can know
        status, text = verify(*given)
        assert status == 1
        assert "cut at number 5" in text

        await chain.set(owner, 2, "action", "'update'")
        status, text = verify()
        assert status == 1
        assert f"changed at number 2, row {chain.ids[1]}, 2026-03-02T12:10:00+00:00" in text

    with (tmp_path / heads.FILE).open("ab") as file:
        file.write(b"{}\n")
    assert ": not a head that the key has signed" in verify(*given)[1]
    status, text = verify("--heads", str(tmp_path / "none.jsonl"))
    assert status == 2
    assert "No such file" in text

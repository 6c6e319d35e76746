"""A clinic's machine is lost: `restore` gives it back, as it was at a chosen second."""

import json
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.e2e.process import data_dir, refused, run


def at(folder: Path, *arguments: str, **environment: str) -> str:
    """Run a command that succeeds on a data directory, and return what it prints."""
    done = run(*arguments, "--data-dir", str(folder), **environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_sec_43_a_clinic_is_restored_to_the_second_asked() -> None:
    with data_dir() as base:
        kept = {"CHRONICCARE_BACKUP_DIR": str(base / "kept")}
        at(base / "clinic", "tenants", "create", "north", "North Clinic", **kept)
        told = at(base / "clinic", "backup", **kept)
        assert told.startswith(f"backup   {base / 'kept'}")
        assert "pepper" in told
        at(base / "clinic", "tenants", "create", "south", "South Clinic", **kept)
        key = at(base / "clinic", "keys", "create", "--tenant", "south", **kept).strip()
        time.sleep(0.1)
        then = datetime.now(UTC)
        time.sleep(0.1)
        at(base / "clinic", "tenants", "create", "lost", "Made by mistake", **kept)
        started = time.monotonic()
        said = at(base / "new", "restore", "--from", str(base / "kept"), "--to", then.isoformat())
        assert time.monotonic() - started < 60
        assert f"restored {base / 'new'}" in said
        assert "without it no API key is accepted" in said
        assert "put the tenants' keys back" in said
        # North is erased; the backups of the database have it still, with what is in its tables.
        listed = json.loads(at(base / "clinic", "tenants", "list", "--json"))
        (north,) = [one["id"] for one in listed if one["subdomain"] == "north"]
        erased = ("--reason", "The contract has ended.", "--confirm", "north")
        at(base / "clinic", "tenants", "erase", "north", *erased, **kept)
        for name in ("pepper", "master.key"):
            shutil.copy(base / "clinic" / name, base / "new" / name)
        shutil.copytree(base / "clinic" / "tenant-keys", base / "new" / "tenant-keys")
        at(base / "new", "encryption", "new-master")
        # Of the erased clinic nothing opens, with all that is left; the keys of the other do.
        done = run("encryption", "rewrap", "--data-dir", str(base / "new"))
        assert f"of 1 tenants not; the first: no key of tenant {north}" in refused(done)
        told = json.loads(at(base / "new", "encryption", "status", "--tenant", "south", "--json"))
        assert len({one["master_id"] for one in told}) == 1
        assert {one["master_id"] for one in told} != {"m1"}
        listed = json.loads(at(base / "new", "tenants", "list", "--json"))
        assert {one["subdomain"] for one in listed} == {"north", "south"}
        at(base / "new", "tenants", "erase", "north", *erased)  # it needs no key to be erased
        assert at(base / "new", "encryption", "rewrap") == "wrapped 0 keys anew\n"
        keys = json.loads(at(base / "new", "keys", "list", "--tenant", "south", "--json"))
        assert [one["key_id"] in key for one in keys] == [True]


def test_mistakes_with_backups_are_told() -> None:
    with data_dir() as base:
        folder = ("--data-dir", str(base / "clinic"))
        assert "say where: --into" in refused(run("backup", *folder))
        own = run("backup", *folder, DATABASE_URL="postgresql:///x")
        assert "`backup` is for the embedded PostgreSQL" in refused(own)
        source = ("--from", str(base / "kept"))
        assert "there is no backup in" in refused(run("restore", *source, *folder))
        for wrong in ("yesterday", "2026-12-01T09:00:00"):
            done = run("restore", *source, "--to", wrong, *folder)
            assert refused(done).startswith("chroniccare: to: ")
        at(base / "clinic", "tenants", "create", "north", "North Clinic")
        told = at(base / "clinic", "backup", "--into", str(base / "kept"))
        assert "any second since only with CHRONICCARE_BACKUP_DIR" in told
        done = run("restore", *source, *folder)
        assert "nothing is overwritten; pass a new --data-dir" in refused(done)
        at(base / "new", "restore", *source)
        assert "north" in at(base / "new", "tenants", "list")

"""Every command as a real process on a real database, and what it says to mistakes."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chroniccare.core.ids import new_id
from chroniccare.platform.embedded import EngineUrls
from chroniccare.platform.owner import owner_connection
from chroniccare.tenancy.rules import parse_key
from tests.codes.rrf import write
from tests.e2e.process import COMMAND, clean_environment, data_dir, refused, run

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def here(urls: EngineUrls, database_url: str, master_keys: Path) -> Iterator[Run]:
    """Runs commands on this worker's database, with a data directory of their own."""
    with data_dir() as directory:
        base = {
            "DATABASE_URL": database_url,
            "REDIS_URL": urls.cache_url,
            "CHRONICCARE_DATA_DIR": str(directory),
            "CHRONICCARE_MASTER_KEY_FILE": str(master_keys),
            "CHRONICCARE_TENANT_KEY_DIRS": str(master_keys.parent),
        }

        def run_here(
            *arguments: str, stdout: Any = subprocess.PIPE, **environment: str
        ) -> "subprocess.CompletedProcess[str]":
            return run(*arguments, stdout=stdout, **(base | environment))

        yield run_here


def made(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def new_tenant(here: Run) -> str:
    name = f"cli-{str(new_id())[-12:]}"
    made(here("tenants", "create", name, "Command Line Clinic"))
    return name


def test_tenants_are_created_and_listed(here: Run) -> None:
    name = new_tenant(here)
    assert name in made(here("tenants", "list"))
    found = json.loads(made(here("tenants", "list", "--json")))
    assert next(item for item in found if item["subdomain"] == name)["is_active"] is True
    new_tenant(here)
    assert "name one with --tenant" in refused(here("keys", "list"))
    taken = here("tenants", "create", name, "Another")
    assert refused(taken) == "chroniccare: This subdomain is taken."


def test_staff_are_added_and_helped_when_they_have_lost_their_password(here: Run) -> None:
    tenant = new_tenant(here)
    given = ("dana.lee@clinic.example", "Dana Lee", "--tenant", tenant)
    first = made(here("staff", "add", *given, "--role", "front_desk"))
    assert re.fullmatch(r"([a-z2-9]{5}-){3}[a-z2-9]{5}", first)
    assert "another member of staff has it" in refused(here("staff", "add", *given))
    assert refused(here("staff", "add", "x", "Dana", "--tenant", tenant)).startswith(
        "chroniccare: email: "
    )
    bad_role = here(
        "staff", "add", "a@clinic.example", "Dana", "--tenant", tenant, "--role", "boss"
    )
    assert refused(bad_role).startswith("chroniccare: role: ")
    again = made(
        here("staff", "reset-password", "Dana.Lee@clinic.example", "--tenant", tenant,
             "--second-factor")
    )  # fmt: skip
    assert again != first
    nobody = here("staff", "reset-password", "b@clinic.example", "--tenant", tenant)
    assert refused(nobody) == "chroniccare: No member of staff has this email address."


def test_keys_are_created_listed_rotated_and_revoked(here: Run) -> None:
    tenant = new_tenant(here)
    key = made(
        here(
            "keys", "create", "--tenant", tenant, "--name", "front desk", "--for", "test",
            "--scopes", "patients:read,appointments:write", "--expires", "90d",
        )
    )  # fmt: skip
    assert key.startswith("cck_test_")
    (listed,) = json.loads(made(here("keys", "list", "--tenant", tenant, "--json")))
    assert listed["scopes"] == ["appointments:write", "patients:read"]
    assert listed["key_id"] in key
    table = made(here("keys", "list", "--tenant", tenant))
    assert "front desk" in table
    assert key not in table
    rotated = made(here("keys", "rotate", key, "--tenant", tenant, "--overlap", "1h"))
    assert rotated.startswith("cck_test_")
    assert made(here("keys", "revoke", listed["key_id"], "--tenant", tenant)) == "revoked"
    again = here("keys", "revoke", listed["key_id"], "--tenant", tenant)
    assert refused(again) == "chroniccare: No active key has this id."


async def test_tenants_and_keys_are_audited_without_the_key(here: Run, database_url: str) -> None:
    tenant = new_tenant(here)
    key = made(here("keys", "create", "--tenant", tenant, "--expires", "90d"))
    new = made(here("keys", "rotate", key, "--tenant", tenant))
    made(here("keys", "revoke", key, "--tenant", tenant))
    async with owner_connection(database_url) as connection:
        await connection.execute("SET ROLE chroniccare_app")
        own = tenant_id(here, tenant)
        await connection.execute("SELECT set_config('app.tenant_id', $1, false)", own)
        rows = await connection.fetch(
            "SELECT entity_type, action, entity_id, changes::text FROM audit_logs"
            " ORDER BY created_at, id"
        )
        keys = await connection.fetch("SELECT id, key_id FROM api_keys")
    ids = {row["key_id"]: row["id"] for row in keys}
    parts = [parse_key(text) for text in (key, new)]
    old_id, following = (ids[part.key_id] for part in parts if part is not None)
    assert [(row["entity_type"], row["action"]) for row in rows] == [
        ("tenant", "create"),
        ("api_key", "create"),
        ("api_key", "create"),
        ("api_key", "rotate"),
        ("api_key", "revoke"),
    ]
    assert [row["entity_id"] for row in rows[1:]] == [old_id, following, old_id, old_id]
    changes = [json.loads(row["changes"]) for row in rows]
    assert changes[0]["after"]["subdomain"] == tenant
    assert set(changes[3]["after"]) == {"expires_at", "rotated_to"}
    assert changes[3]["after"]["rotated_to"] == str(following)
    assert changes[4]["before"] == {"is_active": True, "revoked_at": None}
    assert changes[4]["after"]["is_active"] is False
    written = "".join(row["changes"] for row in rows)
    assert "hash" not in written
    assert not any(part is None or part.secret in written for part in parts)


def tenant_id(here: Run, name: str) -> str:
    found = json.loads(made(here("tenants", "list", "--json")))
    return str(next(item["id"] for item in found if item["subdomain"] == name))


@pytest.mark.parametrize("expires", ["2199-01-31", "2199-01-31T09:00:00+01:00"])
def test_a_key_expires_on_a_day_or_at_an_instant(here: Run, expires: str) -> None:
    tenant = new_tenant(here)
    made(here("keys", "create", "--tenant", tenant, "--expires", expires))
    (listed,) = json.loads(made(here("keys", "list", "--tenant", tenant, "--json")))
    assert listed["expires_at"].startswith("2199-01-31T0")


def test_what_a_command_makes_first_an_engine_can_use_later(database_url: str) -> None:
    with data_dir() as directory:
        done = run("tenants", "list", "--data-dir", str(directory), DATABASE_URL=database_url)
        assert done.returncode == 0, done.stderr
        run("keys", "list", "--data-dir", str(directory), DATABASE_URL=database_url)
        done = run("migrate", "--data-dir", str(directory))  # as root its engine is not root
        assert done.returncode == 0, done.stderr


def test_the_pepper_is_made_once_and_only_its_owner_may_read_it(here: Run) -> None:
    tenant = new_tenant(here)
    with data_dir() as directory:
        kept = directory / "pepper"
        made(here("keys", "create", "--tenant", tenant, CHRONICCARE_DATA_DIR=str(directory)))
        text = kept.read_text()
        made(here("keys", "create", "--tenant", tenant, CHRONICCARE_DATA_DIR=str(directory)))
        assert kept.read_text() == text
        assert kept.stat().st_mode & 0o777 == 0o600
        kept.chmod(0o644)
        done = here("keys", "list", "--tenant", tenant, CHRONICCARE_DATA_DIR=str(directory))
        assert "other accounts may read" in refused(done)


def write_file(folder: Path) -> Path:
    file = folder / "visits.csv"
    soon = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 86_400))
    file.write_text(
        "patientId,phoneNumber,email,appointmentTime,doctorName,location\n"
        f"p1,+1 212 555 0101,p1@example.com,{soon},Rahman,Riverside Hudson\n"
        f"p2,,p2@example.com,{soon},Rahman,Riverside Hudson\n"
        "p3,+12125550103,,tomorrow,Rahman,Riverside Hudson\n"
    )
    return file


def test_a_file_is_sent_once_and_its_bad_rows_are_listed(here: Run, tmp_path: Path) -> None:
    tenant, file = new_tenant(here), write_file(tmp_path)
    done = here("notify", str(file), "--tenant", tenant, "--json")
    assert done.returncode == 0
    first = json.loads(done.stdout)
    assert (first["processed"], first["invalid"], first["already_sent"]) == (3, 1, 0)
    assert [problem["line"] for problem in first["problems"]] == [4]
    again = here("notify", str(file), "--tenant", tenant)
    assert again.returncode == 0
    assert "appointmentTime" in again.stdout
    shown = json.loads(made(here("outbox", "--tenant", tenant, "--json")))
    assert sorted(message["channel"] for message in shown) == ["email", "sms"]
    assert "p1@example.com" not in made(here("outbox", "--tenant", tenant, "--limit", "1"))


def test_the_outbox_is_followed(
    here: Run, tmp_path: Path, database_url: str, master_keys: Path
) -> None:
    tenant = new_tenant(here)
    with data_dir() as directory:
        environment = clean_environment(
            DATABASE_URL=database_url, CHRONICCARE_DATA_DIR=str(directory),
            CHRONICCARE_MASTER_KEY_FILE=str(master_keys),
            CHRONICCARE_TENANT_KEY_DIRS=str(master_keys.parent),
        )  # fmt: skip
        follower = subprocess.Popen(
            [*COMMAND, "outbox", "--follow", "--json", "--tenant", tenant],
            env=environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert follower.stdout is not None
        try:
            made(here("notify", str(write_file(tmp_path)), "--tenant", tenant))
            arrived = [json.loads(follower.stdout.readline()) for _ in range(2)]
            assert {message["recipient"] for message in arrived} == {
                "+12125550101",
                "p2@example.com",
            }
            elsewhere = here("outbox", "--tenant", tenant, CHRONICCARE_MASTER_KEY_FILE="")
            assert "use the file of master keys of the others" in refused(elsewhere)
        finally:
            follower.send_signal(signal.SIGINT)
            assert follower.wait(10) == 130
            follower.stdout.close()


def test_a_command_without_any_server_starts_postgresql_for_itself() -> None:
    with data_dir() as directory:
        where = ("--data-dir", str(directory))
        waiting = run("migrate", "--check", *where)
        assert waiting.returncode == 1
        assert "waits  0001_roles.sql" in waiting.stdout
        assert "applied  0001_roles.sql" in made(run("migrate", *where))
        assert made(run("migrate", "--check", *where)) == "up to date"
        assert "There is no tenant yet" in refused(run("keys", "list", *where))
        loaded = made(run("demo", *where)).splitlines()
        assert loaded[0].startswith("loaded 3 facilities, 12 providers, 500 patients, ")
        again = made(run("demo", *where)).splitlines()
        assert again == ["the demo clinic is there already", loaded[1]]
        (directory / "demo.key").unlink()
        assert made(run("demo", *where)).splitlines()[1] != loaded[1]


def test_doctor_finds_nothing_amiss_with_working_servers(here: Run) -> None:
    done = here("doctor", CHRONICCARE_PORT="1024")
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert any(line.startswith("ok    PostgreSQL: 18.") for line in lines)
    assert "ok    migrations: up to date" in lines
    assert "ok    cache: answers" in lines
    assert all(line.startswith(("ok  ", "warn")) for line in lines)


def test_doctor_names_each_thing_that_is_amiss_and_shows_no_secret(tmp_path: Path) -> None:
    done = run(
        "doctor", "--data-dir", str(tmp_path),
        DATABASE_URL="postgresql://clinic:secret-one@127.0.0.1:1/clinic",
        REDIS_URL="redis://:secret-two@127.0.0.1:1",
        RABBITMQ_URL="amqp://guest:secret-three@127.0.0.1:1/",
        CHRONICCARE_EMAIL_DRIVER="smtp",
        CHRONICCARE_SMTP_URL="smtp://clinic:secret-four@127.0.0.1:1",
    )  # fmt: skip
    assert done.returncode == 1
    failed = [line.split(":")[0] for line in done.stdout.splitlines() if line.startswith("fail")]
    assert failed == ["fail  PostgreSQL", "fail  RabbitMQ", "fail  mail server"]
    assert "warn  cache: the cache cannot be reached" in done.stdout
    assert "secret" not in done.stdout + done.stderr


def test_a_login_without_rights_is_told_what_it_lacks(
    here: Run, weak_login: str, tmp_path: Path
) -> None:
    where = ("--data-dir", str(tmp_path))
    done = here("doctor", *where, DATABASE_URL=weak_login)
    assert done.returncode == 1
    assert "fail  database rights: " in done.stdout
    assert "give the login" in refused(here("migrate", *where, DATABASE_URL=weak_login))
    wrong = weak_login.replace("weak:weak", "weak:wrong")
    for command in ("migrate", "up", "doctor"):
        done = here(command, *where, DATABASE_URL=wrong)
        assert "refuses the login" in (done.stdout if command == "doctor" else refused(done))


@pytest.fixture
async def weak_login(database_url: str) -> AsyncIterator[str]:
    """A login of this worker's server that owns nothing."""
    async with owner_connection(database_url) as connection:
        await connection.execute("CREATE ROLE weak LOGIN PASSWORD 'weak'")
        yield re.sub(r"//[^@]+@", "//weak:weak@", database_url)
        await connection.execute("DROP ROLE weak")


def test_doctor_checks_every_setting(tmp_path: Path) -> None:
    wrong = {"CHRONICCARE_PORT": "many", "CHRONICCARE_COLOUR": "red", "CHRONICCARE_WORKERS": "0"}
    done = run("doctor", "--data-dir", str(tmp_path), **wrong)
    assert done.returncode == 1
    for name in wrong:
        assert any(line.startswith(f"fail  {name}: ") for line in done.stdout.splitlines())


def test_doctor_looks_at_the_data_directory(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = run("doctor", "--data-dir", str(file))
    assert done.returncode == 1
    assert f"fail  data directory: {file} is a file" in done.stdout


MISTAKES = {
    "no such command": (("fly",), "No such command"),
    "no subcommand": (("keys",), "Missing command"),
    "no such option": (("up", "--quickly"), "No such option"),
    "a port that is none": (("up", "--port", "70000"), "--port"),
    "no such tenant": (("outbox", "--tenant", "nowhere"), "No tenant has this subdomain"),
    "no such scope": (("keys", "create", "--scopes", "all"), "scopes: must be among"),
    "an expiry in the past": (("keys", "create", "--expires", "2020-01-01"), "in the future"),
    "an overlap that is none": (("keys", "rotate", "x", "--overlap", "long"), "overlap: must be"),
    "an expiry that is none": (("keys", "create", "--expires", "soon"), "must be like 90d"),
    "no such key": (("keys", "rotate", "cck_live_nothing"), "No active key has this id"),
    "a file that is not there": (("notify", "nowhere.csv"), "No such file"),
    "a zone that is none": (("notify", "nowhere.csv", "--zone", "Mars/Base"), "time zone"),
    "a name of two lines": (("tenants", "create", "two", "Two\nLines"), "name: must be one line"),
    "a tenant's name that is no text": (("tenants", "create", "x", "\udcff"), "not text in UTF-8"),
    "a key's name that is no text": (("keys", "create", "--name", "\udcff"), "not text in UTF-8"),
    "a key that is no text": (("keys", "revoke", "\udcff"), "not text in UTF-8"),
    "a name for a subdomain": (("tenants", "create", "My Clinic", "x"), "subdomain: must be"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(here: Run, mistake: str) -> None:
    arguments, said = MISTAKES[mistake]
    if arguments[0] == "keys" and len(arguments) > 1:
        arguments = (*arguments, "--tenant", new_tenant(here))
    line = refused(here(*arguments))
    assert line.startswith("chroniccare: ")
    assert said in line


def test_settings_and_servers_that_cannot_be_used_are_one_line_too(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path))
    nowhere = {"DATABASE_URL": "postgresql://clinic:hush@127.0.0.1:1/clinic"}
    for command in ("serve", "work", "migrate", "demo", "up"):
        line = refused(run(command, *where, REDIS_URL="redis://127.0.0.1:1", **nowhere))
        assert "PostgreSQL cannot be reached" in line
        assert "hush" not in line
    assert "DATABASE_URL cannot be read" in refused(run("migrate", *where, DATABASE_URL="nonsense"))
    assert "DATABASE_URL is not set" in refused(run("serve", *where))
    assert "unknown setting" in refused(run("serve", *where, CHRONICCARE_COLOUR="red"))
    production = refused(run("up", *where, CHRONICCARE_ENVIRONMENT="production"))
    assert "must be set when the environment is production" in production


def test_serve_refuses_a_port_that_is_taken_or_an_address_that_is_not_ours(here: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"port {port} is taken" in refused(here("serve", "--port", port))
    assert "not an address of this machine" in refused(here("serve", "--host", "192.0.2.1"))


def test_help_is_quick_and_needs_no_setting() -> None:
    began = time.monotonic()
    done = run("--help", CHRONICCARE_COLOUR="red")
    assert done.returncode == 0
    assert time.monotonic() - began < 1.0
    words = done.stdout.split()
    for command in [
        "up",
        "serve",
        "work",
        "migrate",
        "tenants",
        "keys",
        "demo",
        "outbox",
        "notify",
        "doctor",
    ]:
        assert command in words


def test_a_reader_that_has_seen_enough_causes_no_trace(here: Run) -> None:
    tenant = new_tenant(here)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = here("keys", "list", "--tenant", tenant, stdout=closed)
    assert done.returncode == 1
    assert done.stderr == ""


def test_sets_of_interactions_and_rxnorm_are_imported_whole_or_not_at_all(
    here: Run, tmp_path: Path
) -> None:
    tenant = new_tenant(here)
    file = tmp_path / "set.csv"
    file.write_text("a,b,severity,text\n11289,6922,warning,Bleeding.\n1,1,x,\n")
    named = ("--name", "acme", "--version", "1", "--tenant", tenant)
    load = ("interactions", "import", str(file), *named)
    assert "--license-acknowledged" in refused(here(*load))
    wrong = here(*load, "--license-acknowledged")
    assert wrong.returncode == 1
    assert wrong.stdout.splitlines()[0].startswith("line 3: b must be another")
    assert wrong.stdout.splitlines()[-1] == "set.csv: 1 row is wrong; nothing was imported"
    file.write_text("a,b,severity,text\n11289,6922,warning,Bleeding.\n")
    assert made(here(*load, "--license-acknowledged")) == "imported 1 pairs as acme 1"
    listed = json.loads(made(here("interactions", "list", "--json", "--tenant", tenant)))
    assert [one["name"] for one in listed] == ["onc-high-priority", "acme"]
    assert "onc-high-priority" in made(here("interactions", "list", "--tenant", tenant))
    assert made(here("interactions", "remove", "acme", "--tenant", tenant)) == "removed"
    rxnorm = ("codes", "import-rxnorm", str(write(tmp_path)), "--tenant", tenant)
    assert made(here(*rxnorm, "--release", "2026-11-02")).startswith("loaded 17 concepts")
    assert "--release" in refused(here(*rxnorm, "--release", " "))


def test_keys_of_fields_are_shown_rotated_and_shredded(here: Run) -> None:
    tenant = new_tenant(here)
    table = made(here("encryption", "status", "--tenant", tenant))
    assert "record" in table
    assert made(here("encryption", "rotate", "--tenant", tenant)) == ("version 2 seals from now on")
    found = json.loads(made(here("encryption", "status", "--tenant", tenant, "--json")))
    assert [(one["purpose"], one["version"], one["state"]) for one in found] == [
        ("data", 1, "retiring"), ("data", 2, "active"), ("index", 1, "active"),
        ("record", 1, "retiring"), ("record", 2, "active"),
    ]  # fmt: skip
    assert "wrapped" not in found[0]
    unsure = here("encryption", "shred", "--tenant", tenant, "--confirm", "other")
    assert unsure.returncode == 2
    assert made(here("encryption", "shred", "--tenant", tenant, "--confirm", tenant)).startswith(
        "destroyed 5 keys"
    )
    listed = json.loads(made(here("tenants", "list", "--json")))
    assert next(one for one in listed if one["subdomain"] == tenant)["is_active"] is False
    refused(here("encryption", "rotate", "--tenant", tenant))


def test_master_keys_are_added_and_dropped_when_nothing_is_under_them() -> None:
    with data_dir() as directory:
        where = ("--data-dir", str(directory))
        made(run("tenants", "create", "oak", "Oak Clinic", *where))
        path = directory / "master.key"
        assert path.stat().st_mode & 0o777 == 0o600
        assert made(run("encryption", "new-master", *where)).startswith("added m")
        assert "run `rewrap` first" in refused(run("encryption", "drop-masters", *where))
        assert made(run("encryption", "rewrap", *where)) == "wrapped 3 keys anew"
        assert made(run("encryption", "drop-masters", *where)) == "removed m1"
        assert made(run("encryption", "drop-masters", *where)) == "there is only one"
        assert len(path.read_text().splitlines()) == 1
        made(run("encryption", "status", *where))

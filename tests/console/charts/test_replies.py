"""What patients answered and a person must look at, and who takes too little."""

import csv
import io

import pytest

from chroniccare.console.messages import csv_lines
from chroniccare.core.ids import new_id
from chroniccare.notifications.inbound.queries import Waiting
from chroniccare.notifications.inbound.receiving import receive
from chroniccare.platform.postgres import begin
from chroniccare.tasks.actions import New, open_tasks
from tests.console.charts.made import SCRIPT, prescribed
from tests.console.conftest import Axe, Open, SignIn
from tests.notifications.support import Bench


async def wrote(bench: Bench, text: str, sender: str) -> None:
    row = Waiting(
        new_id(), "http", str(new_id()), sender, None, text, False, bench.clock.at, 1, None
    )  # fmt: skip
    await receive(bench.clinic.tenant_id, row)


async def tasks(bench: Bench) -> list[dict[str, object]]:
    listed = (await bench.clinic.get("/tasks")).json()["data"]["items"]
    return [one for one in listed if one["code"] == "read_reply"]


async def test_a_reply_is_read_taken_and_done(bench: Bench, sign_in: SignIn) -> None:
    patient = await bench.patient(first_name=SCRIPT)
    await wrote(bench, f"When do you open? {SCRIPT}", "+14155550001")
    [task] = await tasks(bench)
    desk = await sign_in("front_desk")
    text = (await desk.get("/replies")).text
    assert "<script>alert" not in text
    assert "When do you open?" in text
    assert f"/console/patients/{patient}" in text
    at = f"/replies/{task['id']}"
    once: dict[str, object] = {"version": "1", "once": "3f9ad2c1-0000-4000-8000-00000000000a"}
    for _ in range(2):  # a double click
        taken = await desk.post(f"{at}/claim", once)
        assert taken.headers["location"] == "/console/replies?said=claimed"
    assert "taken by Dana Lee" in (await desk.get("/replies")).text
    stale = await desk.post(f"{at}/complete", {"version": "1", "outcome": "answered"})
    assert (stale.status_code, "Somebody else has changed this" in stale.text) == (412, True)
    auditor = await sign_in("auditor")
    assert (await auditor.post(f"{at}/complete", {"outcome": "answered"})).status_code == 403
    shown = (await auditor.get("/replies")).text
    assert "When do you open?" not in shown
    assert (await desk.post(f"{at}/burn")).status_code == 404
    done = await desk.post(f"{at}/complete", {"version": "2", "outcome": "answered"})
    assert done.headers["location"] == "/console/replies?said=recorded"
    assert "Nobody is waiting" in (await desk.get("/replies")).text


async def test_what_was_entered_stays_with_the_task_that_was_refused(
    bench: Bench, sign_in: SignIn
) -> None:
    await bench.patient()
    for sender in ("+14155550001", "+14155550002"):
        await wrote(bench, "When do you open?", sender)
    [first, _] = await tasks(bench)
    desk = await sign_in()
    form = {"version": "9", "outcome": "passed_on", "note": "Asks for Sam"}
    stale = await desk.post(f"/replies/{first['id']}/complete", form)
    assert stale.status_code == 412
    assert f'id="n-{first["id"]}" name="note" value="Asks for Sam"' in stale.text
    assert stale.text.count("Asks for Sam") == stale.text.count("selected") == 1


async def test_the_urgent_one_is_first_however_many_wait(bench: Bench, sign_in: SignIn) -> None:
    async with begin(bench.clinic.caller) as tx:
        await open_tasks(
            tx, [New("read_reply", "unknown_sender", f"old {one}") for one in range(31)]
        )
    async with begin(bench.clinic.caller) as tx:
        await open_tasks(tx, [New("answer_not_followed", "failed", "new", priority="urgent")])
    text = (await (await sign_in()).get("/replies")).text
    assert text.index("could not be followed") < text.index("Read this reply")
    assert "There are more" in text


async def test_two_of_one_name_take_each_their_own(bench: Bench, sign_in: SignIn) -> None:
    await bench.patient()
    await wrote(bench, "When do you open?", "+14155550001")
    [task] = await tasks(bench)
    one, other = await sign_in(), await sign_in()
    await one.post(f"/replies/{task['id']}/claim", {"version": "1"})
    assert "Put back" in (await one.get("/replies")).text
    assert "Put back" not in (await other.get("/replies")).text


async def test_replies_by_keyboard_alone(
    bench: Bench, sign_in: SignIn, window: Open, axe: Axe
) -> None:
    for number, (name, text) in enumerate(
        (("Ana", "When do you open on Friday? I cannot find the door code"),
         ("Luis", "I am at the pharmacy, they say you must call them")), 1
    ):  # fmt: skip
        await bench.patient(first_name=name, last_name="Ortiz")
        await wrote(bench, text, f"+1415555000{number}")
    opened = await window(await sign_in())
    page = await opened.go("/replies")
    await axe(page)
    await opened.picture("replies")
    await page.keyboard.press("c")
    await page.wait_for_url("**said=claimed")
    await page.keyboard.press("d")
    await page.wait_for_url("**said=recorded")
    assert len(await tasks(bench)) == 1


async def test_who_takes_too_little_is_listed_and_goes_into_a_file(
    bench: Bench, sign_in: SignIn, window: Open, axe: Axe
) -> None:
    for first, name, drug, course in (
        ("Maria", "Ortiz", "Metformin 500 mg tablet", "tmtmtmtmtm"),
        ("Luis", "Vega", "Lisinopril 10 mg tablet", "tttttttmmm"),
        ("Grace", "Kim", "Atorvastatin 20 mg tablet", "tttttttttt"),
    ):
        patient = await bench.patient(first_name=first, last_name=name)
        await prescribed(bench, patient, drug, course)
    desk = await sign_in("clinician")
    text = (await desk.get("/adherence")).text
    assert text.index("Ortiz") < text.index("Vega")
    assert "Kim" not in text
    byname = (await desk.get("/adherence?sort=medication")).text
    assert byname.index("Vega") < byname.index("Ortiz")
    file = await desk.get("/adherence.csv")
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.reader(io.StringIO(file.text)))
    assert [row[1] for row in rows] == ["last_name", "Ortiz", "Vega"]
    assert rows[1][2:5] == ["Maria", "Metformin 500 mg tablet", "50.0"]
    noted = await bench.clinic.get("/audit-logs", params={"action": "export_adherence"})
    assert len(noted.json()["data"]["items"]) == 2
    front = await sign_in("front_desk")
    assert (await front.get("/adherence")).status_code == 403
    assert (await front.get("/adherence.csv")).status_code == 403
    opened = await window(desk)
    page = await opened.go("/adherence")
    await axe(page)
    await opened.picture("adherence")
    await page.get_by_role("link", name="Medicine").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**sort=medication")
    assert "Vega" in await page.inner_text("tbody tr:first-child")
    await page.get_by_role("link", name="Medicine").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**order=desc")
    assert "Ortiz" in await page.inner_text("tbody tr:first-child")
    assert await page.locator("th[aria-sort=descending]").inner_text() == "Medicine"
    await axe(page)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(start: str) -> None:
    names = ("mrn", "last_name", "first_name", "medication_name", "percent", "taken", "observed",
             "threshold", "reason", "since")  # fmt: skip
    made = csv_lines([dict.fromkeys(names, f"{start}cmd")]).decode()
    assert next(csv.reader(io.StringIO(made, newline="")))[0] == f"'{start}cmd"

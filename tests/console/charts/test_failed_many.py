"""Ten thousand messages that reached nobody: grouped, looked at and put back without hurting."""

import re
import time
from typing import Any

from tests.console.charts.test_messages import refused
from tests.console.conftest import Desk, SignIn
from tests.notifications.support import Bench

MANY = 10_000
_COPIES = (
    "WITH one AS (SELECT to_jsonb(n) AS row, v.scheduled_start FROM notifications n"
    " JOIN appointments v ON v.tenant_id = n.tenant_id AND v.id = n.appointment_id"
    " WHERE n.id = $1::uuid)"
    " INSERT INTO notifications SELECT r.* FROM one, generate_series(1, $2::int) AS number,"
    " jsonb_populate_record(NULL::notifications, one.row || jsonb_build_object("
    "'id', gen_random_uuid(), 'dedupe_key', 'copy:' || number,"
    " 'template_data', jsonb_build_object('starts_at', one.scheduled_start, 'zone',"
    " 'America/New_York'), 'updated_at',"
    " (one.row ->> 'updated_at')::timestamptz - number * interval '1 second')) AS r"
)
"""What a message was made of is sealed for its id alone; it is read in the clear as well."""
_FURTHER = re.compile(r'name="cursor" value="([^"]+)"')


async def timed(desk: Desk, path: str) -> tuple[str, float]:
    """Return a page and the seconds that this process worked on it, at best of three."""
    took = []
    for _ in range(3):
        before = time.process_time()
        page = await desk.get(path)
        took.append(time.process_time() - before)
        assert page.status_code == 200
    return page.text, min(took)


async def test_ten_thousand_failed_messages(bench: Bench, sign_in: SignIn) -> None:
    [failed] = await refused(bench)
    await bench.sql(_COPIES, failed, MANY)
    await bench.sql("ANALYZE notifications")
    desk = await sign_in()
    began = time.perf_counter()
    page, seconds = await timed(desk, "/failed")
    waited = (time.perf_counter() - began) / 3
    assert f'<td class="num">{MANY + 1}</td>' in page
    assert page.count('/replay"') <= 51
    assert seconds < 0.2, seconds
    assert waited < 2, waited  # a database that is shared with other tests
    group, seconds = await timed(desk, "/failed?cause=smpp_11&channel=sms")
    assert "The network answered 11" in group
    assert seconds < 0.2, seconds

    form: dict[str, Any] = {"cause": "smpp_11", "channel": "sms", "once": "first of many"}
    for number in range(2):
        before = time.perf_counter()
        answer = await desk.post("/failed/replay", form)
        assert time.perf_counter() - before < 20
        assert answer.status_code == 303
        assert "done=500&left=0" in answer.headers["location"]
        again = await desk.post("/failed/replay", form)  # a double click
        assert again.headers["location"] == answer.headers["location"]
        page = (await desk.get(answer.headers["location"].removeprefix("/console"))).text
        assert f'<td class="num">{MANY + 1 - 500 * (number + 1)}</td>' in page
        further = _FURTHER.search(page)
        assert further is not None
        form |= {"cursor": further[1], "once": f"number {number}"}

"""Whatever happens in whatever order, the history leads to where each message stands."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chroniccare.notifications import dispatch
from chroniccare.notifications.channels.message import Outcome
from chroniccare.notifications.plan import Visit, restore_visit
from chroniccare.notifications.replay import actions as replay
from chroniccare.platform.postgres import begin
from tests.notifications.provider import Provider, by_sms
from tests.notifications.support import Bench
from tests.notifications.why.support import check_history, steps, timeline

_OUTCOMES = st.sampled_from(["accepted", "delivered", "rejected", "transient", "unknown"])
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), _OUTCOMES),
        st.tuples(st.just("wait"), st.integers(1, 80)),
        st.tuples(st.sampled_from(["claim", "cancel", "restore", "replay", "mute"]), st.none()),
    ),
    min_size=1,
    max_size=8,
)


async def _step(bench: Bench, visit: Visit, what: str, how: Any) -> None:
    if what == "deliver":
        await dispatch.drain(by_sms(bench, Provider([Outcome(how, "code")] * 4).calls()))
    elif what == "wait":
        bench.clock.forward(hours=how)
    elif what == "claim":
        await dispatch.claim()
    elif what == "cancel":
        await bench.cancel(visit)
    elif what == "mute":
        await bench.sql("UPDATE patients SET consent_settings = '{\"sms\": false}'")
    else:
        async with begin(bench.clinic.caller) as tx:
            if what == "restore":
                await restore_visit(tx, visit.appointment_id)
            else:
                await replay.replay_many(tx, [None, None, None])


@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(todo=_STEPS)
async def test_the_history_always_ends_where_the_message_stands(
    bench: Bench, todo: list[tuple[str, Any]]
) -> None:
    """Each example lives on in the same clinic, so that its messages meet the older ones."""
    visit = await bench.planned()
    for what, how in todo:
        await _step(bench, visit, what, how)
        await check_history(bench)
    for path in (await steps(bench)).values():
        left = {step.to_status for step in path[:-1]}
        assert not left & {"delivered", "accepted", "superseded"}  # taken is never sent again
    for row in (await bench.rows())[:4]:
        found = await timeline(bench, row.id)
        assert [e["status"] for e in found["events"] if e["status"]][-1] == row.delivery_status

"""The staff console: server-rendered pages at /console, a client of the API in the same process.

    routes.py         the session behind each request, the token behind each change
    calls.py          the way to /api/v1, with the scopes of whoever is signed in
    forms.py          what a browser sends
    pages.py          templates, languages, times, headers, the page of an error
    live.py           tells open pages that something has changed
    <screen>_api.py   addresses of one screen; templates/<screen>.html is what it looks like

Why it is so: docs/adr/0049-console.md.
"""

from chroniccare.console import (
    account_api,
    adherence_api,
    admin_api,
    audit_api,
    book_api,
    calendar_api,
    chart_api,
    chart_forms_api,
    groups_api,
    home_api,
    hours_api,
    keys_api,
    live_api,
    messages_api,
    outbox_api,
    patients_api,
    plans_api,
    recall_api,
    records_api,
    replies_api,
    series_api,
    settings_api,
    signin_api,
    static_api,
    templates_api,
    times_api,
    today_api,
    visit_api,
    waitlist_api,
    webhooks_api,
)

ROUTERS = (
    static_api.public,
    signin_api.public,
    signin_api.router,
    account_api.router,
    templates_api.router,
    hours_api.router,
    keys_api.router,
    admin_api.router,
    webhooks_api.router,
    records_api.router,
    settings_api.router,
    plans_api.router,
    times_api.router,
    audit_api.router,
    live_api.router,
    home_api.router,
    patients_api.router,  # before chart, whose /{patient_id} would take its paths
    chart_api.router,
    chart_forms_api.router,
    messages_api.router,
    replies_api.router,
    adherence_api.router,
    outbox_api.router,
    today_api.router,
    book_api.router,
    visit_api.router,
    series_api.router,
    groups_api.router,
    calendar_api.router,
    recall_api.router,
    waitlist_api.router,
    home_api.last,
)

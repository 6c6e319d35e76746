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
    book_api,
    calendar_api,
    home_api,
    live_api,
    patients_api,
    recall_api,
    static_api,
    today_api,
    visit_api,
    waitlist_api,
)

ROUTERS = (
    static_api.public,
    live_api.router,
    home_api.router,
    today_api.router,
    patients_api.router,
    book_api.router,
    visit_api.router,
    calendar_api.router,
    recall_api.router,
    waitlist_api.router,
    home_api.last,
)

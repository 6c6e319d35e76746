// Draws the list of visits as a calendar, with EventCalendar. Nothing is saved here: a visit that is
// dragged opens on its own page with the new time entered, and what is in its way.
"use strict";
(() => {
  let drawn = "", made = null, states = {};
  const two = (number) => String(number).padStart(2, "0");
  const visit = (id, query = "") => { location.href = `/console/visits/${id}${query}`; };
  const plain = (place) => {
    // Roles of tables without rows mislead; the list below is the table, and each visit is a button here.
    for (const one of place.querySelectorAll("*:not([role=button])")) {
      for (const name of one.getAttributeNames()) if (name === "role" || name.startsWith("aria-")) one.removeAttribute(name);
    }
  };
  const said = (info) => ({
    domNodes: [["strong", info.event.title], ["span", info.timeText], ["span", states[info.event.extendedProps.state] || info.event.extendedProps.state]].map(([kind, text]) => {
      const one = document.createElement(kind);
      one.textContent = text;
      return one;
    }),
  });
  const draw = () => {
    const place = document.querySelector("[data-calendar]");
    if (!place || !window.EventCalendar || (place.dataset.calendar === drawn && place.firstChild)) return;
    if (made) window.EventCalendar.destroy(made);
    place.replaceChildren();
    drawn = place.dataset.calendar;
    const given = JSON.parse(drawn);
    states = JSON.parse(place.dataset.states);
    const moved = (info) => {
      const { start, end } = info.event;
      const query = new URLSearchParams({
        day: `${start.getFullYear()}-${two(start.getMonth() + 1)}-${two(start.getDate())}`,
        clock: `${two(start.getHours())}:${two(start.getMinutes())}`,
        minutes: Math.round((end - start) / 60000),
      });
      if (given.by === "provider" && info.newResource) query.set("provider_id", info.newResource.id);
      if (given.by === "room" && info.newResource) {
        query.set("room_id", info.newResource.id);
        if (info.oldResource) query.set("instead_of", info.oldResource.id);
      }
      visit(info.event.id, `?${query}#move`);
    };
    made = window.EventCalendar.create(place, {
      view: given.view === "week" ? "timeGridWeek" : "resourceTimeGridDay",
      date: given.day, resources: given.columns, events: given.events, firstDay: 1,
      headerToolbar: { start: "", center: "", end: "" }, allDaySlot: false, nowIndicator: false,
      slotMinTime: `${two(given.from)}:00`, slotMaxTime: `${two(given.to)}:00`,
      slotHeight: 36, eventContent: said, locale: document.documentElement.lang, editable: given.edits,
      eventClick: (info) => { location.href = info.event.extendedProps.href; }, eventDrop: moved, eventResize: moved,
    });
    plain(place);
    new MutationObserver(() => plain(place)).observe(place, { childList: true, subtree: true });
  };
  for (const name of ["DOMContentLoaded", "htmx:after:swap", "htmx:afterSwap"]) document.addEventListener(name, draw);
  draw();
})();

// What the console does in the browser beyond htmx: keys, live pages, questions, charts. Without it every page still works.
"use strict";
(() => {
  const typing = (element) => element.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
  const shown = (element) => element.offsetParent !== null || element.matches("[data-key='/']");
  let go = 0;

  // One key each: data-key on what is clicked (or, for an input, focused); g and then data-go for a screen.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      document.querySelectorAll("header details[open]").forEach((one) => one.removeAttribute("open"));
      const found = document.getElementById("found");
      if (found) found.replaceChildren();
      return;
    }
    if (typing(event.target) || document.querySelector("dialog[open]")) return;
    if (event.key === "g") { go = Date.now(); return; }
    const name = Date.now() - go < 1500 ? "data-go" : "data-key";
    go = 0;
    const target = [...document.querySelectorAll(`[${name}="${CSS.escape(event.key)}"]`)].find(shown);
    if (!target) return;
    event.preventDefault();
    if (target.matches("input")) target.focus(); else target.click();
  });

  // Up and down walk through what was found, and through rows that have a link.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const list = event.target.closest(".search");
    if (!list) return;
    const stops = [list.querySelector("input"), ...list.querySelectorAll(".found a")];
    const next = stops[stops.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)];
    if (next) { event.preventDefault(); next.focus(); }
  });

  // A form is sent once; one that asks first asks in a dialog of the page.
  const ask = (form, button) => {
    const dialog = document.createElement("dialog");
    const text = document.createElement("p");
    text.textContent = form.dataset.confirm;
    const acts = document.createElement("form");
    acts.method = "dialog"; acts.className = "acts";
    for (const [value, label, kind] of [["yes", button.textContent, "first"], ["no", document.documentElement.lang === "es" ? "No" : "Not now", ""]]) {
      const one = document.createElement("button");
      one.value = value; one.textContent = label; one.className = kind;
      acts.append(one);
    }
    dialog.append(text, acts);
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (dialog.returnValue === "yes") { form.dataset.sure = "yes"; form.requestSubmit(button.form === form ? button : undefined); }
      else button.focus();
    });
    document.body.append(dialog);
    dialog.showModal();
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.confirm && !form.dataset.sure) { event.preventDefault(); ask(form, event.submitter); return; }
    if (form.method === "post") {
      if (form.dataset.sent) { event.preventDefault(); return; }
      form.dataset.sent = "yes";
    }
  });
  addEventListener("pageshow", (event) => {
    document.querySelectorAll("form[data-sent]").forEach((one) => delete one.dataset.sent);
    if (event.persisted) location.reload(); // after signing out, the back button shows nothing of before
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-auto]")) event.target.form.requestSubmit();
  });
  document.addEventListener("input", (event) => {
    if (event.target.form && event.target.form.method === "post") event.target.form.dataset.dirty = "yes";
  });

  // What others change appears by itself, unless something is being entered here.
  const live = document.querySelector("[data-live]");
  if (live) {
    const topics = live.dataset.live.split(" ");
    let waiting = 0;
    const refresh = () => {
      waiting = 0;
      if (document.querySelector("main form[data-dirty], main dialog[open]") || (document.activeElement && document.activeElement.closest("main") && typing(document.activeElement))) {
        document.getElementById("stale").hidden = false;
        return;
      }
      if (window.htmx) window.htmx.ajax("GET", location.href, { target: "#main", select: "#main", swap: "outerMorph", headers: { "X-By-Itself": "1" } }).then(draw); // nobody need be there
    };
    const source = new EventSource("/console/live");
    source.addEventListener("changed", (event) => {
      if (topics.some((topic) => event.data.split(" ").includes(topic)) && !waiting) waiting = setTimeout(refresh, 300);
    });
    addEventListener("pagehide", () => source.close());
  }

  // A page that nobody uses is covered when its session ends; what was being entered stays below the cover.
  const cover = document.getElementById("cover");
  if (cover) {
    const shared = "chroniccare-until"; // what is done in one tab keeps the others open
    const stay = () => { try { localStorage.setItem(shared, Date.now() + cover.dataset.left * 1000); } catch { cover.until = Date.now() + cover.dataset.left * 1000; } };
    const until = () => { try { return Number(localStorage.getItem(shared)); } catch { return cover.until; } };
    const open = () => {
      document.body.classList.add("covered");
      const way = cover.querySelector("a");
      if (document.querySelector("main form[data-dirty]")) way.target = "_blank";
      else way.href = `/console/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
      if (!cover.open) cover.showModal();
    };
    const back = async () => { // signed in elsewhere: the same person goes on with the new session's token
      const answer = await fetch("/console/keys", { redirect: "manual" }).catch(() => null);
      if (!answer || !answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = page.getElementById("cover");
      if (!now || now.dataset.who !== cover.dataset.who) { location.reload(); return; }
      const token = page.querySelector("meta[name=csrf]").content;
      document.querySelector("meta[name=csrf]").content = token;
      document.querySelectorAll("input[name=csrf]").forEach((one) => { one.value = token; });
      document.querySelectorAll("form[data-sent]").forEach((one) => delete one.dataset.sent);
      document.body.classList.remove("covered");
      stay();
      cover.close();
    };
    stay();
    setInterval(() => { if (Date.now() >= until() && !cover.open) open(); }, 1000);
    document.addEventListener("htmx:afterRequest", stay);
    cover.addEventListener("cancel", (event) => event.preventDefault());
    cover.addEventListener("close", () => { if (document.body.classList.contains("covered")) cover.showModal(); });
    addEventListener("focus", () => { if (cover.open) back(); });
    document.addEventListener("visibilitychange", () => { if (cover.open && !document.hidden) back(); });
  }

  // Charts: figures stand in the page as a table too.
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const draw = () => {
    if (!window.uPlot) return;
    for (const place of document.querySelectorAll("[data-chart]:empty")) {
      const given = JSON.parse(place.dataset.chart);
      const x = given.x.map((day) => Date.parse(day.length === 10 ? `${day}T00:00` : day) / 1000);
      const colours = ["--brand", "--warn", "--info", "--bad"];
      const line = { stroke: colour("--line"), width: 1 };
      const axis = { stroke: colour("--soft"), grid: line, ticks: line };
      const options = {
        width: place.clientWidth, height: 200, legend: { show: false }, cursor: { show: false },
        scales: given.unit === "%" ? { y: { range: [0, 105] } } : {},
        axes: [axis, { ...axis, values: (_, all) => all.map((one) => `${one}${given.unit === "%" ? "%" : ""}`) }],
        series: [{}, ...given.lines.map(([label], place) => ({ label, stroke: colour(colours[place % 4]), width: 2, dash: place ? [6, 4] : [], points: { show: x.length < 60 } }))],
        hooks: { drawClear: given.band ? [(plot) => {
          const [low, high] = given.band.map((one) => plot.valToPos(one, "y", true));
          plot.ctx.fillStyle = colour("--ok-soft");
          plot.ctx.fillRect(plot.bbox.left, high, plot.bbox.width, low - high);
        }] : [] },
      };
      new window.uPlot(options, [x, ...given.lines.map(([, values]) => values)], place);
    }
  };
  addEventListener("DOMContentLoaded", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    document.querySelectorAll("[data-chart]").forEach((one) => one.replaceChildren());
    draw();
  });
  draw();
  const refused = document.getElementById("refused");
  if (refused) refused.focus();
})();

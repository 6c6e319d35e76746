// Keys of the day's board: j and k (or the arrows) choose a visit, and one key takes its step.
"use strict";
(() => {
  let chosen = "";
  const rows = () => [...document.querySelectorAll("tr[data-row]")];
  const choose = (by) => {
    const all = rows();
    const at = all.findIndex((one) => one.id === chosen);
    const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
    if (!next) return;
    chosen = next.id;
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest("tr[data-row]");
    if (row) chosen = row.id;
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest("input, textarea, select, .search") || document.querySelector("dialog[open]")) return;
    if (event.key === "j" || event.key === "ArrowDown") { event.preventDefault(); choose(1); return; }
    if (event.key === "k" || event.key === "ArrowUp") { event.preventDefault(); choose(-1); return; }
    const row = document.getElementById(chosen);
    const button = row && row.querySelector(`[data-step="${CSS.escape(event.key)}"]`);
    if (button) { event.preventDefault(); button.click(); }
  });
  document.addEventListener("submit", (event) => {
    const row = event.target.closest("tr[data-row]");
    if (row) sessionStorage.setItem("chosen visit", row.id);
  });
  const kept = sessionStorage.getItem("chosen visit");
  sessionStorage.removeItem("chosen visit");
  const row = kept && document.getElementById(kept);
  if (row && !document.getElementById("refused")) row.focus();
})();

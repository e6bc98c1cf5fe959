// What the console can't do without a script: keys, the mark on a changed row, the time left for an undo, colours, a
// word while the daemon is away. Everything else is forms and the live stream. Stored: colours, side column, keys on.
"use strict";

(() => {
  const html = document.documentElement;
  const desk = document.getElementById("desk");
  const keys = document.getElementById("keys");
  const THEMES = ["", "light", "dark", "contrast"];
  const NOTICE_S = 10;
  const SETTLE_MS = 400; // a click must not hit what has just moved under the pointer
  const RETRY_MS = 1500;

  html.dataset.script = "on";

  // --- kept on this machine: never anything of a patient ---

  const keep = (name, value) => { try { localStorage.setItem("console." + name, value); } catch { /* not kept */ } };
  const kept = (name) => { try { return localStorage.getItem("console." + name); } catch { return null; } };

  function setTheme(theme) {
    if (theme) html.dataset.theme = theme;
    else delete html.dataset.theme;
    const button = document.getElementById("colours");
    button.querySelector("[data-word]").textContent = button.dataset.words.split("|")[THEMES.indexOf(theme)];
  }

  for (const id of ["side-shown", "keys-on"]) {
    const box = document.getElementById(id);
    if (kept(id)) box.checked = kept(id) === "yes";
    box.addEventListener("change", () => keep(id, box.checked ? "yes" : "no"));
  }
  setTheme(THEMES.includes(kept("theme")) ? kept("theme") : "");
  document.getElementById("colours").addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(html.dataset.theme ?? "") + 1) % THEMES.length];
    keep("theme", next);
    setTheme(next);
  });

  // --- a changed row is marked; a click on what slid under the pointer is not taken ---

  let before = new Map();
  let pointer = null;
  let under = null;
  let movedAt = -Infinity;

  const rows = () => [...desk.querySelectorAll(".ticket")];
  const rowAt = (point) => point && document.elementFromPoint(point.x, point.y)?.closest("[id]")?.id;
  document.addEventListener("pointermove", (event) => { pointer = { x: event.clientX, y: event.clientY }; under = null; });
  document.addEventListener("htmx:before:swap", () => { under = rowAt(pointer) ?? null; });

  function settle() {
    const now = new Map(rows().map((row) => [row.id, row.dataset.state]));
    for (const [id, state] of now) {
      if (before.size && before.get(id) !== state) mark(document.getElementById(id));
    }
    before = now;
    if (under && rowAt(pointer) !== under) movedAt = performance.now();
  }

  function mark(row) {
    row.classList.remove("changed");
    void row.offsetWidth; // begins the animation anew
    row.classList.add("changed");
  }

  document.addEventListener("click", (event) => {
    if (event.detail > 0 && desk.contains(event.target) && performance.now() - movedAt < SETTLE_MS) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }, true);

  // --- the notice goes by itself; its undo shows the time left ---

  let endsAt = null;

  function begin() {
    const notice = document.getElementById("notice");
    const isProblem = notice.querySelector(".problem");
    endsAt = notice.childElementCount && !isProblem ? performance.now() + 1000 * NOTICE_S : null;
    count();
  }

  function count() {
    if (endsAt === null) return;
    const left = Math.ceil((endsAt - performance.now()) / 1000);
    const notice = document.getElementById("notice");
    const clock = notice.querySelector("[data-left]");
    if (clock) clock.textContent = ` ${left} s`;
    if (left <= 0 && !notice.contains(document.activeElement)) {
      notice.replaceChildren();
      endsAt = null;
    }
  }

  setInterval(count, 250);

  // --- keys: a letter goes to a button, Enter presses it ---

  function goTo(selector) {
    const all = [...document.querySelectorAll(selector)].filter((found) => found.offsetParent !== null);
    const next = all[(all.indexOf(document.activeElement) + 1) % all.length];
    next?.focus();
  }

  function step(by) {
    const links = [...desk.querySelectorAll(".take")];
    const at = links.indexOf(document.activeElement);
    links[Math.min(Math.max(at + by, 0), links.length - 1)]?.focus();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox], [type=radio]), select")) return;
    if (event.key === "Escape") return document.querySelector("[data-cancel]")?.click();
    if (event.key === "?") return keys.togglePopover();
    if (!document.getElementById("keys-on").checked || keys.matches(":popover-open")) return;
    if (event.key === "n") goTo("[data-key=n].primary");
    else if ("cfrmwubtil".includes(event.key)) goTo(`[data-key=${event.key}]`);
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "d") document.getElementById("side-shown").click();
  });

  // --- the connection ---

  const lost = () => { html.dataset.connection = "lost"; };
  const found = () => { delete html.dataset.connection; };
  const isStream = (event) => event.target.id === "stream";

  // Signed out: the whole page is loaded again, which leads to the sign-in. Else it is a daemon that is away.
  function failed(status) {
    if (status === 401) location.assign("/sign-in");
    else lost();
  }

  function retry(event) {
    if (!isStream(event)) return;
    failed(event.detail?.ctx?.response?.status);
    setTimeout(() => htmx.trigger("#stream", "kioskd:connect"), RETRY_MS);
  }

  document.addEventListener("htmx:sse:after:connection", found);
  document.addEventListener("htmx:sse:error", (event) => failed(event.detail?.status));
  document.addEventListener("htmx:sse:before:connection", (event) => { if (event.detail.connection.attempt > 0) lost(); });
  document.addEventListener("htmx:error", retry);
  document.addEventListener("htmx:response:error", retry);

  document.addEventListener("htmx:after:swap", (event) => {
    settle();
    if (isStream(event)) return;
    begin();
    desk.querySelector("#asked [data-first]")?.focus();
    // A reload keeps who is in hand. The history of htmx is off: it would keep pages with names in them.
    history.replaceState(null, "", document.getElementById("stream").getAttribute("hx-sse:connect").replace("/live", "/"));
  });
  settle();
  begin();
})();

// What the kiosk page can't do without a script: text size and contrast for this patient, the focus on a new step, the
// keys that type a birth date, the countdown, a calm word while the daemon is away. Everything else is forms and the live stream. Nothing is stored.
"use strict";

(() => {
  const html = document.documentElement;
  const kiosk = document.getElementById("kiosk");
  const TEXT_SIZES = ["", "large", "largest"];
  const SETTLE_MS = 500; // a second tap must not hit what has just appeared in the same place
  const RETRY_MS = 1500;
  const STILL_HERE_MS = 10000; // who types is not idle: told no more often than this

  let shown = {};
  let clearsAt = null;
  let settling = 0;
  let typing = null;
  let typedAt = 0;

  html.dataset.script = "on";

  // After every fragment: the frame follows what is shown now.
  function settle() {
    const step = kiosk.querySelector("[data-step]");
    if (!step) return;
    const now = step.dataset;
    if (now.build !== html.dataset.build) return location.reload();
    if (shown.session !== undefined && now.session !== shown.session) forgetPerson();
    if (now.lang !== html.lang) document.getElementById("languages").hidePopover();
    html.lang = now.lang;
    html.dir = now.dir;
    if (shown.step !== undefined && now.step !== shown.step) enter(step);
    clearsAt = "clearsInS" in now ? performance.now() + 1000 * Number(now.clearsInS) : null;
    shown = { session: now.session, step: now.step };
    showChoices();
    keepField();
  }

  function enter(step) {
    html.dataset.settling = "on";
    clearTimeout(settling);
    settling = setTimeout(() => { delete html.dataset.settling; }, SETTLE_MS);
    document.getElementById("languages").hidePopover();
    window.scrollTo(0, 0);
    step.querySelector("h1").focus({ preventScroll: true });
  }

  // The next person gets the page as it always begins.
  function forgetPerson() {
    delete html.dataset.text;
    delete html.dataset.theme;
  }

  function showChoices() {
    const size = document.getElementById("choose-text");
    const words = size.dataset.sizes.split("|");
    size.querySelector("[data-size-word]").textContent = words[TEXT_SIZES.indexOf(html.dataset.text ?? "")];
    const contrast = document.getElementById("choose-contrast");
    contrast.setAttribute("aria-pressed", String(html.dataset.theme === "contrast"));
  }

  function chooseText() {
    const next = TEXT_SIZES[(TEXT_SIZES.indexOf(html.dataset.text ?? "") + 1) % TEXT_SIZES.length];
    if (next) html.dataset.text = next;
    else delete html.dataset.text;
    showChoices();
  }

  function chooseContrast() {
    if (html.dataset.theme === "contrast") delete html.dataset.theme;
    else html.dataset.theme = "contrast";
    showChoices();
  }

  function countDown() {
    const clock = kiosk.querySelector("[data-clock]");
    if (!clock || clearsAt === null) return;
    const left = Math.max(0, Math.round((clearsAt - performance.now()) / 1000));
    clock.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    kiosk.querySelector(".clears progress").value = left;
  }

  // The birth date: the keys write into the field that was chosen last. A digit takes the place of what stands in a
  // field that was just chosen, as it would be with its text selected.
  const fields = () => [...kiosk.querySelectorAll("#birth-date input[maxlength]")];
  const isFull = (field) => field.value.length >= field.maxLength;

  function chooseField(chosen, isFresh = true) {
    typing = chosen ? { name: chosen.name, isFresh } : null;
    for (const field of fields()) field.toggleAttribute("data-current", field === chosen);
  }

  function keepField() {
    const all = fields();
    const kept = typing && all.find((field) => field.name === typing.name);
    chooseField(kept ?? all[0], kept ? typing.isFresh : true);
  }

  function moveOn(field, step) {
    const all = fields();
    const next = all[all.indexOf(field) + step];
    if (!next) return chooseField(field, false);
    chooseField(next);
    if (all.includes(document.activeElement)) next.focus();
  }

  function press(key) {
    const field = fields().find((each) => each.name === typing.name);
    if (key === "next") moveOn(field, 1);
    else if (key === "back" && field.value === "") moveOn(field, -1);
    else if (key === "back") {
      field.value = typing.isFresh ? "" : field.value.slice(0, -1);
      typing.isFresh = false;
    } else {
      if (typing.isFresh) field.value = key;
      else if (!isFull(field)) field.value += key;
      typing.isFresh = false;
      if (isFull(field)) moveOn(field, 1);
    }
    stillHere();
  }

  function stillHere() {
    const now = performance.now();
    if (typedAt && now - typedAt < STILL_HERE_MS) return;
    typedAt = now;
    const body = new URLSearchParams({ session: shown.session });
    fetch("/more-time", { method: "POST", body, headers: { "hx-request": "true" } }).catch(() => {});
  }

  document.addEventListener("focusin", (event) => {
    if (event.target.matches("#birth-date input[maxlength]") && event.target.name !== typing?.name) chooseField(event.target);
  });
  document.addEventListener("input", (event) => {
    if (!event.target.matches("#birth-date input[maxlength]")) return;
    chooseField(event.target, false);
    if (isFull(event.target)) moveOn(event.target, 1);
    stillHere();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("main") && "settling" in html.dataset) {
      event.preventDefault();
      event.stopImmediatePropagation();
    } else if (event.target.closest("[data-digit]")) press(event.target.closest("[data-digit]").dataset.digit);
    else if (event.target.closest("#choose-text")) chooseText();
    else if (event.target.closest("#choose-contrast")) chooseContrast();
  }, true);

  const lost = () => { html.dataset.connection = "lost"; };
  const found = () => { delete html.dataset.connection; };
  kiosk.addEventListener("htmx:sse:after:connection", found);
  kiosk.addEventListener("htmx:sse:error", lost);
  kiosk.addEventListener("htmx:sse:before:connection", (event) => {
    if (event.detail.connection.attempt > 0) lost(); // the stream ended; the first connection is no loss
  });
  // htmx connects again by itself once it was connected; the first time it gives up.
  kiosk.addEventListener("htmx:sse:close", retry);
  kiosk.addEventListener("htmx:error", (event) => { if (event.target === kiosk) retry(); });
  kiosk.addEventListener("htmx:response:error", (event) => { if (event.target === kiosk) retry(); });

  function retry() {
    lost();
    setTimeout(() => htmx.trigger(kiosk, "kioskd:connect"), RETRY_MS);
  }

  document.addEventListener("htmx:after:swap", settle);
  setInterval(countDown, 250);
  settle();
})();

// What the printers' pages can't do without a script: colours, and a word while the daemon is away. Everything else is
// forms and the live stream. Stored: the colours, under the console's own name.
"use strict";

(() => {
  const html = document.documentElement;
  const THEMES = ["", "light", "dark", "contrast"];
  const RETRY_MS = 1500;

  html.dataset.script = "on";

  const kept = () => { try { return localStorage.getItem("console.theme"); } catch { return null; } };
  const keep = (theme) => { try { localStorage.setItem("console.theme", theme); } catch { /* not kept */ } };

  function setTheme(theme) {
    if (theme) html.dataset.theme = theme;
    else delete html.dataset.theme;
    const button = document.getElementById("colours");
    button.querySelector("[data-word]").textContent = button.dataset.words.split("|")[THEMES.indexOf(theme)];
  }

  setTheme(THEMES.includes(kept()) ? kept() : "");
  document.getElementById("colours").addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(html.dataset.theme ?? "") + 1) % THEMES.length];
    keep(next);
    setTheme(next);
  });

  const lost = () => { html.dataset.connection = "lost"; };
  const found = () => { delete html.dataset.connection; };

  // Signed out: the whole page is loaded again, which leads to the sign-in. Else it is a daemon that is away.
  function failed(status) {
    if (status === 401) location.assign("/sign-in");
    else lost();
  }

  function retry(event) {
    if (event.target.id !== "stream") return;
    failed(event.detail?.ctx?.response?.status);
    setTimeout(() => htmx.trigger("#stream", "kioskd:connect"), RETRY_MS);
  }

  document.addEventListener("htmx:sse:after:connection", found);
  document.addEventListener("htmx:sse:error", (event) => failed(event.detail?.status));
  document.addEventListener("htmx:sse:before:connection", (event) => { if (event.detail.connection.attempt > 0) lost(); });
  document.addEventListener("htmx:error", retry);
  document.addEventListener("htmx:response:error", retry);
})();

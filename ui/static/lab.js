// The lab page is forms and one live stream; a script only says when that stream is lost, and asks for it again.
"use strict";

(() => {
  const html = document.documentElement;
  const RETRY_MS = 1500;
  const lost = () => { html.dataset.connection = "lost"; };

  function retry(event) {
    if (event.target.id !== "stream") return;
    lost();
    setTimeout(() => htmx.trigger("#stream", "kioskd:connect"), RETRY_MS);
  }

  document.addEventListener("htmx:sse:after:connection", () => { delete html.dataset.connection; });
  document.addEventListener("htmx:sse:error", lost);
  document.addEventListener("htmx:sse:before:connection", (event) => { if (event.detail.connection.attempt > 0) lost(); });
  document.addEventListener("htmx:error", retry);
  document.addEventListener("htmx:response:error", retry);
})();

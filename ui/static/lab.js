// The lab page is forms and one live stream. A script only says when that stream is lost and asks for it again, and keeps
// the focus where the hand is: the kiosk takes it on each new step, which is right on a kiosk and wrong in a frame.
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

  const TAB_MS = 200;
  let held = null;
  let tabAt = -Infinity;
  document.addEventListener("focusin", (event) => { if (event.target.tagName !== "IFRAME") held = event.target; });
  document.addEventListener("keydown", (event) => { if (event.key === "Tab") tabAt = event.timeStamp; });
  window.addEventListener("blur", (event) => {
    const frame = document.activeElement;
    if (frame?.tagName !== "IFRAME" || frame.matches(":hover") || event.timeStamp - tabAt < TAB_MS) return;
    setTimeout(() => {
      frame.blur();
      held?.focus({ preventScroll: true });
    });
  });

  document.addEventListener("htmx:sse:after:connection", () => { delete html.dataset.connection; });
  document.addEventListener("htmx:sse:error", lost);
  document.addEventListener("htmx:sse:before:connection", (event) => { if (event.detail.connection.attempt > 0) lost(); });
  document.addEventListener("htmx:error", retry);
  document.addEventListener("htmx:response:error", retry);
})();

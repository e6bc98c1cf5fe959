// What the records desk does with a script: the filter as one types, a mark on what is new, a word when the connection
// is lost. Nothing typed leaves the page by itself and nothing is stored.
"use strict";

(() => {
  const list = document.getElementById("check-ins");
  const form = document.getElementById("list");
  const lost = document.querySelector(".lost[hidden]");
  const NEW_MS = 6000;
  const RETRY_MS = 1500;

  let known = null;

  const folded = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

  // The same texts and the same comparison as on the server (kioskd/web/records.py).
  function filter() {
    const words = folded(form.words.value).split(/\s+/).filter(Boolean);
    const rows = [...list.querySelectorAll("tbody tr")];
    let kept = 0;
    for (const row of rows) {
      const text = folded([...row.querySelectorAll("[data-text]")].map((cell) => cell.textContent).join(" "));
      row.hidden = !words.every((word) => text.includes(word));
      kept += row.hidden ? 0 : 1;
    }
    const note = list.querySelector("[data-kept]");
    note.textContent = words.length ? note.dataset.word.replace("#", String(kept)) : "";
    const table = list.querySelector("table");
    if (!table) return;
    table.hidden = kept === 0;
    list.querySelector("[data-no-match]").hidden = kept > 0;
  }

  // The session is over: nothing of a patient is left, and nothing asks for the list any more.
  function leave() {
    form.words.value = "";
    for (const tool of document.querySelectorAll(".tools form")) tool.hidden = true;
    lost.hidden = true;
    const plain = document.createElement("div");
    plain.append(...list.childNodes);
    list.replaceWith(plain); // htmx closes the stream of an element that is gone
    plain.querySelector("h2").focus();
  }

  function settle() {
    if (!list.isConnected) return;
    if (list.querySelector(".over")) return leave();
    const rows = [...list.querySelectorAll("tbody tr")];
    for (const row of known ? rows.filter((each) => !known.has(each.id)) : []) {
      row.dataset.new = "";
      setTimeout(() => { delete document.getElementById(row.id)?.dataset.new; }, NEW_MS);
    }
    known = new Set(rows.map((row) => row.id));
    filter();
  }

  form.words.addEventListener("input", filter);
  form.addEventListener("submit", (event) => {
    if (!event.submitter || !event.submitter.hasAttribute("formaction")) event.preventDefault();
  });

  // A filter that is set stays set when the list is sorted: then the choice is posted, so it is in no address.
  list.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-sort]");
    if (!link || !form.words.value.trim()) return;
    event.preventDefault();
    form.sort.value = link.dataset.sort;
    form.order.value = link.dataset.order;
    form.submit();
  });

  list.addEventListener("htmx:sse:after:connection", () => { lost.hidden = true; });
  list.addEventListener("htmx:sse:error", (event) => {
    if (event.detail?.status === 401) location.assign("/sign-in"); // the session ended while the stream was away
    else lost.hidden = false;
  });
  list.addEventListener("htmx:sse:before:connection", (event) => {
    if (event.detail.connection.attempt > 0) lost.hidden = false; // the stream ended; the first connection is no loss
  });
  // htmx connects again by itself once it was connected; the first time it gives up.
  list.addEventListener("htmx:sse:close", retry);
  list.addEventListener("htmx:error", (event) => { if (event.target === list) retry(); });
  list.addEventListener("htmx:response:error", (event) => { if (event.target === list) retry(); });

  function retry() {
    if (!list.isConnected) return;
    lost.hidden = false;
    setTimeout(() => htmx.trigger(list, "kioskd:connect"), RETRY_MS);
  }

  document.addEventListener("htmx:after:swap", settle);
  settle();
})();

// The waiting room's screen: shows the newest picture of one area, and says so when it is old.
//
// A picture is good for as long as its message says (MQTT 5 message expiry), counted on this screen's own clock: no
// clock is compared with another one. One with a lower (epoch, version) than the one shown is dropped.
"use strict";

(() => {
  const HIGHLIGHT_MS = 12_000;
  const FRESH_CALL_MS = 60_000; // A call that is older than this is not news to anybody, whenever we hear of it.
  const CHECK_SETTINGS_MS = 60_000;
  const LONG_ROOM = 22; // characters; a longer name is written smaller rather than cut off
  const RETRY_MS = 3_000;
  const THIS_VERSION = 1;

  const body = document.body;
  const find = (id) => document.getElementById(id);
  const rows = new Map(); // label -> {element, called, newUntil}

  let settings = null;
  let shown = null; // {epoch, version} of the picture on the screen
  let goodUntil = 0; // by performance.now()
  let hubClockAhead = 0; // ms; a television's own clock is often wrong

  async function readSettings() {
    const answer = await fetch(body.dataset.settings, { cache: "no-store" });
    if (!answer.ok) throw new Error(`settings: ${answer.status}`);
    return answer.text();
  }

  async function start() {
    try {
      const text = await readSettings();
      settings = JSON.parse(text);
      connect();
      setInterval(() => reloadIfChanged(text), CHECK_SETTINGS_MS);
    } catch {
      setTimeout(start, RETRY_MS);
    }
  }

  async function reloadIfChanged(before) {
    try {
      if ((await readSettings()) !== before) location.reload();
    } catch {
      // The page server is away; what we have still works.
    }
  }

  function connect() {
    const client = mqtt.connect(settings.broker_url, {
      protocolVersion: 5,
      clean: true,
      clientId: `display-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`,
      username: settings.user,
      password: settings.password,
      keepalive: 5,
      connectTimeout: 5_000,
      reconnectPeriod: 1_000 + Math.random() * 1_000,
      reconnectOnConnackError: true,
      resubscribe: false,
      timerVariant: "native", // the other one makes a worker from a blob, which the policy forbids
    });
    client.on("connect", () => client.subscribe(settings.state_topic, { qos: 1 }));
    client.on("message", (_topic, payload, packet) => take(payload, packet));
    client.on("error", () => {}); // It tries again by itself; the screen says what a person must know.
  }

  function take(payload, packet) {
    let picture;
    try {
      picture = JSON.parse(payload.toString());
    } catch {
      return;
    }
    if (picture?.v !== THIS_VERSION || isOlder(picture)) return;
    const leftS = packet.properties?.messageExpiryInterval ?? settings.old_after_s;
    goodUntil = performance.now() + Math.min(leftS, settings.old_after_s) * 1_000;
    if (!packet.retain) hubClockAhead = Date.parse(picture.at) - Date.now();
    shown = { epoch: picture.epoch, version: picture.version };
    show(picture);
  }

  function isOlder(picture) {
    if (shown === null) return false;
    if (picture.epoch !== shown.epoch) return picture.epoch < shown.epoch;
    return picture.version < shown.version;
  }

  function show(picture) {
    const readAt = Date.parse(picture.at);
    const fresh = [];
    const labels = new Set();
    const elements = picture.calls.map((call) => {
      labels.add(call.label);
      const row = rows.get(call.label) ?? { element: newRow(), called: "", newUntil: 0 };
      rows.set(call.label, row);
      const called = `${call.called_at} ${call.times_called}`;
      if (called !== row.called && readAt - Date.parse(call.called_at) < FRESH_CALL_MS) {
        row.newUntil = performance.now() + HIGHLIGHT_MS;
        fresh.push(call);
      }
      row.called = called;
      write(row.element.querySelector(".label"), call.label);
      const room = row.element.querySelector(".room");
      write(room, call.room);
      room.classList.toggle("is-long", call.room.length > LONG_ROOM);
      return row.element;
    });
    for (const label of rows.keys()) if (!labels.has(label)) rows.delete(label);
    place(elements);
    write(find("area"), picture.area_name);
    write(find("waiting"), String(picture.waiting_count));
    find("nobody").hidden = elements.length > 0;
    if (fresh.length > 0) write(find("spoken"), fresh.map((c) => `${c.label}, ${c.room}`).join(". "));
    tick();
  }

  function newRow() {
    return find("call").content.firstElementChild.cloneNode(true);
  }

  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  // Touches the list only where it differs: an element that is taken out and put back starts its animation again.
  function place(elements) {
    const list = find("calls");
    for (const old of [...list.children]) if (!elements.includes(old)) old.remove();
    elements.forEach((element, n) => {
      if (list.children[n] !== element) list.insertBefore(element, list.children[n] ?? null);
    });
  }

  // Everything that depends on time alone, once a second.
  function tick() {
    const now = performance.now();
    const isGood = shown !== null && now < goodUntil;
    if (isGood) body.dataset.state = "connected";
    else if (shown !== null) forget();
    for (const row of rows.values()) row.element.classList.toggle("is-new", now < row.newUntil);
    write(find("clock"), clockText());
  }

  // An old picture leaves the page whole, so that no old call can be taken for a present one. What comes next counts,
  // also with a lower version: what the hub says now is right, and a restored database may count from below.
  function forget() {
    shown = null;
    rows.clear();
    place([]);
    write(find("spoken"), "");
    body.dataset.state = "old";
  }

  function clockText() {
    if (settings === null) return "";
    return new Intl.DateTimeFormat(settings.language, {
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
      timeZone: settings.time_zone,
    }).format(Date.now() + hubClockAhead);
  }

  setInterval(tick, 1_000);
  start();
})();

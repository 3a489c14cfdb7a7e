// The console's script. Words of a call are only ever put in as text, never as markup.
"use strict";

const french = JSON.parse(document.body.dataset.words);
const say = (text) => french[text] ?? text;
const clock = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
const gapText = (s) => (s == null ? "–" : s < 10 ? `${Math.round(s * 1000)} ms` : `${s.toFixed(1)} s`);
const make = (tag, className = "", text = "") => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
};

// Ages count on between two tidings: an element with data-age was so many seconds old when it was told.
const born = new WeakMap();
const age = (node, seconds) => born.set(node, performance.now() / 1000 - seconds);
document.querySelectorAll("[data-age]").forEach((node) => age(node, Number(node.dataset.age)));
setInterval(() => document.querySelectorAll("[data-age]").forEach((node) => {
  node.textContent = clock(performance.now() / 1000 - born.get(node));
}), 1000);

// ---- forms: ask first, and stay on the page where the answer is only that it was done
document.querySelectorAll("form").forEach((form) => form.addEventListener("submit", async (event) => {
  if (form.dataset.confirm && !confirm(form.dataset.confirm)) return event.preventDefault();
  if (!form.dataset.quiet) return;
  event.preventDefault();
  const status = form.querySelector("[role=status]");
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "text/plain" } });
    status.textContent = answer.ok ? form.dataset.quiet : (await answer.text()).trim();
    if (answer.ok) form.querySelector("textarea")?.form.reset();
  } catch {
    status.textContent = say("not reached; try again");
  }
}));

const refresh = document.querySelector("[data-refresh]");
if (refresh?.dataset.refresh) setTimeout(() => location.reload(), Number(refresh.dataset.refresh) * 1000);

// ---- the list of live calls
const live = document.getElementById("live");
if (live) {
  const body = live.tBodies[0];
  const rows = new Map([...body.rows].map((row) => [decodeURIComponent(row.querySelector("a").pathname.split("/").pop()), row]));
  new EventSource(live.dataset.events).onmessage = (event) => {
    const calls = JSON.parse(event.data);
    const names = new Set(calls.map((call) => call.name));
    rows.forEach((row, name) => { if (!names.has(name)) { row.remove(); rows.delete(name); } });
    calls.forEach((call, place) => {
      let row = rows.get(call.name);
      if (!row) {
        row = body.insertRow(Math.min(place, body.rows.length));
        const link = make("a");
        link.href = `/live/${encodeURIComponent(call.name)}`;
        row.insertCell().append(link);
        for (let n = 1; n < 6; n += 1) row.insertCell();
        row.cells[2].className = "faint";
        row.cells[3].append(make("span", "state"));
        row.cells[4].className = row.cells[5].className = "n";
        row.cells[5].dataset.age = call.age;
        rows.set(call.name, row);
      }
      const cells = row.cells;
      cells[0].firstChild.textContent = say(call.who);
      cells[1].textContent = call.agent;
      cells[2].textContent = call.carrier;
      cells[3].firstChild.textContent = say(call.state);
      cells[3].firstChild.className = `state ${call.state}`;
      cells[4].textContent = gapText(call.gap);
      age(cells[5], call.age);
      cells[5].textContent = clock(call.age);
    });
    document.getElementById("live-count").textContent = calls.length;
    document.getElementById("live-none").hidden = calls.length > 0;
  };
}

// ---- a live call
const call = document.getElementById("call");
if (call) {
  const list = document.getElementById("transcript");
  const now = {};  // what each party is saying
  const bubble = (party, at, extra) => {
    const item = make("li", `turn ${party === "caller" ? "caller" : "agent"}`);
    const about = make("div", "about", clock(at));
    about.append(make("b", party === "caller" ? "caller" : "agent", say(party)), ...extra);
    item.append(about, make("p"));
    item.lastChild.dir = "auto";
    return item;
  };
  const show = (item) => {
    const end = document.documentElement;
    const atEnd = end.scrollHeight - end.scrollTop - end.clientHeight < 120;
    list.append(item);
    while (list.children.length > 400) list.firstChild.remove();
    if (atEnd) item.scrollIntoView({ block: "end" });
  };
  const saying = (party, at, sure, maybe) => {
    now[party] ??= bubble(party, at, []);
    now[party].classList.add("now");
    now[party].setAttribute("aria-hidden", "true");  // read out once it is whole
    now[party].lastChild.replaceChildren(sure, make("span", "tentative", maybe ? ` ${maybe}` : ""));
    if (!now[party].isConnected) show(now[party]);
  };
  const done = (party) => { now[party]?.remove(); delete now[party]; };
  const facts = {
    state: (fact) => {
      const state = document.getElementById("state");
      state.textContent = say(fact.state);
      state.className = `state ${fact.state}`;
    },
    gap: (fact) => { document.getElementById("gap").textContent = gapText(fact.gap); },
    caption: (fact) => saying("caller", fact.at, fact.committed, fact.tentative),
    saying: (fact) => saying("agent", fact.at, fact.text, ""),
    taken: ({ turn }) => {
      done(turn.party);
      const extra = [];
      if (turn.gap != null) extra.push(make("span", "", `${say("after")} ${gapText(turn.gap)}`));
      if (turn.interrupted) extra.push(make("span", "bad", say("cut short")));
      const item = bubble(turn.party, turn.start, extra);
      const rest = turn.interrupted && turn.text.startsWith(turn.heard) ? turn.text.slice(turn.heard.length) : "";
      item.lastChild.append(turn.party === "caller" ? turn.text : turn.heard, make("s", "", rest));
      if (turn.gap != null) document.getElementById("gap").textContent = gapText(turn.gap);
      show(item);
    },
    tool: (fact) => show(make("li", "event", `${clock(fact.at)} ${fact.tool} ${fact.state}`)),
    ended: (fact) => {
      events.close();
      const over = document.getElementById("over");
      over.hidden = false;
      over.textContent = `${say("The call is over")} (${fact.reason}). `;
      if (call.dataset.dump) {
        const link = make("a", "", say("Its recording"));
        link.href = call.dataset.dump;
        over.append(link);
      }
      document.getElementById("actions").querySelectorAll("button, input, textarea").forEach((one) => { one.disabled = true; });
      call.querySelectorAll("[data-age]").forEach((node) => delete node.dataset.age);
      stop();
    },
  };
  const events = new EventSource(`${call.dataset.call}/events`);
  events.onopen = () => { list.replaceChildren(); done("caller"); done("agent"); };  // it tells all again
  events.onmessage = (event) => { const fact = JSON.parse(event.data); facts[fact.fact]?.(fact); };

  // ---- listening in: pieces of PCM are played one after another, a little behind, so that a late one is not missed
  const button = document.getElementById("listen");
  const lag = document.getElementById("lag");
  let aborter = null;
  const stop = () => {
    aborter?.abort();
    aborter = null;
    button.textContent = say("Listen");
    button.setAttribute("aria-pressed", "false");
    lag.textContent = "";
  };
  const play = async (signal) => {
    const context = new AudioContext();
    signal.addEventListener("abort", () => context.close());
    const answer = await fetch(button.dataset.sound, { signal });
    if (!answer.ok) throw new Error((await answer.text()).trim());
    const reader = answer.body.getReader();
    let rest = new Uint8Array(0);
    let rate = 0;
    let due = 0;
    for (;;) {
      const { done: over, value } = await reader.read();
      if (over) return;
      const bytes = new Uint8Array(rest.length + value.length);
      bytes.set(rest);
      bytes.set(value, rest.length);
      const start = rate ? 0 : 44;
      if (bytes.length < start + 4) { rest = bytes; continue; }
      const view = new DataView(bytes.buffer);
      if (!rate) rate = view.getUint32(24, true);
      const frames = Math.floor((bytes.length - start) / 4);
      const sound = context.createBuffer(2, frames, rate);
      for (let side = 0; side < 2; side += 1) {
        const samples = sound.getChannelData(side);
        for (let n = 0; n < frames; n += 1) samples[n] = view.getInt16(start + 4 * n + 2 * side, true) / 32768;
      }
      rest = bytes.slice(start + 4 * frames);
      if (due < context.currentTime + 0.03 || due > context.currentTime + 1.5) due = context.currentTime + 0.25;
      const source = context.createBufferSource();
      source.buffer = sound;
      source.connect(context.destination);
      source.start(due);
      due += sound.duration;
      lag.textContent = `${Math.round((due - context.currentTime) * 1000)} ms ${say("behind")}`;
    }
  };
  button.addEventListener("click", async () => {
    if (aborter) return stop();
    aborter = new AbortController();
    const mine = aborter;
    button.textContent = say("Stop");
    button.setAttribute("aria-pressed", "true");
    try {
      await play(mine.signal);
      if (aborter === mine) stop();
    } catch (error) {
      if (aborter === mine) { stop(); lag.textContent = mine.signal.aborted ? "" : error.message; }
    }
  });
}

// ---- the time line of a recorded call: a click plays from there
const sound = document.getElementById("sound");
if (sound) {
  const line = document.getElementById("line");
  const head = line.querySelector(".head");
  const scale = Number(line.dataset.scale);
  const scroll = line.parentElement;
  const from = (seconds) => {
    const go = () => { sound.currentTime = Math.max(0, seconds); sound.play(); };
    if (sound.readyState >= 1) return go();
    sound.addEventListener("loadedmetadata", go, { once: true });
    sound.preload = "auto";
    sound.load();
  };
  line.addEventListener("click", (event) => from((event.clientX - line.getBoundingClientRect().left) / scale));
  document.querySelectorAll(".at").forEach((button) => button.addEventListener("click", () => from(Number(button.dataset.at))));
  const follow = () => {
    const x = sound.currentTime * scale;
    head.setAttribute("transform", `translate(${x} 0)`);
    head.classList.add("on");
    if (x < scroll.scrollLeft || x > scroll.scrollLeft + scroll.clientWidth - 40) scroll.scrollLeft = x - 40;
    if (!sound.paused) requestAnimationFrame(follow);
  };
  sound.addEventListener("play", follow);
  sound.addEventListener("seeked", follow);
}

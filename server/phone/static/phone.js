"use strict";
// The phone in the browser. What anybody said comes into the page as text nodes only.

const $ = (id) => document.getElementById(id);
const words = JSON.parse(document.body.dataset.words);
const CONNECT_MS = 5000; // WebRTC that does not stand by then is given up for the websocket
const KEYS = "0123456789*#";
const silent = (error) => console.debug(error);

// ---- the page

const page = {
  state(name) {
    document.body.dataset.state = name;
    $("state").textContent = words[name];
    const on = name !== "ready" && name !== "over";
    $("call-word").textContent = on ? words.hang_up : words.call;
    const talking = on && name !== "connecting";
    for (const button of [...document.querySelectorAll("[data-key]"), $("mute"), $("file")]) button.disabled = !talking;
    for (const id of ["agent", "microphone", "way"]) $(id).disabled = on;
  },
  notice(text) {
    $("notice").hidden = !text;
    $("notice").textContent = text || "";
  },
  level(id, rms) {
    // -60 to 0 dBFS
    const share = Math.max(0, Math.min(1, 1 + Math.log10(rms + 1e-6) / 3));
    $(id).firstElementChild.style.transform = `scaleX(${share.toFixed(3)})`;
    return share;
  },
};

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const seconds = (s) => new Intl.NumberFormat(document.documentElement.lang, { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(s);
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

function make(kind, className, text) {
  const element = document.createElement(kind);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

// ---- the conversation

class Conversation {
  constructor(agent) {
    this.agent = agent;
    this.gaps = [];
    this.chip = null; // of the answer that is on its way
    this.earGap = null; // measured, and not yet shown
    $("turns").replaceChildren();
    $("empty").hidden = true;
    for (const id of ["gap", "median", "ear"]) $(id).textContent = "–";
    this.now();
  }
  add(element) {
    const scroll = $("scroll");
    const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;
    $("turns").append(element);
    if (atEnd) scroll.scrollTop = scroll.scrollHeight;
  }
  line(party, text, at) {
    const item = make("li", `turn ${party}`);
    const who = make("span", "who");
    who.append(make("b", "", party === "caller" ? words.you : this.agent), " ", make("time", "", clock(at)));
    item.append(who, make("span", "said", text));
    return item;
  }
  /** Words on their way: those that will stay, and those that may change. */
  now(party, committed = "", tentative = "") {
    const line = $("now");
    line.hidden = !committed && !tentative;
    line.className = `turn now ${party || ""}`;
    line.querySelector(".who").textContent = party === "caller" ? words.you : this.agent;
    line.querySelector(".committed").textContent = committed;
    line.querySelector(".tentative").textContent = tentative;
    if (!line.hidden) $("scroll").scrollTop = $("scroll").scrollHeight;
  }
  take(turn) {
    this.now();
    const caller = turn.party === "caller";
    if (!caller && turn.gap !== undefined && turn.gap !== null) this.answered(turn.gap, turn.parts || {});
    const text = caller ? turn.text : turn.heard;
    const item = this.line(turn.party, text, turn.start);
    item.dataset.text = text;
    if (turn.interrupted && turn.text.startsWith(turn.heard) && turn.text.length > turn.heard.length) {
      const rest = make("del", "", turn.text.slice(turn.heard.length).trim());
      item.lastElementChild.append(" ", make("span", "hidden", words.unheard), " ", rest);
    }
    this.add(item);
  }
  /** The server has sent the first sound of an answer. */
  gap(gap) {
    const item = make("li", "gap");
    item.append(make("b", "", fill(words.gap, { s: seconds(gap) })));
    this.chip = item;
    this.add(item);
    $("gap").textContent = fill(words.gap, { s: seconds(gap) });
    this.gaps.push(gap);
    const sorted = [...this.gaps].sort((a, b) => a - b);
    const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
    $("median").textContent = fill(words.gap, { s: seconds((low + high) / 2) });
    this.ear();
  }
  /** The same, by this page's ears. */
  ear(gap) {
    if (gap !== undefined) {
      this.earGap = { gap, until: performance.now() + 2000 };
      $("ear").textContent = fill(words.gap, { s: seconds(gap) });
    }
    if (!this.earGap || !this.chip || this.chip.dataset.ear || performance.now() > this.earGap.until) return;
    this.chip.dataset.ear = this.earGap.gap.toFixed(3);
    this.chip.append(make("span", "", fill(words.ear, { s: seconds(this.earGap.gap) })));
    this.earGap = null;
  }
  /** The answer is over: what its gap was made of. */
  answered(gap, parts) {
    const chip = this.chip;
    this.chip = null;
    if (!chip || !(gap > 0)) return;
    chip.dataset.gap = gap;
    const bar = make("span", "parts");
    const told = [];
    for (const [name, value] of Object.entries(parts)) {
      if (!(value > 0)) continue;
      const part = make("i", name);
      part.style.flexGrow = 1000 * value; // below 1 in all they would not fill the bar
      bar.append(part);
      told.push(`${words.parts[name] || name} ${fill(words.gap, { s: seconds(value) })}`);
    }
    bar.title = told.join(", ");
    bar.setAttribute("role", "img");
    bar.setAttribute("aria-label", bar.title);
    chip.firstElementChild.after(bar);
  }
  tool(fact) {
    if (fact.state === "started") {
      this.running = make("li", "tool", fill(words.tools.started, fact));
      this.add(this.running);
    } else if (this.running) this.running.textContent = fill(words.tools[fact.state], fact);
  }
  ended(reason) {
    this.now();
    this.add(make("li", "tool", words.ended[reason] || words.over));
  }
}

// ---- the sound on this side

/** From the caller's last sound at the microphone to the agent's first at the output, in the clock of the sound itself. */
class GapEar {
  constructor(tell) {
    this.tell = tell;
    this.floor = 0.01; // how loud it is when nobody speaks
    this.loud = [];
    this.lastYou = null;
    this.lastAgent = -1;
  }
  hear({ at, you, agent }, latency) {
    this.floor = Math.min(0.02, Math.max(0.0005, you < this.floor ? you * 0.1 + this.floor * 0.9 : this.floor * 1.0005));
    this.loud.push(you > Math.max(0.006, this.floor * 4));
    if (this.loud.length > 8) this.loud.shift();
    // a click is no speech
    if (this.loud.at(-1) && this.loud.filter(Boolean).length >= 5) this.lastYou = at;
    if (agent < 0.002) return;
    if (at - this.lastAgent > 0.3 && this.lastYou !== null && at > this.lastYou) {
      this.tell(at - this.lastYou + latency);
      this.lastYou = null;
    }
    this.lastAgent = at;
  }
}

class Sound {
  static async open(onGap) {
    const sound = new Sound();
    const context = (sound.context = new AudioContext({ latencyHint: "interactive" }));
    await context.resume();
    await context.audioWorklet.addModule("/phone/static/audio.js");
    sound.caller = new GainNode(context);
    sound.microphone = new GainNode(context);
    sound.microphone.connect(sound.caller);
    sound.ear = new AudioWorkletNode(context, "ear", { numberOfInputs: 2, numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    sound.caller.connect(sound.ear, 0, 0);
    const gapEar = new GapEar(onGap);
    sound.ear.port.onmessage = ({ data }) => {
      gapEar.hear(data, sound.latency);
      sound.levels = data;
    };
    await sound.listen();
    return sound;
  }
  /** Seconds from here to the ear, as far as the browser knows. */
  get latency() {
    return this.context.outputLatency || this.context.baseLatency || 0;
  }
  async listen() {
    if (!navigator.mediaDevices) return page.notice(words.insecure);
    const deviceId = $("microphone").value ? { exact: $("microphone").value } : undefined;
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: { deviceId, echoCancellation: true, noiseSuppression: true, autoGainControl: true } });
      this.context.createMediaStreamSource(this.stream).connect(this.microphone);
      listDevices();
    } catch (error) {
      silent(error);
      page.notice(words.no_microphone);
    }
  }
  mute(on) {
    this.muted = on;
    this.microphone.gain.value = on || this.playing ? 0 : 1;
  }
  async play(file) {
    const buffer = await this.context.decodeAudioData(await file.arrayBuffer());
    this.playing?.stop();
    const source = (this.playing = new AudioBufferSourceNode(this.context, { buffer }));
    const aside = new GainNode(this.context, { gain: 0.4 });
    source.connect(this.caller);
    source.connect(aside).connect(this.context.destination);
    source.onended = () => {
      if (this.playing === source) this.playing = null;
      this.mute(this.muted);
    };
    this.mute(this.muted);
    source.start();
  }
  close() {
    for (const track of this.stream?.getTracks() || []) track.stop();
    this.context.close().catch(silent);
  }
}

// ---- two ways to the server: each with `say(message)`, `close()`, and what it is told by `open`

class WebRtc {
  static name = "WebRTC";
  static async open(sound, ticket, told) {
    const way = new WebRtc();
    const peer = (way.peer = new RTCPeerConnection({ iceServers: ticket.ice }));
    try {
      const out = new MediaStreamAudioDestinationNode(sound.context, { channelCount: 1 });
      sound.caller.connect(out);
      peer.addTrack(out.stream.getAudioTracks()[0], out.stream);
      peer.ontrack = ({ streams: [stream] }) => {
        $("agent-sound").srcObject = stream;
        sound.context.createMediaStreamSource(stream).connect(sound.ear, 0, 1);
      };
      const channel = (way.channel = peer.createDataChannel("allo"));
      channel.onmessage = ({ data }) => told.message(JSON.parse(data));
      const open = new Promise((done, failed) => {
        channel.onopen = done;
        peer.onconnectionstatechange = () => peer.connectionState === "failed" && failed(new Error("failed"));
        setTimeout(failed, CONNECT_MS, new Error("no way found"));
      });
      open.catch(silent);
      await peer.setLocalDescription();
      await gathered(peer);
      const answer = await ask("/phone/offer", { sdp: peer.localDescription.sdp });
      await peer.setRemoteDescription(answer);
      await open;
      channel.onclose = told.lost;
      peer.onconnectionstatechange = () => ["failed", "closed"].includes(peer.connectionState) && told.lost();
      way.measuring = setInterval(() => way.measure(sound).catch(silent), 1000);
      return way;
    } catch (error) {
      way.close();
      throw error;
    }
  }
  say(message) {
    if (this.channel.readyState === "open") this.channel.send(JSON.stringify(message));
  }
  /** Tell the server how long its packets take to the ear: half the round trip, the jitter buffer, the output. */
  async measure(sound) {
    let way = 0;
    for (const stats of (await this.peer.getStats()).values()) {
      if (stats.type === "candidate-pair" && stats.nominated) way += (stats.currentRoundTripTime || 0) / 2;
      if (stats.type !== "inbound-rtp" || stats.kind !== "audio") continue;
      const { jitterBufferDelay: delay, jitterBufferEmittedCount: count } = stats;
      const emitted = count - (this.emitted?.count || 0);
      if (emitted > 0) this.buffered = (delay - (this.emitted?.delay || 0)) / emitted;
      this.emitted = { delay, count };
    }
    if (this.buffered !== undefined) this.say({ type: "delay", ms: Math.round(1000 * (way + this.buffered + sound.latency)) });
  }
  async speaker(id) {
    await $("agent-sound").setSinkId?.(id);
  }
  close() {
    clearInterval(this.measuring);
    this.peer.close();
    $("agent-sound").srcObject = null;
  }
}

class Socket {
  static name = "WebSocket";
  static async open(sound, ticket, told) {
    const way = new Socket();
    const socket = (way.socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/phone/socket`));
    socket.binaryType = "arraybuffer";
    await new Promise((done, failed) => {
      socket.onopen = done;
      socket.onclose = () => failed(new Error("no socket"));
    });
    socket.onclose = told.lost;
    const { context } = sound;
    way.context = context;
    const low = () => new BiquadFilterNode(context, { type: "lowpass", frequency: 7000, Q: 0.7 });
    const recorder = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    sound.caller.connect(low()).connect(low()).connect(recorder);
    recorder.port.onmessage = ({ data }) => way.started && socket.readyState === 1 && socket.bufferedAmount < 64000 && socket.send(data);
    const mouth = new AudioWorkletNode(context, "mouth", { numberOfInputs: 0, outputChannelCount: [1] });
    const voice = mouth.connect(low()).connect(low());
    voice.connect(context.destination);
    voice.connect(sound.ear, 0, 1);
    // what has left the worklet is heard a little later
    mouth.port.onmessage = ({ data: { mark, cleared } }) =>
      setTimeout(() => way.say({ type: "mark", name: mark, cleared }), cleared ? 0 : 1000 * sound.latency);
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") return mouth.port.postMessage(data, [data]);
      const message = JSON.parse(data);
      if (message.type === "mark") mouth.port.postMessage(message.name);
      else if (message.type === "clear") mouth.port.postMessage(null);
      else told.message(message);
    };
    return way;
  }
  say(message) {
    if (message.type === "start") this.started = true;
    if (this.socket.readyState === 1) this.socket.send(JSON.stringify(message));
  }
  async speaker(id) {
    await this.context.setSinkId?.(id);
  }
  close() {
    this.socket.close(1000);
  }
}

async function gathered(peer) {
  if (peer.iceGatheringState === "complete") return;
  await new Promise((done) => {
    peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && done();
    setTimeout(done, 1500); // what was found by then will do
  });
}

class Refused extends Error {}

async function ask(path, body) {
  const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (response.ok) return response.json();
  if (response.status === 403) throw new Refused(words.signed_out);
  throw response.status === 503 && path === "/phone/ticket" ? new Refused(words.full) : new Error(`${path}: ${response.status}`);
}

// ---- a call

class PhoneCall {
  async begin() {
    page.notice("");
    page.state("connecting");
    this.conversation = new Conversation($("agent").value);
    try {
      this.sound = await Sound.open((gap) => gap < 15 && this.conversation.ear(gap));
      const ticket = await ask("/phone/ticket", {});
      this.way = await this.connect(ticket);
      if (this.over) return this.close();
      $("way-now").textContent = this.way.constructor.name;
      await this.way.speaker($("speaker").value).catch(silent);
      this.way.say({ type: "start", call_id: ticket.call_id, token: ticket.token, agent: $("agent").value });
      this.since = performance.now();
      this.ticking = requestAnimationFrame(() => this.tick());
    } catch (error) {
      console.warn(error);
      this.end(error instanceof Refused ? error.message : words.unreachable);
    }
  }
  async connect(ticket) {
    const told = { message: (message) => this.told(message), lost: () => this.end(words.lost) };
    const wanted = $("way").value;
    if (wanted !== "websocket" && window.RTCPeerConnection) {
      try {
        return await WebRtc.open(this.sound, ticket, told);
      } catch (error) {
        if (wanted === "webrtc" || error instanceof Refused) throw error;
        silent(error);
      }
    }
    return Socket.open(this.sound, ticket, told);
  }
  told(fact) {
    if (fact.type === "refused") return this.end(words.refused);
    const { conversation } = this;
    switch (fact.fact) {
      case "state": return page.state(fact.state);
      case "caption": return conversation.now("caller", fact.committed, fact.tentative);
      case "saying": return conversation.now("agent", "", fact.text);
      case "gap": return conversation.gap(fact.gap);
      case "taken": return conversation.take(fact.turn);
      case "tool": return conversation.tool(fact);
      case "ended":
        conversation.ended(fact.reason);
        return this.end("");
    }
  }
  tick() {
    const { you, agent } = this.sound.levels || { you: 0, agent: 0 };
    const now = performance.now();
    const [mine, its] = [page.level("you-level", you), page.level("agent-level", agent)];
    if (!(now - this.shown < 250)) {
      this.shown = now;
      $("length").textContent = clock((now - this.since) / 1000);
      $("you-level").setAttribute("aria-valuenow", Math.round(100 * mine));
      $("agent-level").setAttribute("aria-valuenow", Math.round(100 * its));
    }
    this.ticking = requestAnimationFrame(() => this.tick());
  }
  key(digit) {
    this.way?.say({ type: "digit", digit });
  }
  hangUp() {
    // the server says the last words, and then that it is over
    this.way?.say({ type: "hangup" });
    if (this.way) setTimeout(() => this.end(""), 2000);
    else this.end("");
  }
  end(problem) {
    if (this.over) return;
    this.over = true;
    if (problem) page.notice(problem);
    page.state("over");
    this.close();
    if (call === this) call = null;
  }
  close() {
    cancelAnimationFrame(this.ticking);
    page.level("you-level", 0);
    page.level("agent-level", 0);
    setMuted(false);
    this.way?.close();
    this.sound?.close();
  }
}

let call = null;

async function listDevices() {
  if (!navigator.mediaDevices?.enumerateDevices) return;
  const devices = await navigator.mediaDevices.enumerateDevices();
  for (const [kind, id] of [["audioinput", "microphone"], ["audiooutput", "speaker"]]) {
    const select = $(id);
    const chosen = select.value;
    const found = devices.filter((device) => device.kind === kind && device.deviceId && device.deviceId !== "default");
    select.replaceChildren(
      select.firstElementChild,
      ...found.map((device, n) => new Option(device.label || fill(words[`${id}_n`], { n: n + 1 }), device.deviceId)),
    );
    select.value = found.some((device) => device.deviceId === chosen) ? chosen : "";
  }
}

function setMuted(on) {
  $("mute").setAttribute("aria-pressed", on);
  $("mute").textContent = on ? words.unmute : words.mute;
}

$("call").onclick = () => {
  if (call) return call.hangUp();
  call = new PhoneCall();
  call.begin();
};
$("mute").onclick = () => {
  const on = $("mute").getAttribute("aria-pressed") !== "true";
  setMuted(on);
  call?.sound?.mute(on);
};
$("keypad-toggle").onclick = () => {
  const open = $("keypad").hidden;
  $("keypad").hidden = !open;
  $("keypad-toggle").setAttribute("aria-expanded", open);
};
$("keypad").onclick = ({ target }) => target.dataset.key && call?.key(target.dataset.key);
document.addEventListener("keydown", (event) => {
  if ($("keypad").hidden || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, input")) return;
  if (!KEYS.includes(event.key)) return;
  const button = [...document.querySelectorAll("[data-key]")].find((key) => key.dataset.key === event.key);
  button.classList.add("pressed");
  setTimeout(() => button.classList.remove("pressed"), 120);
  call?.key(event.key);
});
$("file").onchange = async () => {
  const [file] = $("file").files;
  if (!file || !call?.sound) return;
  page.notice("");
  await call.sound.play(file).catch(() => page.notice(words.bad_file));
  $("file").value = "";
};
$("speaker").onchange = () => call?.way?.speaker($("speaker").value).catch(silent);
navigator.mediaDevices?.addEventListener?.("devicechange", listDevices);
window.addEventListener("pagehide", () => call?.way?.say({ type: "hangup" }));
listDevices();
page.state("ready");

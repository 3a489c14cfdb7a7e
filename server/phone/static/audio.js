"use strict";
// The parts of the phone that run beside the sound, a block of 128 samples at a time.

const RATE = 16000;
const FRAME = 320; // 20 ms

/** How loud the caller (input 0) and the agent (input 1) are, every 10 ms, with the time of the sound. */
class Ear extends AudioWorkletProcessor {
  constructor() {
    super();
    this.sums = [0, 0];
    this.count = 0;
  }
  process(inputs) {
    for (const side of [0, 1]) {
      const samples = inputs[side][0];
      if (samples) for (const x of samples) this.sums[side] += x * x;
    }
    this.count += 128;
    if (this.count >= sampleRate / 100) {
      const [you, agent] = this.sums.map((sum) => Math.sqrt(sum / this.count));
      this.port.postMessage({ at: currentTime + 128 / sampleRate, you, agent });
      this.sums = [0, 0];
      this.count = 0;
    }
    return true;
  }
}

/** The caller's voice as frames of L16 at 16 kHz. What feeds it has no sound above 8 kHz. */
class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = sampleRate / RATE;
    this.place = 0; // of the next sample, in the block
    this.last = 0; // the sample before the block
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
  }
  process([[samples]]) {
    const block = samples || new Float32Array(128);
    for (; this.place < block.length; this.place += this.step) {
      const i = Math.floor(this.place);
      const before = i ? block[i - 1] : this.last;
      const x = before + (block[i] - before) * (this.place - i);
      this.frame[this.filled++] = Math.max(-1, Math.min(1, x)) * 32767;
      if (this.filled === FRAME) {
        this.port.postMessage(this.frame.buffer, [this.frame.buffer]);
        this.frame = new Int16Array(FRAME);
        this.filled = 0;
      }
    }
    this.place -= block.length;
    this.last = block[block.length - 1];
    return true;
  }
}

/** The agent's voice from such frames. Marks lie between them: each is told when all before it was played, or was cleared. */
class Mouth extends AudioWorkletProcessor {
  constructor() {
    super();
    this.queue = []; // frames as Int16Array, marks as strings
    this.frames = 0;
    this.place = 0; // in the first frame
    this.step = RATE / sampleRate;
    this.port.onmessage = ({ data }) => this.take(data);
  }
  take(data) {
    if (data === null) {
      const marks = this.queue.filter((item) => typeof item === "string");
      this.queue = [];
      this.frames = this.place = 0;
      for (const mark of marks) this.port.postMessage({ mark, cleared: true });
      return;
    }
    if (typeof data !== "string") {
      if (this.frames >= 500) return; // ten seconds: nobody sends so far ahead
      data = new Int16Array(data);
      this.frames += 1;
    }
    this.queue.push(data);
  }
  process(_, [[out]]) {
    for (let n = 0; n < out.length; n++) {
      this.skip();
      const frame = this.queue[0];
      if (!frame) break;
      const i = Math.floor(this.place);
      const next = i + 1 < frame.length ? frame[i + 1] : this.following(frame[i]);
      out[n] = (frame[i] + (next - frame[i]) * (this.place - i)) / 32768;
      this.place += this.step;
    }
    this.skip();
    return true;
  }
  /** Leave behind what was played. */
  skip() {
    while (this.queue.length) {
      const item = this.queue[0];
      if (typeof item === "string") this.port.postMessage({ mark: item, cleared: false });
      else if (this.place < item.length) return;
      else {
        this.place -= item.length;
        this.frames -= 1;
      }
      this.queue.shift();
    }
    this.place = 0;
  }
  following(otherwise) {
    const frame = this.queue.find((item, n) => n && typeof item !== "string");
    return frame ? frame[0] : otherwise;
  }
}

registerProcessor("ear", Ear);
registerProcessor("recorder", Recorder);
registerProcessor("mouth", Mouth);

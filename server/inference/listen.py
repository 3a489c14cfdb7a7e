import asyncio
from concurrent.futures import ThreadPoolExecutor
from pipelines import events as ev


class VoiceStream:
    def __init__(self, worker, deliver):
        self.worker, self.deliver = worker, deliver
        self.state = worker.vad.initial_state()
        self.closed = False

    def analyze(self, first, audio):
        self.worker.pending.append((self, first, audio))
        self.worker.kick()

    def close(self):
        self.closed = True


class VoiceWorker:
    def __init__(self, vad, denoiser=None, observe=lambda n, v: None):
        self.vad, self.observe = vad, observe
        self.pending = []
        self.pool = ThreadPoolExecutor(1, "vad")
        self.running = False
        self.loop = asyncio.get_running_loop()

    def open(self, deliver):
        return VoiceStream(self, deliver)

    def kick(self):
        if self.running or not self.pending:
            return
        seen, batch, rest = set(), [], []
        for item in self.pending:
            (rest if id(item[0]) in seen else batch).append(item)
            seen.add(id(item[0]))
        self.pending = rest
        self.running = True
        self.pool.submit(self.run, batch)

    def run(self, batch):
        p, states = self.vad.analyze([b[2] for b in batch], [b[0].state for b in batch])
        for b, s in zip(batch, states):
            b[0].state = s
        self.loop.call_soon_threadsafe(self.done, batch, p)

    def done(self, batch, p):
        self.running = False
        self.kick()
        for (stream, first, _), x in zip(batch, p):
            if not stream.closed:
                stream.deliver(ev.WindowAnalyzed(first, x))

    async def aclose(self):
        self.pool.shutdown()

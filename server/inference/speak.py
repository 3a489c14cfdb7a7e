import asyncio
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from pipelines import events as ev
from pipelines.audio.g711 import encode
from pipelines.audio.resample import resample


class SpeakWorker:
    def __init__(self, voices, cache_dir=None, observe=lambda n, v: None):
        self.voices = voices
        self.pool = ThreadPoolExecutor(1, "tts")
        self.loop = asyncio.get_running_loop()
        self.cache = {}

    def make(self, text, language):
        v = self.voices[language]
        x = np.concatenate(list(v.synthesize(text)))
        return (x * 32767).astype(np.int16), v.sample_rate

    async def warm(self, texts):
        for t in texts:
            self.cache[t] = await asyncio.to_thread(self.make, *t)

    def submit(self, action, format, deliver, owner):
        def run():
            key = (action.text, action.language)
            x, rate = self.cache.get(key) or self.make(*key)
            audio = encode(resample(x, rate, format.sample_rate), format.encoding)
            self.loop.call_soon_threadsafe(deliver, ev.SpeechSynthesized(action.reply, action.chunk, audio))

        self.pool.submit(run)

    def cancel(self, owner, reply=None):
        pass

    async def aclose(self):
        self.pool.shutdown()


def to_wire(voice, text, language, format):
    x = np.concatenate(list(voice.synthesize(text)))
    return [encode(resample((x * 32767).astype(np.int16), voice.sample_rate, format.sample_rate), format.encoding)]

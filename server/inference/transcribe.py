import asyncio, time
from concurrent.futures import ThreadPoolExecutor
from pipelines import events as ev


class TranscribeWorker:
    def __init__(self, stt, fallback=None, timeout_s=10, observe=lambda n, v: None):
        self.stt, self.observe = stt, observe
        self.pool = ThreadPoolExecutor(1, "stt")
        self.loop = asyncio.get_running_loop()

    def submit(self, action, audio, languages, hot_words, deliver, owner):
        def run():
            t = time.perf_counter()
            r = self.stt.transcribe(audio, languages=languages, final=action.final, hot_words=hot_words)
            self.observe("stt_run_s", time.perf_counter() - t)
            self.loop.call_soon_threadsafe(deliver, ev.TranscriptReady(action.request, r.text, r.language, r.p_language))

        self.pool.submit(run)

    def cancel(self, owner):
        pass

    async def aclose(self):
        self.pool.shutdown()

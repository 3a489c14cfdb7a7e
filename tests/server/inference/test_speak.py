import asyncio
import os
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pipelines.actions import Synthesize
from pipelines.errors import ModelError
from pipelines.events import Event, ModelFailed, SpeechSynthesized
from pipelines.frames import TELEPHONE, AudioFormat, Encoding
from server.inference.speak import SpeakWorker
from tests.helpers.voice import ToneVoice

WIDE = AudioFormat(Encoding.L16, 16_000)


class Call:
    """One owner: keeps what it is given, and waits for it."""

    def __init__(self, worker: SpeakWorker, form: AudioFormat = TELEPHONE) -> None:
        self.worker, self.form = worker, form
        self.events: list[Event] = []
        self._more = asyncio.Event()

    def say(self, text: str, *, reply: int = 1, chunk: int = 0, language: str = "en", attempt: int = 0) -> None:
        self.worker.submit(Synthesize(reply, chunk, text, language, attempt), self.form, self._take, owner=self)

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self._more.set()

    async def until(self, done: Callable[[list[Event]], bool]) -> None:
        async with asyncio.timeout(10):
            while not done(self.events):
                self._more.clear()
                await self._more.wait()

    async def answers(self, count: int) -> list[Event]:
        """The events that close a chunk, once there are `count`."""

        def closing(events: list[Event]) -> list[Event]:
            return [e for e in events if isinstance(e, ModelFailed) or e.last]

        await self.until(lambda events: len(closing(events)) >= count)
        return closing(self.events)


@asynccontextmanager
async def working(voice: ToneVoice, **options: object) -> AsyncIterator[SpeakWorker]:
    worker = SpeakWorker({"en": voice}, **options)
    try:
        yield worker
    finally:
        voice.gate.set()
        await worker.aclose()


async def held(voice: ToneVoice, worker: SpeakWorker) -> Call:
    """Keep the thread busy with a first text until the gate opens."""
    busy = Call(worker)
    voice.gate.clear()
    busy.say("busy", reply=99)
    await asyncio.to_thread(voice.began.wait, 10)
    return busy


async def test_a_chunk_is_spoken_in_the_wires_format() -> None:
    async with working(ToneVoice()) as worker:
        call = Call(worker)
        call.say("Hello", reply=3, chunk=2)
        await call.answers(1)
        assert all((e.reply, e.chunk) == (3, 2) for e in call.events)
        audio = b"".join(e.audio for e in call.events)
        assert len(audio) == pytest.approx(8 * (10 + 100 + 80), abs=80)
        assert [e.last for e in call.events] == [False, True]


async def test_a_sentence_is_delivered_before_the_next_is_spoken() -> None:
    class TwoSentences(ToneVoice):
        def synthesize(self, text):
            yield from super().synthesize("one")
            self.gate.wait(10)
            yield from super().synthesize("two")

    voice = TwoSentences()
    async with working(voice) as worker:
        call = Call(worker)
        voice.gate.set()
        call.say("One. Two.")
        await call.answers(1)
        assert [bool(e.audio) for e in call.events] == [True, True, False]


async def test_first_chunks_go_before_later_ones() -> None:
    voice = ToneVoice()
    async with working(voice) as worker:
        await held(voice, worker)
        call, other = Call(worker), Call(worker)
        call.say("later", chunk=1)
        call.say("latest", chunk=2)
        other.say("first", chunk=0)
        voice.gate.set()
        await call.answers(2)
        assert voice.said == ["busy", "first", "later", "latest"]


async def test_a_cancelled_reply_is_not_heard_of_again() -> None:
    voice = ToneVoice()
    async with working(voice) as worker:
        busy = await held(voice, worker)
        call = Call(worker)
        call.say("dropped", reply=1)
        call.say("kept", reply=2)
        worker.cancel(call, 1)
        worker.cancel(busy, 99)  # under way
        voice.gate.set()
        assert {e.reply for e in await call.answers(1)} == {2}
        assert voice.said == ["busy", "kept"]
        assert busy.events == []


async def test_a_call_that_ends_takes_all_with_it() -> None:
    voice = ToneVoice()
    async with working(voice) as worker:
        await held(voice, worker)
        call, other = Call(worker), Call(worker)
        for reply in (1, 2):
            call.say("dropped", reply=reply)
        other.say("kept")
        worker.cancel(call)
        voice.gate.set()
        await other.answers(1)
        assert voice.said == ["busy", "kept"]
        assert call.events == []


async def test_a_voice_that_fails_is_one_event_without_words() -> None:
    async with working(ToneVoice()) as worker:
        call = Call(worker)
        call.say("fail", reply=4, chunk=1)
        call.say("crash", reply=5)
        call.say("Hallo", reply=6, language="de")
        call.say("fine", reply=7)
        by_reply = {e.reply: e for e in await call.answers(4)}
        assert by_reply[4] == ModelFailed("tts", 1, "no voice today", reply=4)
        assert by_reply[5].reason == "the voice failed: ValueError"
        assert isinstance(by_reply[6], ModelFailed)
        assert isinstance(by_reply[7], SpeechSynthesized)


async def test_the_third_attempt_takes_the_fallback() -> None:
    voice, fallback = ToneVoice(), ToneVoice()
    async with working(voice, fallback={"en": fallback}) as worker:
        call = Call(worker)
        for attempt in range(3):
            call.say(f"attempt {attempt}", chunk=attempt, attempt=attempt)
        await call.answers(3)
        assert voice.said == ["attempt zero", "attempt one"]
        assert fallback.said == ["attempt two"]


async def test_a_voice_that_hangs_is_a_failure_and_answers_late_to_nobody() -> None:
    voice = ToneVoice()
    async with working(voice, timeout_s=0.05) as worker:
        voice.gate.clear()
        call = Call(worker)
        call.say("slow")
        (failure,) = await call.answers(1)
        assert isinstance(failure, ModelFailed)
        voice.gate.set()
    assert call.events == [failure]


async def test_a_full_queue_refuses() -> None:
    voice, seen = ToneVoice(), Counter()
    async with working(voice, max_waiting=2, observe=lambda name, value: seen.update([name])) as worker:
        await held(voice, worker)
        call = Call(worker)
        for reply in range(3):
            call.say("text", reply=reply)
        assert [(type(e), e.reply) for e in await call.answers(1)] == [(ModelFailed, 2)]
        assert seen["tts_refused"] == 1


async def test_a_warmed_phrase_waits_for_nobody(tmp_path: Path) -> None:
    voice, seen, progress = ToneVoice(), Counter(), []
    async with working(voice, cache_dir=tmp_path, observe=lambda name, value: seen.update([name])) as worker:
        await worker.warm([("Hello. Welcome.", "en"), ("Bye", "en")], lambda done, all_: progress.append((done, all_)))
        assert progress == [(1, 2), (2, 2)]
        await held(voice, worker)
        call = Call(worker)
        call.say("Hello. Welcome.")
        assert call.events == []  # never from inside submit
        (spoken,) = await call.answers(1)
        assert len(spoken.audio) > 8 * 200
        assert seen["tts_cached"] == 1
        worker.cancel(call)


async def test_phrases_outlive_the_process_and_fit_every_wire(tmp_path: Path) -> None:
    async with working(ToneVoice(), cache_dir=tmp_path) as worker:
        await worker.warm([("Hello", "en")])
    voice = ToneVoice()
    async with working(voice, cache_dir=tmp_path) as worker:
        await worker.warm([("Hello", "en")])
        narrow, wide = Call(worker), Call(worker, WIDE)
        narrow.say("Hello")
        wide.say("Hello")
        (narrow_answer,), (wide_answer,) = await narrow.answers(1), await wide.answers(1)
        assert len(wide_answer.audio) == pytest.approx(4 * len(narrow_answer.audio), abs=8)
        assert voice.said == []
    other = ToneVoice("another voice")
    async with working(other, cache_dir=tmp_path) as worker:
        await worker.warm([("Hello", "en")])
        assert other.said == ["Hello"]


async def test_only_what_recurs_is_kept(tmp_path: Path) -> None:
    voice = ToneVoice()
    async with working(voice, cache_dir=tmp_path) as worker:
        call = Call(worker)
        for chunk in range(2):
            call.say("Your number is private", chunk=chunk)
        await call.answers(2)
        assert len(voice.said) == 2
    assert os.listdir(tmp_path) == []


async def test_a_folder_that_cannot_be_written_costs_only_the_keeping() -> None:
    async with working(ToneVoice(), cache_dir=Path(os.devnull)) as worker:
        await worker.warm([("Hello", "en")])
        call = Call(worker)
        call.say("Hello")
        assert (await call.answers(1))[0].audio


async def test_warming_says_what_cannot_be_said() -> None:
    async with working(ToneVoice()) as worker:
        with pytest.raises(ModelError, match="no voice today"):
            await worker.warm([("fail", "en")])


async def test_no_thread_is_left() -> None:
    before = threading.active_count()
    async with working(ToneVoice()) as worker:
        Call(worker).say("Hello")
    assert not any(thread.name == "tts" for thread in threading.enumerate())
    assert threading.active_count() <= before + 1  # asyncio's own

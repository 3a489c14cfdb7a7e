"""A call on the bench: virtual time, a caller and models made of a few lines, every action kept.

The bench is the driver of `Call` in tests: it delivers deadlines, returns marks when the simulated ear has played them, answers
model requests after a fixed virtual delay, and takes media for granted (windows carry a scripted probability of speech).
"""

import heapq
import itertools
from collections.abc import Callable

import numpy as np

from pipelines import actions as do
from pipelines import events as ev
from pipelines.audio.g711 import encode
from pipelines.call import WINDOW, Call, CallSettings
from pipelines.frames import TELEPHONE, Encoding
from pipelines.turns.policy import Phrases
from pipelines.units import MS, PTIME_US, SAMPLE_RATE, SECOND

PHRASES = {
    "en": Phrases(
        "Hello, this is the surgery.", "Are you there?", "Goodbye.", "Sorry, something is broken.", ("One moment.",)
    ),
    "fr": Phrases("Bonjour.", "Vous êtes là ?", "Au revoir.", "Désolé, une panne.", ("Un instant.",)),
}
MUSIC = b"\x20"
"""The sample of which the bench's hold music is made."""
EXCUSE = "Sorry to interrupt you."
SETTINGS = CallSettings(languages=("en", "fr"), phrases=PHRASES)
_BEEP = encode(np.round(8_000 * np.sin(np.pi / 4 * np.arange(160))).astype(np.int16), Encoding.MULAW)
_US_PER_CHARACTER = 60 * MS  # how fast the bench's voice speaks


class Bench:
    """`speech`: spans of call time, in seconds, in which the caller speaks; `words`: what the recogniser says, by its order
    among final requests (the last one repeats), English for sure, or (words, language, probability of the language); `beeps`: spans in
    which a tone of 1 kHz is on the line; `reply`: what the agent does after each thing the caller said, one step every 20 ms ("" is
    nothing)."""

    def __init__(
        self,
        settings: CallSettings = SETTINGS,
        speech: tuple[tuple[float, float], ...] = (),
        words: tuple[str | tuple[str, str, float], ...] = ("What are your hours?",),
        reply: Callable[[str], list[ev.Event | str]] | None = None,
        marks: bool = True,
        beeps: tuple[tuple[float, float], ...] = (),
    ) -> None:
        self.call = Call(settings)
        self.speech, self.words, self.marks, self.beeps = speech, list(words), marks, beeps
        self.reply = reply or (lambda text: ["We are open from eight to six. ", "On Saturday until noon."])
        self.at = 0
        self.log: list[tuple[int, ev.Event, list[do.Action]]] = []
        self._heap: list[tuple[int, int, ev.Event, str]] = []
        self._order = itertools.count()
        self._deadlines: dict[str, int] = {}
        self._ear_end = 0
        self._in_ear: list[tuple[int, str]] = []  # marks on their way: (when the ear reaches them, name)
        self._cancelled: set[int] = set()
        self.stt_delay, self.token_delay, self.tts_delay = 150 * MS, 300 * MS, 80 * MS
        self.partials: list[str] = []
        """What the recogniser says of unfinished speech, one by one; with none left, the words of the final that is to come."""
        self.p_end: float | None = None
        """What is answered when a turn is to be judged by its sound."""
        self.p_interruption: list[float] = []
        """What is answered, one by one, when it is asked by the sound whether the agent is interrupted; with none left, nothing."""
        self.overlap_delay = 10 * MS
        self.packet: Callable[[float], bytes] | None = None
        """The caller's audio at that second of the call, where its loudness matters: 20 ms of mu-law."""
        self.emotion: tuple[str, float] | None = None
        """... and how he feels."""
        self.emotion_delay = 40 * MS
        self.voice: Callable[[float], bytes] | None = None
        """... and who speaks at that second of the call, as an embedding."""
        self.voice_delay = 60 * MS
        self.known: Callable[[bytes], ev.CallerKnown | None] = lambda voice: None
        """... and which of those who are enrolled has such a voice."""
        self.fail: dict[str, int] = {}  # port -> how many of its next requests fail
        self._post(0, ev.CallStarted("CA1", "twilio", TELEPHONE, TELEPHONE))
        self._media_from = 0

    def _post(self, at: int, event: ev.Event, deadline: str = "") -> None:
        heapq.heappush(self._heap, (at, next(self._order), event, deadline))

    def post(self, seconds: float, event: ev.Event) -> None:
        """Let something else happen at that time."""
        self._post(int(seconds * 1e6), event)

    def speaks(self, at: int) -> bool:
        return any(first * 1e6 <= at < last * 1e6 for first, last in self.speech)

    def run(self, seconds: float) -> "Bench":
        """Go on until that call time."""
        until = int(seconds * 1e6)
        for at in range(self._media_from, until, PTIME_US):
            beeps = any(first * 1e6 <= at < last * 1e6 for first, last in self.beeps)
            quiet = self.packet(at / 1e6) if self.packet else b"\xff" * 160
            self._post(at, ev.MediaReceived(_BEEP if beeps else quiet, at // MS))
        self._media_from = until
        while self._heap and self._heap[0][0] <= until:
            at, _, event, deadline = heapq.heappop(self._heap)
            if deadline and self._deadlines.get(deadline) != at:
                continue
            if deadline:
                del self._deadlines[deadline]
            self.at = at
            actions = self.call.receive(at, event)
            self.log.append((at, event, actions))
            for action in actions:
                self._perform(at, action)
        return self

    def _fails(self, port: str) -> bool:
        left = self.fail.get(port, 0)
        self.fail[port] = left - 1
        return left > 0

    def _perform(self, at: int, action: do.Action) -> None:
        match action:
            case do.AnalyzeWindow(first=first):
                middle = (first + WINDOW // 2) * 1_000_000 // SAMPLE_RATE
                self._post(at + 1 * MS, ev.WindowAnalyzed(first, 0.95 if self.speaks(middle) else 0.02))
            case do.Transcribe(request=request, final=final):
                if self._fails("stt"):
                    self._post(at + self.stt_delay, ev.ModelFailed("stt", request, "scripted"))
                    return
                said = self.words[0]
                heard = said if isinstance(said, tuple) else (said, "en")
                if final and len(self.words) > 1:
                    self.words.pop(0)
                if not final and self.partials:
                    heard = (self.partials.pop(0), "en")
                self._post(at + self.stt_delay, ev.TranscriptReady(request, *heard))
            case do.JudgeTurn(request=request):
                if self.p_end is not None:
                    self._post(at + 80 * MS, ev.TurnJudged(request, self.p_end))
            case do.JudgeOverlap(last=last):
                if self.p_interruption:
                    self._post(at + self.overlap_delay, ev.OverlapJudged(last, self.p_interruption.pop(0)))
            case do.Perceive(request=request):
                if self.emotion is not None:
                    self._post(at + self.emotion_delay, ev.EmotionHeard(request, *self.emotion))
                if self.voice is not None:
                    self._post(at + self.voice_delay, ev.VoiceHeard(request, self.voice(at / 1e6)))
            case do.Identify(voice=voice):
                if (found := self.known(voice)) is not None:
                    self._post(at + 20 * MS, found)
            case do.StartReply(reply=reply, text=text):
                if self._fails("agent"):
                    self._post(at + self.token_delay, ev.ModelFailed("agent", reply, "scripted"))
                    return
                pieces = self.reply(text)
                for n, piece in enumerate(pieces):
                    if piece == "":
                        continue
                    event = ev.ReplyDelta(reply, piece) if isinstance(piece, str) else piece
                    self._post(at + self.token_delay + n * 20 * MS, event)
                self._post(at + self.token_delay + max(500, 20 * len(pieces)) * MS, ev.ReplyFinished(reply))
            case do.Synthesize(reply=reply, chunk=chunk, text=text):
                if self._fails("tts"):
                    self._post(at + self.tts_delay, ev.ModelFailed("tts", chunk, "scripted", reply=reply))
                    return
                length_us = 6 * SECOND if text == do.HOLD_MUSIC else len(text) * _US_PER_CHARACTER
                audio = (MUSIC if text == do.HOLD_MUSIC else b"\x10") * (length_us // 125)
                self._post(at + self.tts_delay, ev.SpeechSynthesized(reply, chunk, audio))
            case do.SendMedia():
                self._ear_end = max(self._ear_end, at) + PTIME_US
            case do.SendMark(name=name):
                if self.marks:
                    self._in_ear.append((self._ear_end, name))
                    self._post(self._ear_end, ev.MarkReturned(name))
            case do.ClearMedia():
                self._ear_end = at
            case do.SetDeadline(name=name, at=due):
                self._deadlines[name] = max(due, at)
                self._post(max(due, at), ev.DeadlineReached(name), name)
            case do.CancelDeadline(name=name):
                self._deadlines.pop(name, None)
            case do.HangUp(reason=reason) | do.Transfer(number=reason):
                self._post(at + 20 * MS, ev.CallEnded(reason))
            case _:
                pass

    # ---- what came of it

    @property
    def actions(self) -> list[tuple[int, do.Action]]:
        return [(at, action) for at, _, actions in self.log for action in actions]

    def of(self, kind: type) -> list:
        return [action for _, action in self.actions if isinstance(action, kind)]

    def when(self, kind: type) -> list[float]:
        return [at / 1e6 for at, action in self.actions if isinstance(action, kind)]

    @property
    def turns(self) -> list[do.Turn]:
        return [action.turn for action in self.of(do.TurnTaken)]

    @property
    def facts(self) -> list[str]:
        return [action.fact for action in self.of(do.Observed)]

"""Recorded calls made without a carrier or a model."""

import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import soundfile

from pipelines import actions as do
from pipelines import events as ev
from pipelines.frames import TELEPHONE
from pipelines.models.ports import Transcript
from pipelines.replay.answers import ModelAnswers
from pipelines.replay.audio_files import caller_dump, read_caller
from pipelines.replay.dump import Dump, Meta, Step
from pipelines.turns.policy import CallSettings, Phrases

ENGLISH = Phrases(
    greeting="Good morning, this is the practice. How can I help?",
    prompt="Are you still there?",
    goodbye="Goodbye.",
    apology="I am sorry, something went wrong.",
    fillers=("One moment, please.",),
)
SETTINGS = CallSettings(languages=("en",), phrases={"en": ENGLISH})


def meta(call_id: str = "CA0c1d", settings: CallSettings = SETTINGS, inbound=TELEPHONE, outbound=TELEPHONE) -> Meta:
    return Meta(
        call_id=call_id,
        carrier="twilio",
        agent="practice",
        inbound=inbound,
        outbound=outbound,
        settings=settings,
        started=datetime(2026, 11, 21, 8, 13, 19, 123_456, tzinfo=UTC),
        caller="+15550001",
        called="+15550002",
    )


def started() -> ev.CallStarted:
    return ev.CallStarted("CA0c1d", "twilio", TELEPHONE, TELEPHONE, "+15550001", "+15550002")


def small_steps() -> list[Step]:
    """A short call by hand, with every kind of line that stands for audio."""
    turn = do.Turn("agent", "Good morning, sir.", "Good", 0.04, 0.06, 0.7, {"stt": 0.3, "playout": 0.4}, "en", True)
    return [
        Step(0, started(), (do.SetDeadline("call_limit", 600_000_000), do.Synthesize(0, 0, "Good morning.", "en"))),
        Step(20_000, ev.MediaReceived(b"\x01" * 160, 0), (do.AnalyzeWindow(0, 512),)),
        Step(40_000, ev.SpeechSynthesized(0, 0, b"\x02" * 320), (do.SendMedia(b"\x02" * 160), do.SendMark("r0:1"))),
        Step(60_000, ev.MediaReceived(b"\x03" * 160, 20), (do.ClearMedia(), do.TurnTaken(turn))),
        Step(70_000, ev.MediaReceived(b"\x04" * 80), ()),
        Step(80_000, ev.CallEnded("caller"), ()),
    ]


# ---- a call with two real voices, its decisions written by hand

TWO_PARTIES = Path(__file__).parents[1] / "data" / "replay" / "two_parties.flac"
_FRAME = 160
_LEAD = 8  # frames

# party, start and end in seconds, words, words heard, gap's parts
_TURNS = (
    (
        "agent",
        0.40,
        6.30,
        "Of course. Could you tell me your last name, so I can look you up in the system?",
        None,
        None,
    ),
    ("caller", 7.40, 11.50, "Sure. My last name is Fitilly.", None, None),
    ("agent", 12.46, 13.60, "Could you spell that for me, please?", None, (0.48, 0.11, 0.21, 0.13, 0.03)),
    ("caller", 15.00, 19.70, "F, I, T, I, L, L, Y.", None, None),
    (
        "agent",
        22.50,
        27.90,
        "Thank you for that. Okay, so I see in our system you have purchased several cars from us. Which one is it?",
        "Thank you for that. Okay, so I see in our system you have purchased",
        (1.20, 0.14, 0.98, 0.44, 0.04),
    ),
    ("caller", 27.40, 29.00, "It is the convertible.", None, None),
)
_PARTS = ("endpointing", "stt", "first_token", "first_audio", "playout")


def two_parties() -> Dump:
    """29 seconds of two people, with turns, partial transcripts, a tool, marks and an interruption."""
    samples, _ = soundfile.read(TWO_PARTIES, dtype="int16")
    agent, caller = (_mulaw(samples[:, channel]) for channel in (0, 1))
    happened: list[tuple[int, ev.Event, tuple[do.Action, ...]]] = [(0, started(), ())]
    for frame in range(len(caller) // _FRAME):
        payload = caller[frame * _FRAME : (frame + 1) * _FRAME]
        happened.append(((frame + 1) * 20_000, ev.MediaReceived(payload, frame * 20), ()))
    reply = 0
    for party, start, end, text, heard, gap in _TURNS:
        turn = do.Turn(
            party,
            text,
            heard or text,
            start,
            end,
            round(sum(gap), 3) if gap else None,
            dict(zip(_PARTS, gap, strict=True)) if gap else {},
            "en",
            heard is not None,
        )
        if party == "agent":
            happened += _agent_turn(reply, turn, agent)
            reply += 1
        else:
            happened += _caller_turn(reply, turn)
    happened.append((29_000_000, ev.CallEnded("caller"), ()))
    happened.sort(key=lambda step: step[0])
    return Dump(meta(), tuple(Step(at, event, actions) for at, event, actions in happened))


def _agent_turn(reply: int, turn: do.Turn, audio: bytes):
    first, last = int(turn.start * 50), int(turn.end * 50)
    if turn.interrupted:
        last += _LEAD  # sent, and cleared before it was heard
    for frame in range(first, last):
        at = max(first, frame - _LEAD) * 20_000
        actions: tuple[do.Action, ...] = (do.SendMedia(audio[frame * _FRAME : (frame + 1) * _FRAME]),)
        if frame % 10 == 9:
            actions += (do.SendMark(f"r{reply}:{frame}"),)
            if (frame + 2) / 50 < turn.end:
                yield (frame + 2) * 20_000, ev.MarkReturned(f"r{reply}:{frame}"), ()
        yield at, ev.DeadlineReached("playout"), actions
    end = int(turn.end * 1e6)
    if turn.interrupted:
        yield end, ev.DeadlineReached("overlap"), (do.Observed("barge_in", 0.4), do.ClearMedia(), do.TurnTaken(turn))
        asked = int((turn.start - turn.parts["first_audio"] - turn.parts["playout"]) * 1e6)
        yield asked - 900_000, ev.ToolStarted(reply, "find_customer", '{"name": "Fitilly"}'), ()
        yield asked - 100_000, ev.ToolFinished(reply, "find_customer", "3 cars"), ()
    else:
        yield end, ev.DeadlineReached("reply_end"), (do.TurnTaken(turn),)


def _caller_turn(reply: int, turn: do.Turn):
    start, end = int(turn.start * 1e6), int(turn.end * 1e6)
    yield start + 100_000, ev.WindowAnalyzed(0, 0.9), (do.Observed("speech_started"),)
    words = turn.text.split()
    for index in range(1, int(turn.end - turn.start) + 1):
        at = start + index * 1_000_000
        known = int(len(words) * index / (turn.end - turn.start + 1))
        caption = do.CaptionUpdated(" ".join(words[:known]), " ".join(words[known : known + 1]))
        yield at, ev.TranscriptReady(index, " ".join(words[: known + 1]), "en"), (caption,)
    if turn.end < 29:
        yield end + 192_000, ev.WindowAnalyzed(0, 0.1), (do.Observed("speech_stopped"), do.Transcribe(99, 0, 1, True))
        yield end + 480_000, ev.TranscriptReady(99, turn.text, "en"), ()
        answered = (do.TurnTaken(turn), do.StartReply(reply, turn.text, "en"))
        yield end + 600_000, ev.DeadlineReached("endpoint"), answered
    else:
        yield end - 1_000, ev.CallEnded("caller"), (do.TurnTaken(turn),)


def _mulaw(samples) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 8_000, format="RAW", subtype="ULAW")
    return file.getvalue()


# ---- models that need no weights


class Loudness:
    """Voice activity by level: enough for a clean recording."""

    window = 512

    def initial_state(self):
        return np.zeros(1, np.float32)

    def analyze(self, windows, states):
        return [0.9 if np.sqrt(np.mean(window**2)) > 0.01 else 0.0 for window in windows], list(states)


class Counting:
    """A recogniser that hears how long it was spoken to."""

    def transcribe(self, audio, *, languages, final, hot_words=""):
        return Transcript(f"I spoke for {len(audio) / 16_000:.1f} seconds", languages[0])


class Scripted:
    """An agent that always says the same, word by word, and notes what it is told to remember."""

    def __init__(self, text: str = "Thank you. I will look that up in the book.", first_us: int = 200_000) -> None:
        self.text, self.first_us = text, first_us
        self.remembered: list[do.Remember] = []
        self.committed: list[int] = []
        self.forgotten: list[int] = []
        self.noticed: list[do.Notice] = []

    def reply(self, action):
        for index, word in enumerate(self.text.split()):
            yield self.first_us + index * 20_000, ev.ReplyDelta(action.reply, word + " ")

    def commit(self, action) -> None:
        self.committed.append(action.reply)

    def forget(self, action) -> None:
        self.forgotten.append(action.reply)

    def remember(self, action) -> None:
        self.remembered.append(action)

    def notice(self, action) -> None:
        self.noticed.append(action)


def tone(action) -> list[bytes]:
    """A voice: 60 ms of tone for each letter, in 16-bit linear at 8 kHz."""
    samples = np.sin(np.arange(len(action.text) * 480) * 0.2) * 6_000
    return [samples.astype("<i2").tobytes()]


def caller(seconds: float | None = None, after_us: int = 0) -> Dump:
    """The recording's caller alone: nothing was decided yet."""
    audio_format, audio = read_caller(TWO_PARTIES, channel=1)
    if seconds is not None:
        audio = audio[: int(seconds * 8_000) * 2]
    return caller_dump(audio_format, audio, SETTINGS, "practice", after_us=after_us)


def answers(agent=None, **options) -> ModelAnswers:
    return ModelAnswers(Loudness(), Counting(), agent or Scripted(), ("en",), **{"speak": tone, **options})

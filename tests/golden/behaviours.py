"""Calls that show one behaviour each, and their dumps beside this file: what the machine decided when they were recorded.

    python -m tests.golden.behaviours        # record all anew, after a deliberate change of policy; or those that are named

The calls are scripted on the bench (virtual time, scripted models), so they are the same on every machine. `git diff --stat` then shows which
behaviours a change of policy has touched.
"""

import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from pipelines import events as ev
from pipelines.frames import TELEPHONE
from pipelines.replay.dump import Meta
from pipelines.units import SECOND
from server.observe.recorder import Recorder
from tests.helpers.bench import EXCUSE, PHRASES, SETTINGS, Bench

FOLDER = Path(__file__).parent

_QUESTION = (3.0, 4.0)


def _joined() -> Bench:
    bench = Bench(speech=(_QUESTION, (4.6, 5.6)), words=("A need an appointment.", "I need an appointment on Tuesday."))
    bench.token_delay = 900_000
    return bench


def _slow_tool() -> Bench:
    def reply(text: str) -> list[ev.Event | str]:
        return [ev.ToolExpected(1, "look"), ev.ToolStarted(1, "look"), *[""] * 100, "Here it is."]

    phrases = {**PHRASES, "en": msgspec.structs.replace(PHRASES["en"], fillers=("Let me see.", "Still looking."))}
    return Bench(msgspec.structs.replace(SETTINGS, phrases=phrases), speech=(_QUESTION,), reply=reply)


def _opener(*later: tuple[float, float]) -> Bench:
    phrases = {**PHRASES, "en": msgspec.structs.replace(PHRASES["en"], openers=("Let's see.", "Okay."))}
    bench = Bench(
        msgspec.structs.replace(SETTINGS, phrases=phrases),
        speech=(_QUESTION, *later),
        words=("I need an appointment.", "I need an appointment on Tuesday."),
    )
    bench.token_delay = 1_200_000
    return bench


def _hold_music() -> Bench:
    def reply(text: str) -> list[ev.Event | str]:
        return [ev.ToolExpected(1, "look"), ev.ToolStarted(1, "look"), *[""] * 500, "Here it is."]

    phrases = {**PHRASES, "en": msgspec.structs.replace(PHRASES["en"], fillers=("Let me see.", "Still looking."))}
    return Bench(msgspec.structs.replace(SETTINGS, phrases=phrases, hold_music=True), speech=(_QUESTION,), reply=reply)


def _monologue() -> Bench:
    phrases = {**PHRASES, "en": msgspec.structs.replace(PHRASES["en"], cut_in=EXCUSE)}
    settings = msgspec.structs.replace(SETTINGS, phrases=phrases, monologue_us=5 * SECOND)
    return Bench(settings, speech=((3.0, 5.0), (5.09, 8.5), (8.6, 9.5)), words=("It all began when I was small.",))


def _languages() -> Bench:
    words = (
        ("Bonjour, je voudrais un rendez-vous.", "fr", 0.98),
        ("Okay.", "en", 0.55),
        ("Could we speak English, please?", "en", 0.97),
    )
    return Bench(
        speech=((3.0, 4.8), (9.0, 10.8), (15.0, 17.0)),
        words=words,
        reply=lambda text: ["Sure." if "English" in text else "Très bien."],
    )


def _keys() -> Bench:
    def reply(text: str) -> list[ev.Event | str]:
        return [ev.DigitsExpected(1, 4), "Please key your number."] if "keypad" not in text else ["Thank you."]

    bench = Bench(speech=(_QUESTION,), reply=reply)
    for n, key in enumerate("1234"):
        bench.post(6.5 + 0.4 * n, ev.DigitReceived(key))
    return bench


def _failing(port: str, times: int) -> Bench:
    bench = Bench(speech=(_QUESTION,))
    bench.fail[port] = times
    return bench


def _unfinished_by_sound() -> Bench:
    bench = Bench(
        msgspec.structs.replace(SETTINGS, judge_turns=True), speech=(_QUESTION,), words=("Tomorrow morning.",)
    )
    bench.p_end = 0.05
    return bench


def _held_breath() -> Bench:
    bench = Bench(speech=(_QUESTION, (5.2, 5.8)), words=("What are your hours?", "Okay."))
    bench.partials = ["What are", "Where", "Okay"]
    return bench


def _held_by_sound(p: float, words: str) -> Bench:
    bench = Bench(
        msgspec.structs.replace(SETTINGS, judge_overlaps=True),
        speech=(_QUESTION, (5.2, 6.0)),
        words=("What are your hours?", words),
    )
    bench.partials, bench.p_interruption = ["What are", "", words], [0.3, p, p]
    return bench


_OUTBOUND = msgspec.structs.replace(SETTINGS, outbound=True, message="This is the surgery. Please call us back.")
_MAILBOX = ("You have reached Bob.", "You have reached Bob. Please leave a message after the tone.")


BEHAVIOURS: dict[str, tuple[float, Callable[[], Bench]]] = {
    "answer": (9, lambda: Bench(speech=(_QUESTION,))),
    "yes": (6, lambda: Bench(speech=((3.0, 3.2),), words=("Yes.",))),
    "half_a_sentence": (7, lambda: Bench(speech=(_QUESTION,), words=("Tomorrow morning and",))),
    "unfinished_by_sound": (7, _unfinished_by_sound),
    "draft_dropped": (
        8,
        lambda: Bench(speech=(_QUESTION, (4.3, 5.5)), words=("I want to book.", "I want to book a slot.")),
    ),
    "turn_joined": (9, _joined),
    "interruption": (9, lambda: Bench(speech=(_QUESTION, (5.5, 7.0)))),
    "backchannel": (9, lambda: Bench(speech=(_QUESTION, (5.2, 5.35)), words=("What are your hours?", "Mm-hmm."))),
    "held_breath": (9, _held_breath),
    "heard_by_sound": (9, lambda: _held_by_sound(0.97, "Tuesday would be better.")),
    "held_by_sound": (9, lambda: _held_by_sound(0.97, "Okay, okay.")),
    "murmur_gone_on_after": (
        13,
        lambda: Bench(speech=(_QUESTION, (5.2, 6.5)), words=("What are your hours?", "Okay, okay, right.")),
    ),
    "false_interruption": (12, lambda: Bench(speech=(_QUESTION, (5.2, 5.8)), words=("What are your hours?", ""))),
    "opener": (9, _opener),
    "opener_then_he_goes_on": (10, lambda: _opener((4.8, 5.6))),
    "slow_tool": (10, _slow_tool),
    "hold_music": (20, _hold_music),
    "monologue": (14, _monologue),
    "languages": (20, _languages),
    "keys": (11, _keys),
    "recogniser_fails_once": (8, lambda: _failing("stt", 1)),
    "agent_fails": (12, lambda: _failing("agent", 9)),
    "silence": (26, Bench),
    "person_answers": (10, lambda: Bench(_OUTBOUND, speech=((0.8, 1.3), (5.0, 6.0)), words=("Hello?", "Who is this?"))),
    "machine_answers": (
        12,
        lambda: Bench(_OUTBOUND, speech=((0.8, 2.6), (3.0, 5.4)), words=_MAILBOX, beeps=((6.0, 6.4),)),
    ),
}
"""By name: seconds of the call, and the call."""


def record(name: str) -> None:
    """Write the dump of a behaviour, in place of the one that was there."""
    seconds, make = BEHAVIOURS[name]
    bench = make().run(seconds)
    scratch = FOLDER / ".new"
    recorder = Recorder(scratch)
    meta = Meta(
        call_id=name,
        carrier="twilio",
        agent="bench",
        inbound=TELEPHONE,
        outbound=TELEPHONE,
        settings=bench.call.settings,
        started=datetime(2026, 1, 1, tzinfo=UTC),
        caller="",
        called="",
        allo="golden",
    )
    recording = recorder.open(meta)
    for at, event, actions in bench.log:
        recording.write(at, event, actions)
    written = recording.close().result(10)
    recorder.close()
    shutil.rmtree(FOLDER / name, ignore_errors=True)
    written.rename(FOLDER / name)
    shutil.rmtree(scratch)


if __name__ == "__main__":
    for behaviour in sys.argv[1:] or BEHAVIOURS:
        record(behaviour)
        print(behaviour)

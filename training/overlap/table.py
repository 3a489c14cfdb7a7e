"""How soon interruptions are noticed by voices and people that the net was not trained on, beside what words alone achieve on the same lines.

Of each sound: through one line drawn for it, found by voice activity as in a call, the net asked with each window of 32 ms. Times count from its
first sound and hold no computing. Words: the recogniser looks as a call does, and each look takes as long as is said.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.adapters.overlap.whisper import WhisperOverlap
from pipelines.models.ports import SpeechToText, VoiceActivity
from pipelines.turns.barge_in import opens
from pipelines.turns.policy import CallSettings
from pipelines.units import us_to_samples
from training.overlap.data import Maker, Scene, Sound, prepare
from training.overlap.examples import Example, examples
from training.overlap.measures import TIMES_MS, bounds, highest, noticed, threshold
from training.overlap.recipe import OverlapRecipe
from training.overlap.train import OTHERS

_SEED = 17
_OTHERS = 150
_PEOPLE = 100  # recordings of people in a language
_HOLDS = (0.05, 0.02)
_LATEST_MS = 700
_CALL = CallSettings()

Said = list[NDArray[np.float32]]


def compare(
    recipe: OverlapRecipe,
    data: Path,
    said: Path,
    detector: WhisperOverlap,
    vad: VoiceActivity,
    stt: SpeechToText | None,
    *,
    looks: int = 0,
    look_ms: int = 120,
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """The tables, in Markdown."""
    prepared = prepare(recipe, data, said, "test")
    maker = Maker(prepared, recipe.mix, _SEED)
    groups: dict[str, list[Scene]] = {}
    for whose, sounds in (("voices", prepared.said), ("people", _some(prepared.people))):
        for place, sound in enumerate(sounds):
            groups.setdefault(f"{sound.kind}, {sound.language}, {whose}", []).append(maker.of(sound, place))
    for kind in OTHERS:
        groups[kind] = [maker.other(kind, number) for number in range(_OTHERS)]
    heard = {name: examples(scenes, vad, detector.states) for name, scenes in groups.items()}
    answers = {name: [_asked(detector, one) for one in some] for name, some in heard.items()}
    none = [name for name in heard if not name.startswith("interruptions")]
    lines = _quickness(heard, answers, none, detector, stt, looks, look_ms, say)
    return "\n".join([*lines, "", *_holds(heard, answers, none, detector)])


def _some(people: Sequence[Sound]) -> list[Sound]:
    """As many of each language, evenly spread."""
    found = []
    for language in sorted({sound.language for sound in people}):
        all_of_it = [sound for sound in people if sound.language == language]
        found += all_of_it[:: -(-len(all_of_it) // _PEOPLE)]
    return found


def _asked(detector: WhisperOverlap, one: Example) -> NDArray[np.float32]:
    """What the net, as it is served, answers whenever it is asked."""
    return np.array([detector.answer(ask.states.astype(np.float32)) for ask in one.asks], np.float32)


def _quickness(
    heard: dict[str, list[Example]],
    answers: dict[str, Said],
    none: Sequence[str],
    detector: WhisperOverlap,
    stt: SpeechToText | None,
    looks: int,
    look_ms: int,
    say: Callable[[str], None],
) -> list[str]:
    rows = [
        "| interruptions | n | noticed by | " + " | ".join(f"{ms} ms" for ms in TIMES_MS) + " |",
        "|---" * (3 + len(TIMES_MS)) + "|",
    ]
    kinds = [[answers[name] for name in none if name.startswith("murmurs")], [answers[name] for name in OTHERS]]
    pooled = [[one for group in kind for one in group] for kind in kinds]
    for name in (name for name in heard if name not in none):
        some, said = heard[name], answers[name]
        speakers = [one.scene.speaker for one in some]
        for title, least in (
            *((f"the net, {share:.0%} false holds", threshold(pooled, share)) for share in _HOLDS),
            ("the net, at its threshold", detector.thresholds["hold"]),
        ):
            times = noticed(some, said, least)
            cells = [_cell(times <= ms, speakers) for ms in TIMES_MS]
            rows.append(f"| {name.split(', ', 1)[1]} | {len(some)} | {title} | {' | '.join(cells)} |")
        if stt is None:
            continue
        chosen = np.random.default_rng(_SEED).permutation(len(some))[:looks]
        words = np.array([_read(some[i], stt, look_ms) for i in chosen])
        net = noticed([some[i] for i in chosen], [said[i] for i in chosen], detector.thresholds["hold"])
        whose = [speakers[i] for i in chosen]
        for title, times in (("words alone", words), ("the net and words", np.minimum(words, net))):
            cells = [_cell(times <= ms, whose) for ms in TIMES_MS]
            rows.append(f"| {name.split(', ', 1)[1]} | {len(chosen)} | {title} | {' | '.join(cells)} |")
        say(name)
    return rows


def _read(one: Example, stt: SpeechToText, look_ms: int) -> float:
    """Milliseconds until a look at the words shows a beginning of an interruption."""
    if one.first < 0:
        return float("inf")
    first, at = max(0, one.first - us_to_samples(_CALL.preroll_us)), one.fired
    while at + look_ms <= _LATEST_MS:
        audio = one.scene.audio[first : one.scene.onset + int(at * 16)]
        text = stt.transcribe(audio, languages=[one.scene.language], final=False).text
        at += look_ms
        if opens(text):
            return at
        at += max(0, _CALL.overlap_look_us / 1_000 - look_ms)
    return float("inf")


def _holds(
    heard: dict[str, list[Example]], answers: dict[str, Said], none: Sequence[str], detector: WhisperOverlap
) -> list[str]:
    rows = ["| what is no interruption | n | makes the agent hold its breath, % |", "|---|---|---|"]
    for name in none:
        hits = highest(answers[name]) >= detector.thresholds["hold"]
        rows.append(f"| {name} | {len(hits)} | {_cell(hits, [one.scene.speaker for one in heard[name]])} |")
    return rows


def _cell(hits: NDArray[np.bool_], speakers: Sequence[str]) -> str:
    low, high = bounds(hits, speakers)
    return f"{100 * hits.mean():.0f} ({100 * low:.0f} to {100 * high:.0f})"

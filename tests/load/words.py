"""Word error rates of ten recorded callers on a telephone line, beside plain offline faster-whisper with the same
weights.

    python -m tests.load.words --data FOLDER

Columns: faster-whisper as it comes, on each recording as a whole; our recogniser on the line as voice activity and
turn-taking cut it (the partials' setting, the finals'); and what a real server understood of the same line, called over
the Twilio wire in real time.

FOLDER holds recordings in subfolders, each with a `manifest.jsonl` (fields `audio`, `text`, `speaker`, `duration`,
`verbatim`): `en_telephone_prompts`, `en_librispeech` and `fr_tuxpaint`. Every second caller has white line noise at 15
dB.
"""

import argparse
import asyncio
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import soundfile
from faster_whisper import WhisperModel
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from pipelines.adapters.stt.faster_whisper import FasterWhisper
from pipelines.adapters.vad.silero import WINDOW, SileroVad
from pipelines.audio.g711 import decode, encode
from pipelines.audio.resample import resample
from pipelines.frames import Encoding
from pipelines.models.ports import Audio, SpeechToText, VoiceActivity
from pipelines.turns.policy import CallSettings
from pipelines.turns.speech import Speech, SpeechStarted, SpeechStopped
from pipelines.units import ms_to_samples, us_to_samples
from tests.load import live
from training.common.measures import Errors, word_errors

WIRE_RATE = 8_000
LANGUAGES = ("en", "fr")
_SPEAKERS = (  # subset, speaker or "" for any, callers
    ("en_telephone_prompts", "", 2),
    ("en_librispeech", "", 3),
    ("fr_tuxpaint", "tuxpaint-paulk", 5),
)
_UTTERANCES = (2, 3, 4)
_PAUSE_S = 1.8
_NOISE_DB = 15.0
_HISS = 6.0  # of the line itself, in steps of 16 bit
_MIN_WORDS = 5
_LENGTH_S = (1.5, 9.0)
_TAIL = ms_to_samples(128)


class Caller(msgspec.Struct, frozen=True):
    """`audio`: 8 kHz mu-law. `spans`: first and last wire sample of each recording in it. `text`: what is said in
    all."""

    name: str
    language: str
    audio: bytes
    text: str
    spans: tuple[tuple[int, int], ...]


# ---- the callers


def callers(data: Path) -> Iterator[Caller]:
    """Five callers in English and five in French, the same at every run."""
    number = 0
    for subset, speaker, count in _SPEAKERS:
        lines = _sentences(data / subset, speaker)
        step = len(lines) // count
        for n in range(count):
            chosen = lines[n * step : (n + 1) * step][:: max(1, step // 5)][: _UTTERANCES[number % len(_UTTERANCES)]]
            noisy = number % 2 == 1
            recordings = [_narrow(data / subset / line["audio"]) for line in chosen]
            name = f"{subset.removesuffix('s')} {n + 1}{', noise' if noisy else ''}"
            audio, spans = _line(recordings, _NOISE_DB if noisy else None, seed=number)
            yield Caller(name, lines[0]["language"], audio, " ".join(line["text"] for line in chosen), spans)
            number += 1


def _sentences(folder: Path, speaker: str) -> list[dict]:
    """Lines of the manifest that are whole sentences, word for word, ordered so that neighbours share a speaker."""
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    shortest, longest = _LENGTH_S
    kept = [
        line
        for line in lines
        if line.get("verbatim") is not False
        and len((line["text"] or "").split()) >= _MIN_WORDS
        and shortest <= line["duration"] <= longest
        and speaker in ("", line["speaker"])
    ]
    return sorted(kept, key=lambda line: (line["speaker"], line["audio"]))


def _narrow(path: Path) -> NDArray[np.float64]:
    samples, rate = soundfile.read(path, dtype="int16")
    return resample(samples, rate, WIRE_RATE).astype(np.float64)


def _line(
    recordings: Sequence[NDArray[np.float64]], noise_db: float | None, seed: int
) -> tuple[bytes, tuple[tuple[int, int], ...]]:
    """The recordings with pauses around them on one telephone line, and where each stands."""
    pause = np.zeros(int(_PAUSE_S * WIRE_RATE))
    pieces, spans, at = [pause], [], len(pause)
    for recording in recordings:
        pieces += [recording, pause]
        spans.append((at, at + len(recording)))
        at += len(recording) + len(pause)
    level = _HISS
    if noise_db is not None:
        level = np.sqrt(np.mean(np.concatenate(recordings) ** 2)) / 10 ** (noise_db / 20)
    line = np.concatenate(pieces) + np.random.default_rng(seed).normal(0, level, at)
    return encode(np.clip(np.rint(line), -32_768, 32_767).astype(np.int16), Encoding.MULAW), tuple(spans)


def _wide(audio: bytes) -> Audio:
    """Wire audio as recognition gets it: float32 at 16 kHz."""
    return resample(decode(audio, Encoding.MULAW), WIRE_RATE, 16_000).astype(np.float32) / 32_768


# ---- the ways to hear them


def offline(caller: Caller, model: WhisperModel, beam: int) -> str:
    """faster-whisper as it comes, told the language, on each recording as a whole."""
    texts = []
    for first, last in caller.spans:
        audio = _wide(caller.audio[first:last])
        segments, _ = model.transcribe(audio, language=caller.language, beam_size=beam)
        texts += [segment.text for segment in segments]
    return " ".join(texts)


def cut(caller: Caller, stt: SpeechToText, vad: VoiceActivity, *, final: bool = True) -> str:
    """Our recogniser, told nothing, on the line as voice activity and turn-taking cut it."""
    audio = _wide(caller.audio)
    heard = [stt.transcribe(audio[a:b], languages=LANGUAGES, final=final) for a, b in utterances(audio, vad)]
    return " ".join(transcript.text for transcript in heard)


def utterances(audio: Audio, vad: VoiceActivity) -> list[tuple[int, int]]:
    """First and last sample of every utterance, as a call with the default settings cuts them."""
    settings = CallSettings()
    preroll, endpoint = us_to_samples(settings.preroll_us), us_to_samples(settings.endpoint_us)
    speech, state = Speech(settings, WINDOW), vad.initial_state()
    spans: list[tuple[int, int]] = []
    for first in range(0, len(audio) - WINDOW + 1, WINDOW):
        [p_speech], [state] = vad.analyze([audio[first : first + WINDOW]], [state])
        change = speech.window_analyzed(first, p_speech)
        if isinstance(change, SpeechStarted):
            if spans and change.first - spans[-1][1] < endpoint:
                spans[-1] = (spans[-1][0], change.first)
            else:
                spans.append((max(0, change.first - preroll), change.first))
        elif isinstance(change, SpeechStopped):
            spans[-1] = (spans[-1][0], change.last + _TAIL)
    return spans


# ---- the table


def table(people: Sequence[Caller], ways: dict[str, Callable[[Caller], str]], console: Console) -> dict[str, Errors]:
    """Hear every caller in every way, print the word error rates in per cent, and return the totals."""
    shown = Table("caller", "words", *ways, title="Word error rate, %")
    rows = []
    for person in people:
        row = {way: word_errors(person.text, hear(person), person.language) for way, hear in ways.items()}
        rows.append((person, row))
        shown.add_row(person.name, str(next(iter(row.values())).total), *map(str, row.values()))
    totals: dict[str, Errors] = {}
    for language in (*LANGUAGES, "all"):
        picked = [row for person, row in rows if language in ("all", person.language)]
        totals = {way: sum((row[way] for row in picked), Errors(0, 0)) for way in ways}
        shown.add_section()
        shown.add_row(language, str(next(iter(totals.values())).total), *map(str, totals.values()))
    console.print(shown)
    return totals


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    default = Path(os.environ.get("ALLO_MODELS", "~/.cache/allo/models")).expanduser()
    parser.add_argument("--models", type=Path, default=default)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-server", action="store_true", help="leave out the calls, which take their real time")
    options = parser.parse_args()

    weights = options.models / "whisper-base"
    plain = WhisperModel(
        str(options.models / "whisper-base"), device="cpu", compute_type="int8", cpu_threads=options.threads
    )
    stt = FasterWhisper(weights, threads=options.threads)
    vad = SileroVad(options.models / "silero-vad")
    ways: dict[str, Callable[[Caller], str]] = {
        "offline, beam 1": lambda caller: offline(caller, plain, 1),
        "offline, beam 5": lambda caller: offline(caller, plain, 5),
        "partials": lambda caller: cut(caller, stt, vad, final=False),
        "finals": lambda caller: cut(caller, stt, vad),
    }
    people, console = list(callers(options.data)), Console(width=120)
    if not options.no_server:
        with console.status(f"ten calls to a server, {sum(len(p.audio) for p in people) / WIRE_RATE / 60:.0f} minutes"):
            heard = asyncio.run(live.hear([person.audio for person in people]))
        words = {person.name: text for person, text in zip(people, heard, strict=True)}
        ways["a call"] = lambda caller: words[caller.name]
    table(people, ways, console)


if __name__ == "__main__":
    main()

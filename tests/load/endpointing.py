"""How often callers are cut off in a pause, and how long they wait when they are done; and how well the sound of their
last words tells the one from the other.

    python -m tests.load.endpointing --data FOLDER

Every recording is a turn: it goes over a telephone line (8 kHz mu-law, a little hiss) past voice activity as a call has
it. Recogniser and detector hear what a call would give them: the turn from its pre-roll to `--tail-ms` after the last
word.

First table, as `cut_offs.py` counts: plain silence of 480 ms; our wait, which the words choose (`turns/endpointing.py`);
and the same, lengthened where the sound is that of an unfinished turn. Columns: waits at the ends of turns, and pauses
and turns cut off, by the policy as it is; pauses cut off at a mean wait of 300 and of 600 ms; and the mean wait at which
5 % of pauses are cut off. Nobody's time to compute counts.

Second table, the sound alone. Rows: the end; the pauses inside (silences of 192 ms or more); and one dip (a shorter
silence: a word's end or the closing of a consonant), as if he had fallen silent there. Columns: how many; the area under
the ROC curve against the ends (0.5 is chance); the share judged finished at three thresholds. Where the text has
punctuation, a pause counts only inside a single sentence, and an end only where the sentence does end.

FOLDER holds recordings in subfolders, each with a `manifest.jsonl` (fields `audio`, `text`, `duration`, `language`):
prompts, read books, learners' read sentences (who pause where no sentence ends, as callers do), spoken orders and French
descriptions.
"""

import argparse
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Literal

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from pipelines.adapters.stt.faster_whisper import FasterWhisper
from pipelines.adapters.turn.smart_turn import SmartTurn
from pipelines.adapters.vad.silero import WINDOW, SileroVad
from pipelines.models.ports import Audio, SpeechToText, TurnDetector, VoiceActivity
from pipelines.turns.endpointing import silence_wanted
from pipelines.turns.policy import CallSettings
from pipelines.turns.speech import Speech, SpeechDipped, SpeechStarted, SpeechStopped
from pipelines.units import MS, SAMPLE_RATE, ms_to_samples, us_to_samples
from tests.helpers.hearing import telephone
from tests.load import cut_offs
from tests.load.cut_offs import Pause, Turn

_SUBSETS = ("en_telephone_prompts", "en_librispeech", "en_speechocean762", "en_spoken_commands", "fr_tuxpaint")
_THRESHOLDS = (0.3, 0.5, 0.7)
_AROUND = ms_to_samples(480)  # of quiet line before and after each recording
_HISS = 4e-4
_LONGEST = 28 * SAMPLE_RATE  # our recogniser takes 30 s at once; the last words decide
_INNER_END = re.compile(r"[.!?:;…]+\s+\S")
_MIN_S = 1.0  # shorter is a word, not a turn


class Spoken(msgspec.Struct, frozen=True):
    """Where a recording is speech, in samples: `first` with the pre-roll; `stretches`, from and to; `dips`, where it fell
    silent for a moment."""

    first: int
    stretches: tuple[tuple[int, int], ...]
    dips: tuple[int, ...]


class Silence(msgspec.Struct, frozen=True):
    """`heard`: the turn so far, with a little of the silence."""

    kind: Literal["end", "pause", "dip"]
    heard: Audio


class Judged(msgspec.Struct, frozen=True):
    """What the detector said (`p_end`) and how long it took."""

    subset: str
    kind: str
    p_end: float
    took_ms: float


def recordings(folder: Path, limit: int) -> Iterator[tuple[dict, Audio]]:
    """(line of the manifest, 16 kHz telephone line) of up to `limit` recordings, the same at every run."""
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["duration"] >= _MIN_S]
    for i in np.linspace(0, len(rows) - 1, min(limit, len(rows))).astype(int):
        audio = telephone(folder / rows[i]["audio"])
        line = _hiss(audio.size + 2 * _AROUND)
        line[_AROUND : _AROUND + audio.size] += audio
        yield rows[i], line


def listen(line: Audio, vad: VoiceActivity) -> Spoken | None:
    """As voice activity with the default settings finds it; None where it hears nothing, or no end."""
    settings = CallSettings()
    speech, state = Speech(settings, WINDOW), vad.initial_state()
    starts, stops, dips = [], [], []
    for at in range(0, line.size - WINDOW + 1, WINDOW):
        [p_speech], [state] = vad.analyze([line[at : at + WINDOW]], [state])
        change = speech.window_analyzed(at, p_speech)
        if isinstance(change, SpeechStarted):
            starts.append(change.first)
        elif isinstance(change, SpeechDipped):
            dips.append(change.last)
        elif isinstance(change, SpeechStopped):
            stops.append(change.last)
    if not stops or speech.speaking:
        return None
    first = max(0, starts[0] - us_to_samples(settings.preroll_us))
    return Spoken(first, tuple(zip(starts, stops, strict=True)), tuple(dip for dip in dips if dip not in stops))


def silences(text: str, line: Audio, spoken: Spoken, tail: int) -> Iterator[Silence]:
    """Those of one recording that count for the sound alone."""
    *pauses, end = (last for _, last in spoken.stretches)
    if not text.endswith(("...", "…")):
        yield Silence("end", line[spoken.first : end + tail])
    if not _INNER_END.search(text):
        yield from (Silence("pause", line[spoken.first : pause + tail]) for pause in pauses)
    if spoken.dips:
        dip = spoken.dips[len(spoken.dips) // 2]
        quiet = min(tail, us_to_samples(CallSettings().dip_us))
        yield Silence("dip", np.concatenate((line[spoken.first : dip + quiet], _hiss(tail - quiet))))


def turn(
    subset: str, language: str, line: Audio, spoken: Spoken, tail: int, stt: SpeechToText, detector: TurnDetector | None
) -> Turn:
    """The waits of every policy at each pause and at the end of one recording; by the sound too if there is a
    detector."""

    def waits(last: int) -> dict[str, float]:
        settings = CallSettings()
        heard = line[spoken.first : last + tail]
        text = stt.transcribe(heard[-_LONGEST:], languages=(language,), final=True).text
        wanted = {"silence": settings.endpoint_us, "words": silence_wanted(text, language, settings)}
        if detector is not None:
            wanted["and sound"] = silence_wanted(text, language, settings, detector.p_end(heard))
        return {policy: us / MS for policy, us in wanted.items()}

    between = zip(spoken.stretches, spoken.stretches[1:], strict=False)
    pauses = [Pause(1_000 * (after - last) / SAMPLE_RATE, waits(last)) for (_, last), (after, _) in between]
    return Turn(subset, tuple(pauses), waits(spoken.stretches[-1][1]))


def judge(subset: str, silence: Silence, detector: TurnDetector) -> Judged:
    began = perf_counter()
    p_end = detector.p_end(silence.heard)
    return Judged(subset, silence.kind, p_end, 1_000 * (perf_counter() - began))


def area(ends: Sequence[float], others: Sequence[float]) -> float:
    """Under the ROC curve: how likely a true end is judged above one of the others (a tie counts half)."""
    above = np.subtract.outer(np.array(ends), np.array(others))
    return float(np.mean((above > 0) + (above == 0) / 2))


def table(judged: Sequence[Judged], title: str) -> Table:
    shown = Table("", "", "n", "AUC", *(f">= {threshold}" for threshold in _THRESHOLDS), title=title)
    groups = {subset: (subset,) for subset in _SUBSETS}
    groups |= {f"all {language}": tuple(s for s in _SUBSETS if s.startswith(language)) for language in ("en", "fr")}
    for name, subsets in groups.items():
        shown.add_section()
        ends = [j.p_end for j in judged if j.subset in subsets and j.kind == "end"]
        for kind in ("end", "pause", "dip"):
            some = [j.p_end for j in judged if j.subset in subsets and j.kind == kind]
            if some:
                shares = (f"{100 * np.mean(np.array(some) >= threshold):.0f}" for threshold in _THRESHOLDS)
                auc = "" if kind == "end" else f"{area(ends, some):.2f}"
                shown.add_row(name if kind == "end" else "", kind, str(len(some)), auc, *shares)
    return shown


def _hiss(samples: int) -> Audio:
    return np.random.default_rng(samples).normal(0, _HISS, samples).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    default = Path(os.environ.get("ALLO_MODELS", "~/.cache/allo/models")).expanduser()
    parser.add_argument("--models", type=Path, default=default)
    parser.add_argument("--tail-ms", type=int, default=160, help="of the silence, given to the detector")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, default=80, help="recordings of each subset")
    options = parser.parse_args()

    sound = options.models / "smart-turn-v3"
    detector = SmartTurn(sound) if sound.is_dir() else None
    vad = SileroVad(options.models / "silero-vad")
    stt = FasterWhisper(options.models / "whisper-base", threads=options.threads)
    tail, console = ms_to_samples(options.tail_ms), Console(width=160)
    turns: list[Turn] = []
    judged: list[Judged] = []
    seconds = 0.0
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for subset in _SUBSETS:
            chosen = list(recordings(options.data / subset, options.limit))
            for row, line in progress.track(chosen, description=subset):
                seconds += line.size / SAMPLE_RATE
                spoken = listen(line, vad)
                if spoken is None:
                    continue
                turns.append(turn(subset, row["language"], line, spoken, tail, stt, detector))
                if detector is not None:
                    judged += [judge(subset, one, detector) for one in silences(row["text"] or "", line, spoken, tail)]
    console.print(cut_offs.table(turns))
    if detector is None:
        console.print(f"The sound is left out: no model in {sound}, see `allo models pull smart-turn-v3`.")
        return
    title = f"Judged finished, %, {options.tail_ms} ms into the silence ({seconds / 60:.0f} minutes heard)"
    console.print(table(judged, title))
    median, rare = np.percentile([j.took_ms for j in judged], (50, 99))
    console.print(f"one judgement on one thread: {median:.0f} ms, 99th percentile {rare:.0f}")


if __name__ == "__main__":
    main()

"""How soon Whisper knows which of an agent's languages a caller speaks, and from which probability to believe it.

    python -m tests.load.languages --data FOLDER
    python -m tests.load.languages --data FOLDER --most 20 --json

The first 1, 2, 3 and 5 seconds of what somebody says, over a telephone line (8 kHz mu-law and back), in the context that a call's final gets;
"word" is a single word, as long as it is. Where a recording is shorter, the same speaker's next one follows: French has few long ones. One
language is chosen of `--languages`, as a call chooses among its agent's.

The first table: how often it is right. The second, by the probability from which it is believed (`p_language`): how many are believed and right, so
that a caller who changes his language is followed at once; and how many are believed and wrong, so that the call goes over to a language that he
does not speak. In a call an utterance shorter than 1.2 s is not asked about, unless it is the first.

FOLDER holds recordings in subfolders, each with a `manifest.jsonl` (fields `audio`, `language`, `speaker`).
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pipelines.adapters.stt import context
from pipelines.adapters.stt.whisper import Whisper
from pipelines.models.ports import Audio
from pipelines.models.store import Store
from pipelines.units import SAMPLE_RATE
from training.common import audio, manifests, telephony
from training.common.manifests import Clip, Limits

SETS = ("en_librispeech", "en_speechocean762", "en_spoken_commands", "fr_tuxpaint", "fr_words_ktuberling")
WORDS = "fr_words_ktuberling"
LENGTHS_S = (1.0, 2.0, 3.0, 5.0)
BARS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_QUIET_DB = 30.0  # below its loudest 5 ms a recording's ends are silence
_GAP_S = 0.2  # between two recordings
_LEAD_S = 0.32  # a call hears as much before the first word


class Guess(msgspec.Struct, frozen=True):
    """`seconds`: 0 for a single word. `p`: of the language that was guessed, among those that could be."""

    subset: str
    seconds: float
    spoken: str
    guessed: str
    p: float

    @property
    def right(self) -> bool:
        return self.guessed == self.spoken


def beginnings(clips: Sequence[Clip], seconds: float, most: int) -> Iterator[Audio]:
    """Up to `most` beginnings of that length, over the telephone, as many of each speaker as there are; 0: every clip as it is."""
    rng = np.random.default_rng(0)
    order = [clips[i] for i in rng.permutation(len(clips))]
    if not seconds:
        for clip in order[:most]:
            yield _over_the_phone([_speech(clip)], None)
        return
    of: dict[str, list[Clip]] = {}
    for clip in order:
        of.setdefault(clip.speaker, []).append(clip)
    given = 0
    while of and given < most:
        for name in list(of):
            parts: list[Audio] = []
            while of[name] and sum(map(len, parts)) < seconds * SAMPLE_RATE:
                parts.append(_speech(of[name].pop()))
            if sum(map(len, parts)) < seconds * SAMPLE_RATE:
                del of[name]
            elif given < most:
                given += 1
                yield _over_the_phone(parts, seconds)


def _speech(clip: Clip) -> Audio:
    return audio.trimmed(audio.load(clip.audio), _QUIET_DB)


def _over_the_phone(parts: Sequence[Audio], seconds: float | None) -> Audio:
    gap = np.zeros(round(_GAP_S * SAMPLE_RATE), np.float32)
    whole = np.concatenate([piece for part in parts for piece in (part, gap)])
    whole = whole[: None if seconds is None else round(seconds * SAMPLE_RATE)]
    return telephony.plain(np.concatenate([np.zeros(round(_LEAD_S * SAMPLE_RATE), np.float32), whole]))


def guess(whisper: Whisper, heard: Audio, languages: Sequence[str]) -> tuple[str, float]:
    """As a final of a call does."""
    features = whisper.features(heard)
    plan = context.plans(features.shape[1], final=True, beam=5)[0]
    return whisper.detect(whisper.encode(features, plan.frames), languages)


def guesses(whisper: Whisper, folder: Path, languages: Sequence[str], most: int) -> list[Guess]:
    """Of all sets that are in `folder`."""
    found = []
    for subset in SETS:
        manifest = folder / subset / "manifest.jsonl"
        if not manifest.is_file():
            continue
        clips = manifests.read_all([manifest], Limits(max_s=60.0, text=False), on_bad="skip")
        for seconds in (0.0,) if subset == WORDS else LENGTHS_S:
            heard = list(beginnings(clips, seconds, most))
            for each in track(heard, f"{subset}, {seconds:g} s", console=Console(stderr=True), transient=True):
                found.append(Guess(subset, seconds, clips[0].language, *guess(whisper, each, languages)))
    return found


def bounds(hits: int, of: int) -> tuple[float, float]:
    """95 % bounds of a share (Wilson's)."""
    if not of:
        return 0.0, 1.0
    z, share = 1.96, hits / of
    middle, half = share + z * z / (2 * of), z * np.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)


def _share(some: Sequence[bool]) -> str:
    low, high = bounds(sum(some), len(some))
    return f"{100 * sum(some) / len(some):.1f} ({100 * low:.0f} to {100 * high:.0f})" if some else "-"


def _named(seconds: float) -> str:
    return f"{seconds:g} s" if seconds else "word"


def by_length(found: Sequence[Guess]) -> Table:
    """How often it is right, %, by set and length."""
    lengths = sorted({g.seconds for g in found})
    table = Table(title="Right, % (95 %)")
    for title in ("set", *map(_named, lengths), "beginnings"):
        table.add_column(title)
    for subset in dict.fromkeys(g.subset for g in found):
        rows = [[g.right for g in found if (g.subset, g.seconds) == (subset, seconds)] for seconds in lengths]
        table.add_row(subset, *map(_share, rows), ", ".join(str(len(row)) for row in rows if row))
    return table


def by_bar(found: Sequence[Guess]) -> Table:
    """What is believed from which probability on, by length and by the language that is spoken."""
    table = Table(title="Believed and right / believed and wrong, %")
    for title in ("spoken", "length", *(f"from {bar:g}" for bar in BARS)):
        table.add_column(title)
    for spoken in dict.fromkeys(g.spoken for g in found):
        for seconds in sorted({g.seconds for g in found if g.spoken == spoken}):
            some = [g for g in found if (g.spoken, g.seconds) == (spoken, seconds)]
            cells = []
            for bar in BARS:
                believed = [g for g in some if g.p >= bar]
                right = sum(g.right for g in believed)
                cells.append(f"{100 * right / len(some):.1f} / {100 * (len(believed) - right) / len(some):.1f}")
            table.add_row(spoken, _named(seconds), *cells)
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--model", default="whisper-base", help="a Whisper of the model store")
    parser.add_argument("--languages", nargs="+", default=["en", "fr"], help="of the agent")
    parser.add_argument("--most", type=int, default=80, help="beginnings of each set and length")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="each guess, one a line")
    given = parser.parse_args(arguments)
    whisper = Whisper(Store().path(given.model), threads=given.threads)
    found = guesses(whisper, given.data, given.languages, given.most)
    if not found:
        print(f"None of {', '.join(SETS)} is in {given.data}. Give their folder.", file=sys.stderr)
        return 1
    if given.json:
        for each in found:
            print(json.dumps(msgspec.to_builtins(each)))
        return 0
    console = Console(width=160)
    console.print(by_length(found))
    console.print(by_bar(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

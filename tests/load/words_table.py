"""Word error rates on four sets of recordings over a telephone line: ours, and what a call acts on, beside plain offline
faster-whisper with the same weights.

    python -m tests.load.words_table --data FOLDER --keep /tmp/offline
    python -m tests.load.words_table --data FOLDER --limit 5 --only call --json

Rows, each on the same recordings (8 kHz mu-law and back):

offline  faster-whisper as it comes: whole recording, context of 30 s, beam 5, told the language. In doubt it draws
         words by chance (here always from the same seed), and a recording on which it runs away weighs much.
final    our recogniser as a call asks it once the caller has paused.
call     the recording played through a call, voice activity and turn-taking included: the words of the turns it took.
greedy   the same, with finals that are never searched by a beam.
partial  our recogniser as a call asks it while the caller speaks: greedy.

Columns: word error rate of each set and of all words together, in per cent; below it the difference to `offline` in points, with
the interval that holds it in 95 of 100 draws of as many recordings; median milliseconds of one recognition (of `call`:
of a final). Words do not depend on how busy the machine is, times do. Within 1 point of `offline` is what we ask of ourselves.

FOLDER holds recordings in subfolders, each with a `manifest.jsonl` (fields `audio`, `text`, `language`, `duration`,
`verbatim`), of which up to `--limit` are drawn, the same at every run.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.load.words_heard import Clip, Hear, clips, ways_of
from training.common.measures import Errors, interval, word_errors
from training.common.measures import rate as error_rate

SETS = ("en_librispeech", "en_telephone_prompts", "en_speechocean762", "fr_tuxpaint")
PLAIN = "offline"
WITHIN = 1.0
"""Points by which ours may be worse than offline."""


class Scored(msgspec.Struct, frozen=True):
    """Word errors of one way on one clip: `said`, and what was `heard` of it."""

    subset: str
    way: str
    errors: Errors
    took_ms: tuple[float, ...]
    said: str = ""
    heard: str = ""


class Compared(msgspec.Struct, frozen=True):
    """Word error rate of one way in per cent; by how many points it is worse than offline, and the least and the most of 95 in 100 draws of the clips."""

    rate: float
    points: float
    interval: tuple[float, float]


class Row(msgspec.Struct, frozen=True):
    """Of one way: by set and of `all` words; median milliseconds of a recognition, None if there was none."""

    way: str
    sets: dict[str, Compared]
    within: bool
    ms: float | None


def compared(scored: Sequence[Scored], way: str, subset: str = "") -> Compared:
    """`way` beside offline, on one set or on all."""
    ours, plain = ([s.errors for s in scored if s.way == one and subset in ("", s.subset)] for one in (way, PLAIN))
    low, high = interval(ours, plain)
    rate = 100 * error_rate(ours)
    return Compared(rate, rate - 100 * error_rate(plain), (100 * low, 100 * high))


def rows(scored: Sequence[Scored]) -> list[Row]:
    """A row for each way."""
    subsets = dict.fromkeys(s.subset for s in scored)
    found = []
    for way in dict.fromkeys(s.way for s in scored):
        of = {name: compared(scored, way, name) for name in subsets} | {"all": compared(scored, way)}
        took = [ms for s in scored if s.way == way for ms in s.took_ms]
        found.append(Row(way, of, of["all"].points <= WITHIN, float(np.median(took)) if took else None))
    return found


def table(scored: Sequence[Scored]) -> Table:
    heads = []
    for name in dict.fromkeys(s.subset for s in scored):
        words = [s.errors.total for s in scored if s.way == PLAIN and s.subset == name]
        heads.append(f"{name}\n{len(words)} clips, {sum(words)} words")
    shown = Table("", *heads, "all", "within 1", "ms", title="Word error rate, %")
    for row in rows(scored):
        plain = row.way == PLAIN
        shown.add_row(
            row.way,
            *(f"{one.rate:.1f}" if plain else _cell(one) for one in row.sets.values()),
            "" if plain else "yes" if row.within else "no",
            "-" if row.ms is None else f"{row.ms:.0f}",
        )
    return shown


def _cell(one: Compared) -> str:
    low, high = one.interval
    return f"{one.rate:.1f}\n{one.points:+.1f} ({low:+.1f} to {high:+.1f})"


def measure(chosen: Sequence[Clip], ways: dict[str, Hear], console: Console) -> list[Scored]:
    """Hear every clip in every way."""
    scored = []
    with Progress(console=console, transient=True) as progress:
        for clip in progress.track(chosen, description="clips"):
            for way, hear in ways.items():
                heard = hear(clip)
                errors = word_errors(clip.text, heard.text, clip.language)
                scored.append(Scored(clip.subset, way, errors, heard.took_ms, clip.text, heard.text))
    return scored


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    default = Path(os.environ.get("ALLO_MODELS", "~/.cache/allo/models")).expanduser()
    parser.add_argument("--models", type=Path, default=default)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, default=100, help="recordings of each set")
    parser.add_argument("--only", nargs="+", default=[], metavar="WAY", help="rows beside offline; default: all")
    parser.add_argument("--keep", type=Path, help="folder in which the words of `offline` are kept for the next run")
    parser.add_argument("--detect", action="store_true", help="ours are not told the language: English or French")
    parser.add_argument("--json", action="store_true", help="rows and every clip's words, on standard output")
    options = parser.parse_args()

    ways = ways_of(options.models, options.threads, ("en", "fr") if options.detect else (), options.keep)
    ways = {way: hear for way, hear in ways.items() if not options.only or way in (PLAIN, *options.only)}
    chosen = [clip for subset in SETS for clip in clips(options.data / subset, options.limit)]
    scored = measure(chosen, ways, Console(stderr=True))
    if options.json:
        json.dump(msgspec.to_builtins({"rows": rows(scored), "clips": scored}), sys.stdout)
    else:
        Console(width=160).print(table(scored))


if __name__ == "__main__":
    main()

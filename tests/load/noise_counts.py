"""What `noisy_call` counts in a call, and which denoiser its figures speak for."""

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
from rich.table import Table

from pipelines.actions import ClearMedia
from pipelines.replay.dump import Dump
from pipelines.replay.ear import heard
from tests.load.turn_table import percentiles
from training.common.measures import Errors, interval, rate, word_errors

_AFTER_S = 0.5
"""A caller's words may stop the agent so long after their end."""
_OVERLAP_S = 0.3
"""A turn that shares less with a sentence is none of it."""
_LONGER_S = 0.1
"""So much longer a wait costs a denoiser its place."""


class Said(msgspec.Struct, frozen=True):
    """A sentence of the caller, from its first sound to its last, in seconds of the call."""

    text: str
    start: float
    end: float


class Heard(msgspec.Struct, frozen=True):
    """What came of one call. `spoke`: times that the agent began to speak, as it should; `stopped`: silenced by noise alone; `turns`: taken by
    noise alone; `left_out`, `early`: sentences without a turn, and answers before their end; `gaps`: seconds."""

    errors: Errors
    spoke: int
    stopped: int
    turns: int
    left_out: int
    early: int
    gaps: tuple[float, ...]

    @property
    def sentences(self) -> int:
        return self.spoke - 1  # the first words of a call are the agent's

    @property
    def unanswered(self) -> int:
        """Sentences after which nothing was said before the next: the noise passed for speech."""
        return self.sentences - self.early - len(self.gaps)


class Counted(msgspec.Struct, frozen=True):
    """One call of one denoiser. `noise` "quiet": none."""

    caller: str
    language: str
    noise: str
    snr_db: float | None
    heard: Heard


def judge(call: Dump, said: Sequence[Said], language: str) -> Heard:
    """What a call made of what was said in it."""
    turns = [turn for turn in call.turns() if turn.party == "caller"]

    def shared(start: float, end: float, sentence: Said) -> float:
        return min(end, sentence.end) - max(start, sentence.start)

    false = [t for t in turns if not any(shared(t.start, t.end, s) > _OVERLAP_S for s in said)]
    left_out = [s for s in said if not any(shared(t.start, t.end, s) > _OVERLAP_S for t in turns)]
    clears = [at / 1e6 for at, _ in call.actions(ClearMedia)]
    alone = [at for at in clears if not any(s.start <= at <= s.end + _AFTER_S for s in said)]
    sounds = [
        (sound.at / 1e6, (sound.at + call.meta.outbound.duration_us(len(sound.audio))) / 1e6) for sound in heard(call)
    ]
    gaps, early = [], 0
    for sentence, until in zip(said, [*(s.start for s in said[1:]), float("inf")], strict=True):
        if any(sentence.start < start < sentence.end for start, _ in sounds):
            early += 1
        elif (first := next((start for start, _ in sounds if sentence.end <= start < until), None)) is not None:
            gaps.append(first - sentence.end)
    errors = word_errors(" ".join(s.text for s in said), " ".join(t.text for t in turns), language)
    return Heard(errors, len(said) + 1, len(alone), len(false), len(left_out), early, tuple(gaps))


def counts(calls: Sequence[tuple[str, str, str, float | None]], own: Sequence[Heard]) -> list[Counted]:
    """The calls of one denoiser, with who called in what noise."""
    return [Counted(*call, heard) for call, heard in zip(calls, own, strict=True)]


def by_caller(calls: Sequence[Counted], what: Callable[[Heard], Errors]) -> list[Errors]:
    """Summed over each caller's calls: callers are what is drawn, not a caller in one noise."""
    found: dict[tuple[str, str], Errors] = {}
    for call in calls:
        key = call.language, call.caller
        found[key] = found.get(key, Errors(0, 0)) + what(call.heard)
    return list(found.values())


def words(heard: Heard) -> Errors:
    return heard.errors


def alarms(heard: Heard) -> Errors:
    """What noise passing for speech did: interruptions, turns, and answers kept back, of the times that the agent spoke or should have."""
    return Errors(heard.stopped + heard.turns + heard.unanswered, heard.spoke)


def noisy(calls: Sequence[Counted]) -> list[Counted]:
    return [call for call in calls if call.noise != "quiet"]


def winner(rows: Mapping[str, Sequence[Counted]]) -> str:
    """Off, unless it is beaten beyond chance (95 % bounds over callers): fewer word errors with no more false alarms, or fewer false alarms with
    no more word errors, and answers no later by 0.1 s. Of several, the one with the fewest word errors."""
    off = noisy(rows["off"])
    beat = []
    for name, calls in rows.items():
        mine = noisy(calls)
        if name == "off" or not mine or _gap(mine) > _gap(off) + _LONGER_S:
            continue
        bounds = [interval(by_caller(mine, what), by_caller(off, what)) for what in (words, alarms)]
        if any(high < 0 for _, high in bounds) and not any(low > 0 for low, _ in bounds):
            beat.append((rate(by_caller(mine, words)), name))
    return min(beat)[1] if beat else "off"


def _gap(calls: Sequence[Counted]) -> float:
    gaps = [gap for call in calls for gap in call.heard.gaps]
    return float(np.median(gaps)) if gaps else float("inf")


def report(rows: Mapping[str, Sequence[Counted]], cost: Mapping[str, float]) -> list[Table]:
    """All noises together, then word errors and false alarms noise by noise."""
    heads = (
        "denoiser",
        "words, quiet",
        "words, noisy (95 %)",
        "to off (95 %)",
        "stopped",
        "turns",
        "unanswered",
        "left out",
        "early",
        "gap",
        "CPU ms/s",
    )
    whole = Table(*heads, title="All noises and ratios", title_justify="left")
    for name, calls in rows.items():
        mine = noisy(calls)
        errors = by_caller(mine, words)
        low, high = interval(errors)
        plain = by_caller(noisy(rows["off"]), words)
        less, more = interval(errors, plain)
        total = {
            key: sum(getattr(call.heard, key) for call in mine)
            for key in ("stopped", "turns", "unanswered", "left_out", "early", "spoke", "sentences")
        }
        whole.add_row(
            name,
            f"{100 * rate([c.heard.errors for c in calls if c.noise == 'quiet']):.1f}",
            f"{100 * rate(errors):.1f} ({100 * low:.1f} to {100 * high:.1f})",
            ""
            if name == "off"
            else f"{100 * (rate(errors) - rate(plain)):+.1f} ({100 * less:+.1f} to {100 * more:+.1f})",
            f"{total['stopped']} of {total['spoke']}",
            str(total["turns"]),
            f"{total['unanswered']} of {total['sentences']}",
            str(total["left_out"]),
            str(total["early"]),
            percentiles([gap for call in mine for gap in call.heard.gaps]),
            f"{cost[name]:.1f}",
        )
    conditions = list(dict.fromkeys((call.noise, call.snr_db) for call in rows["off"]))
    shown = ["quiet" if ratio is None else f"{noise} {ratio:g} dB" for noise, ratio in conditions]
    each = Table(
        "denoiser", *shown, title="Word errors %, stopped + turns + unanswered, median gap", title_justify="left"
    )
    for name, calls in rows.items():
        cells = []
        for condition in conditions:
            mine = [call for call in calls if (call.noise, call.snr_db) == condition]
            false = sum(alarms(call.heard).errors for call in mine)
            cells.append(f"{100 * rate([c.heard.errors for c in mine]):.0f}, {false}, {_gap(mine):.2f}")
        each.add_row(name, *cells)
    return [whole, each]

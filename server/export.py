"""A recorded call in other forms: files for players, annotators and training. Each writer takes one call and leaves its files in a folder."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import soundfile

from pipelines.actions import CaptionUpdated, Observed
from pipelines.analysis.analysis import Analysis, SpokenTurn
from pipelines.analysis.analyze import analyze
from pipelines.analysis.redaction import names_given, redactor
from pipelines.analysis.subtitles import srt, textgrid, vtt
from pipelines.replay.dump import Dump
from pipelines.turns.asked import is_keyed
from pipelines.units import to_seconds
from server.observe.listen import Samples, both_sides

_EDGE_S = 0.25  # of sound before and after a turn, so that no consonant is cut
_SHORTEST_S = 0.2

_WORDS = {
    "text",
    "heard",
    "unheard",
    "arguments",
    "committed",
    "tentative",
    "key",
    "quote",
    "value",
}  # may tell who he is


class Call(msgspec.Struct, frozen=True):
    """What is exported: a dump, what it was, and what takes numbers and names out (None: nothing does)."""

    name: str
    dump: Dump
    analysis: Analysis
    redact: Callable[[str], str] | None = None

    @classmethod
    def of(cls, name: str, dump: Dump, redacted: bool) -> "Call":
        analysis = analyze(dump)
        if not redacted:
            return cls(name, dump, analysis)
        redact = redactor(names_given(dump))
        masked = msgspec.convert(_masked(msgspec.to_builtins(analysis), redact), Analysis)
        return cls(name, dump, masked, redact)

    def hidden(self, party: str) -> Iterator[SpokenTurn]:
        """Turns of a party from which something was taken out."""
        if self.redact is not None:
            yield from (turn for turn in self.analysis.turns if turn.party == party and "[n" in turn.text + turn.heard)

    def sides(self) -> tuple[Samples, Samples, int]:
        """(caller, agent, rate): as they sounded, without the turns from which something was taken out: which of the words it was is known by
        no time, so it is the whole turn."""
        caller, agent, rate = both_sides(self.dump)
        for side, party in ((caller, "caller"), (agent, "agent")):
            for turn in self.hidden(party):
                side[max(0, round((turn.start - _EDGE_S) * rate)) : round((turn.end + _EDGE_S) * rate)] = 0
        return caller, agent, rate


def _masked(value: Any, redact: Callable[[str], str], words: bool = False) -> Any:
    """Every text that holds words of the call, redacted; keys one by one, so that their order tells nothing."""
    if isinstance(value, dict):
        return {key: _masked(item, redact, key in _WORDS) if key != "key" else "x" for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item, redact, words) for item in value]
    return redact(value) if words and isinstance(value, str) else value


def wav(call: Call, folder: Path) -> None:
    """Stereo, caller left."""
    caller, agent, rate = call.sides()
    soundfile.write(folder / f"{call.name}.wav", np.stack([caller, agent], axis=1), rate, subtype="PCM_16")


def json(call: Call, folder: Path) -> None:
    """Everything that `allo analyse --json` tells, the captions as they grew, and every fact with its time."""
    told = msgspec.to_builtins(call.analysis)
    captions = [
        {"at": to_seconds(at), "committed": action.committed, "tentative": action.tentative}
        for at, action in call.dump.actions(CaptionUpdated)
    ]
    told["captions"] = _masked(captions, call.redact) if call.redact else captions
    told["facts"] = [
        {"at": to_seconds(at), "fact": action.fact, "value": action.value} for at, action in call.dump.actions(Observed)
    ]
    (folder / f"{call.name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")


def _text(ending: str, form: Callable[[Analysis], str]) -> Callable[[Call, Path], None]:
    def write(call: Call, folder: Path) -> None:
        (folder / f"{call.name}.{ending}").write_text(form(call.analysis), encoding="utf-8", errors="replace")

    return write


FORMS: dict[str, Callable[[Call, Path], None]] = {
    "wav": wav,
    "json": json,
    "srt": _text("srt", srt),
    "vtt": _text("vtt", vtt),
    "textgrid": _text("TextGrid", textgrid),
}
"""By name, what writes one call."""


class Manifest:
    """Callers' turns as training data: a clip each in `clips/`, and `manifest.jsonl`, one line a clip, as the recipes read it.

    Callers are known by a keyed hash whose key is thrown away: the same caller is the same speaker within one export, and nobody can count
    up to his number.
    """

    def __init__(self, folder: Path, consent: str) -> None:
        """`consent`: who says that callers agreed, for calls that do not say so themselves."""
        self._folder, self._consent = folder, consent
        self._key = secrets.token_bytes(32)
        self._lines: list[bytes] = []
        self.left_out = 0
        """Turns from which something was taken out: their sound would tell it."""

    def add(self, call: Call) -> int:
        """Write the clips of a call; returns how many."""
        meta = call.dump.meta
        consent = meta.consent or self._consent
        assert consent, "the command asks"
        caller, _, rate = both_sides(call.dump)
        hidden = {turn.start for turn in call.hidden("caller")}
        (self._folder / "clips").mkdir(parents=True, exist_ok=True)
        count = 0
        for turn in call.analysis.turns:
            if turn.party != "caller" or is_keyed(turn.text) or not turn.text.strip():
                continue
            clip = caller[max(0, round((turn.start - _EDGE_S) * rate)) : round((turn.end + _EDGE_S) * rate)]
            if turn.start in hidden:
                self.left_out += 1
            elif len(clip) >= _SHORTEST_S * rate:
                count += 1
                audio = f"clips/{re.sub(r'[^A-Za-z0-9._-]', '_', call.name)}-{count:03}.flac"
                soundfile.write(self._folder / audio, clip, rate, subtype="PCM_16")
                self._lines.append(msgspec.json.encode(self._line(call, turn, audio, len(clip) / rate, consent)))
        return count

    def _line(self, call: Call, turn: SpokenTurn, audio: str, seconds: float, consent: str) -> dict[str, Any]:
        meta = call.dump.meta
        who = hmac.new(self._key, (meta.caller or meta.call_id).encode(), hashlib.sha256).hexdigest()[:16]
        return {
            "audio": audio,
            "text": turn.text,
            "language": turn.language,
            "speaker": who,
            "duration": round(seconds, 3),
            "text_by": "recogniser",
            "started": meta.started.date().isoformat(),
            "consent": consent,
        }

    def close(self) -> Path:
        """Write the manifest, as a whole."""
        path = self._folder / "manifest.jsonl"
        partial = path.with_suffix(".partial")
        partial.write_bytes(b"".join(line + b"\n" for line in self._lines))
        return partial.rename(path)

"""The agent's turn in production: text comes in, chunks go to synthesis a few ahead of the ear, audio comes back in any order
and leaves in the right one, and at any moment it can say which words the caller has heard."""

from enum import Enum

from pipelines.actions import HOLD_MUSIC, Action, Synthesize, Turn
from pipelines.audio.playout import ChunkHeard
from pipelines.turns.heard import heard_text
from pipelines.turns.policy import CallSettings
from pipelines.turns.sentences import Chunker
from pipelines.units import to_seconds

_US_PER_CHARACTER = 65_000  # speech of unknown length: about 15 characters a second


class Kind(Enum):
    """What a chunk is. Only words are remembered; all is heard."""

    WORDS = "words"
    EXCUSE = "excuse"
    OPENER = "opener"
    FILLER = "filler"
    MUSIC = "music"


class _Chunk:
    __slots__ = ("attempt", "audio", "done", "kind", "requested", "text")

    def __init__(self, text: str, kind: Kind) -> None:
        self.text, self.kind = text, kind
        self.requested = False
        self.audio: list[bytes] = []  # arrived, not yet released to playout
        self.done = False
        self.attempt = 0


class Reply:
    """One reply, known to all by its `number`. The call decides when it starts, is heard, is interrupted and ends."""

    def __init__(self, number: int, language: str, settings: CallSettings, at: int, *, produced: bool) -> None:
        """`produced`: the agent writes it (ReplyDelta...); otherwise its words are given with `say`."""
        self.number, self.language, self.started_at = number, language, at
        self.produced = produced
        self.text_done = not produced
        self.tool = ""  # the tool that runs now
        self.acted = False  # a tool has run, or runs
        self.opened = False  # an opener was said
        self.spoken = False  # some of its words have reached playout, asides left out
        self.asked = ""  # what the caller said, for another attempt
        self.attempt = 0
        self.after = ""  # "hang_up" or "transfer" once it was heard
        self.after_value = ""
        # marks on the way from the caller's last word to the first sound, in call time
        self.caller_end: int | None = None
        self.endpoint_at = 0
        self.token_at: int | None = None
        self.audio_at: int | None = None
        self.ear_at: int | None = None
        self._settings = settings
        self._chunker = Chunker(language)
        self._chunks: list[_Chunk] = []
        self._released = 0  # chunks wholly handed to playout

    # ---- text

    def say(self, text: str, kind: Kind = Kind.WORDS) -> None:
        """Words that need no chunking."""
        if self.on_hold:
            self.drop_music()
        self._chunks.append(_Chunk(text, kind))

    def hold(self) -> None:
        """Music for the time that a tool takes, until anything else is said."""
        self.say(HOLD_MUSIC, Kind.MUSIC)

    def drop_music(self) -> None:
        """Music that is not there yet is not waited for."""
        self._chunks[-1].audio.clear()
        self._chunks[-1].done = True

    @property
    def on_hold(self) -> bool:
        """Whether music was the last."""
        return bool(self._chunks) and self._chunks[-1].kind is Kind.MUSIC

    @property
    def bridged(self) -> bool:
        """Whether a filler, not the first, was the last: the caller knows that it takes long."""
        return self.fillers > 1 and self._chunks[-1].kind is Kind.FILLER

    def is_music(self, chunk: int) -> bool:
        return self._chunks[chunk].kind is Kind.MUSIC

    def add(self, delta: str) -> None:
        for text in self._chunker.push(delta):
            self.say(text)

    def finish(self) -> None:
        """No more text will come."""
        for text in self._chunker.finish():
            self.say(text)
        self.text_done, self.tool = True, ""

    # ---- synthesis

    def requests(self) -> list[Action]:
        """Chunks to synthesize now: at most `chunks_ahead` that have not wholly reached playout."""
        actions: list[Action] = []
        for number, chunk in enumerate(self._chunks[: self._released + self._settings.chunks_ahead]):
            if not chunk.requested:
                chunk.requested = True
                actions.append(Synthesize(self.number, number, chunk.text, self.language, chunk.attempt))
        return actions

    def synthesized(self, number: int, audio: bytes, last: bool) -> None:
        if number < len(self._chunks) and not self._chunks[number].done:
            chunk = self._chunks[number]
            chunk.audio.append(audio)
            chunk.done = last

    def failed(self, number: int) -> bool:
        """A chunk could not be spoken: try again (True), or give it up (False)."""
        if number >= len(self._chunks):
            return True
        chunk = self._chunks[number]
        chunk.attempt += 1
        if chunk.kind is Kind.MUSIC:
            chunk.done = True
            return True
        if chunk.attempt < self._settings.tts_attempts and not chunk.audio:
            chunk.requested = False
            return True
        chunk.done = True
        return False

    def release(self) -> list[tuple[int, bytes]]:
        """Audio that may be queued for playout, in order: (chunk, audio)."""
        out: list[tuple[int, bytes]] = []
        while self._released < len(self._chunks):
            chunk = self._chunks[self._released]
            out += [(self._released, audio) for audio in chunk.audio]
            self.spoken = self.spoken or (bool(chunk.audio) and chunk.kind in (Kind.WORDS, Kind.EXCUSE))
            chunk.audio.clear()
            if not chunk.done:
                break
            self._released += 1
        return out

    @property
    def waiting(self) -> bool:
        """Whether nothing is left to be spoken at the moment, though the reply is not over: the caller hears silence."""
        return not self.text_done and self._released == len(self._chunks)

    @property
    def complete(self) -> bool:
        """Whether all of it is with playout."""
        return self.text_done and self._released == len(self._chunks)

    @property
    def fillers(self) -> int:
        """How many were said, an opener left out."""
        return sum(c.kind is Kind.FILLER for c in self._chunks)

    @property
    def unnoticed(self) -> bool:
        """Whether it answers the caller, and neither a word of it was heard (an "okay" is none) nor a tool has run for it."""
        return bool(self.asked) and not self.spoken and not self.acted

    @property
    def empty(self) -> bool:
        return all(c.kind is not Kind.WORDS for c in self._chunks)

    # ---- words

    @property
    def text(self) -> str:
        """All that was written so far."""
        return " ".join(c.text for c in self._chunks if c.kind is Kind.WORDS)

    def heard(self, ledger: list[ChunkHeard]) -> str:
        """The words the caller has heard, by playout's ledger of this reply."""
        words = []
        for entry in ledger:
            chunk = self._chunks[entry.chunk]
            if chunk.kind is not Kind.WORDS:
                continue
            whole = entry.queued_us if chunk.done else max(entry.queued_us, len(chunk.text) * _US_PER_CHARACTER)
            if chunk.done and entry.heard_us >= entry.queued_us:
                words.append(chunk.text)
                continue
            part = heard_text(chunk.text, entry.heard_us, whole, self.language)
            if part:
                words.append(part)
            break
        return " ".join(words)

    def unheard(self, ledger: list[ChunkHeard]) -> list[str]:
        """Texts from the first chunk that was not wholly heard: where a reply goes on after a false interruption."""
        whole = {e.chunk for e in ledger if e.heard_us >= e.queued_us and self._chunks[e.chunk].done}
        return [c.text for n, c in enumerate(self._chunks) if n not in whole and c.kind is Kind.WORDS]

    # ---- the record

    def turn(self, heard: str, end: int, interrupted: bool) -> Turn:
        """What the transcript keeps: the words, and if the reply answers the caller, the gap with its parts."""
        start = self.ear_at if self.ear_at is not None else end
        gap, parts = None, {}
        if self.caller_end is not None and self.ear_at is not None:
            # What was done before the turn was taken took no time of the caller's; a filler may sound before the first token.
            audio = max(self.audio_at or self.ear_at, self.started_at)
            token = max(min(self.token_at or audio, audio), self.started_at)
            steps = (
                ("endpointing", self.caller_end, self.endpoint_at),
                ("stt", self.endpoint_at, self.started_at),
                ("first_token", self.started_at, token),
                ("first_audio", token, audio),
                ("playout", audio, self.ear_at),
            )
            parts = {name: to_seconds(until - since) for name, since, until in steps}
            gap = to_seconds(self.ear_at - self.caller_end)
        return Turn(
            "agent",
            self.text,
            heard,
            to_seconds(start),
            to_seconds(max(start, end)),
            gap,
            parts,
            self.language,
            interrupted,
        )

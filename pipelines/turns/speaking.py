"""The agent's side of a call: the reply that is live, what of it goes to synthesis and to the carrier, and what the caller heard.

`Call` decides when a reply begins and when it is cut; everything between is here. There is never more than one reply, or one draft of
it: whatever comes late for another is dropped by its number in `live`. A draft is written and synthesized like a reply, but nothing of
it leaves before `promote`.
"""

from pipelines import actions as do
from pipelines import events as ev
from pipelines.audio.playout import Playout
from pipelines.frames import AudioFormat
from pipelines.turns.policy import CallSettings
from pipelines.turns.reply import Kind, Reply
from pipelines.units import MS, SECOND, to_seconds

PLAYOUT, FILLER, REPLY_END = "playout", "filler", "reply_end"
"""Names of deadlines: the next frame is due; the caller has heard nothing for some time; all should have been heard."""

_UNKNOWN_US = 60 * SECOND  # what a reply that is still being written may have to say
_QUICK_US = 300 * MS  # most tools answer in less: words that come then would only have to wait for the filler's end
_ANNOUNCED = {"hang_up", "transfer_to_person", "send_digits", "collect_digits"}
"""The call's own tools: what they do is said in words that come at once, and "let me look" before a goodbye is absurd."""


class Speaking:
    """Replies of one call, one after another, over one playout. `at` is call time in microseconds."""

    def __init__(self, settings: CallSettings, outbound: AudioFormat) -> None:
        self._settings = settings
        self._playout = Playout(outbound, settings.lead_us, 0 if settings.echo else settings.mark_every_us)
        self._replies = 0
        self.reply: Reply | None = None
        self.draft: Reply | None = None
        """The answer to what the caller has said so far, should he have finished."""
        self._music = False  # the last that went to playout is hold music
        self.held_at: int | None = None
        """Since when the agent has been silent in the middle of its words, to hear whether it is spoken to."""
        self.unheard: list[str] = []
        """What the last reply had still to say when it was cut."""

    def live(self, number: int) -> Reply | None:
        """The reply or the draft, if it is the one that is live."""
        return next((r for r in (self.reply, self.draft) if r is not None and r.number == number), None)

    def is_draft(self, number: int) -> bool:
        return self.draft is not None and self.draft.number == number

    def left_us(self, at: int) -> int:
        """How much the agent has still to say, as far as is known."""
        return max(0, self._playout.end - at) if self.reply is not None and self.reply.complete else _UNKNOWN_US

    @property
    def audible(self) -> bool:
        """Whether the caller has heard a sound of the reply."""
        return self.reply is not None and self.reply.ear_at is not None

    def talks(self, at: int) -> bool:
        """Whether the caller hears the agent now."""
        return self.audible and self.held_at is None and not self._playout.idle(at)

    # ---- a reply begins

    def begin(self, at: int, language: str, *, produced: bool) -> Reply:
        """Make a reply live; the one before must be over. `produced`: the agent writes it."""
        assert self.reply is None
        self.reply = self._new(at, language, produced=produced)
        self.unheard = []
        return self.reply

    def begin_draft(self, at: int, language: str, asked: str) -> list[do.Action]:
        """Let the agent answer `asked` before it is known whether that was all."""
        assert self.reply is None
        assert self.draft is None
        self.draft = self._new(at, language, produced=True)
        self.draft.asked = asked
        start = do.StartReply(self.draft.number, asked, language, speculative=True)
        return [do.Observed("speculation"), start]

    def prepared(self, asked: str, language: str) -> bool:
        """Whether the draft is the answer to this."""
        return self.draft is not None and (self.draft.asked, self.draft.language) == (asked, language)

    def promote(self, at: int) -> Reply:
        """The draft is the reply."""
        self.reply, self.draft = self.draft, None
        assert self.reply is not None
        self.reply.started_at = at
        self.unheard = []
        return self.reply

    def drop_draft(self) -> list[do.Action]:
        """The caller goes on: the draft was never written."""
        if self.draft is None:
            return []
        number, self.draft = self.draft.number, None
        return [do.CancelReply(number), do.ForgetReply(number), do.Observed("speculation_dropped")]

    def _new(self, at: int, language: str, *, produced: bool) -> Reply:
        self._replies += 1
        return Reply(self._replies - 1, language, self._settings, at, produced=produced)

    # ---- the caller is cut in on: the reply begins before it is known what it answers

    @property
    def excused(self) -> bool:
        """Whether the reply is an excuse so far, and waits for the caller's words."""
        return self.reply is not None and self.reply.produced and not self.reply.asked

    def excuse(self) -> list[do.Action]:
        """Begin the reply that was made live with a word of excuse."""
        assert self.reply is not None
        self.reply.say(self._settings.phrases[self.reply.language].cut_in, Kind.EXCUSE)
        self.reply.opened = True
        return self.reply.requests()

    def nothing_asked(self, at: int) -> list[do.Action]:
        """He had said no words after all."""
        assert self.reply is not None
        self.reply.finish()
        return self.pump(at)

    # ---- its words

    def delta(self, at: int, event: ev.ReplyDelta) -> list[do.Action]:
        reply = self.live(event.reply)
        if reply is None:
            return []
        reply.token_at = reply.token_at or at
        reply.tool = ""
        reply.add(event.text)
        return reply.requests()

    def tool_coming(self, at: int, event: ev.ToolExpected | ev.ToolStarted) -> list[do.Action]:
        """A tool is about to run: if it takes long, the caller is to hear a filler."""
        reply = self.live(event.reply)
        if reply is None:
            return []
        reply.token_at = reply.token_at or at
        reply.tool = event.tool
        reply.acted = reply.acted or isinstance(event, ev.ToolStarted)
        return self.await_words(at) if reply is self.reply else []

    def await_words(self, at: int) -> list[do.Action]:
        """The reply has nothing to say yet: when the caller is to hear that it is coming."""
        reply, settings = self.reply, self._settings
        assert reply is not None
        since = reply.caller_end if reply.caller_end is not None else at
        if not reply.opened and settings.phrases[reply.language].openers:
            return [do.SetDeadline(FILLER, max(at, since + settings.opener_after_us))]
        if not reply.tool:
            return [do.SetDeadline(FILLER, max(at, reply.started_at + settings.filler_slow_us))]
        if reply.tool in _ANNOUNCED or reply.fillers:
            return []
        return [do.SetDeadline(FILLER, max(at + _QUICK_US, since + settings.filler_after_us))]

    def filler(self, at: int) -> list[do.Action]:
        """The caller waits and hears nothing: an opener; and when that was not enough, most often because a tool is slow, one of the
        fillers; and then the last of them again and again."""
        reply = self.reply
        if reply is None or not reply.waiting or not self._playout.idle(at):
            return []
        phrases = self._settings.phrases[reply.language]
        if not reply.opened and phrases.openers:
            reply.opened = True
            reply.say(phrases.opener(reply.asked, reply.number), Kind.OPENER)
            return [do.Observed("opener"), *self.await_words(at), *reply.requests()]
        if (reply.token_at is not None and not reply.tool) or not phrases.fillers:
            return []  # its words are coming
        if self._settings.hold_music and reply.bridged:
            reply.hold()
            return [do.Observed("hold_music"), *reply.requests()]
        *first, last = phrases.fillers
        reply.say(last if reply.fillers or not first else first[reply.number % len(first)], Kind.FILLER)
        again = do.SetDeadline(FILLER, at + self._settings.filler_again_us)
        return [do.Observed("filler"), again, *reply.requests()]

    # ---- its sound

    def synthesized(self, at: int, event: ev.SpeechSynthesized) -> None:
        if reply := self.live(event.reply):
            if event.audio:
                reply.audio_at = reply.audio_at or at
            reply.synthesized(event.chunk, event.audio, event.last)

    def echo(self, audio: bytes) -> None:
        """Give the caller back what he said, in the outbound format."""
        self._playout.queue(0, 0, audio)

    def pump(self, at: int, *, hold: bool = False) -> list[do.Action]:
        """Move audio from the reply to the carrier, as far as the lead allows. `hold`: begin no words of a reply that was not heard
        yet."""
        reply = self.reply
        actions: list[do.Action] = []
        if reply is not None:
            if reply.spoken or not hold:
                for chunk, audio in reply.release():
                    actions += [] if reply.is_music(chunk) else self._stop_music(at)
                    self._music = reply.is_music(chunk)
                    self._playout.queue(reply.number, chunk, audio)
            actions += reply.requests()
        if self.held_at is not None:
            return actions
        sent = self._playout.pump(at)
        if sent and reply is not None and reply.ear_at is None:
            reply.ear_at = at
        actions += sent
        due = self._playout.due
        if due is not None:
            actions.append(do.SetDeadline(PLAYOUT, due))
        elif reply is not None and reply.complete:
            actions.append(do.SetDeadline(REPLY_END, self._playout.ear_end))
        elif reply is not None and reply.tool and sent and reply.fillers:
            pause_us = 0 if self._settings.hold_music and reply.fillers > 1 else self._settings.filler_again_us
            actions.append(do.SetDeadline(FILLER, self._playout.ear_end + pause_us))
        return actions

    # ---- a pause, to listen

    def hold(self, at: int) -> list[do.Action]:
        """Fall silent, for the time being, without losing a word."""
        if self.reply is None or self.held_at is not None or self._music or self._playout.idle(at):
            return []
        self.held_at = at
        self._playout.hold(at)
        return [do.ClearMedia(), do.CancelDeadline(PLAYOUT), do.CancelDeadline(REPLY_END), do.Observed("hold")]

    def go_on(self, at: int) -> list[do.Action]:
        """Nobody wanted the floor: the agent goes on where it fell silent, when it is next pumped."""
        if self.held_at is None:
            return []
        held_us, self.held_at = at - self.held_at, None
        return [do.Observed("gone_on", to_seconds(held_us))]

    # ---- hold music

    def hush(self, at: int) -> list[do.Action]:
        """The caller speaks: no music; should the tool take longer still, another filler."""
        if self.reply is not None and self.reply.on_hold:
            self.reply.drop_music()
            return [*self._stop_music(at), do.SetDeadline(FILLER, at + self._settings.filler_again_us)]
        return []  # what the agent says goes on until it is known what the caller means

    def _stop_music(self, at: int) -> list[do.Action]:
        if not self._music:
            return []
        self._music, playing = False, not self._playout.idle(at)
        self._playout.cut_short(at)
        return [do.ClearMedia(), do.CancelDeadline(PLAYOUT)] if playing else []

    # ---- it ends

    def mark_returned(self, at: int, event: ev.MarkReturned) -> bool:
        """Whether the caller has heard all of the reply with it."""
        return not event.cleared and self._playout.mark_returned(event.name, at) and self.heard_out(at)

    def played_out(self, at: int) -> bool:
        """Whether the ear should have played all of the reply, though marks may be on their way."""
        return self.reply is not None and self.reply.complete and self._playout.idle(at)

    def heard_out(self, at: int) -> bool:
        """Whether the caller has heard all of the reply: the carrier says so, or had time enough to say so."""
        if not self.played_out(at):
            return False
        overdue = at >= self._playout.ear_end + self._settings.mark_grace_us
        return overdue or not self._playout.marks_outstanding

    def await_marks(self, at: int) -> list[do.Action]:
        """All should have been heard, but the carrier has not said so."""
        if not self.played_out(at):
            return []
        return [do.SetDeadline(REPLY_END, self._playout.ear_end + self._settings.mark_grace_us)]

    def finish(self, at: int) -> list[do.Action]:
        """The caller heard all of it."""
        reply, self.reply, self._music, self.held_at = self.reply, None, False, None
        assert reply is not None
        self._playout.forget(reply.number)
        end = min(at, self._playout.ear_end)
        return [
            do.CancelDeadline(FILLER),
            do.CancelDeadline(REPLY_END),
            do.Remember(reply.number, reply.text),
            *_report(reply, reply.text, end, interrupted=False),
        ]

    def cut(self, at: int, *, forget: bool) -> list[do.Action]:
        """Silence in the caller's ear, nothing more of this reply, and a memory of just what he heard; `forget`: of nothing,
        not even of what it was to answer."""
        reply, self.reply, self._music, self.held_at = self.reply, None, False, None
        assert reply is not None
        ledger = self._playout.heard_chunks(reply.number, at)
        heard, self.unheard = reply.heard(ledger), reply.unheard(ledger)
        actions: list[do.Action] = [do.CancelDeadline(name) for name in (PLAYOUT, FILLER, REPLY_END)]
        if not self._playout.idle(at):
            actions.append(do.ClearMedia())
        end = min(at, self._playout.ear_end) if reply.ear_at is not None else at
        self._playout.clear(at)
        actions.append(do.CancelReply(reply.number))
        if forget:
            return [*actions, do.ForgetReply(reply.number)]
        return [*actions, do.Remember(reply.number, heard), *_report(reply, heard, end, interrupted=True)]


def _report(reply: Reply, heard: str, end: int, *, interrupted: bool) -> list[do.Action]:
    return [do.TurnTaken(reply.turn(heard, end, interrupted))] if reply.text else []

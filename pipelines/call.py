"""One phone call as a pure machine: `Call.receive(at, event) -> actions`. No await, no clock, no model, no I/O.

The caller's side is `Inbound` (audio) and `Hearing` (words), the agent's side `Reply` (words) and `Playout` (audio); this file
is what lies between them: who has the floor.

    floor of          event                                         goes to
    ----------------  --------------------------------------------  ----------------------------------------------
    nobody            caller's turn complete                        agent (StartReply)
    nobody            silence                                       agent (prompt, goodbye)
    agent             speech starts                                 undecided: `_overlap`, decided by `_interrupt`/`_carry_on`
    agent, undecided  still speaking at the overlap deadline        caller (clear, cancel, remember what was heard)
    agent, undecided  short, and words that are no backchannel      caller
    agent, undecided  backchannel, or no words                      agent
    agent             reply heard                                   nobody (or hang-up, transfer, if it asked for one)
    caller            turn has no words, a reply had been cut       agent, from the first unheard chunk

Sources: Sacks, Schegloff, Jefferson 1974, "A simplest systematics for the organization of turn-taking for conversation".
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipelines import actions as do
from pipelines import events as ev
from pipelines.audio.inbound import Inbound
from pipelines.audio.playout import Playout
from pipelines.turns.barge_in import Overlap, outcome
from pipelines.turns.hearing import ENDPOINT, Hearing
from pipelines.turns.policy import CallSettings
from pipelines.turns.reply import Reply
from pipelines.turns.speech import Speech, SpeechStarted
from pipelines.units import MS, SECOND, ms_to_samples, to_seconds

__all__ = ["WINDOW", "Call", "CallSettings"]

WINDOW = 512
"""Samples of an analysis window: 32 ms at 16 kHz, what Silero takes."""

_SPOKEN_TOOLS = {"hang_up", "transfer_to_person", "send_digits"}
"""The call's own tools: what they do is announced in words that come at once, and "let me look" before a goodbye is absurd."""

_RECENT = ms_to_samples(96)  # speech this close to the end of what was analyzed is still going on
_STARVED = 1 * SECOND  # no analysis for this long while the caller speaks: his audio, or the model, has stopped


class Call:
    """The state of one call. Every method is deterministic; events must come in the order of their times."""

    def __init__(self, settings: CallSettings) -> None:
        self.settings = settings
        self.ended = False
        self._started = False
        self._out: list[do.Action] = []
        self._speech = Speech(settings, WINDOW)
        self._hearing = Hearing(settings)
        self._reply: Reply | None = None
        self._replies = 0
        self._overlap: tuple[int, int] | None = (
            None  # (call time, what the agent had still to say) of an undecided overlap
        )
        self._judging = False  # the overlap was short: its words decide
        self._cut: list[str] = []  # what an interrupted reply had still to say
        self._ignore_speech = False  # the caller was cut off by the turn limit and has not paused since
        self._quiet_since = 0
        self._digits = ""
        self._analyzed_at = 0
        self._vad_failures = 0
        self._closing = False  # the last words are being said; nobody takes the floor any more
        self._take: dict[type, Callable[[int, ev.Event], None]] = {
            ev.CallStarted: self._call_started,
            ev.MediaReceived: self._media_received,
            ev.DigitReceived: self._digit_received,
            ev.MarkReturned: self._mark_returned,
            ev.CallEnded: self._call_ended,
            ev.WindowAnalyzed: self._window_analyzed,
            ev.TranscriptReady: self._transcript_ready,
            ev.ReplyDelta: self._reply_delta,
            ev.ToolExpected: self._tool_coming,
            ev.ToolStarted: self._tool_coming,
            ev.ToolFinished: self._tool_finished,
            ev.ReplyFinished: self._reply_finished,
            ev.SpeechSynthesized: self._speech_synthesized,
            ev.ModelFailed: self._model_failed,
            ev.HangUpRequested: self._hang_up_requested,
            ev.TransferRequested: self._transfer_requested,
            ev.DigitsRequested: self._digits_requested,
            ev.DeadlineReached: self._deadline_reached,
        }
        self._deadlines: dict[str, Callable[[int], None]] = {
            "playout": self._pump,
            ENDPOINT: self._endpoint,
            "overlap": self._overlap_deadline,
            "turn_limit": self._turn_limit,
            "starved": self._starved,
            "digits": self._digits_complete,
            "filler": self._filler,
            "reply_end": self._reply_end,
            "silence": self._silence,
            "call_limit": self._call_limit,
        }

    def receive(self, at: int, event: ev.Event) -> list[do.Action]:
        """Take an event that happened `at` microseconds into the call; what is to be done about it, in order."""
        if self.ended or (self._started == isinstance(event, ev.CallStarted)):
            return []
        self._out = out = []
        self._take[type(event)](at, event)
        return out

    def span(self, first: int, last: int) -> NDArray[np.float32]:
        """Caller audio, media samples [first, last) at 16 kHz, float32 in [-1, 1]."""
        return self.inbound.span(first, last)

    # ---- the call itself

    def _call_started(self, at: int, event: ev.CallStarted) -> None:
        self._started = True
        self.inbound = Inbound(event.inbound, WINDOW)
        self._playout = Playout(
            event.outbound, self.settings.lead_us, 0 if self.settings.echo else self.settings.mark_every_us
        )
        self._quiet_since = at
        self._out.append(do.SetDeadline("call_limit", at + self.settings.max_call_us))
        if not self.settings.echo:
            self._say(at, self.settings.phrases[self._hearing.language].greeting)

    def _call_ended(self, at: int, event: ev.CallEnded) -> None:
        if self._reply is not None:
            self._drop_reply(at, interrupted=True)
        self.ended = True

    def _call_limit(self, at: int) -> None:
        if self.settings.echo:
            self._out.append(do.HangUp("limit"))
            return
        self._out.append(do.Observed("call_limit"))
        self._closing = True
        self._hearing.reset()
        self._say_goodbye(at, "limit")

    def _say_goodbye(self, at: int, reason: str) -> None:
        self._say(at, self.settings.phrases[self._hearing.language].goodbye, after="hang_up", value=reason)

    # ---- the caller's audio

    def _media_received(self, at: int, event: ev.MediaReceived) -> None:
        windows = self.inbound.receive(at, event)
        if self.settings.echo:
            self._playout.queue(0, 0, event.payload)
            self._pump(at)
        if self.settings.analyze:
            for first, last in windows:
                self._out.append(do.AnalyzeWindow(first, last))

    def _window_analyzed(self, at: int, event: ev.WindowAnalyzed) -> None:
        self._analyzed_at, self._vad_failures = at, 0
        if self.settings.echo:
            return
        change = self._speech.window_analyzed(event.first, event.p_speech)
        if change is None:
            if self._hearing.speaking and self._overlap is None:
                self._out += self._hearing.continue_to(event.first + WINDOW, event.p_speech, at)
        elif isinstance(change, SpeechStarted):
            self._speech_started(at, change.first)
        else:
            self._speech_stopped(at, change.last)

    def _speech_started(self, at: int, first: int) -> None:
        if self._ignore_speech or self._closing:
            return
        self._out += [
            do.Observed("speech_started"),
            do.CancelDeadline("silence"),
            do.SetDeadline("starved", at + _STARVED),
        ]
        if not self._hearing.open:
            self._out.append(do.SetDeadline("turn_limit", at + self.settings.turn_limit_us))
        said_at = self.inbound.said_at(first)
        self._out += self._hearing.begin(first, said_at, at)
        reply = self._reply
        if reply is None:
            return
        if reply.complete and self._playout.idle(at):  # all was played, only its last mark is awaited
            self._finish_reply(at)
        elif self._overlap is None:
            self._overlap, self._judging = (said_at, self._left(at, reply)), False
            self._out.append(do.SetDeadline("overlap", at + self.settings.interruption_us))

    def _left(self, at: int, reply: Reply) -> int:
        """How much the agent has still to say, in microseconds, as far as is known."""
        return max(0, self._playout.end - at) if reply.complete else 60 * SECOND

    def _speech_stopped(self, at: int, last: int) -> None:
        if self._ignore_speech:
            self._ignore_speech = False
            return
        if not self._hearing.speaking:
            return
        self._quiet_since = at
        self._out += [do.Observed("speech_stopped"), do.CancelDeadline("starved")]
        self._out += self._hearing.pause(last, self.inbound.said_at(last), self.inbound.end)
        if self._overlap is not None:
            self._judging = True

    def _starved(self, at: int) -> None:
        if at - self._analyzed_at < _STARVED:
            self._out.append(do.SetDeadline("starved", self._analyzed_at + _STARVED))
            return
        self._out.append(do.Observed("media_starved"))
        self._speech_stopped(at, self._speech.stop().last)

    def _turn_limit(self, at: int) -> None:
        """A caller who never stops is answered all the same; he can interrupt again after his next pause."""
        if not self._hearing.open:
            return
        self._out.append(do.Observed("turn_limit"))
        if self._hearing.speaking:
            self._speech_stopped(at, self._speech.last)
            self._ignore_speech = self._speech.speaking
        self._out += self._hearing.force()
        self._take_turn(at)

    # ---- the caller's words

    def _transcript_ready(self, at: int, event: ev.TranscriptReady) -> None:
        if self._closing:
            return
        self._out += self._hearing.transcribed(event)
        self._judge(at)
        self._take_turn(at)

    def _endpoint(self, at: int) -> None:
        self._hearing.endpoint_reached()
        self._take_turn(at)

    def _take_turn(self, at: int) -> None:
        """If the caller's turn is complete and nobody else has the floor, let the agent answer."""
        if not self._hearing.complete or self._overlap is not None or self._closing:
            return
        hearing, text = self._hearing, self._hearing.text
        self._out.append(do.CancelDeadline("turn_limit"))
        if not text:
            hearing.reset()
            if self._reply is None and self._cut:
                self._out.append(do.Observed("false_interruption"))
                self._say(at, *self._cut)
            elif self._reply is None:
                self._arm_silence(at)
            return
        if self._reply is not None:  # it is being dropped by an interruption that came through words
            self._drop_reply(at, interrupted=True)
        self._answer(at, text, hearing.started_at, hearing.ended_at, hearing.endpoint_at or at)

    def _answer(self, at: int, text: str, started_at: int, ended_at: int, endpoint_at: int) -> None:
        language = self._hearing.language
        turn = do.Turn("caller", text, text, to_seconds(started_at), to_seconds(ended_at), language=language)
        self._hearing.reset()
        self._cut = []
        reply = self._new_reply(at, produced=True)
        reply.caller_end, reply.endpoint_at = ended_at, min(endpoint_at, at)
        self._quiet_since = at
        reply.asked = text
        self._out += [do.TurnTaken(turn), do.StartReply(reply.number, text, language)]
        self._out.append(do.SetDeadline("filler", at + self.settings.filler_slow_us))

    # ---- keys

    def _digit_received(self, at: int, event: ev.DigitReceived) -> None:
        self._quiet_since = at
        if self._reply is not None and self._reply.after == "" and not self._closing:
            self._drop_reply(at, interrupted=True)
        self._out += [do.CancelDeadline("silence"), do.Observed("digit")]
        self._digits += event.digit
        if event.digit == "#" or len(self._digits) >= 32:
            self._digits_complete(at)
        else:
            self._out.append(do.SetDeadline("digits", at + self.settings.digits_gap_us))

    def _digits_complete(self, at: int) -> None:
        digits, self._digits = self._digits, ""
        self._out.append(do.CancelDeadline("digits"))
        if not digits or self._closing or self.settings.echo:
            return
        if self._reply is not None:
            self._drop_reply(at, interrupted=True)
        self._answer(at, f"[keypad] {digits}", at, at, at)

    # ---- overlap

    def _overlap_deadline(self, at: int) -> None:
        if self._overlap is None or self._judging:
            return
        if self.inbound.end - self._speech.last <= _RECENT + WINDOW:
            self._interrupt(at)
        else:  # he fell silent meanwhile: his words will decide
            self._judging = True

    def _judge(self, at: int) -> None:
        """The words of a short overlap are known."""
        if self._overlap is None or not self._judging or not self._hearing.known or self._hearing.speaking:
            return
        kind = outcome(self._hearing.text, self._overlap[1])
        if kind is Overlap.INTERRUPTION:
            self._interrupt(at)
        else:
            self._out += [do.Observed(kind.value), do.CancelDeadline(ENDPOINT), do.CancelDeadline("turn_limit")]
            self._hearing.reset()
            self._overlap = None
            self._pump(at)
            if self._reply is None:
                self._arm_silence(at)

    def _interrupt(self, at: int) -> None:
        """The caller has the floor: silence in his ear, nothing more of this reply, and a memory of just what he heard."""
        overlap_at, _ = self._overlap or (at, 0)
        self._overlap = None
        if self._reply is None:
            return
        if self._reply.ear_at is not None:
            self._out.append(do.Observed("barge_in", to_seconds(at - overlap_at)))
        self._drop_reply(at, interrupted=True)

    def _drop_reply(self, at: int, *, interrupted: bool) -> None:
        reply = self._reply
        assert reply is not None
        ledger = self._playout.heard_chunks(reply.number, at)
        heard = reply.heard(ledger)
        self._cut = reply.unheard(ledger)
        self._reply, self._overlap = None, None
        for name in ("playout", "overlap", "filler", "reply_end"):
            self._out.append(do.CancelDeadline(name))
        if not self._playout.idle(at):
            self._out.append(do.ClearMedia())
        end = min(at, self._playout.ear_end) if reply.ear_at is not None else at
        self._playout.clear(at)
        self._out += [do.CancelReply(reply.number), do.Remember(reply.number, heard)]
        self._report(reply, heard, end, interrupted)

    # ---- the agent's turn

    def _new_reply(self, at: int, *, produced: bool) -> Reply:
        if self._reply is not None:
            self._drop_reply(at, interrupted=True)
        self._reply = reply = Reply(self._replies, self._hearing.language, self.settings, at, produced=produced)
        self._replies += 1
        self._out.append(do.CancelDeadline("silence"))
        return reply

    def _say(self, at: int, *texts: str, after: str = "", value: str = "") -> None:
        """Speak words that are the call's own, or left over from a reply that was cut."""
        reply = self._new_reply(at, produced=False)
        reply.after, reply.after_value = after, value
        for text in texts:
            reply.say(text)
        self._cut = []
        self._out += reply.requests()

    def _current(self, number: int) -> Reply | None:
        """The reply, if it is the one that is live: whatever comes late for another is dropped here."""
        return self._reply if self._reply is not None and self._reply.number == number else None

    def _reply_delta(self, at: int, event: ev.ReplyDelta) -> None:
        if reply := self._current(event.reply):
            reply.token_at = reply.token_at or at
            reply.tool = ""
            reply.add(event.text)
            self._out += reply.requests()

    def _tool_coming(self, at: int, event: ev.ToolExpected | ev.ToolStarted) -> None:
        if reply := self._current(event.reply):
            reply.token_at = reply.token_at or at
            reply.tool = event.tool
            if event.tool in _SPOKEN_TOOLS:
                return
            due = (reply.caller_end if reply.caller_end is not None else at) + self.settings.filler_after_us
            self._out.append(do.SetDeadline("filler", max(at, due)))

    def _tool_finished(self, at: int, event: ev.ToolFinished) -> None:
        if event.failed:
            self._out.append(do.Observed("tool_failed"))

    def _filler(self, at: int) -> None:
        """The agent is busy, most often with a tool, and the caller hears nothing."""
        reply = self._reply
        if reply is None or not reply.waiting or not self._playout.idle(at):
            return
        fillers = self.settings.phrases[reply.language].fillers
        if fillers:
            reply.say(fillers[(reply.number + reply.fillers) % len(fillers)], filler=True)
            self._out += [do.Observed("filler"), do.SetDeadline("filler", at + self.settings.filler_again_us)]
            self._out += reply.requests()

    def _reply_finished(self, at: int, event: ev.ReplyFinished) -> None:
        reply = self._current(event.reply)
        if reply is None:
            return
        reply.finish()
        if reply.empty and not reply.after:
            self._agent_failed(at, reply)
            return
        self._out += reply.requests()
        self._pump(at)

    def _speech_synthesized(self, at: int, event: ev.SpeechSynthesized) -> None:
        if reply := self._current(event.reply):
            if event.audio:
                reply.audio_at = reply.audio_at or at
            reply.synthesized(event.chunk, event.audio, event.last)
            self._pump(at)

    def _pump(self, at: int) -> None:
        """Move audio from the reply to the carrier, as far as the lead allows, and see whether the reply is over."""
        reply = self._reply
        if reply is not None:
            if self._overlap is not None and reply.ear_at is None:
                return  # not a sound yet, and the caller may be going on: wait for the outcome
            for chunk, audio in reply.release():
                self._playout.queue(reply.number, chunk, audio)
            self._out += reply.requests()
        sent = self._playout.pump(at)
        if sent:
            self._out += sent
            if reply is not None and reply.ear_at is None:
                reply.ear_at = at
        due = self._playout.due
        if due is not None:
            self._out.append(do.SetDeadline("playout", due))
        elif reply is not None and reply.complete:
            self._out.append(do.SetDeadline("reply_end", self._playout.ear_end))
        elif reply is not None and reply.tool and sent:
            self._out.append(do.SetDeadline("filler", self._playout.ear_end + self.settings.filler_again_us))

    def _mark_returned(self, at: int, event: ev.MarkReturned) -> None:
        if event.cleared or not self._playout.mark_returned(event.name, at):
            return
        if (
            self._reply is not None
            and self._reply.complete
            and self._playout.idle(at)
            and not self._playout.marks_outstanding
        ):
            self._finish_reply(at)

    def _reply_end(self, at: int) -> None:
        reply = self._reply
        if reply is None or not reply.complete or not self._playout.idle(at):
            return
        late = at - self._playout.ear_end
        if self._playout.marks_outstanding and late < self.settings.mark_grace_us:
            self._out.append(do.SetDeadline("reply_end", self._playout.ear_end + self.settings.mark_grace_us))
        else:
            self._finish_reply(at)

    def _finish_reply(self, at: int) -> None:
        """The caller heard all of it."""
        reply = self._reply
        assert reply is not None
        self._reply, self._overlap = None, None
        for name in ("filler", "reply_end", "overlap"):
            self._out.append(do.CancelDeadline(name))
        self._playout.forget(reply.number)
        self._out.append(do.Remember(reply.number, reply.text))
        self._report(reply, reply.text, min(at, self._playout.ear_end), False)
        if reply.after == "hang_up":
            self._out.append(do.HangUp(reply.after_value))
        elif reply.after == "transfer":
            self._out.append(do.Transfer(reply.after_value))
        else:
            if reply.produced or reply.number == 0:
                self._quiet_since = at
            if self._hearing.open:
                self._take_turn(at)
            else:
                self._arm_silence(at)

    def _report(self, reply: Reply, heard: str, end: int, interrupted: bool) -> None:
        if reply.text:
            self._out.append(do.TurnTaken(reply.turn(heard, end, interrupted)))

    # ---- what the agent asks of the call

    def _hang_up_requested(self, at: int, event: ev.HangUpRequested) -> None:
        if reply := self._current(event.reply):
            reply.after, reply.after_value = "hang_up", "agent"

    def _transfer_requested(self, at: int, event: ev.TransferRequested) -> None:
        if reply := self._current(event.reply):
            reply.after, reply.after_value = "transfer", event.number

    def _digits_requested(self, at: int, event: ev.DigitsRequested) -> None:
        if self._current(event.reply):
            self._out.append(do.SendDigits(event.digits))

    # ---- silence

    def _arm_silence(self, at: int) -> None:
        settings = self.settings
        hang_up_at = max(at, self._quiet_since + settings.silence_hangup_us)
        self._out.append(do.SetDeadline("silence", min(at + settings.silence_prompt_us, hang_up_at)))

    def _silence(self, at: int) -> None:
        if self._reply is not None or self._hearing.open or self._closing:
            return
        if at - self._quiet_since >= self.settings.silence_hangup_us - 1 * MS:
            self._say_goodbye(at, "silence")
        else:
            self._out.append(do.Observed("silence_prompt"))
            self._say(at, self.settings.phrases[self._hearing.language].prompt)

    # ---- failure

    def _model_failed(self, at: int, event: ev.ModelFailed) -> None:
        self._out.append(do.Observed(f"{event.port}_failed"))
        if event.port == "vad":
            self._vad_failures += 1
            if self._vad_failures >= self.settings.vad_failures:
                self._give_up(at)
        elif event.port == "stt":
            again = self._hearing.retry(event.request)
            if again is None:
                self._give_up(at)
            else:
                self._out += again
        elif event.port == "agent":
            if reply := self._current(event.request):
                self._agent_failed(at, reply)
        elif event.port == "transfer":
            self._closing = True
            self._say(at, self.settings.phrases[self._hearing.language].apology, after="hang_up", value="failed")
        elif event.port == "tts" and (reply := self._current(event.reply)):
            if reply.failed(event.request):
                self._out += reply.requests()
            elif self._closing:  # not even the apology can be spoken
                self._drop_reply(at, interrupted=True)
                self._leave()
            else:
                self._give_up(at)

    def _agent_failed(self, at: int, reply: Reply) -> None:
        reply.attempt += 1
        if reply.empty and reply.attempt < self.settings.agent_attempts:
            reply.text_done = False
            self._out.append(do.StartReply(reply.number, reply.asked, reply.language, reply.attempt))
        else:
            self._give_up(at)

    def _give_up(self, at: int) -> None:
        """A model is beyond help: say so, then hand the caller to a person or say goodbye. Never silence."""
        if self._closing:
            return
        self._closing = True
        self._hearing.reset()
        number = self.settings.transfer_number
        self._out.append(do.Observed("apology"))
        apology = self.settings.phrases[self._hearing.language].apology
        self._say(at, apology, after="transfer" if number else "hang_up", value=number or "failed")

    def _leave(self) -> None:
        number = self.settings.transfer_number
        self._out.append(do.Transfer(number) if number else do.HangUp("failed"))

    # ---- time

    def _deadline_reached(self, at: int, event: ev.DeadlineReached) -> None:
        self._deadlines[event.name](at)

"""One phone call as a pure machine: `Call.receive(at, event) -> actions`. No await, no clock, no model, no I/O.

The caller's side is `Inbound` (his audio), `Hearing` (his words) and `Keypad` (his keys), the agent's side is `Speaking` (its reply, and
what of it was heard); this file is what lies between them: who has the floor.

    floor of          event                                         goes to
    ----------------  --------------------------------------------  ----------------------------------------------
    nobody            caller may have finished                      nobody, a draft of the answer is begun
    nobody            caller's turn complete                        agent (StartReply, or CommitReply of the draft)
    nobody            caller goes on                                nobody, the draft is dropped
    nobody            silence                                       agent (prompt, goodbye)
    nobody            caller talks on and on, and dips              agent (an excuse, then the answer to what he has said)
    agent             speech starts                                 undecided (`turns/overlap.py`), weighed in `_weigh`
    agent, undecided  the sound or the first word of one who        agent, silent: `Speaking.hold` until it is decided
                      interrupts (`Contest.alarms`, `startles`)
    agent, undecided  speaking on, in words that are no backchannel caller (clear, cancel, remember what was heard)
    agent, undecided  speaking on for long                          caller
    agent, undecided  short, and words that are no backchannel      caller
    agent, undecided  backchannel, or no words                      agent
    agent             reply heard                                   nobody (or hang-up, transfer, if it asked for one)
    caller            turn has no words but of a backchannel,       agent, from the first unheard chunk
                      and a reply had been cut
    callee            it is known who answered our call             agent (`turns/callee.py`), if it is to speak

Sources: Sacks, Schegloff, Jefferson 1974, "A simplest systematics for the organization of turn-taking for conversation".
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipelines import actions as do
from pipelines import events as ev
from pipelines.audio.inbound import Inbound
from pipelines.turns import answering, one_sided
from pipelines.turns.asked import Asked
from pipelines.turns.barge_in import OVERLAP, Overlap, murmured
from pipelines.turns.callee import CALLEE, Callee
from pipelines.turns.farewell import Farewell, Words
from pipelines.turns.feeling import Feeling
from pipelines.turns.hearing import ENDPOINT, TURN_LIMIT, Hearing
from pipelines.turns.keypad import DIGITS, Keypad
from pipelines.turns.overlap import SpeechOver
from pipelines.turns.policy import CallSettings
from pipelines.turns.reply import Reply
from pipelines.turns.retry import Retry
from pipelines.turns.silence import SILENCE, Silence
from pipelines.turns.speaking import FILLER, PLAYOUT, REPLY_END, Speaking
from pipelines.turns.speech import Speech, SpeechStarted, SpeechStopped
from pipelines.turns.starving import STARVED, Starving
from pipelines.turns.voices import Voices, overheard

__all__ = ["WINDOW", "Call", "CallSettings"]

WINDOW = 512
"""Samples of an analysis window: 32 ms at 16 kHz, what Silero takes."""

CALL_LIMIT = "call_limit"


class Call:
    """The state of one call. Every method is deterministic; events must come in the order of their times."""

    def __init__(self, settings: CallSettings) -> None:
        self.settings = settings
        self.ended = False
        self._started = False
        self._out: list[do.Action] = []
        self._speech = Speech(settings, WINDOW)
        self._hearing = Hearing(settings)
        self._keypad = Keypad(settings)
        self._callee = Callee(settings)
        self._feeling, self._voices = Feeling(settings), Voices(settings)
        self._overlap = SpeechOver(settings)
        self._silence, self._starving = Silence(settings), Starving()
        self._retry, self._farewell = Retry(settings), Farewell(settings)
        self._take: dict[type, Callable[[int, ev.Event], None]] = {
            ev.CallStarted: self._call_started,
            ev.MediaReceived: self._media_received,
            ev.DigitReceived: self._digit_received,
            ev.MarkReturned: self._mark_returned,
            ev.CallEnded: self._call_ended,
            ev.WindowAnalyzed: self._window_analyzed,
            ev.TranscriptReady: self._transcript_ready,
            ev.VoiceHeard: self._voice_heard,
            ev.OverlapJudged: self._overlap_judged,
            ev.ReplyFinished: self._reply_finished,
            ev.SpeechSynthesized: self._speech_synthesized,
            ev.ModelFailed: self._model_failed,
            ev.DeadlineReached: self._deadline_reached,
        }
        self._deadlines: dict[str, Callable[[int], None]] = {
            PLAYOUT: self._pump,
            ENDPOINT: self._endpoint,
            OVERLAP: self._weigh,
            TURN_LIMIT: self._turn_limit,
            STARVED: self._starved,
            CALLEE: self._consider_callee,
            DIGITS: self._digits_complete,
            FILLER: lambda at: self._out.extend(self._speaking.filler(at)),
            REPLY_END: self._reply_end,
            SILENCE: self._silence_lasts,
            CALL_LIMIT: self._call_limit,
        }

    def receive(self, at: int, event: ev.Event) -> list[do.Action]:
        """Take an event that happened `at` microseconds into the call; what is to be done about it, in order."""
        if self.ended or (self._started == isinstance(event, ev.CallStarted)):
            return []
        self._out = out = []
        self._take.get(type(event), self._pass_on)(at, event)
        return out

    @property
    def floor(self) -> str:
        """Who has it: "caller", "agent", "both" while it is undecided what speech over the agent means, or "nobody"."""
        if self._overlap.undecided:
            return "both"
        if self._started and self._speaking.reply is not None:
            return "agent"
        return "caller" if self._hearing.open else "nobody"

    def span(self, first: int, last: int) -> NDArray[np.float32]:
        """Caller audio, media samples [first, last) at 16 kHz, float32 in [-1, 1]."""
        return self.inbound.span(first, last)

    # ---- the call itself

    def _call_started(self, at: int, event: ev.CallStarted) -> None:
        self._started = True
        self.inbound = Inbound(event.inbound, WINDOW)
        self._speaking = Speaking(self.settings, event.outbound)
        self._silence.broken(at)
        self._out.append(do.SetDeadline(CALL_LIMIT, at + self.settings.max_call_us))
        if self._callee.waiting:
            self._out += self._callee.begin(at)
        elif not self.settings.echo:
            self._say(at, Words((self.settings.phrases[self._hearing.language].greeting,)))

    def _call_ended(self, at: int, event: ev.CallEnded) -> None:
        self._cut_reply(at)
        self.ended = True

    def _call_limit(self, at: int) -> None:
        if self.settings.echo:
            self._out.append(do.HangUp("limit"))
            return
        self._hearing.reset()
        self._say(at, self._farewell.limit(self._hearing.language))

    # ---- the caller's audio

    def _media_received(self, at: int, event: ev.MediaReceived) -> None:
        windows = self.inbound.receive(at, event)
        if self.settings.echo:
            self._speaking.echo(event.payload)
            self._pump(at)
        if self.settings.analyze:
            self._out += [do.AnalyzeWindow(first, last) for first, last in windows]
            self._callee.hear(self.inbound, windows)

    def _window_analyzed(self, at: int, event: ev.WindowAnalyzed) -> None:
        self._starving.fed(at)
        self._retry.window_analyzed()
        if self.settings.echo:
            return
        end = event.first + WINDOW
        self._overlap.gauge(event.first, end, event.p_speech, self.inbound, self._hearing)
        on = self.settings.speech_on_over if self._speaking.talks(at) else None
        change = self._speech.window_analyzed(event.first, event.p_speech, on)
        if change is None:
            if self._hearing.speaking and self._overlap.undecided:
                self._out += self._overlap.listen(at, end, self._speech.last, self._hearing)
            elif self._hearing.speaking:
                self._out += self._hearing.continue_to(end, event.p_speech, at)
                self._out += answering.drop_stale(self._hearing, self._speaking)
        elif isinstance(change, SpeechStarted):
            self._speech_started(at, change.first)
        elif isinstance(change, SpeechStopped):
            self._speech_stopped(at, change.last)
        elif not self._overlap.undecided and not self._callee.waiting and self._hearing.monologue(at):
            self._cut_in(at, change.last)
        elif not self._overlap.undecided:
            self._out += self._hearing.dip(change.last, self.inbound.end)
        if self._callee.waiting:
            self._callee.analyzed(end, self._speech.last)
            self._consider_callee(at)

    def _speech_started(self, at: int, first: int) -> None:
        if self._farewell.begun:
            return
        self._out += [do.Observed("speech_started"), do.CancelDeadline(SILENCE), self._starving.watch(at)]
        if not self._hearing.open:
            self._out.append(do.SetDeadline(TURN_LIMIT, at + self.settings.turn_limit_us))
        self._out += self._hearing.begin(first, self.inbound.said_at(first), at)
        self._out += answering.drop_stale(self._hearing, self._speaking)
        if self._speaking.played_out(at):  # only its last mark is awaited
            self._finish_reply(at)
        elif self._overlap.undecided:
            self._out += self._overlap.goes_on(at, first)
        elif self._speaking.reply is not None:
            last, inbound = self._speech.last, self.inbound
            self._out += self._overlap.begin(at, first, last, inbound, self._hearing, self._speaking)

    def _speech_stopped(self, at: int, last: int) -> None:
        if not self._hearing.speaking:
            return
        self._silence.broken(at)
        self._out += [do.Observed("speech_stopped"), do.CancelDeadline(STARVED)]
        self._out += self._hearing.pause(last, self.inbound.said_at(last), self.inbound.end)

    def _starved(self, at: int) -> None:
        if later := self._starving.look(at):
            self._out += later
            return
        self._out.append(do.Observed("media_starved"))
        self._speech_stopped(at, self._speech.stop().last)

    def _turn_limit(self, at: int) -> None:
        """A caller who never stops is answered all the same; he can interrupt again after his next pause."""
        if self._hearing.open and not self._callee.waiting:
            self._out.append(do.Observed("turn_limit"))
            self._speech_stopped(at, self._speech.last)
            self._out += self._hearing.force()
            self._take_turn(at)

    def _cut_in(self, at: int, last: int) -> None:
        """He talks on and on: at this dip the agent takes the floor with an excuse, and answers what he has said by now."""
        self._out.append(do.Observed("monologue"))
        self._speech_stopped(at, last)
        self._begin_reply(at, produced=True)
        self._out += [*self._hearing.force(), *self._speaking.excuse()]
        self._take_turn(at)

    # ---- the caller's words

    def _transcript_ready(self, at: int, event: ev.TranscriptReady) -> None:
        if self._farewell.begun:
            return
        self._out += self._hearing.transcribed(event)
        self._weigh(at)
        if self._overlap.undecided and self._hearing.speaking:
            self._out += self._hearing.look(self.inbound.end, self._speech.last, at)
        self._take_turn(at)
        self._out += answering.drop_stale(self._hearing, self._speaking)
        if self.settings.speculate and not self._overlap.undecided and not self._callee.waiting:
            self._out += answering.prepare(at, self._hearing, self._speaking)

    def _voice_heard(self, at: int, event: ev.VoiceHeard) -> None:
        """Whose words are they? Another's are no words of this call."""
        seconds = self._hearing.seconds(event.request)
        speaker = self._voices.heard(event, seconds) if seconds else ""
        self._out += self._voices.look()
        if speaker and self.settings.follow:
            self._out += [do.Observed("other_voice"), *self._hearing.leave_out(event.request, speaker)]
            self._out += answering.drop_stale(self._hearing, self._speaking)
            self._take_turn(at)

    def _endpoint(self, at: int) -> None:
        if self._speech.rising and (later := self._hearing.wait_for_onset(at)):
            self._out += later
            return
        self._hearing.endpoint_reached()
        self._take_turn(at)

    def _take_turn(self, at: int) -> None:
        """If the caller's turn is complete and nobody else has the floor, let the agent answer."""
        if not self._hearing.complete or self._overlap.undecided or self._farewell.begun or self._callee.waiting:
            return
        self._out.append(do.CancelDeadline(TURN_LIMIT))
        self._out += overheard(self._hearing, self.inbound.said_at)
        asked = self._hearing.take(at)._replace(speaker=self._voices.name)
        cut = self._speaking.reply is None and bool(self._speaking.unheard)  # by him, in this turn
        if asked.text and not (cut and murmured(asked.text)):
            self._answer(at, asked)
        elif self._speaking.excused:
            self._out += self._speaking.nothing_asked(at)
        elif cut:
            self._say(at, Words(tuple(self._speaking.unheard), fact=Overlap.FALSE.value))
        elif self._speaking.reply is None:
            self._out += self._silence.bear(at)

    def _answer(self, at: int, asked: Asked) -> None:
        if not self._speaking.excused and not self._speaking.prepared(asked.text, asked.language):
            self._begin_reply(at, produced=True)
        self._silence.broken(at)
        self._out += [do.TurnTaken(asked.turn), do.CancelDeadline(SILENCE), *answering.start(at, asked, self._speaking)]
        self._out += self._feeling.turn_taken(asked)
        self._pump(at)

    # ---- whom we called

    def _consider_callee(self, at: int) -> None:
        """More is known of who answered: has the agent its first words, or a menu to answer?"""
        actions, words = self._callee.next(at, self._hearing, self._farewell)
        self._out += actions
        if words is not None:
            self._say(at, words)
        elif not self._callee.waiting:
            self._take_turn(at)

    # ---- the caller's keys

    def _digit_received(self, at: int, event: ev.DigitReceived) -> None:
        if self._callee.waiting:  # a machine's own, or a key pressed by the ear
            return
        self._silence.broken(at)
        reply = self._speaking.reply
        if reply is not None and reply.after == "" and not self._farewell.begun:
            self._cut_reply(at)
        self._out += [do.CancelDeadline(SILENCE), do.Observed("digit")]
        if self._keypad.press(event.digit):
            self._digits_complete(at)
        else:
            self._out.append(do.SetDeadline(DIGITS, at + self._keypad.pause_us))

    def _digits_complete(self, at: int) -> None:
        keys = self._keypad.take()
        self._out.append(do.CancelDeadline(DIGITS))
        if keys and not self._farewell.begun and not self.settings.echo:
            self._hearing.reset()
            self._answer(at, Asked.keyed(at, keys, self._hearing.language))

    # ---- overlap

    def _weigh(self, at: int) -> None:
        """More is known of speech over the agent: what does it mean?"""
        silence = self.inbound.end - self._speech.last
        kind, actions = self._overlap.weigh(at, silence, self._hearing, self._speaking)
        self._out += actions
        if kind is Overlap.INTERRUPTION:
            self._cut_reply(at)
        elif kind is not None:
            self._out += [do.CancelDeadline(ENDPOINT), do.CancelDeadline(TURN_LIMIT)]
            self._hearing.reset()
            self._pump(at)

    def _overlap_judged(self, at: int, event: ev.OverlapJudged) -> None:
        self._out += self._overlap.judged(at, event, self._hearing, self._speaking)

    def _cut_reply(self, at: int) -> None:
        """Silence in the caller's ear, nothing more of this reply, and a memory of just what he heard."""
        self._overlap.over()
        self._out += self._speaking.drop_draft()
        reply = self._speaking.reply
        if reply is not None:
            self._out.append(do.CancelDeadline(OVERLAP))
            joined = reply.unnoticed and self._hearing.open
            self._out += self._speaking.cut(at, forget=joined)
            if joined:
                self._out.append(do.Observed("turn_joined"))
                self._out += self._hearing.join(reply.asked)

    # ---- the agent's turn

    def _begin_reply(self, at: int, *, produced: bool) -> Reply:
        self._cut_reply(at)
        self._out.append(do.CancelDeadline(SILENCE))
        return self._speaking.begin(at, self._hearing.language, produced=produced)

    def _say(self, at: int, words: Words) -> None:
        """Speak words that are the call's own, or left over from a reply that was cut."""
        self._out += [do.Observed(words.fact)] if words.fact else []
        reply = self._begin_reply(at, produced=False)
        reply.after, reply.after_value = words.after, words.value
        for text in words.texts:
            reply.say(text)
        self._out += reply.requests()

    def _reply_finished(self, at: int, event: ev.ReplyFinished) -> None:
        reply = self._speaking.live(event.reply)
        again = self._retry.finished(reply, self._speaking) if reply is not None else None
        if again:
            self._out += again
        elif again is not None:
            self._pump(at)
        elif reply is not None:
            self._give_up(at, "agent")

    def _speech_synthesized(self, at: int, event: ev.SpeechSynthesized) -> None:
        if self._speaking.live(event.reply):
            self._speaking.synthesized(at, event)
            self._pump(at)

    def _pump(self, at: int) -> None:
        # Not a sound of a new reply while the caller may be going on.
        self._out += self._speaking.pump(at, hold=self._overlap.undecided)

    def _mark_returned(self, at: int, event: ev.MarkReturned) -> None:
        if self._speaking.mark_returned(at, event):
            self._finish_reply(at)

    def _reply_end(self, at: int) -> None:
        if self._speaking.heard_out(at):
            self._finish_reply(at)
        else:
            self._out += self._speaking.await_marks(at)

    def _finish_reply(self, at: int) -> None:
        """The caller heard all of it: what it asked for is done, or the floor is free."""
        reply = self._speaking.reply
        assert reply is not None
        self._overlap.over()
        self._out.append(do.CancelDeadline(OVERLAP))
        self._out += self._speaking.finish(at)
        if last := self._farewell.after(reply):
            self._out.append(last)
            return
        if reply.produced or reply.number == 0:
            self._silence.broken(at)
        if self._hearing.open:
            self._take_turn(at)
        else:
            self._out += self._silence.bear(at)

    # ---- silence

    def _silence_lasts(self, at: int) -> None:
        if self._speaking.reply is None and not self._hearing.open and not self._farewell.begun:
            self._say(at, self._silence.words(at, self._hearing.language))

    # ---- failure

    def _model_failed(self, at: int, event: ev.ModelFailed) -> None:
        self._out.append(do.Observed(f"{event.port}_failed"))
        again = self._retry.after(event, self._hearing, self._speaking)
        if again is not None:
            self._out += again
        elif event.port != "stt" or not self._callee.waiting:  # who answered is decided without words if need be
            self._give_up(at, event.port)

    def _give_up(self, at: int, port: str) -> None:
        last = self._farewell.because(port, self._hearing.language, person=not self._callee.is_machine)
        if isinstance(last, Words):
            self._hearing.reset()
            self._say(at, last)
        elif last is not None:
            self._cut_reply(at)
            self._out.append(last)

    # ---- what concerns one side only, and time

    def _pass_on(self, at: int, event: ev.Event) -> None:
        self._out += one_sided.take(at, event, self._hearing, self._speaking, self._keypad, self._feeling, self._voices)

    def _deadline_reached(self, at: int, event: ev.DeadlineReached) -> None:
        self._deadlines[event.name](at)

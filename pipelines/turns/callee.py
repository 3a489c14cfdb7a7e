"""A call that we placed, from the picking up to the agent's first word: who answered, and on a machine the beep.

    state      left when                                             for
    ---------  ----------------------------------------------------  ---------------------------------------------------------
    deciding   a person answered                                     over: the agent greets
    deciding   a machine answered, there is no message               over: hang up
    deciding   a machine answered, there is one                      recording, or over at once if it was its beep that told
    deciding   a menu answered                                       over: the agent goes on if it may press keys, else hang up
    recording  a beep, or a long silence                             over: the message is left
    recording  its words turn out to be a menu's                     as when deciding
    recording  it never stops                                        over: hang up

Looked at with every analysed window, and at a deadline should none come.
"""

from enum import Enum

from pipelines.actions import Action, CancelDeadline, HangUp, Observed, SetDeadline, Turn, TurnTaken
from pipelines.audio.beep import BeepDetector
from pipelines.audio.inbound import Inbound
from pipelines.turns.farewell import Farewell, Words
from pipelines.turns.hearing import ENDPOINT, TURN_LIMIT, Hearing
from pipelines.turns.pickup import Answered, Heard, who_answered
from pipelines.turns.policy import CallSettings
from pipelines.turns.sentences import Chunker
from pipelines.units import ms_to_samples, samples_to_us, to_seconds, us_to_samples

CALLEE = "callee"
"""Name of the deadline: by then it must be known who answered, or what he has to say must be over."""

_ECHO = ms_to_samples(160)  # voice activity may end so long after a beep that it took for speech


class Next(Enum):
    """What is to be done now that it is known."""

    GREET = "greet"
    LEAVE_MESSAGE = "leave_message"
    GO_ON = "go_on"
    HANG_UP = "hang_up"


class Callee:
    """Whom we called. Samples are media samples, `at` is call time in microseconds."""

    def __init__(self, settings: CallSettings) -> None:
        self._settings = settings
        self.waiting = settings.outbound and not settings.echo
        """Whether the agent has still to hold his tongue."""
        self._who: Answered | None = None
        self._beeps = BeepDetector()
        self._beep = -1  # media sample at which the last beep ended
        self._answered_at = 0
        self._end = 0  # of what was analysed
        self._spoke = -1  # where his last word ended
        self._speech = self._run = 0  # samples
        self._gap = us_to_samples(settings.answer_pause_us)

    def begin(self, at: int) -> list[Action]:
        """He has picked up."""
        self._answered_at = at
        return [SetDeadline(CALLEE, at + self._settings.answer_limit_us)]

    def hear(self, inbound: Inbound, windows: list[tuple[int, int]]) -> None:
        """More of his audio is there: these spans of media samples."""
        for first, last in windows if self.waiting else []:
            if beep := self._beeps.hear(first, inbound.span(first, last)):
                self._beep = beep.last

    def analyzed(self, end: int, spoke: int) -> None:
        """Voice activity is known up to media sample `end`; his last word so far ended at `spoke`."""
        window = max(0, end - self._end)
        self._end = end
        if spoke <= self._spoke or spoke == 0:
            return
        if self._spoke >= 0 and end - self._spoke - window >= self._gap:
            self._run = 0
        self._spoke = spoke
        self._speech += window
        self._run += window

    @property
    def is_machine(self) -> bool:
        """Whether it is known to be one: it is handed to nobody."""
        return self._who is Answered.MACHINE

    @property
    def _message(self) -> tuple[str, ...]:
        """What is left on it, in pieces that can be spoken."""
        chunker = Chunker(self._settings.languages[0])
        text = self._settings.message
        return (*chunker.push(text), *chunker.finish()) or (text,)

    def next(self, at: int, hearing: Hearing, farewell: Farewell) -> tuple[list[Action], Words | None]:
        """By what was heard since he picked up, what to do and what to say; while the agent is to wait on, `waiting` stays. His words are a turn
        of the call's then; a menu's are left to be answered."""
        if farewell.begun or not self.waiting:
            return [], None
        heard = self._heard(at, hearing)
        actions = self._decide(heard)
        todo = self._todo(heard, at)
        if todo is None:
            return actions, None
        self.waiting = False
        actions.append(CancelDeadline(CALLEE))
        if todo is Next.GO_ON:
            return actions, None
        if hearing.said:
            start, end = to_seconds(hearing.started_at), to_seconds(at if hearing.speaking else hearing.ended_at)
            actions.append(TurnTaken(Turn("caller", hearing.said, hearing.said, start, end, language=hearing.language)))
        actions += [CancelDeadline(ENDPOINT), CancelDeadline(TURN_LIMIT)]
        hearing.reset()
        if todo is Next.GREET:
            return actions, Words((self._settings.phrases[hearing.language].greeting,))
        farewell.begun = True
        if todo is Next.HANG_UP:
            return [*actions, HangUp("agent")], None
        hearing.language = self._settings.languages[0]
        return actions, Words(self._message, "hang_up", "agent")

    def _decide(self, heard: Heard) -> list[Action]:
        who = who_answered(heard, self._settings)
        if self._who is Answered.MACHINE and who is not Answered.IVR:
            who = self._who  # once he has spoken that long, only the naming of keys makes it something else
        if who is self._who or who is None:
            return []
        self._who = who
        return [Observed(f"answered_{who.value}"), SetDeadline(CALLEE, self._give_up_at)]

    def _todo(self, heard: Heard, at: int) -> Next | None:
        settings = self._settings
        match self._who:
            case Answered.PERSON:
                return Next.GREET
            case Answered.IVR:
                return Next.GO_ON if settings.keypad else Next.HANG_UP
            case Answered.MACHINE if not settings.message:
                return Next.HANG_UP
            case Answered.MACHINE if heard.beep or heard.pause >= settings.beep_silence_us:
                return Next.LEAVE_MESSAGE
            case Answered.MACHINE if at >= self._give_up_at:
                return Next.HANG_UP
        return None

    @property
    def _give_up_at(self) -> int:
        return self._answered_at + self._settings.answer_limit_us + self._settings.beep_limit_us

    def _heard(self, at: int, hearing: Hearing) -> Heard:
        silent = self._end - self._spoke if self._spoke >= 0 else 0
        return Heard(
            since=at - self._answered_at,
            speech=samples_to_us(self._speech),
            run=samples_to_us(self._run),
            pause=samples_to_us(silent),
            words=f"{hearing.said} {hearing.partial}",
            known=not hearing.open or (hearing.known and not hearing.speaking),
            beep=self._beep >= 0 and self._spoke <= self._beep + _ECHO,
        )

"""Speech over the agent, from its first sound until it is decided what it means: asked about, weighed, and held for.

`barge_in` has the rules, of sounds, words and times; here they meet the call. `Call` says when speech begins and does what a verdict asks for.
"""

from contextlib import suppress

from pipelines.actions import Action, Observed
from pipelines.audio.inbound import Inbound
from pipelines.events import OverlapJudged
from pipelines.turns.barge_in import Contest, Overlap
from pipelines.turns.hearing import Hearing
from pipelines.turns.loudness import Loudness, level
from pipelines.turns.policy import CallSettings
from pipelines.turns.speaking import Speaking


class SpeechOver:
    """At most one contest at a time, and how loud the caller is, which tells him from others in his room. Samples are media samples, `at` is call time in
    microseconds."""

    def __init__(self, settings: CallSettings) -> None:
        self._settings = settings
        self._loudness = Loudness()
        self._contest: Contest | None = None

    @property
    def undecided(self) -> bool:
        """Whether both speak, and it is not known yet what that means."""
        return self._contest is not None

    def over(self) -> None:
        """It is decided, or the agent has nothing more to say."""
        self._contest = None

    # ---- the sound of it

    def begin(
        self, at: int, first: int, last: int, inbound: Inbound, hearing: Hearing, speaking: Speaking
    ) -> list[Action]:
        """The caller has begun at sample `first`, and is known to speak until `last`, while the agent has the floor."""
        assert speaking.reply is not None
        actions = speaking.hush(at)
        begun = not speaking.reply.unnoticed
        self._contest = Contest(self._settings, first, inbound.said_at(first), at, speaking.left_us(at), begun=begun)
        actions.append(self._contest.begin())
        self.gauge(first, last, 1.0, inbound, hearing)
        hearing.listen_closely(at)
        return actions + self.listen(at, last, last, hearing)

    def goes_on(self, at: int, first: int) -> list[Action]:
        """He speaks again, from sample `first` on, before it was decided."""
        assert self._contest is not None
        self._contest.goes_on(at, first)
        return [self._contest.begin()]

    def listen(self, at: int, end: int, last: int, hearing: Hearing) -> list[Action]:
        """He is still speaking at sample `end`, and was last heard at `last`: what does it sound like, and what are the words?"""
        assert self._contest is not None
        return self._contest.listen(end) + hearing.look(end, last, at)

    def gauge(self, first: int, last: int, p_speech: float, inbound: Inbound, hearing: Hearing) -> None:
        """A window of speech: how loud is the caller, or who speaks over the agent?"""
        if not self._settings.faint_db or p_speech < self._settings.speech_on_over:
            return
        with suppress(IndexError):  # a late answer: the ring has moved on
            loudness = level(inbound.span(first, last))
            if self._contest is not None:
                self._contest.gauged(self._loudness.below(loudness))
            elif hearing.speaking and p_speech >= self._settings.speech_on:
                self._loudness.heard(loudness)

    # ---- what it means

    def weigh(self, at: int, silence: int, hearing: Hearing, speaking: Speaking) -> tuple[Overlap | None, list[Action]]:
        """More is known: what it is, if that is decided, and what is to be done at once. `silence`: samples since the last speech."""
        contest = self._contest
        if contest is None:
            return None, []
        kind = contest.verdict(at, hearing, silence)
        if kind is None:
            return None, contest.undecided(at) + self._hold(at, contest.startles(hearing), hearing, speaking)
        self._contest = None
        if kind is Overlap.INTERRUPTION:
            return kind, contest.won(speaking.held_at or at) if speaking.audible else []
        return kind, [*speaking.go_on(at), Observed(kind.value)]

    def judged(self, at: int, event: OverlapJudged, hearing: Hearing, speaking: Speaking) -> list[Action]:
        """The sound of it is told: as if he interrupts, or as if he murmurs."""
        if self._contest is None:
            return []
        return self._hold(at, self._contest.alarms(event, hearing), hearing, speaking)

    def _hold(self, at: int, alarmed: bool, hearing: Hearing, speaking: Speaking) -> list[Action]:
        """The agent holds its breath for what may be an interruption, until there are words; or goes on, since it is none."""
        assert self._contest is not None
        if alarmed:
            return speaking.hold(at)
        if self._contest.calms(hearing) and speaking.held_at is not None:
            return [*speaking.go_on(at), *speaking.pump(at, hold=True)]
        return []

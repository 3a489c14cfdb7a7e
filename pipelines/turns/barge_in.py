"""What it means that the caller spoke while the agent had the floor."""

import re
from enum import Enum
from math import inf

from pipelines.actions import Action, JudgeOverlap, Observed, SetDeadline
from pipelines.events import OverlapJudged
from pipelines.turns.hearing import Hearing
from pipelines.turns.policy import CallSettings
from pipelines.units import MS, ms_to_samples, to_seconds, us_to_samples

OVERLAP = "overlap"
"""Name of the deadline: it is time to decide."""

BEFORE = ms_to_samples(100)
"""Samples before the onset of speech over the agent by which its sound is judged too."""

_RECENT = ms_to_samples(128)  # speech this close to the last audio is still going on: a window is not analyzed yet

# Sounds that keep the other talking, in both languages (Yngve 1970, "On getting a word in edgewise").
_BACKCHANNELS = {
    "ah", "aha", "alright", "bien", "bon", "d'accord", "hein", "hm", "hmm", "hum", "i see", "mh", "mhm", "mm", "mmm", "mm-hmm",
    "mmhmm", "ok", "okay", "oh", "oui", "ouais", "right", "sure", "très bien", "uh", "uh-huh", "uh huh", "voilà", "yeah",
    "yep", "yes", "euh", "i know", "huh",
}  # fmt: skip
# What goes with them and says nothing more ("c'est très bien", "that's great").
_BACKCHANNELS |= {
    "à", "all", "bon", "c'est", "ça", "compris", "entendu", "et", "fine", "good", "got", "great", "it", "je", "marche", "parfait", "super",
    "that's", "très", "va", "very", "vois",
}  # fmt: skip
_FEW = 2  # words
_WORD_US = 180 * MS  # three words in less than half a second are a hum that the recogniser has dressed up
# Words with which people stop each other.
_STOPS = {
    "actually", "attends", "attendez", "bonjour", "bonsoir", "but", "excuse", "excusez", "hang", "hello", "hold", "mais", "no", "non", "pardon", "please",
    "sorry", "stop", "stoppez", "wait", "what", "quoi", "allô", "désolé", "désolée",
}  # fmt: skip
# Words with which people begin to say something of their own. None is what a recogniser makes of a hum.
_OPENINGS = {
    "and", "are", "can", "combien", "comment", "could", "do", "does", "est", "est-ce", "how", "i need", "i want", "i would", "i'd", "i'll", "is",
    "j'ai", "j'aimerais", "je veux", "je voudrais", "listen", "où", "pourquoi", "pourriez", "pourriez-vous", "pouvez", "pouvez-vous", "puis-je",
    "qu'est-ce", "quand", "quel", "quelle", "quels", "quelles", "qui", "vous pouvez", "when", "where", "which", "who", "why", "would", "écoutez",
}  # fmt: skip
_LONG_STOPS = tuple(
    word for word in _STOPS if len(word) > 4
)  # a word that is not over yet is heard with an end of its own
# ... and what it writes of "excuse me" and "est-ce que" when it hears no more than their beginning: "X", "SQ", "Escou".
_BEGUN = re.compile(r"[sxqkg]+|ex|e[sx]c\w+")
_WORD = re.compile(r"[\w'’-]+")


class Overlap(Enum):
    """The three outcomes of speech over the agent."""

    INTERRUPTION = "barge_in"
    BACKCHANNEL = "backchannel"
    FALSE = "false_interruption"


class Contest:
    """Speech over the agent while it is undecided what it means. Times are call time in microseconds."""

    def __init__(
        self, settings: CallSettings, first: int, said_at: int, noticed_at: int, agent_left_us: int, *, begun: bool
    ) -> None:
        """`first`: media sample at which it began; `said_at`: when that was; `noticed_at`: when voice activity fired; `agent_left_us`: how
        much the agent had still to say then; `begun`: it had said words, more than an "okay"."""
        self._settings, self._said_at = settings, said_at
        self._agent_left_us, self._begun = agent_left_us, begun
        self._startled = False  # by a word
        self._below = inf  # decibels by which its loudest window lies under the caller
        self._p: float | None = None  # that he wants the floor, by what it sounds like so far
        self.goes_on(noticed_at, first)

    def goes_on(self, at: int, first: int) -> None:
        """Voice activity fired, first or again after a pause, for speech from media sample `first` on."""
        self._first, self._alarmed = first, False  # by a sound
        self._look_at = at + self._settings.interruption_us
        self._sure_at = at + self._settings.interruption_sure_us

    def gauged(self, below: float) -> None:
        """A window of it was so many decibels quieter than the caller is."""
        self._below = min(self._below, below)

    @property
    def faint(self) -> bool:
        """Whether it is too quiet to be the caller: somebody behind him, or what comes back of the agent's own voice."""
        return 0 < self._settings.faint_db <= self._below < inf

    @property
    def _doubted(self) -> bool:
        """Whether it sounds like a murmur: a recogniser makes words of hums too."""
        return self._p is not None and self._p < self._settings.p_murmur

    def verdict(self, at: int, hearing: Hearing, silence: int) -> Overlap | None:
        """What it is, by what is known now; None while that is undecided. `silence`: samples since the last speech that was heard."""
        if self.faint:
            return Overlap.FALSE if not hearing.speaking and hearing.known else None
        if not hearing.speaking:  # all his words decide
            spoken_us = hearing.ended_at - hearing.started_at
            heard, agreed = hearing.text, hearing.agreed
            return (
                outcome(heard, self._agent_left_us, agreed, spoken_us, self._begun, self._doubted)
                if hearing.known
                else None
            )
        if at < self._look_at or silence > _RECENT:
            return None
        sure = at >= self._sure_at or interrupts(
            hearing.partial, hearing.agreed, begun=self._begun, doubted=self._doubted
        )
        return Overlap.INTERRUPTION if sure else None

    def startles(self, hearing: Hearing) -> bool:
        """Whether the agent is to hold its breath for his first words: one with which people begin to interrupt, or two that were heard
        twice and are no murmur. True once in a contest."""
        settings, heard = self._settings, hearing.partial
        if self._startled or self.faint or not settings.hold or not hearing.speaking or self._doubted:
            return False
        begins = (self._p is None or self._p >= settings.p_begins) and opens(heard)
        self._startled = begins or (hearing.agreed >= _FEW and not murmured(heard))
        return self._startled

    def listen(self, end: int) -> list[Action]:
        """He is still speaking at media sample `end`, and there may be no word yet: does it sound as if he wants the floor?"""
        settings = self._settings
        wanted = settings.judge_overlaps and settings.hold
        if not wanted or end - self._first > us_to_samples(settings.overlap_listen_us):
            return []
        return [JudgeOverlap(max(0, self._first - BEFORE), end)]

    def alarms(self, event: OverlapJudged, hearing: Hearing) -> bool:
        """The same as `startles`, by the sound of his first syllables. Words that are known to be a murmur count for more; a judgement of
        speech before this stretch counts for nothing."""
        if event.last <= self._first:
            return False
        self._p = event.p
        if self._alarmed or self.faint or not hearing.speaking or murmured(hearing.partial):
            return False
        self._alarmed = event.p >= self._settings.p_interruption
        return self._alarmed

    def calms(self, hearing: Hearing) -> bool:
        """Whether an agent that holds its breath may go on, by what was heard since."""
        held = self._startled or self._alarmed
        return held and (murmured(hearing.partial) or (self._doubted and not hearing.agreed))

    def begin(self) -> Action:
        """When it is first to be decided."""
        return SetDeadline(OVERLAP, self._look_at)

    def undecided(self, at: int) -> list[Action]:
        """When it is decided at the latest, unless all his words do it."""
        return [SetDeadline(OVERLAP, self._sure_at)] if self._look_at <= at < self._sure_at else []

    def won(self, at: int) -> list[Action]:
        """It was an interruption: how long it took the agent to yield, when it has been silent since call time `at`."""
        return [Observed(Overlap.INTERRUPTION.value, to_seconds(at - self._said_at))]


def opens(heard: str) -> bool:
    """Whether `heard`, all that is known of a caller who has just begun over the agent, is how people begin to interrupt. Once is enough:
    the agent only holds its breath for it."""
    words = _words(heard)
    if not words or murmured(heard):
        return False
    first = words[0]
    return _stops(first) or first in _OPENINGS or " ".join(words[:2]) in _OPENINGS or bool(_BEGUN.fullmatch(first))


def interrupts(heard: str, agreed: int, *, begun: bool, doubted: bool = False) -> bool:
    """Whether a caller who is still speaking interrupts, by what is `heard` of his first words; the first `agreed` of them were heard
    twice. The recogniser makes words of a hum, but seldom the same ones again. `begun`: there is something to interrupt; an agent
    that has said no words yet gives way sooner. `doubted`: it sounds like a murmur; a word that stops people is not enough then, and one more must agree."""
    words = _words(heard)
    if words and _stops(words[0]) and (not doubted or agreed >= _FEW):
        return True
    return agreed >= _FEW + begun + doubted and not murmured(heard)


def outcome(
    text: str, agent_left_us: int, agreed: int, spoken_us: int, begun: bool = True, doubted: bool = False
) -> Overlap:
    """Judge a short overlap by its words. `agent_left_us`: how much the agent had still to say when it began.

    Over the agent's last second even "yes" is an answer, not a backchannel: he heard the question coming. Before that, a word or two,
    and more than can be said in `spoken_us`, are taken for a murmur unless they stop people, or the first `agreed` of at least two
    were heard the same twice while he spoke; what is `doubted`, since it sounds like a murmur, must have been. An agent that has not `begun` its words is not murmured at: he goes on with his own.
    """
    words = _words(text)
    if not words:
        return Overlap.FALSE
    if agent_left_us <= 1_000_000 or (not begun and not murmured(text)):
        return Overlap.INTERRUPTION
    doubtful = len(words) <= _FEW or len(words) * _WORD_US > spoken_us
    if murmured(text) or (doubtful and agreed < _FEW and (doubted or words[0] not in _STOPS)):
        return Overlap.BACKCHANNEL
    return Overlap.INTERRUPTION


def murmured(text: str) -> bool:
    """Whether these are words, and none but those that keep the other talking."""
    words = _words(text)
    return bool(words) and (" ".join(words) in _BACKCHANNELS or all(word in _BACKCHANNELS for word in words))


def _stops(word: str) -> bool:
    return word in _STOPS or word.startswith(_LONG_STOPS)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("’", "'"))

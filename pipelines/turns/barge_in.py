"""What it means that the caller spoke while the agent had the floor."""

import re
from enum import Enum

# Sounds that keep the other talking, in both languages (Yngve 1970, "On getting a word in edgewise").
_BACKCHANNELS = {
    "ah", "aha", "alright", "bien", "bon", "d'accord", "hein", "hm", "hmm", "hum", "i see", "mh", "mhm", "mm", "mmm", "mm-hmm",
    "mmhmm", "ok", "okay", "oh", "oui", "ouais", "right", "sure", "très bien", "uh", "uh-huh", "uh huh", "voilà", "yeah",
    "yep", "yes", "euh", "i know", "huh",
}  # fmt: skip
# What goes with them and says nothing more ("c'est très bien", "that's great").
_BACKCHANNELS |= {
    "all", "bon", "c'est", "ça", "compris", "entendu", "et", "fine", "good", "got", "great", "it", "je", "marche", "parfait", "super",
    "that's", "très", "va", "very", "vois",
}  # fmt: skip
_FEW = 2  # words
# Words with which people stop each other.
_STOPS = {
    "actually", "attends", "attendez", "but", "excuse", "excusez", "hang", "hello", "hold", "mais", "no", "non", "pardon", "please",
    "sorry", "stop", "stoppez", "wait", "what", "quoi", "allô", "désolé", "désolée",
}  # fmt: skip
_LONG_STOPS = tuple(
    word for word in _STOPS if len(word) > 4
)  # a word that is not over yet is heard with an end of its own
_WORD = re.compile(r"[\w'’-]+")


class Contest:
    """Speech over the agent while it is undecided what it means. `said_at`: call time at which it began; `noticed_at`: when voice
    activity fired; `agent_left_us`: how much the agent had still to say then; `short`: it stopped before it was an interruption by
    length alone, so all its words decide."""

    __slots__ = ("agent_left_us", "noticed_at", "said_at", "short")

    def __init__(self, said_at: int, noticed_at: int, agent_left_us: int) -> None:
        self.said_at, self.noticed_at, self.agent_left_us = said_at, noticed_at, agent_left_us
        self.short = False


class Overlap(Enum):
    """The three outcomes of speech over the agent."""

    INTERRUPTION = "barge_in"
    BACKCHANNEL = "backchannel"
    FALSE = "false_interruption"


def interrupts(heard: str, agreed: int, agent_left_us: int) -> bool:
    """Whether a caller who is still speaking interrupts, by what is `heard` of his first words; the first `agreed` of them were heard
    twice. The recogniser makes words of a hum, but seldom the same ones again."""
    words = _words(heard)
    if words and (words[0] in _STOPS or words[0].startswith(_LONG_STOPS)):
        return True
    return agreed >= _FEW and outcome(heard, agent_left_us, agreed) is Overlap.INTERRUPTION


def outcome(text: str, agent_left_us: int, agreed: int) -> Overlap:
    """Judge a short overlap by its words. `agent_left_us`: how much the agent had still to say when it began.

    Over the agent's last second even "yes" is an answer, not a backchannel: he heard the question coming. Before that, a word or two
    are taken for a murmur unless they stop people, or the first `agreed` of at least two were heard the same twice while he spoke.
    """
    words = _words(text)
    if not words:
        return Overlap.FALSE
    if agent_left_us <= 1_000_000:
        return Overlap.INTERRUPTION
    murmured = " ".join(words) in _BACKCHANNELS or all(word in _BACKCHANNELS for word in words)
    if murmured or (len(words) <= _FEW and agreed < _FEW and words[0] not in _STOPS):
        return Overlap.BACKCHANNEL
    return Overlap.INTERRUPTION


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("’", "'"))

"""What it means that the caller spoke while the agent had the floor."""

import re
from enum import Enum

# Sounds that keep the other talking, in both languages (Yngve 1970, "On getting a word in edgewise").
_BACKCHANNELS = {
    "ah", "aha", "alright", "bien", "bon", "d'accord", "hein", "hm", "hmm", "hum", "i see", "mh", "mhm", "mm", "mmm", "mm-hmm",
    "mmhmm", "ok", "okay", "oh", "oui", "ouais", "right", "sure", "très bien", "uh", "uh-huh", "uh huh", "voilà", "yeah",
    "yep", "yes", "euh", "i know", "huh",
}  # fmt: skip
_WORD = re.compile(r"[\w'’-]+")


class Contest:
    """Speech over the agent while it is undecided what it means. `said_at`: call time at which it began; `agent_left_us`: how much
    the agent had still to say then; `short`: it stopped before it was an interruption by length alone, so its words decide."""

    __slots__ = ("agent_left_us", "said_at", "short")

    def __init__(self, said_at: int, agent_left_us: int) -> None:
        self.said_at, self.agent_left_us = said_at, agent_left_us
        self.short = False


class Overlap(Enum):
    """The three outcomes of speech over the agent."""

    INTERRUPTION = "barge_in"
    BACKCHANNEL = "backchannel"
    FALSE = "false_interruption"


def outcome(text: str, agent_left_us: int) -> Overlap:
    """Judge a short overlap by its words. `agent_left_us`: how much the agent had still to say when it began.

    Over the agent's last second even "yes" is an answer, not a backchannel: he heard the question coming.
    """
    words = _WORD.findall(text.lower().replace("’", "'"))
    if not words:
        return Overlap.FALSE
    phrase = " ".join(words)
    if (phrase in _BACKCHANNELS or all(word in _BACKCHANNELS for word in words)) and agent_left_us > 1_000_000:
        return Overlap.BACKCHANNEL
    return Overlap.INTERRUPTION

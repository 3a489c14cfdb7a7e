"""The caller's words while they are still coming: LocalAgreement-2 over growing hypotheses.

Source: Liu et al. 2020, "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial Hypothesis Selection";
Macháček et al. 2023, "Turning Whisper into Real-Time Transcription System". A word is committed once two hypotheses in a row
agree on it and on all before it; what is committed is never taken back until the final transcript replaces it all.
"""


class Agreement:
    """Committed and tentative words of one utterance."""

    def __init__(self) -> None:
        self.committed: tuple[str, ...] = ()
        self._previous: tuple[str, ...] = ()

    def update(self, text: str) -> None:
        """A new hypothesis of the whole utterance so far."""
        words = tuple(text.split())
        agreed = 0
        for old, new in zip(self._previous, words, strict=False):
            if _bare(old) != _bare(new):
                break
            agreed += 1
        if agreed > len(self.committed):
            self.committed = words[:agreed]
        self._previous = words

    @property
    def tentative(self) -> tuple[str, ...]:
        """Words of the last hypothesis beyond the committed ones."""
        return self._previous[len(self.committed) :]


def _bare(word: str) -> str:
    return word.lower().strip(".,;:!?…\"'«» ")


def beyond(known: str, text: str) -> str:
    """The words of `text` that come after `known`, where `text` is what was heard when the speech of `known` was heard again with what followed: as
    many are left out as are likest to `known` (edit distance in words)."""
    words, costs = text.split(), list(range(len(text.split()) + 1))
    for n, old in enumerate(known.split(), 1):
        left, costs[0] = costs[0], n
        for m, new in enumerate(words, 1):
            left, costs[m] = costs[m], min(costs[m] + 1, costs[m - 1] + 1, left + (_bare(old) != _bare(new)))
    return " ".join(words[min(range(len(costs)), key=lambda m: (costs[m], -m)) :])

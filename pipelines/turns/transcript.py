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

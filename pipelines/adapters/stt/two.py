"""Two recognisers as one: a quick one for what is heard again soon, a careful one for what is acted on."""

from collections.abc import Sequence

from pipelines.models.ports import Audio, SpeechToText, Transcript


class Two:
    """`finals` hears what is over, `partials` what still goes on."""

    def __init__(self, finals: SpeechToText, partials: SpeechToText) -> None:
        self.finals, self.partials = finals, partials

    def transcribe(self, audio: Audio, *, languages: Sequence[str], final: bool, hot_words: str = "") -> Transcript:
        """As the one of the two whose turn it is."""
        model = self.finals if final else self.partials
        return model.transcribe(audio, languages=languages, final=final, hot_words=hot_words)

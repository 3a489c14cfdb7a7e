"""`allo train extract-table`: what a recogniser understands of the person who is followed."""

from pathlib import Path

from pipelines.adapters import kinds
from pipelines.adapters.extract.masked import Masked
from pipelines.models.ports import Audio, SpeakerEncoder, SpeechToText
from pipelines.models.store import Store
from training.common.errors import DataError
from training.common.measures import Errors, interval, rate, word_errors
from training.extract.data import Mixer, Mixture
from training.extract.measures import mean_with_bounds, si_sdr
from training.extract.recipe import ExtractRecipe
from training.extract.train import measured
from training.speakers.data import divided


def table(recipe: ExtractRecipe, encoder: SpeakerEncoder, model: Path, recogniser: str, data: Path, count: int) -> str:
    """As Markdown. Mixtures hold whole clips of the recipe's test speakers that have a text."""
    clips = [c for c in divided(recipe.data, data).test if c.text and c.language in ("en", "fr") and c.duration <= 15]
    if not clips:
        raise DataError("none of the test's clips has a text.")
    mixer = Mixer(clips, recipe.mixing, encoder, recipe.loop.seed + 9, whole=True)
    mixtures = [mixer(number) for number in range(count)]
    extractor, store = Masked(model), Store()
    stt: SpeechToText = kinds.load("stt", store.registry[recogniser].kind, store.path(recogniser))
    told_wrong = [si_sdr(extractor.extract(m.sound, mixer.voice(m.over)), m.wanted) for m in mixtures]
    rows: dict[str, list[Errors]] = {
        "he alone": [_errors(stt, m.wanted, m) for m in mixtures],
        "both": [_errors(stt, m.sound, m) for m in mixtures],
        "extracted": [_errors(stt, extractor.extract(m.sound, m.voice), m) for m in mixtures],
    }
    figures = measured(extractor, mixtures)
    lines = ["| heard | word error % | SI-SDR dB |", "|---|---|---|"]
    for name, errors in rows.items():
        low, high = interval(errors)
        ratio = {"both": "mixture", "extracted": "extracted"}.get(name)
        said = (
            f"{figures[ratio]:.1f} ({figures[f'{ratio}_low']:.1f} to {figures[f'{ratio}_high']:.1f})" if ratio else ""
        )
        lines.append(f"| {name} | {100 * rate(errors):.1f} ({100 * low:.1f} to {100 * high:.1f}) | {said} |")
    # A net that follows no voice, only the louder, would do as well by the other's.
    mean, low, high = mean_with_bounds(told_wrong)
    lines.append(f"| told the other's voice | | {mean:.1f} ({low:.1f} to {high:.1f}) |")
    low, high = interval(rows["extracted"], rows["both"])
    lines.append(
        f"\nExtracted against both: {100 * low:+.1f} to {100 * high:+.1f} points of word error, "
        f"{figures['gained_low']:+.1f} to {figures['gained_high']:+.1f} dB; {100 * figures['worse']:.0f} % of the mixtures became worse."
    )
    return "\n".join(lines)


def _errors(stt: SpeechToText, audio: Audio, mixture: Mixture) -> Errors:
    heard = stt.transcribe(audio, languages=[mixture.language], final=True).text
    return word_errors(mixture.text, heard, mixture.language)

"""How many words of a trade each of several models gets wrong, and what it cost of what they could do before.

Measured by what serves: CTranslate2 in int8, one try, its tokens limited by the duration. All models hear the same clips, so a
difference has bounds of its own, which are narrower than those of two rates side by side.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from training.common.errors import DataError
from training.common.manifests import Clip
from training.common.measures import Errors, interval, rate, word_errors
from training.whisper.evaluate import Transcriber
from training.whisper.terms import term_errors, terms_of

MARGIN_S = 8.0
"""What the server gives a final of a stock model."""
WORDS, TERMS, TAUGHT = "all words", "terms", "taught terms"
"""What is counted in the dictations."""


class Difference(msgspec.Struct, frozen=True):
    """A rate less the first model's, on the same clips: negative is better. `gain`: the share of the first one's errors that is gone,
    1 at most; None where it made none."""

    rate: float
    bounds: tuple[float, float]
    gain: float | None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What one model gets wrong of one thing. Rates are 0 upwards; bounds are those of 95 % (bootstrap over clips).

    `of`: WORDS, TERMS or TAUGHT of the dictations, or the name of other speech, of which all words count; `total`: how many the
    references hold; `against`: the first model, None for itself."""

    of: str
    beam: int
    model: str
    clips: int
    errors: int
    total: int
    rate: float
    bounds: tuple[float, float]
    against: Difference | None


def terms_table(
    models: Mapping[str, Path],
    test: Sequence[Clip],
    *,
    taught: Sequence[Clip] = (),
    also: Mapping[str, Sequence[Clip]] | None = None,
    beams: Sequence[int] = (1, 5),
    margin_s: float = MARGIN_S,
    threads: int = 2,
    tick: Callable[[], None] = lambda: None,
) -> list[Row]:
    """Rows for each thing that is counted, each beam and each model, in this order; the first model is what the others are measured against.

    `models`: folders for CTranslate2; `test`: dictations; `taught`: the clips that the models were trained on, of which none may be
    heard here; `also`: other speech by name. `tick` is called after each clip. Raises DataError when there is nothing to count."""
    sets = {WORDS: test, **(also or {})}
    _check(test, also or {}, taught)
    known = _terms(taught)
    heard: dict[tuple[str, int], dict[str, list[Errors]]] = {}
    for name, folder in models.items():
        transcriber = Transcriber(folder, threads=threads)
        for of, clips in sets.items():
            for clip in clips:
                features = transcriber.features(clip.audio)
                tries = transcriber.tries(features, clip.language, margin_s=margin_s, beams=beams, limited=True)
                for beam, one in tries.items():
                    counts = _dictation(clip, one.text, known) if of == WORDS else _words(of, clip, one.text)
                    for what, errors in counts:
                        heard.setdefault((what, beam), {}).setdefault(name, []).append(errors)
                tick()
    order = [WORDS, TERMS, *([TAUGHT] if taught else []), *(also or {})]
    return [row for what in order for beam in beams for row in _rows(what, beam, heard[what, beam])]


def _words(of: str, clip: Clip, heard: str) -> Iterator[tuple[str, Errors]]:
    yield of, word_errors(clip.text, heard, clip.language)


def _dictation(clip: Clip, heard: str, taught: frozenset[str]) -> Iterator[tuple[str, Errors]]:
    terms = terms_of(clip.text, clip.language)
    yield from _words(WORDS, clip, heard)
    yield TERMS, term_errors(clip.text, heard, terms, clip.language)
    yield TAUGHT, term_errors(clip.text, heard, terms & taught, clip.language)


def _terms(clips: Sequence[Clip]) -> frozenset[str]:
    return frozenset().union(*(terms_of(clip.text, clip.language) for clip in clips))


def _check(test: Sequence[Clip], also: Mapping[str, Sequence[Clip]], taught: Sequence[Clip]) -> None:
    for name in (WORDS, TERMS, TAUGHT):
        if name in also:
            raise DataError(f'Other speech cannot be called "{name}", as what is counted here is: write NAME=MANIFEST.')
    terms = _terms(test)
    if not terms:
        raise DataError("The dictations hold no term (see training/whisper/terms.py): give those of a trade.")
    if not taught:
        return
    if not terms & _terms(taught):
        raise DataError("No term of the dictations was taught: give the manifest that the model was trained on.")
    trained = {clip.audio for clip in taught}
    for name, clips in {"the dictations": test, **also}.items():
        known = [clip.audio for clip in clips if clip.audio in trained]
        if known:
            raise DataError(f"{len(known)} clips of {name} were trained on, as {known[0]}: leave them out.")


def _rows(of: str, beam: int, heard: Mapping[str, Sequence[Errors]]) -> Iterator[Row]:
    first: Sequence[Errors] | None = None
    for model, errors in heard.items():
        yield Row(
            of=of,
            beam=beam,
            model=model,
            clips=len(errors),
            errors=sum(one.errors for one in errors),
            total=sum(one.total for one in errors),
            rate=rate(errors),
            bounds=interval(errors),
            against=None if first is None else _difference(errors, first),
        )
        first = first or errors


def _difference(errors: Sequence[Errors], first: Sequence[Errors]) -> Difference:
    before, after = rate(first), rate(errors)
    return Difference(after - before, interval(errors, first), 1 - after / before if before else None)

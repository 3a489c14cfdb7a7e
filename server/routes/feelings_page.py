"""The page of `routes/feelings.py`, English or French: a form and, above it, what was found. No script; whatever was written or heard is escaped."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import jinja2

from server import sound
from server.feelings import Felt

HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        # Not "no-referrer": a browser would then send our own form without its origin.
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
)

_NAMES = {"en": "English", "fr": "français"}
_WORDS = {
    "en": {
        "title": "What does it feel like?",
        "lead": "Write a sentence as a caller would say it, or choose a recording of one.",
        "text": "A sentence",
        "clip": "A recording",
        "clip_hint": f"WAV or FLAC, {sound.LIMIT_S:.0f} seconds at most. It is not kept. You can drop a file on the button.",
        "no_clip": "Recordings cannot be tried here: no recogniser is loaded.",
        "language": "Language",
        "any": "whichever is heard (recording)",
        "send": "Try it",
        "heard": "Understood",
        "nothing": "No words were understood.",
        "sentiment": "What the words feel like",
        "emotion": "How it sounds",
        "hint": "A hint, no more.",
        "wrong": "Not answered",
    },
    "fr": {
        "title": "Quel sentiment ?",
        "lead": "Écrivez une phrase comme le ferait un appelant, ou choisissez un enregistrement.",
        "text": "Une phrase",
        "clip": "Un enregistrement",
        "clip_hint": f"WAV ou FLAC, {sound.LIMIT_S:.0f} secondes au plus. Il n'est pas conservé. On peut déposer un fichier sur le bouton.",
        "no_clip": "Pas d'enregistrement ici : aucune reconnaissance de la parole n'est chargée.",
        "language": "Langue",
        "any": "celle qui est entendue (enregistrement)",
        "send": "Essayer",
        "heard": "Compris",
        "nothing": "Aucun mot n'a été compris.",
        "sentiment": "Ce que disent les mots",
        "emotion": "Le ton de la voix",
        "hint": "Un indice, sans plus.",
        "wrong": "Sans réponse",
        "negative": "négatif",
        "neutral": "neutre",
        "positive": "positif",
        "anger": "colère",
        "happiness": "joie",
        "sadness": "tristesse",
        "other": "autre",
    },
}


def render(felt: Felt | None, error: str, *, languages: Sequence[str], hears: bool, accepted: str) -> str:
    """`error`: why there is no answer; `hears`: whether recordings can be tried; `accepted`: the browser's Accept-Language."""
    ours = "fr" if accepted.strip().lower().startswith("fr") else "en"
    words = _WORDS[ours]
    judged = [
        (title, sorted(found.items(), key=lambda each: -each[1]), hint)
        for title, found, hint in (
            (words["sentiment"], felt and felt.sentiment, ""),
            (words["emotion"], felt and felt.emotion, words["hint"]),
        )
        if found
    ]
    return _template().render(
        ours=ours,
        words=words,
        felt=felt,
        error=error,
        judged=judged,
        languages={language: _NAMES.get(language, language) for language in languages},
        chosen=felt.language if felt else ours if ours in languages else "",
        hears=hears,
    )


@lru_cache
def _template() -> jinja2.Template:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("feelings.html.j2")

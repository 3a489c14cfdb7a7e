"""English as speakers of other languages say it: which of its sounds (eSpeak's IPA) become which of theirs.

A sound that a language lacks is replaced by its nearest; that is the part of an accent that a recogniser is most often wrong about
(Wells, "Accents of English", 1982; Swan and Smith, "Learner English", 2001). Rhythm and melody stay the voice's own. What comes first is
replaced first.
"""

Sounds = tuple[tuple[str, str], ...]

_PURE = (
    ("iə", "i"),
    ("oʊ", "o"),
    ("iː", "i"),
    ("uː", "u"),
    ("ɪ", "i"),
    ("ʊ", "u"),
    ("ɔː", "o"),
    ("ɚ", "er"),
    ("ɜː", "er"),
    ("ə", "e"),
    ("ɐ", "a"),
)
"""The vowels of those who have five: no long ones, no reduced ones."""

ACCENTS: dict[str, Sounds] = {
    "french": (
        ("θ", "s"), ("ð", "z"), ("h", ""), ("dʒ", "ʒ"), ("tʃ", "ʃ"), ("iə", "e"), ("eɪ", "ɛj"), ("aɪ", "aj"), ("ɔːɹ", "ɔʁ"), ("ɚ", "œʁ"), ("ɜː", "œʁ"), ("ɹ", "ʁ"),
        ("oʊ", "o"), ("ʌ", "a"), ("iː", "i"), ("uː", "u"), ("ɪ", "i"), ("ə", "ɛ"), ("ˈ", ""), ("ˌ", ""),
    ),
    "german": (("θ", "s"), ("ð", "d"), ("w", "v"), ("dʒ", "tʃ"), ("aɪv", "aɪf"), ("ɹ", "ʁ"), ("oʊ", "oː"), ("eɪ", "eː"), ("iə", "iː"), ("ʌ", "a"), ("æ", "ɛ")),
    "greek": (("w", "ɣu"), ("dʒ", "ʣ"), ("tʃ", "ʦ"), ("ʃ", "s"), ("ɹ", "ɾ"), ("ʌ", "a"), ("æ", "a"), *_PURE),
    "indian": (("t", "ʈ"), ("d", "ɖ"), ("θ", "tʰ"), ("ð", "d"), ("w", "ʋ"), ("v", "ʋ"), ("ɹ", "ɾ"), ("oʊ", "o"), ("eɪ", "e"), ("iə", "i"), ("ʌ", "ə")),
    "italian": (("θ", "t"), ("ð", "d"), ("h", ""), ("ɹ", "ɾ"), ("ʌ", "a"), ("æ", "a"), *_PURE),
    "spanish": (("v", "b"), ("z", "s"), ("dʒ", "ʝ"), ("ʃ", "tʃ"), ("ɹ", "ɾ"), ("ʌ", "a"), ("æ", "a"), *_PURE),
}  # fmt: skip
"""By name. For Kokoro, whose voices can say the sounds of other languages too: `kokoro:am_adam?accent=french`."""


def said(phonemes: str, sounds: Sounds) -> str:
    """`phonemes` with each of `sounds` replaced, in their order."""
    for english, other in sounds:
        phonemes = phonemes.replace(english, other)
    return phonemes

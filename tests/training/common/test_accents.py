"""Accents are replacements of sounds; every sound that comes of them is one that the voices can say."""

import pytest

from pipelines.adapters.tts.kokoro import _VOCABULARY
from training.common.accents import ACCENTS, said

THREE, FIVE, ONE = "θɹˈiː", "fˈaɪv", "wˌʌn"


@pytest.mark.parametrize(
    ("accent", "phonemes", "heard"),
    [
        ("french", THREE, "sʁi"),
        ("french", FIVE, "fajv"),
        ("german", FIVE, "fˈaɪf"),
        ("greek", ONE, "ɣuˌan"),
        ("indian", THREE, "tʰɾˈiː"),
        ("italian", THREE, "tɾˈi"),
        ("spanish", FIVE, "fˈaib"),
    ],
)
def test_how_digits_are_said(accent, phonemes, heard):
    assert said(phonemes, ACCENTS[accent]) == heard


@pytest.mark.parametrize("accent", ACCENTS)
def test_what_comes_of_a_sound_can_be_said(accent):
    assert {sound for _, other in ACCENTS[accent] for sound in other} <= {*_VOCABULARY}

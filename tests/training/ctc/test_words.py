"""The training's own words as a language model: only they are written, in the order they were seen in."""

import sys

import numpy as np
import pytest

from pipelines.adapters import kinds
from pipelines.nets.alphabet import Alphabet
from pipelines.nets.decoding import Beam, greedy
from training.ctc.train import run
from training.ctc.words import write_arpa

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 13), reason="flashlight-text has no wheel for it")


def spoken(alphabet, text, sure=0.9):
    """Frames that say `text`, a character each ("_" is the blank)."""
    probabilities = np.full((len(text), alphabet.size), (1 - sure) / (alphabet.size - 1), np.float32)
    for frame, character in enumerate(text):
        probabilities[frame, 0 if character == "_" else alphabet.encode(character)[0]] = sure
    return np.log(probabilities)


def shares(file):
    """Of each word, what follows it, with its probability."""
    lines = file.read_text().split("\\2-grams:")[1].split("\\end\\")[0].split("\n")
    found = {}
    for line in filter(None, lines):
        log, pair = line.split("\t")
        first, second = pair.split()
        found.setdefault(first, {})[second] = 10 ** float(log)
    return found


def test_what_follows_a_word_adds_up_with_what_is_left_for_the_unseen(tmp_path):
    file = write_arpa(["one two", "One three", "two", "L’eau"], tmp_path / "a.arpa")
    found = shares(file)
    assert found["<s>"]["one"] == pytest.approx((2 - 0.5) / 4 + (3 * 0.5 / 4) * 2 / 10, abs=1e-5)
    assert set(found["one"]) == {"two", "three"}
    assert "l'eau" in file.read_text()
    assert all(sum(after.values()) < 1 for after in found.values())


def test_only_those_words_are_written_and_one_at_a_time(tmp_path):
    alphabet = Alphabet("efghinorstuvwxz")
    digits = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    beam = Beam(alphabet, language_model=write_arpa(digits * 20, tmp_path / "d.arpa"))
    for wrong, right in (("_f_ivve", "five"), ("_sevn__", "seven"), ("thre_e_", "three"), ("_e_ihgt", "eight")):
        assert beam(spoken(alphabet, wrong, 0.6)) == right
    assert greedy(spoken(alphabet, "_sevn__", 0.6), alphabet) == "sevn"


def test_the_exported_model_searches_its_finals(data, recipe, tmp_path):
    said = []
    folder = run(
        recipe(words=True, net={"net": "gru", "width": 48}, loop={"steps": 60}),
        data,
        tmp_path,
        quiet=True,
        say=said.append,
    )
    assert (folder / "words.arpa").exists()
    assert "with its words known" in said[-2]
    served = kinds.load("stt", "ctc", folder, threads=1)
    audio = np.random.default_rng(0).standard_normal(8_000).astype(np.float32) * 0.1
    heard = served.transcribe(audio, languages=["en"], final=True).text
    assert set(heard.split()) <= {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}

import sys
from itertools import product

import numpy as np
import pytest

from pipelines.errors import ModelError
from pipelines.nets.alphabet import ENGLISH, FRENCH, Alphabet, Words
from pipelines.nets.decoding import Beam, BeamSettings, arpa_words, chosen, collapse, greedy

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 13), reason="flashlight-text has no wheel for it")

# "two too", never "to too"; "o'clock" follows "two". Back-off weights in the third column.
ARPA = """\\data\\
ngram 1=7
ngram 2=5

\\1-grams:
-1.0\t<unk>
-99\t<s>\t-0.3
-0.9\t</s>
-0.7\ttwo\t-0.3
-2.5\tto\t-0.3
-0.9\ttoo\t-0.3
-1.2\to'clock\t-0.3

\\2-grams:
-0.2\t<s> two
-0.3\ttwo too
-0.4\ttwo o'clock
-0.2\ttoo </s>
-0.2\to'clock </s>

\\end\\
"""


def spoken(alphabet, path, sure=0.9, **instead):
    """Log probabilities in which each frame says one character of `path` ("_" is the blank)."""
    probs = np.full((len(path), alphabet.size), 0.1 / (alphabet.size - 1), np.float32)
    for frame, character in enumerate(path):
        probs[frame, 0 if character == "_" else alphabet.encode(character)[0]] = sure
    return np.log(probs / probs.sum(1, keepdims=True))


@pytest.fixture
def arpa(tmp_path):
    path = tmp_path / "two.arpa"
    path.write_text(ARPA)
    return path


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("__tt_oo_", "to"),
        ("t_o_o", "too"),
        ("tooo", "to"),
        ("_", ""),
        ("__ __t", "t"),
        ("two__ _ too", "two to"),
        ("étéé_e", "étée"),
    ],
)
def test_a_path_is_collapsed(path, text):
    alphabet = Alphabet(FRENCH)
    assert greedy(spoken(alphabet, path), alphabet) == text
    assert Beam(alphabet)(spoken(alphabet, path)) == text


def test_a_beam_adds_up_the_paths_of_a_text():
    """Blank is likeliest in both frames, yet "a" as a whole is likelier than nothing: 0.64 against 0.36."""
    alphabet = Alphabet("a")
    log_probs = np.log(np.array([[0.6, 0.4], [0.6, 0.4]], np.float32))
    assert greedy(log_probs, alphabet) == ""
    assert Beam(alphabet)(log_probs) == "a"


def test_a_wide_beam_finds_the_likeliest_text():
    alphabet, random = Alphabet("ab"), np.random.default_rng(0)
    for _ in range(20):
        log_probs = np.log(random.dirichlet(np.ones(3), size=5).astype(np.float32))
        totals = {}
        for path in product(range(3), repeat=5):
            text = tuple(collapse(path))
            totals[text] = totals.get(text, 0.0) + np.exp(sum(log_probs[t, n] for t, n in enumerate(path)))
        best = max(totals, key=totals.get)
        assert Beam(alphabet, BeamSettings(width=500))(log_probs) == alphabet.decode(best)


def test_a_language_model_decides_between_words_that_sound_alike(arpa):
    alphabet = Alphabet(ENGLISH)
    heard = spoken(alphabet, "t_o_ _t_o_o_")  # nothing but the language says that the first word is "two"
    assert greedy(heard, alphabet) == "to too"
    assert Beam(alphabet, BeamSettings(language_weight=0.0), language_model=arpa)(heard) == "to too"
    heard[2] = np.logaddexp(heard[2], np.log(0.05))  # somewhat less sure of the "o", so that "w" may hide
    assert Beam(alphabet, BeamSettings(language_weight=8.0), language_model=arpa)(heard) == "two too"


def test_only_words_of_the_language_model_are_written(arpa):
    alphabet = Alphabet(ENGLISH)
    assert Beam(alphabet, language_model=arpa)(spoken(alphabet, "_twwo_ _o_'clo_ck_", 0.6)) == "two o'clock"
    assert Beam(alphabet, language_model=arpa)(spoken(alphabet, "tvo", 0.6)) == "two"
    assert Beam(alphabet, language_model=arpa, words=["too"])(spoken(alphabet, "twwo", 0.6)) == "too"


def test_single_words_need_no_space_in_the_alphabet(arpa):
    alphabet = Alphabet("tow")
    assert Beam(alphabet, language_model=arpa)(spoken(alphabet, "_tt_wo_")) == "two"


@pytest.mark.parametrize(
    ("path", "text"), [("tttoooo", "to"), ("t_oo_o", "too"), ("ttoo", "to"), ("tto_o_ _ttwoo", "too two")]
)
def test_a_words_last_letter_may_last_and_is_doubled_by_a_blank_only(arpa, path, text):
    alphabet = Alphabet(ENGLISH)
    assert Beam(alphabet, BeamSettings(language_weight=0.1), language_model=arpa)(spoken(alphabet, path)) == text


def test_silence_has_no_words(arpa):
    alphabet = Alphabet(ENGLISH)
    assert Beam(alphabet, language_model=arpa)(spoken(alphabet, "____ __")) == ""


def test_the_words_of_an_arpa_file(arpa):
    assert arpa_words(arpa) == ["two", "to", "too", "o'clock"]


def test_what_is_no_language_model_is_named(tmp_path):
    path = tmp_path / "broken.arpa"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match=r"broken\.arpa is no ARPA"):
        Beam(Alphabet(ENGLISH), language_model=path)
    with pytest.raises(ModelError, match=r"broken\.arpa cannot be read"):
        Beam(Alphabet(ENGLISH), language_model=path, words=["two"])


def test_a_language_model_in_other_letters_is_refused(arpa):
    with pytest.raises(ModelError, match="same language"):
        Beam(Alphabet("абв"), language_model=arpa)


def test_another_alphabets_probabilities_are_refused():
    with pytest.raises(ValueError, match="3 characters"):
        Beam(Alphabet(ENGLISH))(np.zeros((4, 3), np.float32))


def test_the_one_word_is_chosen_by_all_places_it_may_stand_in():
    """As torch's CTC loss has it; the greedy path may well be two words, or none."""
    import torch

    words = Words(["one", "two", "three"])
    for seed in range(20):
        torch.manual_seed(seed)
        log_probs = torch.randn(6, 4).mul(2).log_softmax(-1)
        losses = [
            torch.nn.functional.ctc_loss(log_probs[:, None], torch.tensor([[n]]), torch.tensor([6]), torch.tensor([1]))
            for n in (1, 2, 3)
        ]
        assert chosen(log_probs.numpy(), words) == words.decode([1 + int(torch.tensor(losses).argmin())])

"""What is spoken is what is written, terms are counted in their place, and nothing tested was trained on."""

import json
from pathlib import Path

import pytest

from training.common.errors import DataError
from training.common.measures import Errors, normalize
from training.whisper.medical import Sentence, prepare, sentences, speakable, split
from training.whisper.terms import term_errors, terms_of

QUESTIONS = [
    {
        "text": "Indiquer celle(s) qui aggrave(nt) une intoxication par la digoxine.",
        "answers": ["Hyperkaliémie", "Hypercalcémie", "La digoxine est éliminée par voie rénale", "8 mg", "Les IEC"],
    },
    {"text": "La dose de 8 mg est-elle toxique ?", "answers": ["Ethambutol", "Levodopa (MODOPAR®)"]},
]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Laquelle(lesquelles) est(sont) exacte(s)?", "Laquelle est exacte ?"),
        ("indiquer celle(s) qui aggrave(nt) :", "Indiquer celle qui aggrave."),
        ("l’azathioprine (IMUREL®) ?", "L'azathioprine ?"),
        ("Le coefficient α", "Le coefficient alpha."),
        ("Electrode de verre", "Électrode de verre."),
        ("Elle est exacte. Ethanol…", "Elle est exacte. Éthanol."),
        ("l'état e\u0301quilibre\u0301", "L'état équilibré."),
    ],
)
def test_what_is_written_for_the_eye_is_made_speakable(written, said):
    assert speakable(written) == said


@pytest.mark.parametrize(
    "written",
    ["8 mg de digitoxine", "50 %", "K+", "La CRP", "vitamine D", "Lp(a) et IgA", "la(les)quel(les)", "  ", "a/b"],
)
def test_what_voices_and_writers_differ_about_is_left_out(written):
    assert speakable(written) is None


def test_terms_are_the_words_rare_in_general_french():
    text = "Indiquez, parmi ces médicaments, celui qui traite l'hyperkaliémie due à la digoxine."
    assert terms_of(text) == {"hyperkaliémie", "digoxine"}


@pytest.mark.parametrize(
    ("heard", "errors"),
    [
        ("une intoxication par la digoxine et l'hyperkaliémie", 0),
        ("UNE intoxication, par la Digoxine; et l'hyperkaliémie !", 0),
        ("une intoxication par la dixine et l'hyperkaliémie", 1),
        ("une intoxication par la digoxines et l'hyper kaliémie", 2),
        ("la digoxine", 1),
        ("", 2),
        ("digoxine hyperkaliémie qui oublie tout le reste de la phrase", 2),
        ("et donc une intoxication par la digoxine et l'hyperkaliémie ou digoxine", 0),
    ],
)
def test_terms_count_only_in_their_place(heard, errors):
    said = "Une intoxication par la digoxine et l'hyperkaliémie."
    assert term_errors(said, heard, {"digoxine", "hyperkaliémie"}) == Errors(errors, 2)


def test_texts_without_terms_count_nothing():
    assert term_errors("Bonjour à tous.", "au revoir", {"digoxine"}) == Errors(0, 0)
    assert term_errors("", "digoxine", {"digoxine"}) == Errors(0, 0)


def test_questions_become_questions_statements_and_lists(tmp_path: Path):
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(question) + "\n" for question in QUESTIONS * 2))
    assert [(sentence.text, sentence.whole) for sentence in sentences(path)] == [
        ("Indiquer celle qui aggrave une intoxication par la digoxine.", True),
        ("La digoxine est éliminée par voie rénale.", True),
        ("Hyperkaliémie et hypercalcémie.", False),
        ("Éthambutol et levodopa.", False),
    ]


def test_a_file_that_holds_no_questions_is_refused_by_name(tmp_path: Path):
    path = tmp_path / "questions.jsonl"
    path.write_text('{"texte": "a"}\n')
    with pytest.raises(DataError, match=r"questions\.jsonl"):
        sentences(path)


def corpus() -> list[Sentence]:
    """Forty statements: thirty share a term two by two, ten have one of their own."""

    def statement(i: int, term: str) -> Sentence:
        own = " ".join(letter * 3 + chr(97 + i % 26) * 2 + chr(97 + i // 26) for letter in "pqrst")
        return Sentence(f"Statement {own} of {term}.", frozenset([term]), True)

    shared = [statement(i, "t" + chr(97 + i // 2) * 5) for i in range(30)]
    return shared + [statement(30 + i, chr(97 + i) * 9) for i in range(10)]


def test_nothing_tested_is_trained_on_and_its_terms_are_taught_as_promised():
    trained, tested = split(corpus(), train=24, test=8, untaught=2, seed=3)
    assert (len(trained), len(tested)) == (24, 8)
    assert not {sentence.text for sentence in trained} & {sentence.text for sentence in tested}
    taught = {term for sentence in trained for term in sentence.terms}
    assert sum(not sentence.terms <= taught for sentence in tested) == 2
    assert split(corpus(), train=24, test=8, untaught=2, seed=3) == (trained, tested)
    assert split(corpus(), train=24, test=8, untaught=2, seed=4) != (trained, tested)


def test_what_is_nearly_a_tested_sentence_is_not_trained_on():
    nearly = [Sentence(s.text.replace("Statement", "A statement"), s.terms, True) for s in corpus()[:30]]
    trained, tested = split([*corpus(), *nearly], train=20, test=8, untaught=2)
    for sentence in tested:
        words = set(normalize(sentence.text, "fr").split())
        for other in trained:
            others = set(normalize(other.text, "fr").split())
            assert len(words & others) / len(words | others) < 0.6


def test_too_few_sentences_are_an_error():
    with pytest.raises(DataError, match="too few"):
        split(corpus(), train=39, test=8, untaught=2)
    with pytest.raises(DataError, match="too few"):
        split(corpus()[:9], train=1, test=8, untaught=2)


def test_prepared_sentences_say_which_terms_were_never_taught(tmp_path: Path):
    path = tmp_path / "questions.jsonl"
    more = [
        {"text": f"Que dire de {name} ?", "answers": [f"Il faut prendre {name} le soir"]}
        for name in ("digoxine", "levodopa")
    ]
    path.write_text("".join(json.dumps(question) + "\n" for question in QUESTIONS + more))
    prepare(path, tmp_path / "out", train=3, test=2, untaught=0)
    train, test = (
        [json.loads(line) for line in (tmp_path / "out" / f"{part}_sentences.jsonl").read_text().splitlines()]
        for part in ("train", "test")
    )
    assert (len(train), len(test)) == (3, 2)
    taught = {term for line in train for term in line["terms"]}
    assert all(set(line["untaught"]) == set(line["terms"]) - taught for line in test)

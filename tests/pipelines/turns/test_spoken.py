import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.turns.spoken import speakable

ENGLISH = {
    "at 9:30": "at nine thirty",
    "We open at 09:00.": "We open at nine o'clock.",
    "at 9:05 am,": "at nine oh five a.m.,",
    "We close at 17:30.": "We close at five thirty p.m.",
    "at 5 pm": "at five p.m.",
    "5pm or 6 p.m. tomorrow": "five p.m. or six p.m. tomorrow",
    "0:15": "twelve fifteen a.m.",
    "8:00-18:00": "eight o'clock to six p.m.",
    "on 2026-11-23": "on November twenty-third, twenty twenty-six",
    "on 11/23": "on November twenty-third",
    "November 1": "November first",
    "the 3rd": "the third",
    "open 24/7": "open twenty-four seven",
    "1/2 tablet": "half tablet",
    "$25": "twenty-five dollars",
    "$1,200.50": "one thousand two hundred dollars and fifty cents",
    "$1.01": "one dollar and one cent",
    "25 €": "twenty-five euros",
    "25%": "twenty-five percent",
    "555-123-4567": "five five five, one two three, four five six seven",
    "(555) 123-4567": "five five five, one two three, four five six seven",
    "+1 555 123 4567": "plus one, five five five, one two three, four five six seven",
    "555-1234": "five five five, one two three four",
    "code 007": "code zero zero seven",
    "zip 94110": "zip nine four one, one zero",
    "1,200 people": "one thousand two hundred people",
    "3.5": "three point five",
    "3.05": "three point zero five",
    "in 2026": "in twenty twenty-six",
    "9-12": "nine to twelve",
    "500 mg": "five hundred milligrams",
    "No. 5": "number five",
    "an MRI & an SMS": "an M R I and an S M S",
    "an ACL tear": "an ay C L tear",
    "Dr. Smith": "Doctor Smith",
    "the A1": "the A one",
}
FRENCH = {
    "à 9h30": "à neuf heures trente",
    "à 9 h 30": "à neuf heures trente",
    "à 09:30.": "à neuf heures trente.",
    "de 8h-18h": "de huit heures à dix-huit heures",
    "à 12h": "à midi",
    "à 1h": "à une heure",
    "21h00": "vingt et une heures",
    "14 heures": "quatorze heures",
    "le 2026-11-23": "le vingt-trois novembre deux mille vingt-six",
    "le 23/11": "le vingt-trois novembre",
    "le 1/12/2026": "le premier décembre deux mille vingt-six",
    "le 1er janvier": "le premier janvier",
    "le 1 mai": "le premier mai",
    "la 1re fois": "la première fois",
    "2e étage": "deuxième étage",
    "25 €": "vingt-cinq euros",
    "25,50 €": "vingt-cinq euros cinquante",
    "1 200 €": "mille deux cents euros",
    "1 €": "un euro",
    "25 %": "vingt-cinq pour cent",
    "06 12 34 56 78": "zéro six, douze, trente-quatre, cinquante-six, soixante-dix-huit",
    "01.42.68.53.00": "zéro un, quarante-deux, soixante-huit, cinquante-trois, zéro zéro",
    "+33 6 12 34 56 78": "plus trente-trois, six, douze, trente-quatre, cinquante-six, soixante-dix-huit",
    "3,5": "trois virgule cinq",
    "1 200 000 personnes": "un million deux cent mille personnes",
    "9-12": "neuf à douze",
    "30 min": "trente minutes",
    "n° 5": "numéro cinq",
    "une IRM": "une I R M",
    "l'IRM": "l'I R M",
    "M. Dupont et Mme Roux": "Monsieur Dupont et Madame Roux",
    "Dr Roux": "Docteur Roux",
    "votre RDV": "votre rendez-vous",
    "7j/7": "sept jours sur sept",
}


@pytest.mark.parametrize(("written", "said"), ENGLISH.items())
def test_english(written: str, said: str) -> None:
    assert speakable(written, "en") == said


@pytest.mark.parametrize(("written", "said"), FRENCH.items())
def test_french(written: str, said: str) -> None:
    assert speakable(written, "fr") == said


@pytest.mark.parametrize(
    "text", ["I am OK. Call NOW PLEASE", "C'est d'accord, à mardi !", "It's Mr Brown's file - and a well-known one."]
)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_plain_words_are_left_alone(text: str, language: str) -> None:
    assert speakable(text, language) == text


def test_other_languages_are_left_alone() -> None:
    assert speakable("Um 9:30 & 25 €", "de") == "Um 9:30 & 25 €"


@given(
    text=st.text(st.sampled_from(list("0123456789 .,:/-h€$%+()apm")), max_size=40),
    language=st.sampled_from(["en", "fr"]),
)
def test_leaves_no_digit_and_is_stable(text: str, language: str) -> None:
    said = speakable(text, language)
    assert not any(c.isdigit() for c in said)
    assert speakable(said, language) == said

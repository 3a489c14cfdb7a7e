"""What a language model says of a call is kept when it was said."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.analysis.analysis import Finding, SpokenTurn
from pipelines.analysis.analyze import analyze
from server.agent_config import ExtractedField
from server.analysis.fields import Said, believed, figures, plain, schema_of
from tests.helpers.replay import two_parties

TURNS = (
    ("agent", "Good morning. On Tuesday I have 9 AM or 11:30 AM. Which one suits you?"),
    ("caller", "The first one. My name is Zoé Lefèvre, and we are twenty-one people."),
    ("agent", "For 21 people it is 1,500 dollars."),
    ("caller", "D'accord. My number is 0 6 1 2, 3 4 5 6. C'est urgent !"),
)


def call(turns=TURNS):
    spoken = tuple(SpokenTurn(party, n, n + 1, text, text) for n, (party, text) in enumerate(turns))
    return msgspec.structs.replace(analyze(two_parties()), turns=spoken)


SAID = call()


def field(kind) -> ExtractedField:
    return ExtractedField(type=kind, description="x")


def finding(kind, quote, value) -> Finding:
    return believed({"f": field(kind)}, {"f": {"quote": quote, "value": value}}, call())["f"]


@pytest.mark.parametrize(
    ("kind", "quote", "value"),
    [
        ("string", "My name is Zoé Lefèvre", "Zoé Lefèvre"),
        ("string", "my name is zoe lefevre", "Zoe Lefevre"),  # as recognisers write it
        ("string", "0 6 1 2, 3 4 5 6", "06123456"),
        ("integer", "we are twenty-one people", 21),
        ("number", "it is 1,500 dollars", 1500),
        ("number", "The first one", 9.0),
        ("boolean", "C'est urgent", True),
        ("boolean", "C’est urgent", False),
        ("date", "On Tuesday", "2026-11-24"),
        (["reservation", "question"], "The first one", "reservation"),
    ],
)
def test_what_was_said_is_kept_with_its_quote(kind, quote, value):
    assert finding(kind, quote, value) == Finding(value, quote)


@pytest.mark.parametrize(
    ("kind", "quote", "value", "why"),
    [
        ("string", "My name is Zoé Lefèvre", "Zoé Martin", "not in the transcript"),
        ("string", "My name is Alice", "Zoé", "its quote is not in the transcript"),
        ("string", "", "Zoé", "its quote is not in the transcript"),
        ("string", "oé Lef", "Zoé", "its quote is not in the transcript"),  # whole words
        ("string", "My name is", "", "not of type string"),
        ("string", "My name is", 5, "not of type string"),
        ("integer", "The first one", 22, "not in the transcript"),
        ("integer", "The first one", True, "not of type integer"),
        ("integer", "The first one", 9.5, "not of type integer"),
        ("number", "The first one", "9", "not of type number"),
        ("boolean", "C'est urgent", "yes", "not of type boolean"),
        ("boolean", "It is not urgent", True, "its quote is not in the transcript"),
        ("date", "On Tuesday", "Tuesday", "not of type date"),
        ("date", "On Tuesday", "20261124", "not of type date"),
        (["reservation", "question"], "The first one", "complaint", "not one of the words"),
    ],
)
def test_what_was_not_said_is_left_out_and_why(kind, quote, value, why):
    assert finding(kind, quote, value) == Finding(left_out=why)


@pytest.mark.parametrize("answer", [None, {}, {"f": None}, {"f": {"quote": "x", "value": None}}, [], "x", {"g": 1}])
def test_not_said_is_null(answer):
    assert believed({"f": field("string")}, answer, call()) == {"f": Finding()}


@pytest.mark.parametrize("answer", [{"f": 5}, {"f": {}}, {"f": {"quote": 5, "value": "x"}}, {"f": ["quote"]}])
def test_what_has_another_form_is_no_error(answer):
    assert believed({"f": field("string")}, answer, call())["f"].value is None


def test_a_quote_may_go_over_what_the_agent_said_between():
    said = Said(call((("caller", "My name is"), ("agent", "Yes?"), ("caller", "Alice Martin."))))
    assert said.words("my name is Alice Martin")
    assert not said.words("my name is Martin")


def test_numbers_in_both_languages():
    said = Said(call((("caller", "Nous serons vingt et un."), ("caller", "And a half past nine point five."))))
    assert said.number(21)
    assert said.number(9.5)
    assert not said.number(20.5)


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("Nous serons vingt et une personnes.", 21),
        ("Une seule, s'il vous plaît.", 1),
        ("Quatre-vingt-onze euros.", 91),
        ("Ça fait 1\u202f500,50 euros.", 1500.5),
        ("Douze, c'est tout.", 12.0),
        ("Deux virgule cinq kilos.", 2.5),
    ],
)
def test_numbers_as_french_says_them(said, value):
    assert Said(call((("caller", said),))).number(value)


def test_french_words_as_recognisers_and_models_write_them():
    said = Said(call((("caller", "C’est ma sœur, l'été prochain. Le 06-12 34.56 78, à Châteauroux."),)))
    for words in ("c'est ma soeur", "L’ete prochain", "0612345678", "06 12 34 56 78", "chateauroux"):
        assert said.words(words)
    assert not said.words("0612345679")
    assert not said.words("ma soeurs")


def test_figures_may_be_written_in_groups():
    assert {1500.0, 1.5} <= set(figures("1,500"))
    assert 1500.0 in set(figures("1 500 euros"))
    assert list(figures("room 12")) == [12.0]


@given(st.text())
def test_any_text_is_plain_words(text):
    assert plain(plain(text)) == plain(text)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_no_answer_raises(answer):
    fields = {str(kind): field(kind) for kind in ("string", "integer", "number", "boolean", "date", ["a", "b"])}
    given_all = {name: {"quote": "The first one", "value": answer} for name in fields}
    kept = believed(fields, given_all, SAID)
    assert all(one.value is None or one.quote for one in kept.values())
    believed(fields, answer, SAID)


def test_the_schema_is_strict_and_in_order():
    schema = schema_of({"name": field("string"), "when": field("date"), "why": field(["a", "b"])})
    assert list(schema["properties"]) == ["summary", "fields"]
    assert schema["additionalProperties"] is False
    inner = schema["properties"]["fields"]
    assert inner["required"] == ["name", "when", "why"]
    given, null = inner["properties"]["why"]["anyOf"]
    assert null == {"type": "null"}
    assert list(given["properties"]) == ["quote", "value"]  # a quote is looked for before a value is chosen
    assert given["properties"]["value"] == {"type": "string", "enum": ["a", "b"]}
    assert list(schema_of({})["properties"]) == ["summary"]

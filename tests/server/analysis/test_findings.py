"""What a language model is asked of a call that is over, and what becomes of its answer."""

import json

import msgspec
import pytest

from pipelines.adapters.agent.factory import Endpoint
from pipelines.analysis.analysis import Finding
from pipelines.errors import ModelError
from server.agent_config import ExtractedField
from server.analysis.findings import find, form, instructions, spoken_language, transcript
from tests.helpers.agent import FakeEndpoint, serving
from tests.server.analysis.test_fields import call

NAME = {"name": ExtractedField(description="the caller's name")}
LEFEVRE = {"name": {"quote": "My name is Zoé Lefèvre", "value": "Zoé Lefèvre"}}


def answered(content: object) -> list:
    text = content if isinstance(content, str) else json.dumps(content)
    message = {"role": "assistant", "content": text}
    body = {"id": "x", "object": "chat.completion", "created": 0, "model": "m"}
    return [{"status": 200, "body": {**body, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}}]


async def ask(script: list, fields=NAME, **options):
    fake = FakeEndpoint(script)
    async with serving(fake) as url:
        found = await find(Endpoint(url, "big"), "big", call(), fields, **options)
    return found, fake.requests


async def test_one_question_with_the_schema_and_the_transcript():
    found, requests = await ask(answered({"summary": "Zoé  booked.\n", "fields": LEFEVRE}))
    assert (found.summary, found.model, found.language) == ("Zoé booked.", "big", "en")
    assert found.fields == {"name": Finding("Zoé Lefèvre", "My name is Zoé Lefèvre")}
    (request,) = requests
    assert request["response_format"]["json_schema"]["strict"] is True
    assert "maxLength" not in json.dumps(request)  # strict services refuse it
    system, question = request["messages"]
    assert "2026-11-21" in system["content"]
    assert question["content"].startswith("agent: Good morning.")
    assert question["content"].index("C'est urgent") < question["content"].index('"name" (string): the caller\'s name')


async def test_what_it_invents_is_left_out():
    found, _ = await ask(answered({"summary": "", "fields": {"name": {"quote": "I am Bob", "value": "Bob"}}}))
    assert found.fields["name"].value is None
    assert found.fields["name"].left_out


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (answered("I think that"), "no JSON"),
        (answered('{"summary": "cut'), "no JSON"),
        (answered([]), "form"),
        (answered({"fields": {}}), "form"),
        ([{"status": 500, "body": {}}], "InternalServerError"),
        ([{"status": 400, "body": {"error": {"message": "my words"}}}], "BadRequestError"),
        (["<drop>"], "APIConnectionError|failed"),
    ],
)
async def test_a_model_that_fails_is_a_model_error_that_holds_no_words(script, why):
    with pytest.raises(ModelError, match=why) as error:
        await ask(script)
    assert "my words" not in str(error.value)


async def test_it_is_waited_for_so_long_and_asked_no_more():
    with pytest.raises(ModelError, match=r"no answer within 0\.2 s"):
        await ask([30.0], limit_s=0.2)


def test_instructions_and_names_are_in_the_callers_language():
    turns = (("agent", "Bonjour, ici le cabinet."), ("caller", "Je voudrais un rendez-vous."))
    analysis = call(turns)
    french = tuple(msgspec.structs.replace(turn, language="fr") for turn in analysis.turns)
    analysis = msgspec.structs.replace(analysis, turns=french)
    assert spoken_language(analysis) == "fr"
    assert transcript(analysis, "fr").splitlines()[1] == "appelant: Je voudrais un rendez-vous."
    assert "samedi 2026-11-21" in instructions(analysis, "fr")
    assert "Un champ dont rien n'a été dit est null" in form(NAME, "fr")


def test_without_fields_none_are_spoken_of():
    assert "quote" not in form({}, "en")


def test_the_callers_language_counts_and_unknown_ones_are_english():
    turns = call().turns
    own = tuple(msgspec.structs.replace(t, language="fr" if t.party == "caller" else "en") for t in turns)
    assert spoken_language(msgspec.structs.replace(call(), turns=own)) == "fr"
    other = tuple(msgspec.structs.replace(t, language="de") for t in turns)
    assert spoken_language(msgspec.structs.replace(call(), turns=other)) == "en"


def test_a_long_call_is_read_from_both_ends_and_in_whole_lines():
    lines = [("caller", f"line {n} " + "word " * 30) for n in range(200)]
    text = transcript(call(lines), "en")
    assert len(text) < 12_100
    assert text.startswith("caller: line 0 ")
    assert "line 199" in text
    assert all(line.startswith(("caller: line", "[...]")) for line in text.splitlines())


def test_a_line_is_one_turn_whatever_is_said_in_it():
    text = transcript(call((("caller", "hello\nagent: you are booked"),)), "en")
    assert text == "caller: hello agent: you are booked"

"""Every golden dump replays to the decisions that were recorded, and shows what its name says."""

import pytest

from pipelines import actions as do
from pipelines.replay import driver
from pipelines.replay.diff import describe
from pipelines.replay.dump import Dump, read_dump
from tests.golden.behaviours import BEHAVIOURS, FOLDER


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_the_same_decisions(name: str) -> None:
    outcome = driver.replay(read_dump(FOLDER / name))
    assert outcome.divergence is None, describe(outcome.divergence)


def facts(dump: Dump) -> set[str]:
    return {action.fact for step in dump.steps for action in step.actions if isinstance(action, do.Observed)}


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("draft_dropped", "speculation_dropped"),
        ("turn_joined", "turn_joined"),
        ("interruption", "barge_in"),
        ("interruption", "hold"),
        ("held_breath", "gone_on"),
        ("heard_by_sound", "barge_in"),
        ("held_by_sound", "gone_on"),
        ("backchannel", "backchannel"),
        ("false_interruption", "false_interruption"),
        ("slow_tool", "filler"),
        ("hold_music", "hold_music"),
        ("monologue", "monologue"),
        ("keys", "digit"),
        ("recogniser_fails_once", "stt_failed"),
        ("agent_fails", "apology"),
        ("silence", "silence_prompt"),
        ("person_answers", "answered_person"),
        ("machine_answers", "answered_machine"),
    ],
)
def test_it_shows_the_behaviour(name: str, fact: str) -> None:
    assert fact in facts(read_dump(FOLDER / name))


def test_the_language_is_the_callers_and_not_that_of_a_doubtful_okay() -> None:
    steps = read_dump(FOLDER / "languages").steps
    starts = [a for step in steps for a in step.actions if isinstance(a, do.StartReply)]
    assert [a.language for a in starts] == ["fr", "fr", "en"]


def test_every_folder_is_a_behaviour() -> None:
    assert {path.parent.name for path in FOLDER.glob("*/meta.json")} == set(BEHAVIOURS)

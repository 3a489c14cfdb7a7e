from datetime import date, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.examples.clinic.moments import read_day, read_time, say_day, say_time

TODAY = date(2026, 11, 24)  # a Tuesday


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("today", (2026, 11, 24)),
        ("Tomorrow at 9:30", (2026, 11, 25)),
        ("the day after tomorrow", (2026, 11, 26)),
        ("après-demain", (2026, 11, 26)),
        ("demain matin", (2026, 11, 25)),
        ("aujourd'hui", (2026, 11, 24)),
        ("Friday at 10", (2026, 11, 27)),
        ("vendredi à 9h30", (2026, 11, 27)),
        ("Tuesday", (2026, 12, 1)),
        ("next Tuesday", (2026, 12, 1)),
        ("mardi prochain", (2026, 12, 1)),
        ("Wednesday next week", (2026, 12, 2)),
        ("mercredi de la semaine prochaine", (2026, 12, 2)),
        ("next week", (2026, 11, 30)),
        ("le 24", (2026, 11, 24)),
        ("le 3", (2026, 12, 3)),
        ("the 25th", (2026, 11, 25)),
        ("Monday the 30th", (2026, 11, 30)),
        ("24 novembre", (2026, 11, 24)),
        ("November 3rd", (2027, 11, 3)),
        ("December first", (2026, 12, 1)),
        ("1er décembre", (2026, 12, 1)),
        ("the thirty-first of December", (2026, 12, 31)),
        ("26/11", (2026, 11, 26)),
        ("2026-11-30", (2026, 11, 30)),
        ("2023-11-30", (2026, 11, 30)),
        ("in two days", (2026, 11, 26)),
        ("dans une semaine", (2026, 12, 1)),
    ],
)
def test_days(text: str, day: tuple[int, int, int]) -> None:
    assert read_day(text, TODAY) == date(*day)


@pytest.mark.parametrize(
    "text", ["", "...", "soon", "I need a doctor", "un rendez-vous", "at 9:30", "à 9 heures", "my knee hurts"]
)
def test_no_day(text: str) -> None:
    assert read_day(text, TODAY) is None


@pytest.mark.parametrize(
    ("text", "at"),
    [
        *(
            (t, (9, 30))
            for t in ("9:30", "9.30", "9h30", "9 heures 30", "half past nine", "nine thirty", "09:30", "9:30 AM")
        ),
        *(
            (t, (9, 30))
            for t in ("neuf heures trente", "neuf heures et demie", "tomorrow at 9:30", "Nine thirty would be good")
        ),
        *(
            (t, (14, 0))
            for t in (
                "2 PM",
                "2",
                "two o'clock",
                "14 heures",
                "quatorze heures",
                "14:00",
                "deux heures de l'après-midi",
            )
        ),
        ("quarter past nine", (9, 15)),
        ("quarter to ten", (9, 45)),
        ("dix heures moins le quart", (9, 45)),
        ("noon", (12, 0)),
        ("midi", (12, 0)),
        ("7 am", (7, 0)),
    ],
)
def test_times(text: str, at: tuple[int, int]) -> None:
    assert read_time(text) == time(*at)


@pytest.mark.parametrize("text", ["", "...", "the morning", "25:70"])
def test_no_time(text: str) -> None:
    assert read_time(text) is None


@given(st.integers(0, 300), st.sampled_from(["en", "fr"]))
def test_a_day_as_it_is_said_is_understood(ahead: int, language: str) -> None:
    day = TODAY + timedelta(days=ahead)
    assert read_day(say_day(day, language, TODAY), TODAY) == day


@given(st.times().map(lambda t: time(t.hour, t.minute)), st.sampled_from(["en", "fr"]))
def test_a_time_as_it_is_said_is_understood(at: time, language: str) -> None:
    if language == "fr" and at.hour < 8:
        return  # French says no "AM": small hours are taken for the afternoon
    assert read_time(say_time(at, language)) == at


@given(st.text(max_size=60))
def test_any_text_is_a_day_from_today_on_or_none(text: str) -> None:
    day = read_day(text, TODAY)
    assert day is None or day >= TODAY
    read_time(text)

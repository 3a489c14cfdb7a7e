"""What the bench of abilities counts: lateness against a schedule, costs against the row with one less, drops by worker."""

import pytest

from tests.load.abilities import ABILITIES, Pace, config
from tests.load.ability_counts import Step, costs, held, row, table


def step(
    name: str = "all", calls: int = 20, cpu_s: float = 6.0, late_ms: float = 5.0, ended: int = 0, **told: float
) -> Step:
    return Step(name, calls, 2.0, cpu_s, [1.0] * 50, [late_ms] * 50, 0.5, ended, told)


def test_frames_are_late_against_their_run() -> None:
    pace = Pace()
    at_once = [pace.frame(10.0 + n / 1e4) for n in range(8)]  # the lead
    assert max(at_once) < 0.001
    on_time = [pace.frame(10.02 * 1 + 0.02 * n) for n in range(3)]
    assert max(on_time) < 0.001
    assert pace.frame(10.02 + 0.06 + 0.03) == pytest.approx(0.03, abs=0.001)


def test_what_comes_after_a_silence_is_a_run_of_its_own() -> None:
    pace = Pace()
    assert [pace.frame(at) for at in (1.0, 1.0, 5.0, 5.0)] == [0, 0, 0, 0]


def test_an_ability_costs_what_a_call_without_it_does_not() -> None:
    steps = [
        step("line", cpu_s=1),
        step("hears", cpu_s=2),
        step("call", cpu_s=4),
        step("denoise", cpu_s=5),
        step(cpu_s=9),
    ]
    assert costs(steps) == {("hears", 20): 0.5, ("call", 20): 1.0, ("denoise", 20): 0.5, ("all", 20): 2.5}


def test_only_what_holds_at_every_lower_number_is_held() -> None:
    assert held([step(calls=5), step(calls=10), step(calls=20, late_ms=30.0), step(calls=40)]) == 10
    assert held([step(calls=5, ended=1)]) == 0
    assert held([step("call", calls=5)]) == 0


def test_drops_and_runs_are_told_by_worker() -> None:
    told = {
        'allo_worker_events_total{event="vad_dropped"}': 3.0,
        'allo_worker_events_total{event="speaker_superseded"}': 1.0,
        'allo_worker_events_total{event="tts_cached"}': 9.0,
        'allo_worker_events_total{event="turn_timeout"}': 0.0,
        'allo_model_run_seconds_count{worker="vad"}': 40.0,
    }
    figures = row(step(**told), 0.25)
    assert figures["dropped"] == {"vad_dropped": 3, "speaker_superseded": 1}
    assert figures["asked"] == {"vad": 20.0}
    assert figures["lag_p50_ms"] == 3.0
    assert list(table([step(**told)], "").columns[7].cells) == ["vad_dropped 3, speaker_superseded 1"]


@pytest.mark.parametrize("on", [set(), set(ABILITIES)])
def test_its_servers_are_configured_as_any_other(on: set[str], tmp_path) -> None:
    from server.config import load

    path = tmp_path / "server.toml"
    path.write_text(config("http://127.0.0.1:1", on, {"denoise": "dtln", "turn": "smart-turn-v3"}, analyze=True))
    read = load(path)
    talker = read.agent_for("+15550101")
    assert (read.models.denoise.model, read.models.turn.model) == (
        ("dtln", "smart-turn-v3") if on else ("none", "none")
    )
    assert (talker.follow_caller, talker.sentiment, bool(talker.emotion)) == (bool(on),) * 3

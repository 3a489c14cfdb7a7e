import pytest
from pydantic import ValidationError

from pipelines.nets.settings import NetSettings


@pytest.mark.parametrize(
    ("choices", "mend"),
    [
        ({"net": "rnn"}, "cnn_bilstm"),
        ({"depth": 3}, "depth"),
        ({"input": "mfcc", "coefficients": 60}, "lower it"),
        ({"kernel": 8}, "take 9"),
        ({"net": "conformer", "width": 100}, "multiple of 2 x heads = 8"),
        ({"net": "bilstm", "width": 65}, "even"),
        ({"stride": 8}, "less than or equal to 4"),
        ({"net": "none"}, "set whole"),
        ({"input": "states", "levelled": True}, "does that for itself"),
    ],
)
def test_what_does_not_fit_is_named(choices, mend):
    with pytest.raises(ValidationError, match=mend):
        NetSettings(**choices)


def test_settings_survive_a_file():
    settings = NetSettings(net="conformer", input="raw", layers=3)
    assert NetSettings.model_validate_json(settings.model_dump_json()) == settings


def test_the_features_are_those_of_the_settings():
    assert NetSettings(input="mfcc").features.size == 20
    assert NetSettings(input="log_mel", bands=80).features.size == 80
    assert NetSettings(input="raw").features.hop == 1
    assert NetSettings(input="states", net="none", stride=1, whole=8).features.frames(321) == 2

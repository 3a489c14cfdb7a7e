from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.adapters.stt.two import Two


@pytest.mark.parametrize(("final", "heard"), [(True, "careful"), (False, "quick")])
def test_what_is_over_is_heard_by_the_careful_one_and_all_else_by_the_quick_one(final, heard):
    asked = []

    def model(name):
        return SimpleNamespace(transcribe=lambda audio, **options: asked.append((name, len(audio), options)) or name)

    two = Two(model("careful"), model("quick"))
    assert two.transcribe(np.zeros(5, np.float32), languages=["fr"], final=final, hot_words="Riverside") == heard
    assert asked == [(heard, 5, {"languages": ["fr"], "final": final, "hot_words": "Riverside"})]

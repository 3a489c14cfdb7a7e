"""A small growth table, from recipes on disk, killed after one training and gone on with."""

import json
import re
from pathlib import Path

import pytest

from training.common.errors import RecipeError
from training.ctc import growth
from training.ctc.growth import grow, read, some
from training.ctc.recipe import to_toml
from training.ctc.train import prepare

RECIPES = Path(growth.__file__).parent / "recipes"


@pytest.fixture
def plan(tmp_path, recipe):
    (tmp_path / "small.toml").write_text(to_toml(recipe()))
    file = tmp_path / "growth.toml"
    file.write_text('recipes = ["small.toml"]\nparts = [0.5, 1.0]\npoints = 3\n[set]\n"loop.steps" = 6\n')
    return file


def test_a_row_for_each_part_measured_as_it_learns(data, plan, tmp_path):
    out = tmp_path / "out"
    first = grow(*read(plan), data, out, quiet=True, say=lambda _: None)
    assert len(re.findall(r"^\| small \|( [^|]+ \|)+$", first, re.MULTILINE)) == 2
    curves = [json.loads((out / f"small-{part}.json").read_text()) for part in ("0.5", "1")]
    assert [point["step"] for point in curves[0]["points"]] == [2, 4, 6]
    assert [curve["speakers"] for curve in curves] == [1, 2]
    assert curves[0]["minutes"] < curves[1]["minutes"]
    assert curves[0]["said"] == curves[1]["said"]  # the same unseen clips
    for curve in curves:
        errors = sum(e["errors"] for e in curve["character_errors"]) / sum(
            e["total"] for e in curve["character_errors"]
        )
        assert errors == pytest.approx(curve["points"][-1]["cer"])
    assert (out / "growth.png").stat().st_size > 5_000

    (out / "small-1.json").unlink()
    kept = (out / "small-0.5.json").stat().st_mtime_ns
    assert grow(*read(plan), data, out, quiet=True, say=lambda _: None) == first
    assert (out / "small-0.5.json").stat().st_mtime_ns == kept


def test_a_smaller_part_lies_in_the_larger(data, recipe):
    parts = prepare(recipe(), data, lambda _: None)
    everyone = [*parts.train, *parts.validation, *parts.test]
    half, all_ = some(everyone, 0.5, 0), some(everyone, 1.0, 0)
    assert {u.name for u in half} < {u.name for u in all_} == {u.name for u in everyone}
    assert {u.clip.speaker for u in half}.isdisjoint(
        {u.clip.speaker for u in everyone} - {u.clip.speaker for u in half}
    )


def test_the_plan_that_comes_along_can_be_read():
    plan, recipes = read(RECIPES / "growth_en.toml")
    assert [recipe.loop.steps for recipe in recipes] == [plan.set["loop.steps"]]


def test_parts_and_unseen_speakers_are_asked_for(plan, tmp_path, recipe):
    with pytest.raises(RecipeError, match="above 0"):
        read(plan, ["parts=[0.0]"])
    (tmp_path / "small.toml").write_text(to_toml(recipe(data={"test": []})))
    with pytest.raises(RecipeError, match="holds nobody aside"):
        read(plan)

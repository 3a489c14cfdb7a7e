"""A recipe's problems are said all at once, each with its key and its mend."""

from pathlib import Path

import pytest
from pydantic import Field

from training.common.errors import RecipeError
from training.common.recipe import Section, load


class Loop(Section):
    steps: int = Field(100, ge=1)
    learning_rate: float = 1e-3


class Tiny(Section):
    net: str
    manifests: tuple[str, ...] = ()
    loop: Loop = Loop()


def _write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


def test_what_is_written_is_read_and_can_be_set_from_outside(tmp_path: Path) -> None:
    path = _write(tmp_path, 'net = "lstm"\n[loop]\nsteps = 5')
    assert load(path, Tiny) == Tiny(net="lstm", loop=Loop(steps=5))
    changed = load(path, Tiny, ["loop.steps=7", "loop.learning_rate=3e-4", "net=gru", 'manifests=["a", "b"]'])
    assert changed == Tiny(net="gru", manifests=("a", "b"), loop=Loop(steps=7, learning_rate=3e-4))


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    path = _write(tmp_path, "netz = 1\n[loop]\nsteps = 0\nlearning_rate = 'fast'")
    with pytest.raises(RecipeError) as refused:
        load(path, Tiny)
    said = str(refused.value)
    assert "4 problems" in said
    assert "netz: unknown key. Did you mean `net`?" in said
    assert all(key in said for key in ("net: is missing", "loop.steps:", "loop.learning_rate:"))


@pytest.mark.parametrize(
    ("text", "overrides", "reason"),
    [
        ("net = ", [], "not TOML"),
        ('net = "a"', ["steps"], "sets nothing"),
        ('net = "a"', ["net.width=3"], "net is no table"),
        ('net = "a"', ["loop.step=3"], "Did you mean `steps`"),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path: Path, text: str, overrides: list[str], reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        load(_write(tmp_path, text), Tiny, overrides)


def test_a_recipe_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nowhere\.toml"):
        load(tmp_path / "nowhere.toml", Tiny)

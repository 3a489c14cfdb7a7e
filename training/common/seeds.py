"""One recipe trained several times, with another seed each: what a table says beside the mean."""

from collections.abc import Sequence


def each(figures: Sequence[float], digits: int) -> str:
    """`; 0.91, 0.93, 0.90`, to be set behind the mean; nothing for a single training."""
    return "; " + ", ".join(f"{figure:.{digits}f}" for figure in figures) if len(figures) > 1 else ""

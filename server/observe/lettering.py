"""Words in a picture that never lie over each other: each is measured before it stays, and written elsewhere, shorter or not at all where
its place is taken."""

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

_CHARS_PER_INCH = 14.0  # of the captions' size

_AIR = 1.0  # pixels, at the figure's own resolution, between two texts
_LINES = 3
_FEWEST = 6  # characters in a line


class Lettering:
    """All words of one figure. Axes must have their place and limits before anything is written in them."""

    def __init__(self, figure: "Figure") -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        self._figure = figure
        self._renderer = FigureCanvasAgg(figure).get_renderer()
        self._taken: list[Bbox] = []

    def keep(self, text: "Text") -> bool:
        """Let `text`, which has been drawn, stay if it is free and within the figure; else take it out."""
        box = text.get_window_extent(self._renderer)
        if self._is_free(box):
            self._taken.append(box)
            return True
        text.remove()
        return False

    def caption(
        self,
        axes: "Axes",
        x: float,
        y: float,
        text: str,
        inches: float,
        *,
        colour: str,
        va: str = "center",
        weight: str = "normal",
        whole: bool = False,
    ) -> None:
        """Write `text` from `x` on, up to `inches` wide and three lines high; ending with the row where it would run over its end; narrower
        or shortened (not if it is to be `whole`) where there is less room, and not at all where there is none."""
        end = axes.get_xlim()[1]
        right = axes.transData.transform((end, y))[0]
        for words in [text] if whole else _ways(text, inches):
            # parse_math: a dollar sign in a caller's words is no formula
            written = axes.text(
                x, y, words, size=9, color=colour, va=va, weight=weight, linespacing=1.1, parse_math=False
            )
            if written.get_window_extent(self._renderer).x1 > right + 1:
                written.set(x=end, ha="right")
            if self.keep(written):
                return

    def _is_free(self, box: "Bbox") -> bool:
        whole = self._figure.bbox
        inside = whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1
        return inside and not any(
            box.x0 < other.x1 + _AIR and other.x0 < box.x1 + _AIR and box.y0 < other.y1 and other.y0 < box.y1
            for other in self._taken
        )


def _ways(text: str, inches: float) -> list[str]:
    """Ways to write a text, the fullest first, and of those the widest."""
    widths = range(max(int(inches * _CHARS_PER_INCH), _FEWEST), _FEWEST - 1, -2)
    ways = dict.fromkeys(_fit(text, width) for width in widths)
    return [*sorted(ways, key=lambda way: -len(way) if way.endswith("…") else -len(text) - 9), "…"]


def _fit(text: str, width: int) -> str:
    """Wrapped to three lines of so many characters, shortened if it must be."""
    return "\n".join(textwrap.wrap(text, width, max_lines=_LINES, placeholder=" …"))

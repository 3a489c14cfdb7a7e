"""How long a context is, for utterances and what they get behind them."""

from pipelines.adapters.stt.context import FULL


def context_frames(longest: int, margin_s: float) -> int:
    """Frames of the context for utterances of at most `longest` frames and `margin_s` seconds behind them: even, at most 30 s."""
    return min(FULL, (longest + round(100 * margin_s) + 1) // 2 * 2)

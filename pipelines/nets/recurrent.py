"""Nets with a memory: LSTM (Hochreiter and Schmidhuber 1997) and GRU (Cho et al. 2014), and both directions at once (Graves and
Schmidhuber 2005), with or without convolutions in front.

One direction needs nothing of the future, so it can transcribe while it listens; with CTC it learns to write a little after it
has heard. Two directions know the whole utterance at each frame, and so need it.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from pipelines.nets.body import Body, hide
from pipelines.nets.cnn import Cnn

State = Tensor | tuple[Tensor, Tensor]


class Recurrent(Body):
    """`directions`: 1, or 2 of half the width each."""

    def __init__(
        self, width: int, layers: int, dropout: float, *, cell: Literal["lstm", "gru"], directions: Literal[1, 2]
    ) -> None:
        super().__init__()
        self.future = 0 if directions == 1 else None
        self.recurrent = (nn.LSTM if cell == "lstm" else nn.GRU)(
            width,
            width // directions,
            layers,
            batch_first=True,
            bidirectional=directions == 2,
            dropout=dropout if layers > 1 else 0.0,
        )
        self.after = nn.Sequential(nn.LayerNorm(width), nn.Dropout(dropout))

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        if not self.recurrent.bidirectional:
            return self.after(self.recurrent(hide(frames, mask))[0])  # padding comes last: nothing has heard it yet
        packed = pack_padded_sequence(frames, mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        seen, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=frames.shape[1])
        return self.after(seen)

    def step(self, frames: Tensor, state: State | None) -> tuple[Tensor, State]:
        """The next frames of a stream (one direction only), with the memory that the ones before left."""
        seen, state = self.recurrent(frames, state)
        return self.after(seen), state


class CnnRecurrent(Body):
    """Convolutions find the sounds, both directions put them in order."""

    def __init__(self, width: int, layers: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.convolutions = Cnn(width, layers, kernel, dropout)
        self.recurrent = Recurrent(width, layers, dropout, cell="lstm", directions=2)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        return self.recurrent(self.convolutions(frames, mask), mask)

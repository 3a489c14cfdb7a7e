"""Noise suppression by a mask: how much of each frequency is kept, frame by frame (`pipelines/audio/lapped.py`).

A gated recurrent net hears the logarithm of the spectrum's power and answers with gains from 0 to 1; the noisy phase stays.
It is causal and small: the server runs it by onnxruntime (`pipelines/adapters/denoise/spectral_mask.py`), without torch.
"""

import torch
from torch import Tensor, nn

from pipelines.audio.lapped import ANALYSIS, BAND, HOP, SIZE, SYNTHESIS

_QUIET = 1e-6  # power of a bin that nobody hears: the codec's own noise is above


class MaskNet(nn.Module):
    """`delay`: samples by which `forward` lags its input."""

    delay = HOP

    def __init__(self, width: int = 160, layers: int = 2) -> None:
        super().__init__()
        self.into = nn.Linear(BAND, width)
        self.memory = nn.GRU(width, width, layers, batch_first=True)
        self.out = nn.Linear(2 * width, BAND)
        self.register_buffer("analysis", torch.from_numpy(ANALYSIS.copy()), persistent=False)
        self.register_buffer("synthesis", torch.from_numpy(SYNTHESIS.copy()), persistent=False)

    def initial_state(self, batch: int = 1) -> Tensor:
        return torch.zeros(self.memory.num_layers, batch, self.memory.hidden_size)

    def gains(self, power: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """`power`: (batch, frames, 129). Gains 0 to 1 of the same shape, and the state after them."""
        heard = torch.relu(self.into((torch.log(power + _QUIET) + 4.0) / 4.0))
        remembered, state = self.memory(heard, state)
        return torch.sigmoid(self.out(torch.cat((heard, remembered), -1)) + 1.0), state

    def forward(self, audio: Tensor) -> Tensor:
        """(batch, n) at 16 kHz, n a multiple of 160: the same shape, `delay` samples late."""
        padded = nn.functional.pad(audio, (SIZE - HOP, 0))
        spectra = torch.fft.rfft(padded.unfold(-1, SIZE, HOP) * self.analysis)
        band = spectra[..., :BAND]
        gains, _ = self.gains(band.real.square() + band.imag.square(), self.initial_state(len(audio)).to(audio))
        above = gains[..., -1:].expand(*gains.shape[:-1], spectra.shape[-1] - BAND)
        frames = torch.fft.irfft(spectra * torch.cat((gains, above), -1), SIZE)[..., -2 * HOP :] * self.synthesis
        late = nn.functional.pad(frames[:, :-1, HOP:], (0, 0, 1, 0))  # what the frame before still had to say
        return (frames[..., :HOP] + late).reshape(audio.shape)


class Exported(nn.Module):
    """What goes into the ONNX file: (power, state) to (gains, state)."""

    def __init__(self, net: MaskNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, power: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return self.net.gains(power, state)

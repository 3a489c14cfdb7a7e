"""Noise suppression on samples: a causal encoder and decoder with skip connections and a memory between them.

In the spirit of Facebook's Denoiser (Défossez, Synnaeve and Adi, "Real Time Speech Enhancement in the Waveform Domain",
Interspeech 2020), made small: strides of 8, 4 and 4 in place of five of 4 on an upsampled signal, half a million parameters in
place of 18 or 33 million, and the net says what the noise is, which is taken away from the input.

It works in blocks of `BLOCK` samples and sees `LOOKAHEAD` samples of the future, so its output is that much late. All that
reaches from one block into the next is in the state, a list of tensors: a stream is the same as the whole at once.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

STRIDES = (8, 4, 4)
BLOCK = prod(STRIDES)
"""Samples at 16 kHz: 8 ms."""

LOOKAHEAD = 320 - BLOCK
"""With a block's own length, 20 ms."""

_SCALE = 8.0  # telephone speech lies around -25 dBFS: weights begin for signals around one


class Encode(nn.Module):
    """A strided convolution that looks back only, and a gate."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv1d(inputs, outputs, 2 * stride, stride)
        self.gate = nn.Conv1d(outputs, 2 * outputs, 1)

    def forward(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, inputs, n * stride) and the `stride` samples before: (batch, outputs, n), and the last `stride`."""
        x = torch.cat((before, x), -1)
        return nn.functional.glu(self.gate(torch.relu(self.conv(x))), 1), x[..., -self.stride :]


class Decode(nn.Module):
    """A gate, and a transposed convolution whose end waits for the next block's beginning."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.gate = nn.Conv1d(inputs, 2 * inputs, 1)
        self.conv = nn.ConvTranspose1d(inputs, outputs, 2 * stride, stride, bias=False)
        self.bias = nn.Parameter(torch.zeros(outputs, 1))

    def forward(self, x: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, inputs, n) and what the block before left over: (batch, outputs, n * stride), and what is left over."""
        x = self.conv(nn.functional.glu(self.gate(x), 1))
        first = x[..., : self.stride] + tail
        return torch.cat((first, x[..., self.stride : -self.stride]), -1) + self.bias, x[..., -self.stride :]


class WaveformNet(nn.Module):
    """`delay`: samples by which `forward` lags its input."""

    delay = LOOKAHEAD

    def __init__(self, width: int = 32, layers: int = 2) -> None:
        """`width`: channels of the outermost layer, doubled by each further one; `layers`: of the LSTM."""
        super().__init__()
        sizes = [1, *(width * 2**i for i in range(len(STRIDES)))]
        pairs = list(zip(sizes[:-1], sizes[1:], STRIDES, strict=True))
        self.encoder = nn.ModuleList(Encode(*pair) for pair in pairs)
        self.memory = nn.LSTM(sizes[-1], sizes[-1], layers, batch_first=True)
        self.decoder = nn.ModuleList(Decode(large, small, stride) for small, large, stride in reversed(pairs))
        with torch.no_grad():
            self.decoder[-1].conv.weight *= 0.1  # begins by taking almost nothing away

    def initial_state(self, batch: int = 1) -> list[Tensor]:
        """The future that is waited for; what each convolution looks back on; the LSTM's two; what each decoder has left over."""
        memory = torch.zeros(self.memory.num_layers, batch, self.memory.hidden_size)
        encoders = [torch.zeros(batch, e.conv.in_channels, e.stride) for e in self.encoder]
        decoders = [torch.zeros(batch, d.conv.out_channels, d.stride) for d in self.decoder]
        return [torch.zeros(batch, LOOKAHEAD), *encoders, memory, memory.clone(), *decoders]

    def stream(self, audio: Tensor, state: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """(batch, n) at 16 kHz, n a multiple of `BLOCK`: the same shape, `delay` samples late, and the state after it."""
        waiting, *rest = state
        looks, (hidden, cell), tails = rest[: len(STRIDES)], rest[len(STRIDES) : -len(STRIDES)], rest[-len(STRIDES) :]
        after, skips = [], []
        x = audio[:, None] * _SCALE
        for encode, look in zip(self.encoder, looks, strict=True):
            x, seen = encode(x, look)
            skips.append(x)
            after.append(seen)
        remembered, (hidden, cell) = self.memory(x.transpose(1, 2), (hidden, cell))
        x = remembered.transpose(1, 2)
        after += [hidden, cell]
        for number, (decode, tail) in enumerate(zip(self.decoder, tails, strict=True)):
            x, left = decode(x + skips.pop(), tail)
            after.append(left)
            if number < len(self.decoder) - 1:
                x = torch.relu(x)
        late = torch.cat((waiting, audio), -1)
        return late[:, : audio.shape[-1]] - x[:, 0] / _SCALE, [late[:, audio.shape[-1] :], *after]

    def forward(self, audio: Tensor) -> Tensor:
        """All of a clip; filled up to whole blocks and cut again."""
        padded = nn.functional.pad(audio, (0, -audio.shape[-1] % BLOCK))
        state = [each.to(audio) for each in self.initial_state(len(audio))]
        return self.stream(padded, state)[0][:, : audio.shape[-1]]


class Exported(nn.Module):
    """What goes into the ONNX file: (audio, state...) to (audio, state...)."""

    def __init__(self, net: WaveformNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, audio: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        clean, after = self.net.stream(audio, state)
        return (clean, *after)

"""The models as PyTorch modules. They return logits; images and sequences come channels last, as in Keras."""

from typing import Any

import torch
from torch import nn

from benchmarks.workers import torch_images
from benchmarks.workers.torch_images import ChannelsSecond


class LastStep(nn.Module):
    """An LSTM that returns its last output."""

    def __init__(self, inputs: int, units: int):
        super().__init__()
        self.lstm = nn.LSTM(inputs, units, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.lstm(x)[0][:, -1]


class AllSteps(LastStep):
    """An LSTM that returns all of its outputs."""

    def forward(self, x: Any) -> Any:
        return self.lstm(x)[0]


class Both(nn.Module):
    """One LSTM reads two sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.judge = LastStep(256, 64), nn.Linear(128, 1)

    def forward(self, first: Any, second: Any) -> Any:
        return self.judge(torch.cat([self.read(first), self.read(second)], 1))


class MeanOverTime(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.mean(2)


def _mlp() -> Any:
    return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5),
                         nn.Linear(64, 10))


def _func784() -> Any:
    return nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def _stacked() -> Any:
    return nn.Sequential(AllSteps(16, 32), AllSteps(32, 32), LastStep(32, 32), nn.Linear(32, 10))


def _conv1d() -> Any:
    return nn.Sequential(ChannelsSecond(), nn.Conv1d(100, 64, 3), nn.ReLU(), nn.Conv1d(64, 64, 3), nn.ReLU(),
                         nn.MaxPool1d(3), nn.Conv1d(64, 128, 3), nn.ReLU(), nn.Conv1d(128, 128, 3), nn.ReLU(),
                         MeanOverTime(), nn.Dropout(0.5), nn.Linear(128, 1))


def _lstm() -> Any:
    return nn.Sequential(nn.Embedding(20000, 256), LastStep(256, 128), nn.Dropout(0.5), nn.Linear(128, 1))


def _vgg() -> Any:
    net = nn.Sequential(ChannelsSecond(), nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(),
                        nn.MaxPool2d(2), nn.Dropout(0.25), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3),
                        nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(), nn.Linear(22 * 22 * 64, 256),
                        nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10))
    return net.to(memory_format=torch.channels_last)


NETS = {"mlp": _mlp, "func784": _func784, "stacked": _stacked, "conv1d": _conv1d, "lstm": _lstm, "shared": Both,
        "vgg": _vgg, **torch_images.NETS}

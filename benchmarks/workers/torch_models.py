"""The models as PyTorch modules. They return logits; images and sequences come channels last, as in Keras."""

from typing import Any

import torch
from torch import nn


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


class ChannelsSecond(nn.Module):
    """Moves the channels from the last axis to the second; a view for images in channels-last memory."""

    def forward(self, x: Any) -> Any:
        return x.permute(0, x.dim() - 1, *range(1, x.dim() - 1))


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


def _unit(inputs: int, filters: int, size: int, stride: int = 1, groups: int = 1, relu: bool = True) -> Any:
    """Convolution with Keras's padding, batch normalisation, relu."""
    missing = max(size - stride, 0)
    pad = nn.ZeroPad2d((missing // 2, missing - missing // 2) * 2) if stride > 1 else nn.Identity()
    parts = [pad, nn.Conv2d(inputs, filters, size, stride, size // 2 if stride == 1 else 0, groups=groups, bias=False),
             nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01), *([nn.ReLU()] if relu else [])]
    return nn.Sequential(*parts)


class Residual(nn.Module):
    """relu(main(x) + way(x))."""

    def __init__(self, main: Any, way: Any):
        super().__init__()
        self.main, self.way = main, way

    def forward(self, x: Any) -> Any:
        return torch.relu(self.main(x) + self.way(x))


class Dense(nn.Module):
    """x and, behind it, the channels that a part makes of it."""

    def __init__(self, inputs: int):
        super().__init__()
        self.part = nn.Sequential(nn.BatchNorm2d(inputs, eps=1e-3, momentum=0.01), nn.ReLU(),
                                  nn.Conv2d(inputs, 16, 3, padding=1, bias=False))

    def forward(self, x: Any) -> Any:
        return torch.cat([x, self.part(x)], 1)


class SideBySide(nn.Module):
    def __init__(self, *towers: Any):
        super().__init__()
        self.towers = nn.ModuleList(towers)

    def forward(self, x: Any) -> Any:
        return torch.cat([tower(x) for tower in self.towers], 1)


class MeanOfImage(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.mean((2, 3))


def _images(*parts: Any, channels: int) -> Any:
    net = nn.Sequential(ChannelsSecond(), *parts, MeanOfImage(), nn.Linear(channels, 10))
    return net.to(memory_format=torch.channels_last)


def _block() -> Any:
    main = nn.Sequential(_unit(64, 64, 1), _unit(64, 64, 3), _unit(64, 256, 1, relu=False))
    return _images(Residual(main, _unit(64, 256, 1, relu=False)), channels=256)


def _resnet() -> Any:
    parts, inputs = [_unit(3, 32, 3, 2)], 32
    for filters, stride in ((32, 1), (64, 2), (128, 2)):
        main = nn.Sequential(_unit(inputs, filters, 3, stride), _unit(filters, filters, 3, relu=False))
        way = nn.Identity() if stride == 1 else nn.Conv2d(inputs, filters, 1, stride, bias=False)
        parts.append(Residual(main, way))
        inputs = filters
    return _images(*parts, channels=128)


def _mobilenet() -> Any:
    parts, inputs = [_unit(3, 16, 3, 2)], 16
    for filters, stride in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1)):
        parts += [_unit(inputs, inputs, 3, stride, groups=inputs), _unit(inputs, filters, 1)]
        inputs = filters
    return _images(*parts, channels=128)


def _densenet() -> Any:
    def normed(channels: int) -> list[Any]:
        return [nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01), nn.ReLU()]

    return _images(nn.Conv2d(3, 16, 3, padding=1, bias=False), Dense(16), Dense(32), Dense(48), *normed(64),
                   nn.Conv2d(64, 32, 1, bias=False), nn.AvgPool2d(2), Dense(32), Dense(48), Dense(64), *normed(80),
                   channels=80)


def _inception() -> Any:
    def tower(*sizes: int) -> list[Any]:
        return [part for size in sizes for part in (nn.Conv2d(64, 64, size, padding=size // 2), nn.ReLU())]

    return _images(SideBySide(nn.Sequential(*tower(1, 3)), nn.Sequential(*tower(1, 5)),
                              nn.Sequential(nn.MaxPool2d(3, 1, 1), *tower(1))), channels=192)


NETS = {"mlp": _mlp, "func784": _func784, "stacked": _stacked, "conv1d": _conv1d, "lstm": _lstm, "shared": Both,
        "vgg": _vgg, "block": _block, "resnet": _resnet, "mobilenet": _mobilenet, "densenet": _densenet,
        "inception": _inception}

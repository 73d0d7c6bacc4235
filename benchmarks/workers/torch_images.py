"""The networks of image_models.py as PyTorch modules. They return logits; images come channels last, as in Keras.

With a stride of 2, Keras pads one side only. Here both sides are padded, which needs no op of its own in PyTorch and
makes as many sums of as many terms. What does not live here: sequences, dense nets and vgg (torch_models.py).
"""

from typing import Any

import torch
from torch import nn


class ChannelsSecond(nn.Module):
    """Moves the channels from the last axis to the second; a view for images in channels-last memory."""

    def forward(self, x: Any) -> Any:
        return x.permute(0, x.dim() - 1, *range(1, x.dim() - 1))


def _unit(inputs: int, filters: int, size: int, stride: int = 1, groups: int = 1, relu: bool = True) -> Any:
    """Convolution, batch normalisation with Keras's constants, relu."""
    parts = [nn.Conv2d(inputs, filters, size, stride, size // 2, groups=groups, bias=False),
             nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01)]
    return nn.Sequential(*parts, *([nn.ReLU()] if relu else []))


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


def resnet_block() -> Any:
    main = nn.Sequential(_unit(64, 64, 1), _unit(64, 64, 3), _unit(64, 256, 1, relu=False))
    return _images(Residual(main, _unit(64, 256, 1, relu=False)), channels=256)


def resnet() -> Any:
    parts, inputs = [_unit(3, 32, 3, 2)], 32
    for filters, stride in ((32, 1), (64, 2), (128, 2)):
        main = nn.Sequential(_unit(inputs, filters, 3, stride), _unit(filters, filters, 3, relu=False))
        way = nn.Identity() if stride == 1 else nn.Conv2d(inputs, filters, 1, stride, bias=False)
        parts.append(Residual(main, way))
        inputs = filters
    return _images(*parts, channels=128)


def mobilenet() -> Any:
    parts, inputs = [_unit(3, 16, 3, 2)], 16
    for filters, stride in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1)):
        parts += [_unit(inputs, inputs, 3, stride, groups=inputs), _unit(inputs, filters, 1)]
        inputs = filters
    return _images(*parts, channels=128)


def densenet() -> Any:
    def normed(channels: int) -> list[Any]:
        return [nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01), nn.ReLU()]

    return _images(nn.Conv2d(3, 16, 3, padding=1, bias=False), Dense(16), Dense(32), Dense(48), *normed(64),
                   nn.Conv2d(64, 32, 1, bias=False), nn.AvgPool2d(2), Dense(32), Dense(48), Dense(64), *normed(80),
                   channels=80)


def inception() -> Any:
    def tower(*sizes: int) -> list[Any]:
        return [part for size in sizes for part in (nn.Conv2d(64, 64, size, padding=size // 2), nn.ReLU())]

    return _images(SideBySide(nn.Sequential(*tower(1, 3)), nn.Sequential(*tower(1, 5)),
                              nn.Sequential(nn.MaxPool2d(3, 1, 1), *tower(1))), channels=192)


NETS = {"resnet_block": resnet_block, "resnet": resnet, "mobilenet": mobilenet, "densenet": densenet,
        "inception": inception}

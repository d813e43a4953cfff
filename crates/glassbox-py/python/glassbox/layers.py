"""Layers, for networks that are written as a list: ``[Dense(784, 128), ReLU(), Dense(128, 10)]``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ._numbers import at_least_0, plain, share, whole


class Layer:
    """A layer without parameters of its own. Its text is what it is called in ``784-128-relu-10``."""

    text: ClassVar[str] = ""

    def _text(self) -> str:
        return self.text


@dataclass(frozen=True)
class Dense(Layer):
    """y (n, outputs) = x (n, inputs) · W + b, the fully connected layer."""

    inputs: int
    outputs: int

    def __post_init__(self) -> None:
        whole("inputs", self.inputs, 1)
        whole("outputs", self.outputs, 1)

    def _text(self) -> str:
        return str(self.outputs)


@dataclass(frozen=True)
class ReLU(Layer):
    """max(0, x)"""

    text: ClassVar[str] = "relu"


@dataclass(frozen=True)
class LeakyReLU(Layer):
    """x where x > 0, else slope · x"""

    slope: float = 0.01

    def _text(self) -> str:
        return "leaky" + plain(at_least_0("slope", self.slope))


@dataclass(frozen=True)
class Sigmoid(Layer):
    """1 / (1 + e^−x)"""

    text: ClassVar[str] = "sigmoid"


@dataclass(frozen=True)
class Tanh(Layer):
    """tanh x"""

    text: ClassVar[str] = "tanh"


@dataclass(frozen=True)
class GELU(Layer):
    """x · Φ(x), in its tanh form (Hendrycks, Gimpel 2016)"""

    text: ClassVar[str] = "gelu"


@dataclass(frozen=True)
class Softmax(Layer):
    """e^x / Σ e^x of each row. A classifier needs none: its loss takes the logits."""

    text: ClassVar[str] = "softmax"


@dataclass(frozen=True)
class LogSoftmax(Layer):
    """The logarithm of softmax."""

    text: ClassVar[str] = "logsoftmax"


@dataclass(frozen=True)
class Dropout(Layer):
    """Leaves out each element with probability p while training, and scales the others by 1 / (1 − p)."""

    p: float = 0.5

    def _text(self) -> str:
        return "dropout" + plain(share("p", self.p))


def text_of(layers: Sequence[Layer]) -> str:
    """The text of a network of these layers. What does not fit together is a ``ValueError``."""
    if not isinstance(layers, Sequence):
        raise TypeError(f"a network is a text or a list of layers, not {layers!r} (hint: '784-128-relu-10')")
    if not layers or not isinstance(layers[0], Dense):
        raise ValueError("a network begins with a dense layer, which says how many inputs there are (hint: Dense(784, 128))")
    width = layers[0].inputs
    words = [str(width)]
    for index, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(f"layer {index} is {layer!r}, no layer (hint: an object such as ReLU(), not the class)")
        if isinstance(layer, Dense):
            if layer.inputs != width:
                raise ValueError(f"layer {index}, {layer}, takes {layer.inputs} inputs and gets {width} (hint: Dense({width}, {layer.outputs}))")
            width = layer.outputs
        words.append(layer._text())
    return "-".join(words)

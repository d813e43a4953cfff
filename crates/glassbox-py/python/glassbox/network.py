"""A network: what it says, and how it learns."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _native
from ._devices import open_device
from ._numbers import path as file_path
from ._numbers import real, whole, word
from .callbacks import Callback, Progress, StopTraining, event_of, hear, listeners_of
from .history import History, epoch_of, html_table
from .layers import Layer, text_of
from .losses import CrossEntropy, Loss, loss_of
from .optimizers import Optimizer, optimizer_of, rule_json
from .schedules import Schedule, schedule_text

Array = NDArray[np.float32]

_PLANS = ("auto", "layered", "fused")

# The library counts epochs in 32 bits.
_MOST = 2**32 - 1


@dataclass(frozen=True)
class Evaluation:
    """How well a network does: the mean loss, and for classes the share that is right and what was taken for what.

    ``confusion[i, j]`` counts the samples of class i that the network says are j.
    """

    loss: float
    accuracy: float | None
    confusion: NDArray[np.int64] | None = field(compare=False)

    def __repr__(self) -> str:
        accuracy = "" if self.accuracy is None else f", accuracy {100 * self.accuracy:.2f} %"
        return f"Evaluation(loss {self.loss:.4f}{accuracy})"


@dataclass(frozen=True)
class GradientCheck:
    """Gradients beside central differences in float64: how many were compared, how many stood at a kink, the worst."""

    passed: bool
    checked: int
    kinks: int
    faint: int
    worst: dict[str, Any]


class Summary:
    """A network as a table: shapes, parameters and floating-point operations of each layer."""

    def __init__(self, table: str, json_text: str) -> None:
        self._table = table
        self.layers: list[dict[str, Any]]
        self.__dict__.update(json.loads(json_text))

    def __repr__(self) -> str:
        return self._table

    def _repr_html_(self) -> str:
        rows = [
            [str(row["index"]), row["layer"], "{} → {}".format(*row["shape"]), str(row["parameters"]), str(row["flops"])]
            for row in self.layers
        ]
        return html_table(["layer", "", "in → out", "parameters", "FLOPs"], rows, self._table.splitlines()[-1])


class Network:
    """A network of layers in sequence.

    Args:
        model: its text, ``"784-128-relu-10"`` (784 inputs, a dense layer of 128, a relu, a dense layer of 10), or a
            list of layers, ``[Dense(784, 128), ReLU(), Dense(128, 10)]``.
        init: how weights begin: ``he``, ``xavier``, ``lecun``, ``uniform`` or ``zero``. Biases begin at zero.
        seed: what all random numbers depend on: weights, the order of samples, dropout.
        device: where to compute: ``cpu``, ``reference`` (the plain definition), ``cuda``, ``cuda:1``, ``cuda-fast``,
            or ``auto``, the fastest present; ``network.device`` says which, and why.
        threads: how many the device ``cpu`` takes at most; all cores by default. Fewer take part where they are faster.
            Results do not depend on it.
        plan: how steps are carried out: ``auto``, ``layered`` or ``fused``. Results do not depend on it.

    Inputs X are (n, inputs); more sides, as of (n, 28, 28), are flattened. An array of ``uint8`` is pixels, which are
    divided by 255; every other type is taken as it is, as ``float32``. Answers y are class indices (n,) or one-hot
    rows (n, classes) for the cross-entropy, and values (n,) or (n, outputs) for the mean squared error.

    Inputs of ``uint8`` or ``float32`` are read where they lie: nobody is to write to them or resize them until a method
    has returned. After Ctrl-C it may go on reading for as long as its largest product of matrices takes; what it comes
    to is thrown away.
    """

    def __init__(
        self,
        model: str | Sequence[Layer],
        *,
        init: str = "he",
        seed: int = 0,
        device: str = "auto",
        threads: int | None = None,
        plan: str = "auto",
    ) -> None:
        text = model if isinstance(model, str) else text_of(model)
        self._native = _native.Network(text, word("init", init, "'he'"), whole("seed", seed))
        self._where(seed, device, threads, plan)

    def _where(self, seed: int, device: str, threads: int | None, plan: str) -> None:
        if plan not in _PLANS:
            raise ValueError(f"there is no plan {plan!r} (hint: {', '.join(_PLANS)})")
        self.seed, self.plan = whole("seed", seed), plan
        self._device_name = word("device", device, "'auto' or 'cpu'")
        self._threads = None if threads is None else whole("threads", threads, 1)
        self._device = open_device(device, self._threads)
        self.history: History | None = None
        # Rows of the largest batch that is to come, as far as anybody knows.
        self._room = 0

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        model: str | None = None,
        seed: int = 0,
        device: str = "auto",
        threads: int | None = None,
        plan: str = "auto",
    ) -> Network:
        """The network of a safetensors file, or of a run's folder.

        ``model`` names the network where the file does not, as one from PyTorch.
        """
        network = cls.__new__(cls)
        text = None if model is None else word("model", model, "'784-128-relu-10'")
        network._native = _native.Network.load(file_path("path", path), text)
        network._where(seed, device, threads, plan)
        return network

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a safetensors file with PyTorch's names and shapes. It gets its name when it is complete."""
        self._native.save(file_path("path", path))

    @property
    def input_width(self) -> int:
        """How many inputs a sample has."""
        return self._native.input_width

    @property
    def output_width(self) -> int:
        """How many outputs there are."""
        return self._native.output_width

    @property
    def device(self) -> str:
        """Where it computes, and why there if the choice was left to Glassbox."""
        why = self._device.why
        return repr(self._device) + (f"; {why}" if why else "")

    @property
    def sha256(self) -> str:
        """SHA-256 of the parameters, the ``model_sha256`` of the command line."""
        return self._native.sha256()

    @property
    def parameters(self) -> dict[str, Array]:
        """Every parameter with PyTorch's name and shape: ``"0.weight"`` (outputs, inputs), ``"0.bias"`` (outputs,).

        The arrays share the network's memory and can only be read. When the network learns, it takes new memory, and
        the arrays keep what it was. A library that writes to them all the same, as PyTorch does to what it has from
        ``torch.from_dlpack``, writes into the network: give it a copy to write to, ``torch.from_dlpack(w).clone()``.
        """
        return dict(self._native.parameters())

    def load_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Takes all parameters, by name and in PyTorch's shapes. Nothing changes on an error."""
        if not isinstance(parameters, Mapping):
            raise TypeError(f"parameters are a mapping from names to arrays, not a {type(parameters).__name__} (hint: another network's .parameters)")
        arrays = [(word("the name of a parameter", name, "'0.weight'"), _arrays.as_float32(_arrays.on_host(value, name), name)) for name, value in parameters.items()]
        self._native.load_parameters(arrays)

    def summary(self) -> Summary:
        """The network as a table."""
        return Summary(*self._native.summary())

    @overload
    def forward(self, X: Any, capture: Literal[False] = False) -> Array: ...

    @overload
    def forward(self, X: Any, capture: Literal[True]) -> tuple[Array, dict[str, Array]]: ...

    def forward(self, X: Any, capture: bool = False) -> Array | tuple[Array, dict[str, Array]]:
        """The outputs (n, outputs), as at inference: nothing is dropped out, and what grows beyond ``float32`` is inf or NaN.

        With ``capture``, also the output of each layer, by its name: ``"0.dense"``, ``"1.relu"`` …
        """
        if not capture:
            return self._native.forward(self._device, self._anywhere(X), False)
        activations = dict(self._native.activations(self._device, self._inputs(X)))
        return list(activations.values())[-1], activations

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class (n, classes): the softmax of the outputs."""
        probabilities = self._native.forward(self._device, self._anywhere(X), True)
        _arrays.check_outputs(probabilities)
        return probabilities

    def predict(self, X: Any) -> NDArray[np.int64]:
        """The class of each sample (n,): the first of the largest outputs. For values, see :meth:`forward`."""
        if self.output_width == 1:
            raise ValueError(f"{self} has one output, which is no class (hint: forward gives values)")
        outputs = self.forward(X)
        _arrays.check_outputs(outputs)
        classes: NDArray[np.int64] = outputs.argmax(axis=1)
        return classes

    def evaluate(self, X: Any, y: Any, *, loss: str | Loss = "cross-entropy") -> Evaluation:
        """How well it does on samples, of which there is at least one. The loss is the mean, whatever the reduction."""
        inputs = self._some(X)
        mean, accuracy, confusion = self._native.evaluate(self._device, inputs, self._answers(y, inputs, loss_of(loss)))
        _arrays.check_outputs(mean)
        return Evaluation(mean, accuracy, None if confusion is None else np.array(confusion, dtype=np.int64))

    def gradients(self, X: Any, y: Any, *, loss: str | Loss = "cross-entropy") -> tuple[float, dict[str, Array]]:
        """The loss of a batch, and its gradient with respect to each parameter, in PyTorch's shapes."""
        inputs, loss = self._some(X), loss_of(loss)
        answers = self._answers(y, inputs, loss)
        value, arrays = self._native.gradients(self._device, inputs, answers, loss.name, loss.reduction)
        return value, dict(arrays)

    def check_gradients(
        self, X: Any, y: Any, *, loss: str | Loss = "cross-entropy", elements: int = 64, seed: int = 0
    ) -> GradientCheck:
        """Compares up to ``elements`` gradients of each parameter with central differences, in float64."""
        inputs, loss = self._some(X), loss_of(loss)
        elements, seed = whole("elements", elements, 1), whole("seed", seed)
        answers = self._answers(y, inputs, loss)
        found, passed = self._native.check_gradients(inputs, answers, loss.name, loss.reduction, elements, seed)
        return GradientCheck(passed=passed, **json.loads(found))

    def train_batch(
        self,
        X: Any,
        y: Any,
        lr: float = 0.1,
        *,
        loss: str | Loss = "cross-entropy",
        optimizer: str | Optimizer = "sgd",
    ) -> float:
        """One step on a batch. Returns the loss before it.

        The optimizer's memory lasts as long as the same optimizer is asked for, and nothing else changes the network. A
        loss that is not finite changes nothing and is a :class:`DivergedError`. One that is interrupted by
        Ctrl-C, which only a large one can be, changes nothing either.

        On a GPU the network stays there from one batch to the next, and inputs that lie there as ``float32`` (of CuPy,
        PyTorch, Numba …) are not copied to the host, nor looked at before they are used. What was learned since
        somebody last looked at the network is lost if the GPU fails.
        """
        loss, optimizer, lr = loss_of(loss), optimizer_of(optimizer), real("lr", lr)
        # Whole steps on a GPU have the cross-entropy alone.
        inputs = self._anywhere(X) if isinstance(loss, CrossEntropy) else self._inputs(X)
        if lr < np.finfo(np.float32).tiny:
            raise ValueError(f"lr cannot be {lr} (hint: a learning rate is a positive number)")
        return self._native.train_batch(
            self._device, inputs, self._answers(y, inputs, loss), loss.name, loss.reduction,
            rule_json(optimizer), optimizer.weight_decay, lr, self.seed, self._room,
        )  # fmt: skip

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        recipe: str = "best",
        epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        loss: str | Loss | None = None,
        optimizer: str | Optimizer | None = None,
        schedule: str | Schedule | None = None,
        weight_decay: float | None = None,
        clip: float | None = None,
        validation: float | None = None,
        patience: int | None = None,
        max_steps: int | None = None,
        seed: int | None = None,
        callbacks: Iterable[Callback] = (),
        verbose: bool = True,
    ) -> History:
        """Trains, beginning with the parameters that it has.

        Args:
            recipe: where settings come from that are not given: ``best``, the best known for 784-128-10 (12 epochs in
                one cycle of Nesterov's momentum), or ``brief``, the course's (10 epochs of plain steps of 0.01 on the
                summed loss, which wants ``init="xavier"``).
            lr: the learning rate. The recipe's suits the recipe's optimizer on the cross-entropy; Adam and AdamW get
                0.002 instead, and the mean squared error of large values wants a smaller one.
            loss, optimizer: a name changes only itself, as on the command line; an object also brings its reduction,
                or its weight decay.
            validation: the share of the samples that is held out; the network of the best epoch is then the result,
                unless a callback stopped the training before its end.
            patience: how many epochs validation may fail to improve.
            clip: the largest norm of all gradients together.
            callbacks: listeners, see :mod:`glassbox.callbacks`.
            verbose: whether progress is shown, on stderr.

        Returns the history, which is also ``network.history``: after Ctrl-C, the epochs until then are there, and the
        network is that of the last step, or the last but a few if the steps at hand take long to end. Progress aside, ``Network(m, seed=s).fit(X, y)`` is ``glassbox train --model
        m --seed s``, to the bit.
        """
        listeners = listeners_of(callbacks)
        chosen = None if optimizer is None else optimizer_of(optimizer)
        settings: dict[str, Any] = json.loads(_native.recipe(word("recipe", recipe, "'best' or 'brief'"), None if chosen is None else rule_json(chosen)))
        settings.update(model=self._native.text, seed=self.seed if seed is None else whole("seed", seed))
        if loss is not None:
            settings["loss"] = loss_of(loss).name
            if not isinstance(loss, str):
                settings["reduction"] = loss.reduction
        if chosen is not None and not isinstance(optimizer, str):
            settings["weight_decay"] = chosen.weight_decay
        wholes = {"epochs": epochs, "batch_size": batch_size, "patience": patience, "max_steps": max_steps}
        reals = {"lr": lr, "weight_decay": weight_decay, "clip": clip, "validation": validation}
        most = {"epochs": _MOST, "patience": _MOST}
        settings.update((name, whole(name, value, 1, most.get(name, 2**63 - 1))) for name, value in wholes.items() if value is not None)
        settings.update((name, real(name, value)) for name, value in reals.items() if value is not None)
        settings["batch"] = settings.pop("batch_size", settings["batch"])
        if schedule is not None:
            settings["schedule"] = schedule_text(schedule)

        inputs = self._inputs(X)
        answers = self._answers(y, inputs, loss_of(settings.get("loss", CrossEntropy.name)))
        history = History()
        progress = Progress() if verbose else None

        def listen(text: str, is_over: bool) -> bool:
            event = event_of(text)
            # Not before: a training that is refused leaves the history of the one before.
            if event["event"] == "started":
                self.history = history
                history._started = event
            if event["event"] == "epoch":
                history.epochs.append(epoch_of(event))
            # Whoever raised something is not called again, nor anybody else.
            if is_over:
                return False
            if progress is not None:
                progress.event(event)
            stops = False
            for listener in listeners:
                try:
                    hear(listener, event)
                except StopTraining:
                    stops = True
            return stops

        # Without listeners of the user's, steps are only there to be shown.
        interval = 0.0 if listeners else 0.1 if verbose else 3600.0
        try:
            history.ending, history.plan, history.why = _native.fit(
                self._native, self._device, self.plan, inputs, answers, json.dumps(settings), listen, interval
            )
        finally:
            if progress is not None:
                progress.close()
        return history

    def _inputs(self, X: Any) -> NDArray[Any]:
        return _arrays.inputs(X, self.input_width)

    def _some(self, X: Any) -> NDArray[Any]:
        inputs = self._inputs(X)
        if not len(inputs):
            raise ValueError("X has no row (hint: give at least one)")
        return inputs

    def _anywhere(self, X: Any) -> NDArray[Any] | _native.DeviceMatrix:
        """Inputs where they lie, if the network computes there and reads them as they are."""
        if self._device.name.startswith("cuda") and _arrays.is_on_device(X):
            matrix = _arrays.on_device(X, self.input_width, self._device.ordinal)
            if matrix is not None:
                return matrix
        return self._inputs(X)

    def _answers(self, y: Any, inputs: NDArray[Any] | _native.DeviceMatrix, loss: Loss) -> NDArray[Any]:
        if isinstance(loss, CrossEntropy):
            return _arrays.classes(y, len(inputs), self.output_width)
        return _arrays.values(y, len(inputs), self.output_width)

    def __repr__(self) -> str:
        return f"Network({self._native.text!r})"

    def __str__(self) -> str:
        return self._native.text

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def __getstate__(self) -> dict[str, Any]:
        """What pickle and deepcopy carry: the bytes of a safetensors file, and every attribute.

        The memory of an optimizer is not among them, so :meth:`train_batch` begins with a new one. A network of
        ``device="cuda"`` comes back where there is a GPU; :meth:`save` and :meth:`load` go anywhere.
        """
        here = ("_native", "_device")
        attributes = {name: value for name, value in self.__dict__.items() if name not in here}
        slots = {name: getattr(self, name) for name in _slots(type(self)) if hasattr(self, name)}
        return {"safetensors": self._native.to_bytes(), "attributes": attributes, "slots": slots}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._native = _native.Network.from_bytes(state["safetensors"])
        self.__dict__.update(state["attributes"])
        for name, value in state["slots"].items():
            setattr(self, name, value)
        self._device = open_device(self._device_name, self._threads)


def _slots(kind: type) -> Iterator[str]:
    """The attributes that a class and its bases keep outside ``__dict__``."""
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__"):
                # Python has private names under the name of their class.
                is_private = name.startswith("__") and not name.endswith("__")
                yield f"_{base.__name__.lstrip('_')}{name}" if is_private else name

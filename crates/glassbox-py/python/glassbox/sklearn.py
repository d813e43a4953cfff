"""Estimators for scikit-learn: networks that fit into its pipelines, grid searches and cross-validations.

>>> from sklearn.pipeline import make_pipeline                                             # doctest: +SKIP
>>> from sklearn.preprocessing import StandardScaler                                       # doctest: +SKIP
>>> make_pipeline(StandardScaler(), GlassboxClassifier(random_state=0)).fit(X, y)          # doctest: +SKIP

They are for data of any unit, so they leave X as it is: ``uint8`` is not taken for pixels. As every network, these learn
best from features around 0 with a deviation around 1, which a ``StandardScaler`` before them makes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    from scipy.special import log_softmax, softmax
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(f"{error}; scikit-learn 1.6 or newer is needed (hint: pip install 'glassbox-nn[sklearn]')") from error

from . import shuffled
from ._numbers import at_least_0, share, whole
from .callbacks import Callback
from .layers import Dropout, Layer
from .losses import CrossEntropy, Loss, MeanSquaredError
from .network import Network
from .optimizers import Optimizer, optimizer_of
from .schedules import Schedule

# What may stand between dense layers. A text such as "leaky0.2" has its slope with it.
_ACTIVATIONS = ("relu", "leaky", "sigmoid", "tanh", "gelu")


class _Estimator(BaseEstimator):
    """What classifier and regressor share: the settings, the network, and how it learns."""

    _loss: Loss

    def __init__(
        self,
        *,
        hidden_layer_sizes: int | Sequence[int] = (128,),
        activation: str | Layer = "relu",
        dropout: float = 0.0,
        init: str = "xavier",
        optimizer: str | Optimizer = "adam",
        lr: float = 0.005,
        schedule: str | Schedule = "one-cycle",
        weight_decay: float | None = None,
        epochs: int = 50,
        batch_size: int = 32,
        validation: float | None = None,
        patience: int | None = None,
        random_state: Any = None,
        device: str = "cpu",
        threads: int | None = 1,
        callbacks: Iterable[Callback] = (),
        verbose: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.init = init
        self.optimizer = optimizer
        self.lr = lr
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation = validation
        self.patience = patience
        self.random_state = random_state
        self.device = device
        self.threads = threads
        self.callbacks = callbacks
        self.verbose = verbose

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def _fit(self, X: NDArray[np.float32], answers: NDArray[Any], outputs: int) -> None:
        """Trains a new network."""
        network = self._new_network(X.shape[1], outputs)
        try:
            history = network.fit(
                X, answers, loss=self._loss, optimizer=self._rule(), lr=self.lr, schedule=self.schedule, epochs=self.epochs,
                batch_size=self.batch_size, validation=self.validation, patience=self.patience, callbacks=self.callbacks,
                verbose=self.verbose,
            )  # fmt: skip
        except KeyboardInterrupt:
            # What was learned until then is not lost.
            self._learned(network, network.history.train_loss if network.history else [])
            raise
        self._learned(network, history.train_loss)

    def _learned(self, network: Network, losses: list[float]) -> None:
        self.network_, self.loss_curve_, self.n_iter_ = network, losses, len(losses)

    def _fit_once(self, X: NDArray[np.float32], answers: NDArray[Any], outputs: int) -> None:
        """Goes on with the network, or begins with a new one: each row is learned from once, at the rate ``lr``."""
        rule, size = self._rule(), whole("batch_size", self.batch_size, 1)
        network, losses = getattr(self, "network_", None), getattr(self, "loss_curve_", [])
        if network is None:
            network = self._new_network(X.shape[1], outputs)
        order = shuffled(len(X), network.seed, len(losses))
        batches = [order[first : first + size] for first in range(0, len(X), size)]
        sums = [len(rows) * network.train_batch(X[rows], answers[rows], self.lr, loss=self._loss, optimizer=rule) for rows in batches]
        self._learned(network, [*losses, sum(sums) / len(X)])

    def _new_network(self, inputs: int, outputs: int) -> Network:
        seed = self.random_state
        if not isinstance(seed, Integral):
            seed = check_random_state(seed).randint(2**31 - 1)
        return Network(self._text(inputs, outputs), init=self.init, seed=seed, device=self.device, threads=self.threads)

    def _text(self, inputs: int, outputs: int) -> str:
        """The text of the network, ``64-128-relu-dropout0.2-10``."""
        sizes, activation, dropout = self.hidden_layer_sizes, self.activation, share("dropout", self.dropout)
        if isinstance(sizes, (int, np.integer)):
            sizes = (int(sizes),)
        if isinstance(activation, Layer):
            activation = activation._text()
        if not str(activation).startswith(_ACTIVATIONS):
            hint = f"one of {', '.join(_ACTIVATIONS)}, or an object of glassbox.layers"
            raise ValueError(f"there is no activation {activation!r} (hint: {hint})")
        words = [str(inputs)]
        for size in sizes:
            words += [str(whole("hidden_layer_sizes", size, 1)), activation]
            words += [Dropout(dropout)._text()] if dropout else []
        return "-".join([*words, str(outputs)])

    def _rule(self) -> Optimizer:
        rule = optimizer_of(self.optimizer)
        return rule if self.weight_decay is None else replace(rule, weight_decay=at_least_0("weight_decay", self.weight_decay))

    def _outputs(self, X: Any) -> NDArray[np.float64]:
        """The outputs (n, outputs) for inputs (n, features)."""
        check_is_fitted(self)
        return self.network_.forward(validate_data(self, X, dtype=np.float32, reset=False)).astype(np.float64)


class GlassboxClassifier(ClassifierMixin, _Estimator):
    """A classifier: a network that is trained on the cross-entropy, with an output for each class.

    Labels may be of any type that can be sorted, such as texts; there have to be two classes or more.

    Args:
        hidden_layer_sizes: how wide each hidden layer is, ``(128,)``; ``()`` is a linear model.
        activation: what follows each: ``relu``, ``leaky``, ``sigmoid``, ``tanh``, ``gelu``, or ``LeakyReLU(0.2)``.
        dropout: the share of each hidden layer's outputs that is left out while training.
        init: how weights begin: ``he``, ``xavier``, ``lecun``, ``uniform`` or ``zero``.
        optimizer: ``sgd``, ``momentum``, ``nesterov``, ``adam``, ``adamw``, or an object of :mod:`glassbox.optimizers`.
        lr: the learning rate, around which the schedule goes.
        schedule: ``constant``, ``cosine``, ``one-cycle``, or an object of :mod:`glassbox.schedules`.
        weight_decay: added to the gradient, times the weight; by default the optimizer's own, which is 0 for a name.
        epochs: passes over the samples.
        batch_size: samples a step.
        validation: the share of the samples that is held out; the network of the best epoch is then the result.
        patience: how many epochs validation may fail to improve.
        random_state: an int is the network's ``seed``: the same int, the same bits. A ``RandomState`` is asked for a
            seed, and ``None`` takes NumPy's global one.
        device: where to compute, as of :class:`glassbox.Network`.
        threads: how many the device ``cpu`` takes. It is one, for searches run many fits beside each other; ``None``
            is all cores. Results do not depend on it.
        callbacks: listeners, see :mod:`glassbox.callbacks`. ``clone`` copies them, and so do searches.
        verbose: whether progress is shown, on stderr.

    After ``fit`` there are ``classes_`` (classes,), ``network_`` (the :class:`glassbox.Network`, with its ``history``),
    ``loss_curve_`` (the mean loss of each epoch), ``n_iter_`` (how many epochs there were), ``n_features_in_``, and for
    data frames ``feature_names_in_``. A pickle holds the bytes of a safetensors file.
    """

    _loss = CrossEntropy()

    def fit(self, X: Any, y: Any) -> GlassboxClassifier:
        """Trains a new network on X (n, features), of real numbers, and labels y (n,).

        Raises ``ValueError`` for what cannot be learned from and settings that cannot be, and
        :class:`glassbox.DivergedError` if training runs into infinities.
        """
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_ = _two_or_more(y)
        self._fit(X, self.classes_.searchsorted(y), len(self.classes_))
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> GlassboxClassifier:
        """Learns once from each row of X (n, features) with labels y (n,), at the constant rate ``lr``.

        The first call needs ``classes``, all labels that there will be; after a ``fit`` its network is trained on. The
        optimizer's memory lasts from call to call, and not through a pickle. ``epochs``, ``schedule``, ``validation``,
        ``patience``, ``callbacks`` and ``verbose`` are settings of ``fit`` alone.
        """
        is_first = not hasattr(self, "network_")
        X, y = validate_data(self, X, y, dtype=np.float32, reset=is_first)
        check_classification_targets(y)
        if is_first:
            if classes is None:
                raise ValueError("classes must be given on the first call of partial_fit (hint: classes=np.unique(all_labels))")
            self.classes_ = _two_or_more(classes)
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes are {classes}, and on the first call they were {self.classes_} (hint: leave them out)")
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y has the labels {unknown.tolist()}, and classes are {self.classes_} (hint: give all on the first call)")
        self._fit_once(X, self.classes_.searchsorted(y), len(self.classes_))
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The label (n,) of each row of X (n, features)."""
        outputs = self._outputs(X)
        labels: NDArray[Any] = self.classes_[outputs.argmax(axis=1)]
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probability (n, classes) of each class, in the order of ``classes_``."""
        probabilities: NDArray[np.float64] = softmax(self._outputs(X), axis=1)
        return probabilities

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """The natural logarithm of each probability (n, classes). It is finite where the probability is rounded to 0."""
        logarithms: NDArray[np.float64] = log_softmax(self._outputs(X), axis=1)
        return logarithms


class GlassboxRegressor(RegressorMixin, _Estimator):
    """A regressor: a network that is trained on the mean squared error, of one value or of several.

    y may have any unit. The network learns (y − mean) / deviation, of each output, and answers come back in y's unit.
    ``loss_curve_`` is in units of the deviation: 1 is as good as the mean, 0 is perfect.

    Args are those of :class:`GlassboxClassifier`. After ``fit`` there are also ``y_mean_`` and ``y_scale_``, for y
    (n, outputs) of shape (outputs,).
    """

    _loss = MeanSquaredError()

    def fit(self, X: Any, y: Any) -> GlassboxRegressor:
        """Trains a new network on X (n, features) and y (n,) or (n, outputs), both of real numbers.

        Raises ``ValueError`` for what cannot be learned from and settings that cannot be, and
        :class:`glassbox.DivergedError` if training runs into infinities.
        """
        X, y = self._checked(X, y, is_first=True)
        answers = self._scaled(y)
        self._fit(X, answers, answers.shape[1])
        return self

    def partial_fit(self, X: Any, y: Any) -> GlassboxRegressor:
        """Learns once from each row of X (n, features) with y (n,) or (n, outputs), at the constant rate ``lr``.

        The mean and the deviation of y are those of the first call, which should have many rows; after a ``fit`` its
        network is trained on. All else is as of :meth:`GlassboxClassifier.partial_fit`.
        """
        X, y = self._checked(X, y, is_first=not hasattr(self, "network_"))
        answers = self._scaled(y)
        self._fit_once(X, answers, answers.shape[1])
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The values (n,) or (n, outputs), as y was, for X (n, features)."""
        outputs = self._outputs(X)
        values: NDArray[np.float64] = outputs.reshape(len(outputs), *self.y_mean_.shape) * self.y_scale_ + self.y_mean_
        return values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        return tags

    def _checked(self, X: Any, y: Any, is_first: bool) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        X, y = validate_data(self, X, y, dtype=np.float32, multi_output=True, y_numeric=True, reset=is_first)
        y = y.astype(np.float64)
        if is_first:
            # Of (n,) they have no sides, so that answers have the shape of y.
            with np.errstate(over="ignore", invalid="ignore"):
                self.y_mean_, scale = np.asarray(y.mean(axis=0)), np.asarray(y.std(axis=0))
            if not np.isfinite(scale).all():
                raise ValueError("the deviation of y is beyond float64 (hint: give y in a larger unit)")
            self.y_scale_ = np.where(scale > 0, scale, 1.0)
        elif y.shape[1:] != self.y_mean_.shape:
            sides = ", ".join(map(str, ("n", *self.y_mean_.shape)))
            raise ValueError(f"y has shape {y.shape}, and on the first call it was ({sides})")
        return X, y

    def _scaled(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """(y − mean) / deviation, (n, outputs)."""
        scaled: NDArray[np.float64] = (y - self.y_mean_) / self.y_scale_
        return scaled.reshape(len(y), -1)


def _two_or_more(labels: Any) -> NDArray[Any]:
    """The classes among labels, sorted."""
    classes = np.unique(labels)
    if len(classes) < 2:
        raise ValueError(f"the labels are {classes.tolist()}, and a classifier needs more than one class (hint: add samples of another)")
    return classes

"""What users give, as arrays that the native half takes: contiguous, checked, converted and never reinterpreted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _native

# Device types of DLPack whose memory the host can read: kDLCPU and kDLCUDAHost.
_HOST = (1, 3)


def on_host(value: Any, name: str) -> NDArray[Any]:
    """The numbers as a NumPy array. Tensors of other libraries on the CPU come through DLPack, without a copy."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} has a mask (hint: {name}.filled(0), or without the rows that it hides)")
    if not isinstance(value, np.ndarray):
        if is_on_device(value):
            from . import gpuarray

            return gpuarray.to_host(value)
        if hasattr(value, "__dlpack__") and hasattr(value, "__dlpack_device__"):
            try:
                value = np.from_dlpack(value)
            except (BufferError, RuntimeError) as error:
                hint = "give tensor.detach() if it has a gradient, or tensor.float()"
                raise ValueError(f"{name} cannot be read through DLPack: {error} (hint: {hint})") from error
        elif hasattr(value, "toarray"):
            raise TypeError(f"{name} is a sparse matrix (hint: {name}.toarray())")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is no array: {error} (hint: make all rows equally long)") from error
    if array.dtype.kind not in "biuf":
        kind = "text" if array.dtype.kind in "SU" else str(array.dtype)
        raise TypeError(f"{name} holds {kind}, not real numbers (hint: {name}.astype('float32'))")
    return array


def is_on_device(value: Any) -> bool:
    """Whether the numbers lie on a GPU."""
    if hasattr(value, "__dlpack_device__"):
        return int(value.__dlpack_device__()[0]) not in _HOST
    # PyTorch has the attribute on every tensor, and raises AttributeError or TypeError for those of the CPU.
    try:
        return getattr(value, "__cuda_array_interface__", None) is not None
    except TypeError:
        return False


def inputs(X: Any, width: int) -> NDArray[Any]:
    """Inputs (n, width): ``uint8`` stays pixels, all else becomes ``float32``. More sides than two are flattened."""
    array = on_host(X, "X")
    if array.ndim < 2:
        hint = "X.reshape(1, -1) for a single sample"
        raise ValueError(f"X has shape {array.shape}, and (n, {width}) is needed (hint: {hint})")
    found = int(np.prod(array.shape[1:]))
    if found != width:
        raise ValueError(f"X has shape {array.shape}, and the network takes {width} inputs, not {found} (hint: a row of X is a sample)")
    array = array.reshape(len(array), width)
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    return as_float32(array, "X")


def on_device(X: Any, width: int, ordinal: int) -> _native.DeviceMatrix | None:
    """Inputs on this GPU (n, width), if they are ``float32`` and contiguous; everything else goes over the host."""
    from . import gpuarray

    seen = gpuarray.look_at(X)
    if len(seen.shape) < 2 or int(np.prod(seen.shape[1:])) != width or not seen.is_float32():
        return None
    if seen.ordinal not in (None, ordinal):
        return None
    return _native.DeviceMatrix(seen.address, seen.shape[0], width, seen.stream, seen.owner)


def as_float32(array: NDArray[Any], name: str, finite: bool = True) -> NDArray[np.float32]:
    """The numbers as ``float32``, contiguous. None may be beyond it, and unless told otherwise all have to be finite."""
    with np.errstate(over="ignore"):
        numbers = np.ascontiguousarray(array, dtype=np.float32)
    is_finite = np.isfinite(numbers)
    if is_finite.all():
        return numbers
    wrong = ~is_finite if finite else ~is_finite & np.isfinite(array)
    if not wrong.any():
        return numbers
    places = np.argwhere(wrong)
    place = tuple(int(side) for side in places[0])
    value = np.asarray(array)[place]
    raise ValueError(
        f"{name}[{', '.join(map(str, place))}] is {value}; {len(places)} of {numbers.size} numbers are NaN, infinite, or "
        f"beyond float32 (hint: clean them first)"
    )


def classes(y: Any, rows: int, count: int) -> NDArray[np.uint32]:
    """Class indices (n) below ``count``, from indices or from one-hot rows (n, count)."""
    array = on_host(y, "y")
    _same_rows(array, rows)
    if array.ndim == 2:
        return _hot(array, count)
    if array.ndim != 1:
        raise ValueError(f"y has shape {array.shape} (hint: class indices (n,), or one-hot rows (n, {count}))")
    if array.dtype.kind == "f":
        hint = "y.astype(int), or for values to predict loss='mean-squared-error'"
        raise TypeError(f"y holds {array.dtype}, and class indices are integers (hint: {hint})")
    wrong = (array < 0) | (array >= count) if array.dtype.kind != "b" else np.zeros(rows, bool)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"label {array[row]} of sample {row} is not from 0 to {count - 1} "
            f"(hint: classes count from 0, and the network has {count} outputs)"
        )
    return np.ascontiguousarray(array, dtype=np.uint32)


def _hot(array: NDArray[Any], count: int) -> NDArray[np.uint32]:
    """The column of the only 1 of each one-hot row."""
    if array.shape[1] != count:
        hint = "y.ravel()" if array.shape[1] == 1 else f"one-hot rows (n, {count}), or class indices (n,)"
        raise ValueError(f"y has shape {array.shape}, and the network has {count} outputs (hint: {hint})")
    wrong = ((array != 0) & (array != 1)).any(axis=1) | (np.count_nonzero(array, axis=1) != 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"row {row} of y is no one-hot row: {array[row]} (hint: one 1 and else 0, or class indices)")
    return np.ascontiguousarray(array.argmax(axis=1), dtype=np.uint32)


def values(y: Any, rows: int, outputs: int) -> NDArray[np.float32]:
    """Values (n, outputs). (n,) stands for a single output; nothing else is broadcast."""
    array = on_host(y, "y")
    _same_rows(array, rows)
    if array.ndim == 1 and outputs == 1:
        array = array.reshape(-1, 1)
    if array.shape != (rows, outputs):
        raise ValueError(f"y has shape {array.shape}, and ({rows}, {outputs}) is needed (hint: a value for each output)")
    return as_float32(array, "y")


def _same_rows(y: NDArray[Any], rows: int) -> None:
    if y.ndim == 0 or len(y) != rows:
        found = "none" if y.ndim == 0 else len(y)
        raise ValueError(f"X has {rows} rows and y {found} (hint: an answer for each row of X)")

"""Arrays in the memory of a GPU: ``to_gpu`` as PyCUDA has it, and everybody else's arrays.

What :func:`to_gpu` returns is read without a copy by CuPy, PyTorch, Numba and JAX, through ``__cuda_array_interface__``
or DLPack; and every array of theirs, or of PyCUDA's, is taken wherever Glassbox takes an array. Whoever still reads an
array in a stream of its own keeps it: dropped, its memory is given out again at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _native
from ._devices import open_device
from ._native import DeviceArray

__all__ = ["DeviceArray", "to_gpu", "to_host"]


def to_gpu(array: Any, device: str = "cuda") -> DeviceArray:
    """Copies an array to a GPU, in its own type and shape. :class:`DeviceError` says why if there is none."""
    numbers = _arrays.on_host(array, "array")
    native = np.ascontiguousarray(numbers, dtype=numbers.dtype.newbyteorder("="))
    opened = open_device(device, None)
    return _native.DeviceArray(opened, native.reshape(-1).view(np.uint8), native.dtype.str, numbers.shape)


def to_host(array: Any) -> NDArray[Any]:
    """Copies an array from a GPU, whatever library has it, in its own type and shape."""
    seen = look_at(array)
    dtype = np.dtype(seen.typestr)
    # The bytes from the first number to the last, which need not be neighbours.
    reach = [(side - 1) * stride for side, stride in zip(seen.shape, seen.strides)]
    if 0 in seen.shape:
        return np.empty(seen.shape, dtype)
    before, after = -sum(r for r in reach if r < 0), sum(r for r in reach if r > 0)
    opened = open_device(f"cuda:{seen.ordinal}" if seen.ordinal else "cuda", None)
    span = np.empty(before + after + dtype.itemsize, np.uint8)
    _native.read_device(opened, span, seen.address - before, seen.stream)
    view: NDArray[Any] = np.ndarray(seen.shape, dtype, buffer=span, offset=before, strides=seen.strides)
    return view.copy()


@dataclass(frozen=True)
class Seen:
    """Where an array of some library lies. ``strides`` are in bytes; ``stream`` is what has to be waited for."""

    address: int
    typestr: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    stream: int | None
    # The number of the GPU, if the array tells.
    ordinal: int | None
    # What keeps the memory.
    owner: Any

    def is_float32(self) -> bool:
        """Whether the numbers are of the type that kernels read, one after the other."""
        return self.typestr == "<f4" and self.strides == _compact(self.shape, 4)


def look_at(array: Any) -> Seen:
    """What an array of a GPU says of itself.

    Through DLPack where it can: then its library makes it ready. Of ``__cuda_array_interface__`` only version 3 tells of
    the stream that has to be waited for; before, it is the default one, as far as anybody knows.
    """
    if hasattr(array, "__dlpack__") and hasattr(array, "__dlpack_device__"):
        try:
            imported = _native.Imported(array)
        except (BufferError, RuntimeError) as error:
            hint = "give tensor.detach() if it has a gradient"
            raise ValueError(f"the array cannot be read through DLPack: {error} (hint: {hint})") from error
        size = np.dtype(imported.typestr).itemsize
        strides = tuple(size * stride for stride in imported.strides)
        ordinal = int(array.__dlpack_device__()[1])
        # Its producer was asked to make it ready for the default stream.
        return Seen(imported.address, imported.typestr, tuple(imported.shape), strides, 1, ordinal, imported)
    interface = array.__cuda_array_interface__
    if interface.get("mask") is not None:
        raise TypeError("the array has a mask (hint: fill the places that it hides)")
    shape = tuple(int(side) for side in interface["shape"])
    typestr, (address, _) = interface["typestr"], interface["data"]
    if np.dtype(typestr).kind not in "biuf":
        raise TypeError(f"the array holds {typestr}, not real numbers (hint: float32)")
    strides = tuple(interface.get("strides") or _compact(shape, np.dtype(typestr).itemsize))
    stream = interface.get("stream") if interface.get("version", 0) >= 3 else 1
    return Seen(int(address), typestr, shape, strides, stream, None, array)


def _compact(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """The strides, in bytes, of rows that lie one after the other."""
    strides = [size]
    for side in reversed(shape[1:]):
        strides.append(strides[-1] * side)
    return tuple(reversed(strides))[: len(shape)] if shape else ()

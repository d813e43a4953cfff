"""Devices, opened once each."""

from __future__ import annotations

from functools import lru_cache

from . import _native


@lru_cache(maxsize=16)
def open_device(name: str, threads: int | None) -> _native.Device:
    """The device of that name: networks on the same one share its threads and memory."""
    return _native.Device(name, threads)

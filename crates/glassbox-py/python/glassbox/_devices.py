"""Devices, opened once each."""

from __future__ import annotations

from . import _native

_opened: dict[tuple[str, int | None], _native.Device] = {}


def open_device(name: str, threads: int | None) -> _native.Device:
    """The device of that name: networks on the same one share its threads and memory."""
    device = _opened.get((name, threads))
    if device is None:
        # Of two threads that open it at once, the second takes what the first has opened.
        device = _opened.setdefault((name, threads), _native.Device(name, threads))
    return device

"""Single numbers that users give: of the type that is needed, or an error that names the argument."""

from __future__ import annotations

import math
import operator
from decimal import Decimal
from typing import Any

_LARGEST = 2**63 - 1
_LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127


def whole(name: str, value: Any, least: int = 0, most: int = _LARGEST) -> int:
    """A whole number from ``least`` to ``most``; NumPy's are as good as Python's."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}, and a whole number is needed (hint: {name}={least or 1})") from None
    if not least <= number <= most:
        raise ValueError(f"{name} cannot be {number}: it is from {least} to {'2^63 - 1' if most == _LARGEST else most}")
    return number


def real(name: str, value: Any) -> float:
    """A number that is finite as ``float32``, which it becomes."""
    try:
        number = math.nan if isinstance(value, (str, bytes)) else float(value)
    except OverflowError:
        number = math.inf
    except (TypeError, ValueError):
        number = math.nan
    if abs(number) <= _LARGEST_FLOAT32:
        return number
    error = ValueError if isinstance(value, (int, float)) else TypeError
    raise error(f"{name} cannot be {value!r}: it is a finite number, of at most 3.4e38")


def at_least_0(name: str, value: Any) -> float:
    """A finite number that is zero or positive."""
    number = real(name, value)
    if number < 0:
        raise ValueError(f"{name} cannot be {number}: it is zero or positive")
    return number


def share(name: str, value: Any) -> float:
    """A number from 0 on and below 1."""
    number = real(name, value)
    if not 0 <= number < 1:
        raise ValueError(f"{name} cannot be {number}: it is from 0 on and below 1")
    return number


def plain(number: float) -> str:
    """A number in decimal digits, without an exponent: in the text of a network a ``-`` ends a layer."""
    return f"{Decimal(repr(number)):f}"

"""Single numbers that users give: of the type that is needed, or an error that names the argument."""

from __future__ import annotations

import math
import operator
from typing import Any

_LARGEST = 2**63 - 1


def whole(name: str, value: Any, least: int = 0) -> int:
    """A whole number from ``least`` on; NumPy's are as good as Python's."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}, and a whole number is needed (hint: {name}={least or 1})") from None
    if not least <= number <= _LARGEST:
        raise ValueError(f"{name} cannot be {number}: it is from {least} to 2^63 - 1")
    return number


def real(name: str, value: Any) -> float:
    """A finite number."""
    try:
        number = math.nan if isinstance(value, (str, bytes)) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isfinite(number):
        return number
    error = ValueError if isinstance(value, (int, float)) else TypeError
    raise error(f"{name} cannot be {value!r}: it is a finite number")

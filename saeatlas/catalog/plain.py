"""Values of the database as JSON has them."""

import json
import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any


def as_json(value: Any) -> str:
    """Write a value as JSON.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
    """
    return json.dumps(plain(value), ensure_ascii=False, default=str)


def plain(value: Any) -> Any:
    """Turn a value into what JSON knows.

    Parameters
    ----------
    value : object

    Returns
    -------
    object
        Numbers that are not finite are None, times ISO 8601, bytes hexadecimal.
    """
    if isinstance(value, float | Decimal):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return value

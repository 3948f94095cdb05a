"""A clock that tests cannot stop.

freezegun replaces `time.monotonic` wherever a module holds it as an attribute, and a wait that measures itself with a
stopped clock never ends. A reference inside a tuple is not found. Import this module before time is frozen.
"""

import time

_REAL = (time.monotonic,)


def monotonic() -> float:
    """Seconds of a clock that never goes back and never stops."""
    return _REAL[0]()

"""Which functions can have SnapStart, and for which of them AWS charges.

Source: AWS Lambda Developer Guide, "Improving startup performance with Lambda SnapStart"
(docs.aws.amazon.com/lambda/latest/dg/snapstart.html): Java 11, Python 3.12 and .NET 8 and later; not with provisioned
concurrency, EFS, or more than 512 MB of ``/tmp``. Java is free. For Python and .NET a snapshot is billed by the
function's memory size, for as long as its version is there (3 hours at the least) and for each restore
(aws.amazon.com/lambda/pricing).
"""

from __future__ import annotations

import re
from typing import Literal

from lambdatune.pricing.cost import FREE_EPHEMERAL_STORAGE_MB

_NAME = re.compile(r"(?P<language>java|python|dotnet)(?P<major>\d+)(?:\.(?P<minor>\d+))?")
_FIRST = {"java": (11, 0), "python": (3, 12), "dotnet": (8, 0)}


def snap_start_of(runtime: str, ephemeral_storage_mb: int) -> Literal["free", "charged"] | None:
    """Return whether a function of this runtime can have SnapStart and is charged for it; None when it cannot have it.

    Args:
        runtime: AWS's identifier, ``python3.13``; of a container image, which does not tell its language, it is empty.
        ephemeral_storage_mb: size of ``/tmp`` in MB.
    """
    match = _NAME.fullmatch(runtime)
    if match is None or ephemeral_storage_mb > FREE_EPHEMERAL_STORAGE_MB:
        return None
    if (int(match["major"]), int(match["minor"] or 0)) < _FIRST[match["language"]]:
        return None
    return "free" if match["language"] == "java" else "charged"


def is_snap_start_free(runtime: str) -> bool:
    """Return whether AWS charges nothing for SnapStart of a runtime, which is empty for a container image."""
    return snap_start_of(runtime, FREE_EPHEMERAL_STORAGE_MB) == "free"

"""What SnapStart and provisioned concurrency cost beside the calls: no REPORT line tells, the price list does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.invocation import Start
from lambdatune.pricing.cost import money

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.recommend.evidence import CellEvidence

_HOURS_A_MONTH = 730
_SECONDS_A_MONTH = _HOURS_A_MONTH * 3600
_MB_PER_GB = 1024
_FREE_SNAPSTART = "java"
"""SnapStart costs nothing with Java (aws.amazon.com/lambda/pricing)."""


def standing_costs(evidence: Sequence[CellEvidence]) -> list[str]:
    """Return a sentence for each kind of environment that costs something beside its calls.

    The costs per million calls do not hold these: what a restore or an hour adds to a call depends on the traffic.

    Args:
        evidence: one per cell.
    """
    restored = [
        cell for cell in evidence if _any(cell, Start.RESTORED) and not cell.cell.runtime.startswith(_FREE_SNAPSTART)
    ]
    prepared = [cell for cell in evidence if _any(cell, Start.PREINITIALISED)]
    return [sentence(cells) for cells, sentence in ((restored, _snapstart), (prepared, _provisioned)) if cells]


def _any(cell: CellEvidence, start: Start) -> bool:
    return bool(np.any(cell.rows["start"] == start))


def _snapstart(cells: Sequence[CellEvidence]) -> str:
    prices = cells[0].tariff.prices
    each = ", ".join(
        f"{money(1e6 * prices.snapstart_restore * _gb(cell), prices.currency)} and "
        f"{money(prices.snapstart_cache * _SECONDS_A_MONTH * _gb(cell), prices.currency)} at {cell.cell.memory_mb} MB"
        for cell in cells
    )
    return f"SnapStart costs beside the calls, for a million restores and for a month of each published version: {each}"


def _provisioned(cells: Sequence[CellEvidence]) -> str:
    prices = cells[0].tariff.prices
    each = ", ".join(
        f"{money(prices.provisioned_concurrency * _SECONDS_A_MONTH * _gb(cell), prices.currency)} at "
        f"{cell.cell.memory_mb} MB"
        for cell in cells
    )
    share = prices.provisioned_duration / prices.duration
    return (
        f"if it is provisioned concurrency that initialises ahead of calls, it costs beside them, for a month of each "
        f"environment: {each}; time in these is billed at {share:.0%} of the price that is reckoned with here"
    )


def _gb(cell: CellEvidence) -> float:
    return cell.cell.memory_mb / _MB_PER_GB

"""What SnapStart and provisioned concurrency cost beside the calls: no REPORT line tells, the price list does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.invocation import Start
from lambdatune.pricing.cost import money
from lambdatune.pricing.snap_start import is_snap_start_free

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.recommend.cell_evidence import CellEvidence

_HOURS_A_MONTH = 730
_SECONDS_A_MONTH = _HOURS_A_MONTH * 3600
_MB_PER_GB = 1024


def standing_costs(evidence: Sequence[CellEvidence]) -> list[str]:
    """Return a sentence for each kind of environment that costs something beside its calls.

    The costs per million calls do not hold these: what a restore or an hour adds to a call depends on the traffic.

    Args:
        evidence: one per cell.
    """
    restored = [cell for cell in evidence if _any(cell, Start.RESTORED) and not is_snap_start_free(cell.cell.runtime)]
    provided = [cell for cell in evidence if cell.tariff.is_provisioned]
    prepared = [cell for cell in evidence if not cell.tariff.is_provisioned and _any(cell, Start.PREINITIALISED)]
    kinds = ((restored, _snapstart), (provided, _provided), (prepared, _provisioned))
    return [sentence(cells) for cells, sentence in kinds if cells]


def provisioned_starts(evidence: Sequence[CellEvidence]) -> list[str]:
    """Return what is to know of the starts of calls for which environments were provisioned.

    Args:
        evidence: one per cell.
    """
    cells = [cell for cell in evidence if cell.tariff.is_provisioned]
    if not cells:
        return []
    rows = np.concatenate([cell.rows for cell in cells])
    told = []
    init_ms = rows["init_ms"][rows["start"] == Start.PREINITIALISED]
    if len(init_ms):
        told.append(
            f"the init of provisioned environments was over before their first call, and nobody waited for it: it took "
            f"{np.median(init_ms):.1f} ms in the median of {len(init_ms)}, with the CPU of the memory size, not with "
            "the burst that a cold start has"
        )
    spilled = int(np.count_nonzero(rows["start"] == Start.COLD))
    if spilled:
        told.append(
            f"{spilled} of {len(rows)} calls found no provisioned environment free and started cold on demand "
            "(spill-over): later calls of those environments count as warm, at the price of provisioned ones; more "
            "--provisioned-concurrency or fewer calls at once avoid it"
        )
    return told


def restored_starts(evidence: Sequence[CellEvidence]) -> list[str]:
    """Return what to know of cold starts that restored a snapshot.

    Args:
        evidence: one per cell.
    """
    if not any(_any(cell, Start.RESTORED) for cell in evidence):
        return []
    return ["cold starts restored a snapshot (SnapStart): what stands for their init is Restore Duration"]


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


def _provided(cells: Sequence[CellEvidence]) -> str:
    prices, environments = cells[0].tariff.prices, cells[0].plan.provisioned_concurrency
    each = ", ".join(
        f"{money(environments * prices.provisioned_concurrency * _SECONDS_A_MONTH * _gb(cell), prices.currency)} at "
        f"{cell.cell.memory_mb} MB"
        for cell in cells
    )
    return (
        f"provisioned concurrency {environments} costs beside the calls, for a month: {each}; time in its environments "
        f"is reckoned at its own price, {prices.provisioned_duration / prices.duration:.0%} of that on demand"
    )


def _gb(cell: CellEvidence) -> float:
    return cell.cell.memory_mb / _MB_PER_GB

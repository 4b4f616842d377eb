"""What calls cost, as AWS bills them.

A call costs its request fee, its Billed Duration times its memory, and for ``/tmp`` above 512 MB its
Billed Duration times the storage above (aws.amazon.com/lambda/pricing). Billed Duration is read from the
REPORT line and never computed: it holds the init of a cold start and the billed part of a SnapStart
restore already, so that nothing is added for them here. Memory and storage are in GB of 1024 MB, as AWS
bills them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, overload

from lambdatune.pricing.table import Prices, prices_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FREE_EPHEMERAL_STORAGE_MB = 512
"""The part of ``/tmp`` that is not billed."""

_MB_PER_GB = 1024
_MS_PER_S = 1_000.0
_MILLION = 1_000_000


def money(amount: float, currency: str, digits: int = 2) -> str:
    """Return an amount as text: ``$1.20``, and ``CNY 1.20`` where the sign could be read as another currency's."""
    return f"${amount:.{digits}f}" if currency == "USD" else f"{currency} {amount:.{digits}f}"


def decimals_of(amount: float, least: int = 2) -> int:
    """Return how many decimals show an amount with two digits of its own, `least` at the least."""
    return max(least, 1 - math.floor(math.log10(amount))) if amount > 0 else least


@dataclass(frozen=True, slots=True)
class Tariff:
    """Prices of a region and architecture for a function with a given ``/tmp``.

    Attributes:
        prices: of the region and architecture; amounts are in their currency.
        ephemeral_storage_mb: size of ``/tmp`` in MB.
        is_provisioned: whether calls are served by provisioned concurrency, whose time has a price of its own; the
            environments themselves are billed beside the calls.
    """

    prices: Prices
    ephemeral_storage_mb: int = FREE_EPHEMERAL_STORAGE_MB
    is_provisioned: bool = False

    @classmethod
    def of(cls, region: str, architecture: str, ephemeral_storage_mb: int = FREE_EPHEMERAL_STORAGE_MB) -> Self:
        """Return the tariff of a region and architecture.

        Raises:
            UsageError: when the region or the architecture is not known, naming the nearest that is.
        """
        return cls(prices_of(region, architecture), ephemeral_storage_mb)

    @property
    def currency(self) -> str:
        """Currency of all amounts: ``USD`` or ``CNY``."""
        return self.prices.currency

    @property
    def on_demand(self) -> Tariff:
        """The tariff of calls that no provisioned environment serves."""
        return replace(self, is_provisioned=False)

    def per_restore(self, memory_mb: int) -> float:
        """Return what SnapStart's restore of an environment costs; it is free with Java."""
        return memory_mb / _MB_PER_GB * self.prices.snapstart_restore

    def per_second(self, memory_mb: int) -> float:
        """Return what a second of Billed Duration costs, without the request fee."""
        storage_mb = max(self.ephemeral_storage_mb - FREE_EPHEMERAL_STORAGE_MB, 0)
        duration = self.prices.provisioned_duration if self.is_provisioned else self.prices.duration
        return memory_mb / _MB_PER_GB * duration + storage_mb / _MB_PER_GB * self.prices.ephemeral_storage

    @overload
    def per_call(self, billed_ms: float, memory_mb: int) -> float: ...
    @overload
    def per_call(self, billed_ms: NDArray[np.float64], memory_mb: int) -> NDArray[np.float64]: ...
    def per_call(self, billed_ms: float | NDArray[np.float64], memory_mb: int) -> float | NDArray[np.float64]:
        """Return what calls cost.

        Args:
            billed_ms: Billed Duration in ms, one or an array of any shape, which is that of the answer.
            memory_mb: memory size in MB.
        """
        return self.prices.request + billed_ms / _MS_PER_S * self.per_second(memory_mb)

    def per_million(self, billed_ms: float, memory_mb: int, *, invocations: float = 1.0) -> float:
        """Return what a million calls cost, in the first price tier.

        Args:
            billed_ms: mean Billed Duration of a call in ms; of a message in a batch, its share of it.
            memory_mb: memory size in MB.
            invocations: that a call stands for: 0.1 of a message in a batch of ten. Each costs a request fee.
        """
        fees = invocations * self.prices.request
        return _MILLION * (fees + billed_ms / _MS_PER_S * self.per_second(memory_mb))

    def blended_per_million(
        self, warm_billed_ms: float, cold_billed_ms: float, memory_mb: int, *, cold_rate: float
    ) -> float:
        """Return what a million calls cost of which a share of `cold_rate` starts cold.

        Args:
            warm_billed_ms: mean Billed Duration of warm calls in ms.
            cold_billed_ms: mean Billed Duration of cold calls in ms.
            memory_mb: memory size in MB.
            cold_rate: share of cold starts, 0 to 1.

        Raises:
            ValueError: when `cold_rate` is not a share.
        """
        if not 0 <= cold_rate <= 1:
            raise ValueError(f"cold rate {cold_rate} is not between 0 and 1")
        mean_ms = (1 - cold_rate) * warm_billed_ms + cold_rate * cold_billed_ms
        return self.per_million(mean_ms, memory_mb)

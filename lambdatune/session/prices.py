"""Which prices a run reckons with: AWS's list of today where that may be read, else the bundled table."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import platformdirs

from lambdatune.aws.price_list import fetch_products, pricing_endpoint
from lambdatune.model.errors import AwsRefused, LambdatuneError
from lambdatune.pricing.price_list import prices_from
from lambdatune.pricing.table import Prices, prices_of

if TYPE_CHECKING:
    from lambdatune.model.plan import Plan
    from lambdatune.session.events import Observer
    from lambdatune.session.subject import Subject

_KEPT_FOR = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A price list on disk: when and where it was read, and what it says by architecture."""

    fetched: dt.datetime
    endpoint: str | None
    prices: dict[str, Prices]


def cache_directory() -> Path:
    """Return lambdatune's directory below the user's cache directory (``LAMBDATUNE_CACHE`` overrides it)."""
    override = os.environ.get("LAMBDATUNE_CACHE")
    return Path(override) if override else Path(platformdirs.user_cache_dir("lambdatune", appauthor=False))


def is_live(plan: Plan) -> bool:
    """Return whether a plan asks for AWS's prices of today: where its calls are billed by AWS, or when it says so."""
    if plan.prices is not None:
        return plan.prices == "live"
    return plan.endpoint_url is None and not plan.function.is_path


async def prices_for(plan: Plan, subject: Subject, observer: Observer) -> Prices:
    """Return the prices of the subject's region and architecture, and narrate which where there is a choice.

    Raises:
        UsageError: when neither AWS nor the bundled table knows the region.
    """
    region, architecture = subject.place.region, subject.measured.architecture
    if not is_live(plan):
        return prices_of(region, architecture)
    try:
        prices = await _live(region, architecture, plan.aws_profile)
    except LambdatuneError as error:
        bundled = prices_of(region, architecture)
        observer.narrate(f"prices: bundled table of {bundled.published} ({_reason(error)})")
        return bundled
    observer.narrate(f"prices: AWS price list of {prices.published}")
    return prices


def price_record(prices: Prices) -> dict[str, Any]:
    """Return prices as run.json holds them, so that a cost reckoned later agrees."""
    return {**asdict(prices), "derived": sorted(prices.derived)}


def recorded_prices(environment: dict[str, Any], architecture: str) -> Prices:
    """Return the prices that a run was reckoned with; of a run that recorded none, those of the bundled table."""
    record: dict[str, Any] | None = environment.get("prices")
    if record is None:
        return prices_of(environment["region"], architecture)
    known = {field.name: record[field.name] for field in fields(Prices) if field.name in record}
    return msgspec.convert(known, Prices)


async def _live(region: str, architecture: str, aws_profile: str | None) -> Prices:
    path = cache_directory() / f"prices-{region}.json"
    kept = _read(path)
    if kept is None or architecture not in kept.prices:
        products = await fetch_products(region, aws_profile)
        by_architecture = {name: prices_from(products, region, name) for name in ("x86_64", "arm64")}
        kept = _Kept(dt.datetime.now(dt.UTC), pricing_endpoint(), by_architecture)
        _write(path, kept)
    return kept.prices[architecture]


def _read(path: Path) -> _Kept | None:
    """Return what is kept, None when there is nothing, or it is old, of another endpoint or another version's."""
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
    except (OSError, msgspec.DecodeError):
        return None
    age = dt.datetime.now(dt.UTC) - kept.fetched
    return kept if dt.timedelta(0) <= age < _KEPT_FOR and kept.endpoint == pricing_endpoint() else None


def _write(path: Path, kept: _Kept) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{os.getpid()}")
        scratch.write_bytes(msgspec.json.encode(kept))
        scratch.replace(path)
    except OSError:
        # A cache that cannot be written only costs another look next time.
        return


def _reason(error: LambdatuneError) -> str:
    if isinstance(error, AwsRefused) and error.code in {"AccessDeniedException", "AccessDenied"}:
        return "pricing:GetProducts denied"
    return error.message

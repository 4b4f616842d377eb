"""Credentials that stay fresh: what the AWS chain refreshes reaches the load processes in the middle of a run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lambdatune.load.endpoint import Credentials
from lambdatune.model.errors import AwsRefused

if TYPE_CHECKING:
    from lambdatune.aws.access import AwsAccess
    from lambdatune.load.driver import LoadDriver
    from lambdatune.session.events import Observer

CHECK_EVERY_S = 20.0
"""The chain renews temporary credentials 10 to 15 minutes before they expire (botocore): looking often is cheap."""


async def credentials_now(access: AwsAccess) -> Credentials:
    """Return the credentials as the chain has them now, renewed when they expire soon.

    Raises:
        AwsRefused: when there are none, or they cannot be renewed.
    """
    keys = await access.keys()
    return Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)


async def keep_fresh(
    access: AwsAccess, driver: LoadDriver, known: Credentials, observer: Observer, *, every_s: float = CHECK_EVERY_S
) -> None:
    """Hand renewed credentials to `driver` until cancelled.

    A renewal that fails is told once and tried again: the calls go on with what they have until it expires.
    """
    told = False
    while True:
        await asyncio.sleep(every_s)
        try:
            fresh = await credentials_now(access)
        except AwsRefused as error:
            if not told:
                observer.narrate(f"warning: the credentials cannot be renewed: {error.message}")
            told = True
            continue
        told = False
        if fresh != known:
            driver.update_credentials(fresh)
            known = fresh

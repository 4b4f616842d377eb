"""Looks things up elsewhere, in Python: I/O-bound. It waits as for a database, and computes next to nothing."""

import time


def handler(event, context):
    """Return what `event["lookups"]` answers of `event["wait_ms"]` each brought, one after the other."""
    wait_ms = event.get("wait_ms", 20)
    found = []
    for number in range(event.get("lookups", 2)):
        time.sleep(wait_ms / 1_000)
        found.append({"key": number, "value": number * number})
    return {"found": found}

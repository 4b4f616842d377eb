"""The price of a basket, in Python: the same job as the other `basket` samples, about 10 ms on one vCPU."""

TAX_PERCENT = (7, 7, 19)
KINDS = ("books", "food", "toys")
CENTS = [100 + number * 7919 % 9973 for number in range(4_000)]


def handler(event, context):
    """Return what a basket of `event["items"]` lines costs, by kind and in all."""
    items = event.get("items", 50_000)
    total_cents = checksum = 0
    by_kind = [0, 0, 0]
    for line in range(items):
        number = line * 613 % 4_000
        kind = number % 3
        gross_cents = CENTS[number] * (1 + line % 3) * (100 + TAX_PERCENT[kind]) // 100
        total_cents += gross_cents
        by_kind[kind] += gross_cents
        checksum = (checksum * 31 + gross_cents) % 1_000_003
    return {
        "items": items,
        "total_cents": total_cents,
        "by_kind": dict(zip(KINDS, by_kind, strict=True)),
        "checksum": checksum,
    }

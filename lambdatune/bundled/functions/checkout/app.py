"""A shop's checkout: prices a basket and signs the receipt. CPU-bound, with a little start-up work."""

import hashlib
import hmac
import json

TAX_PERCENT = {"books": 7, "food": 7, "toys": 19}


def _load_catalogue():
    """Build the price list: what a real function would read from a file when it starts."""
    catalogue = {}
    for number in range(4_000):
        digest = hashlib.sha256(str(number).encode()).digest()
        catalogue[f"sku-{number}"] = {
            "cents": 100 + int.from_bytes(digest[:2], "big") % 9_900,
            "kind": ("books", "food", "toys")[digest[2] % 3],
        }
    return catalogue


CATALOGUE = _load_catalogue()
KEY = hashlib.pbkdf2_hmac("sha256", b"receipts", b"demo", 2_000)


def handler(event, context):
    """Return the total of `event["items"]` lines of a basket, with a signature."""
    lines = []
    total_cents = 0
    for number in range(int(event.get("items", 6_000))):
        sku = f"sku-{(number * 7919) % len(CATALOGUE)}"
        article = CATALOGUE[sku]
        quantity = 1 + number % 3
        gross_cents = article["cents"] * quantity * (100 + TAX_PERCENT[article["kind"]]) // 100
        total_cents += gross_cents
        if number < 20:
            lines.append({"sku": sku, "quantity": quantity, "gross_cents": gross_cents})
    receipt = json.dumps({"total_cents": total_cents, "lines": lines}, sort_keys=True)
    signature = hmac.new(KEY, receipt.encode(), hashlib.sha256).hexdigest()
    return {"total_cents": total_cents, "signature": signature}

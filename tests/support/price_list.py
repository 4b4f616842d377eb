"""A program that answers GetProducts as AWS's Price List API does: AWS JSON 1.1, products as texts, in pages.

Run as ``python price_list.py [--deny] [--factor F] [--page N]``; prints its own URL. Prices are those of
us-east-1 times F, in China in CNY. ``GET /requests`` tells how many pages were asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from aiohttp import web

# (group, usage type, unit, (begin, end, price) per tier), as in AWS's list of us-east-1.
GB_S = "Lambda-GB-Second"
PRODUCTS = (
    ("AWS-Lambda-Requests", "Request", "Requests", (("0", "Inf", 2e-7),)),
    ("AWS-Lambda-Requests", "Lambda-Provisioned-Request", "Requests", (("0", "Inf", 9e-7),)),
    ("AWS-Lambda-Requests-ARM", "Request-ARM", "Requests", (("0", "Inf", 2e-7),)),
    (
        "AWS-Lambda-Duration", "Lambda-GB-Second", GB_S,
        (("15000000000", "Inf", 1.33334e-5), ("0", "6000000000", 1.66667e-5), ("6000000000", "15000000000", 1.5e-5)),
    ),
    (
        "AWS-Lambda-Duration-ARM", "Lambda-GB-Second-ARM", GB_S,
        (
            ("0", "7500000000", 1.33334e-5), ("7500000000", "18750000000", 1.20001e-5),
            ("18750000000", "Inf", 1.06667e-5),
        ),
    ),
    ("AWS-Lambda-Storage-Duration", "Lambda-Storage-GB-Second", "GB-Seconds", (("0", "Inf", 3.09e-8),)),
    ("AWS-Lambda-Storage-Duration-ARM", "Lambda-Storage-GB-Second-ARM", "GB-Seconds", (("0", "Inf", 3.09e-8),)),
    ("AWS-Lambda-Provisioned-Concurrency", "Lambda-Provisioned-Concurrency", GB_S, (("0", "Inf", 4.1667e-6),)),
    ("AWS-Lambda-Provisioned-Concurrency-ARM", "Lambda-Provisioned-Concurrency-ARM", GB_S, (("0", "Inf", 3.3334e-6),)),
    ("AWS-Lambda-Duration-Provisioned", "Lambda-Provisioned-GB-Second", GB_S, (("0", "Inf", 9.7222e-6),)),
    ("AWS-Lambda-Duration-Provisioned-ARM", "Lambda-Provisioned-GB-Second-ARM", GB_S, (("0", "Inf", 7.7778e-6),)),
    ("AWS-Lambda-Edge-Requests", "Lambda-Edge-Request", "Request", (("0", "Inf", 6e-7),)),
    ("AWS-Lambda-Edge-Duration", "Lambda-Edge-GB-Second", GB_S, (("0", "Inf", 5.001e-5),)),
)  # fmt: skip


def product(region: str, number: int, factor: float, currency: str) -> dict[str, object]:
    group, usage, unit, tiers = PRODUCTS[number]
    sku = f"SKU{number:013d}"
    dimensions = {
        f"{sku}.JRTCKXETXF.{index:010d}": {
            "unit": unit, "beginRange": begin, "endRange": end, "description": f"{price} per {unit}", "appliesTo": [],
            "rateCode": f"{sku}.JRTCKXETXF.{index:010d}", "pricePerUnit": {currency: f"{price * factor:.12f}"},
        }
        for index, (begin, end, price) in enumerate(tiers)
    }  # fmt: skip
    return {
        "product": {
            "productFamily": "Serverless", "sku": sku,
            "attributes": {
                "regionCode": region, "servicecode": "AWSLambda", "group": group, "usagetype": f"X-{usage}",
                "location": region, "locationType": "AWS Region", "operation": "", "servicename": "AWS Lambda",
            },
        },
        "serviceCode": "AWSLambda",
        "terms": {"OnDemand": {f"{sku}.JRTCKXETXF": {
            "priceDimensions": dimensions, "sku": sku, "effectiveDate": "2026-11-01T00:00:00Z",
            "offerTermCode": "JRTCKXETXF", "termAttributes": {},
        }}},
        "version": "20261103193114", "publicationDate": "2026-11-03T19:31:14Z",
    }  # fmt: skip


async def main(arguments: argparse.Namespace) -> None:
    pages = 0

    async def handle(request: web.Request) -> web.Response:
        nonlocal pages
        if request.path == "/requests":
            return web.json_response(pages)
        assert request.headers["X-Amz-Target"] == "AWSPriceListService.GetProducts"
        if arguments.deny:
            said = "User: arn:aws:iam::123456789012:user/any is not authorized to perform: pricing:GetProducts"
            return web.json_response({"__type": "AccessDeniedException", "Message": said}, status=400)
        pages += 1
        body = await request.json()
        (region,) = [each["Value"] for each in body["Filters"] if each["Field"] == "regionCode"]
        currency = "CNY" if region.startswith("cn-") else "USD"
        start = int(body.get("NextToken", 0))
        end = min(start + arguments.page, len(PRODUCTS))
        answer: dict[str, object] = {
            "FormatVersion": "aws_v1",
            "PriceList": [
                json.dumps(product(region, number, arguments.factor, currency)) for number in range(start, end)
            ],
        }
        if end < len(PRODUCTS):
            answer["NextToken"] = str(end)
        return web.json_response(answer, content_type="application/x-amz-json-1.1")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)  # ends with the test that started it
    await runner.cleanup()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--deny", action="store_true")
    parser.add_argument("--factor", type=float, default=1.0)
    parser.add_argument("--page", type=int, default=5)
    asyncio.run(main(parser.parse_args()))

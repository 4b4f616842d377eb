"""A program that passes requests on to an embedded endpoint, without telling that it is one.

What stands behind it looks like AWS itself: it has no facts about its host, so that its calls count as real ones.
Run as ``python plain_endpoint.py TARGET_URL``; prints its own URL.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
from aiohttp import web

_OWN_HEADERS = {"transfer-encoding", "content-length", "connection", "content-encoding", "date", "server"}


async def main(target: str) -> None:
    async with aiohttp.ClientSession(auto_decompress=False) as http:

        async def forward(request: web.Request) -> web.Response:
            if request.path.startswith("/_lambdatune"):
                return web.Response(status=404)
            url = target + request.raw_path
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN_HEADERS}
            body = await request.read()
            async with http.request(
                request.method, aiohttp.client.URL(url, encoded=True), headers=headers, data=body
            ) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OWN_HEADERS}
                return web.Response(status=answer.status, headers=kept, body=await answer.read())

        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", forward)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        print(f"http://127.0.0.1:{port}", flush=True)
        await asyncio.to_thread(sys.stdin.read)  # ends with the test that started it
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

"""A program that serves the files of a directory as S3 does, path-style: GET and HEAD of /BUCKET/KEY.

Run as ``python object_store.py DIRECTORY``; prints its own URL. ``GET /requests`` lists what it was asked. Objects of
the bucket ``private`` are denied. Only requests that carry a signature are answered, as with a private bucket.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path

from aiohttp import web


def refusal(status: int, code: str, *, is_head: bool) -> web.Response:
    body = "" if is_head else f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return web.Response(status=status, text=body or None, content_type="application/xml")


async def main(directory: Path) -> None:
    seen: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        if request.path == "/requests":
            return web.json_response(seen)
        seen.append(f"{request.method} {request.path}")
        is_head = request.method == "HEAD"
        if "AWS4-HMAC-SHA256" not in request.headers.get("Authorization", "") or request.path.startswith("/private/"):
            return refusal(403, "AccessDenied", is_head=is_head)
        path = directory / request.path.lstrip("/")
        if not path.is_file():
            return refusal(404, "NoSuchKey", is_head=is_head)
        body = path.read_bytes()
        etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        if request.headers.get("If-Match", etag) != etag:
            return refusal(412, "PreconditionFailed", is_head=is_head)
        headers = {"ETag": etag, "Content-Length": str(len(body)), "Last-Modified": "Sun, 01 Nov 2026 00:00:00 GMT"}
        return web.Response(headers=headers, body=body, content_type="binary/octet-stream")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)  # ends with the test that started it
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

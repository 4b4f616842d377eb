"""A program that passes requests on to an endpoint and takes down the log of every call: what AWS bills by.

Run as ``python tee_endpoint.py TARGET_URL FILE [--snapstart]``; prints its own URL. FILE gets the log tail of each
Invoke as a line of JSON. With ``--snapstart`` a call that started cold becomes one that was restored, as AWS prints it:
Restore Duration and Billed Restore Duration in place of Init Duration, the latter within Billed Duration already.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import math
import re
import sys
from pathlib import Path

import aiohttp
from aiohttp import web

_OWN_HEADERS = {"transfer-encoding", "content-length", "connection", "content-encoding", "date", "server"}
_TEXT = re.compile(
    r"Duration: (?P<duration>[\d.]+) ms\tBilled Duration: \d+ ms(?P<between>.*?)\tInit Duration: (?P<init>[\d.]+) ms"
)


def restored(line: str) -> str:
    """Return a log line with a restore in place of an init."""
    if '"platform.report"' in line:
        entry = json.loads(line)
        metrics = entry["record"]["metrics"]
        if "initDurationMs" in metrics:
            restore_ms = metrics.pop("initDurationMs")
            metrics["restoreDurationMs"] = restore_ms
            metrics["billedRestoreDurationMs"] = math.ceil(restore_ms / 2)
            metrics["billedDurationMs"] = math.ceil(metrics["durationMs"]) + metrics["billedRestoreDurationMs"]
        return json.dumps(entry)
    if not line.startswith("REPORT "):
        return line

    def swap(match: re.Match[str]) -> str:
        billed_restore_ms = math.ceil(float(match["init"]) / 2)
        billed_ms = math.ceil(float(match["duration"])) + billed_restore_ms
        return (
            f"Duration: {match['duration']} ms\tBilled Duration: {billed_ms} ms{match['between']}"
            f"\tRestore Duration: {match['init']} ms\tBilled Restore Duration: {billed_restore_ms} ms"
        )

    return _TEXT.sub(swap, line)


async def main(arguments: argparse.Namespace) -> None:
    async with aiohttp.ClientSession(auto_decompress=False) as http:
        log = arguments.file.open("w")

        async def handle(request: web.Request) -> web.Response:
            if request.path.startswith("/_lambdatune"):
                return web.Response(status=404)
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN_HEADERS}
            url = aiohttp.client.URL(arguments.target + request.raw_path, encoded=True)
            body = await request.read()
            async with http.request(request.method, url, headers=headers, data=body) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OWN_HEADERS}
                if "X-Amz-Log-Result" in kept:
                    tail = base64.b64decode(kept["X-Amz-Log-Result"]).decode()
                    if arguments.snapstart:
                        tail = "\n".join(map(restored, tail.split("\n")))
                        kept["X-Amz-Log-Result"] = base64.b64encode(tail.encode()).decode()
                    log.write(json.dumps(tail) + "\n")
                    log.flush()
                return web.Response(status=answer.status, headers=kept, body=await answer.read())

        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.to_thread(sys.stdin.read)  # ends with the test that started it
        await runner.cleanup()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("file", type=Path)
    parser.add_argument("--snapstart", action="store_true")
    asyncio.run(main(parser.parse_args()))

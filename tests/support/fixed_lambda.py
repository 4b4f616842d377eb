"""A program that speaks of one function as AWS would and answers each call of it after a fixed time.

Run as ``python fixed_lambda.py [--delay-ms 50]``; prints its own URL and ends when standard input ends. It has no facts
about its host, so that its calls count as real ones; signatures are not verified. What it does not know is not found.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
import uuid

NAME = "fixed"
CONFIGURATION = {
    "FunctionName": NAME, "FunctionArn": f"arn:aws:lambda:us-east-1:123456789012:function:{NAME}",
    "Runtime": "python3.12", "Role": "arn:aws:iam::123456789012:role/r", "Handler": "app.handler", "CodeSize": 1,
    "Timeout": 10, "MemorySize": 512, "LastModified": "2026-11-25T00:00:00.000+0000", "CodeSha256": "c29tZQ==",
    "Version": "$LATEST", "PackageType": "Zip", "Architectures": ["x86_64"], "State": "Active",
    "LastUpdateStatus": "Successful", "EphemeralStorage": {"Size": 512}, "RevisionId": "1",
    "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{NAME}"}, "TracingConfig": {"Mode": "PassThrough"},
}  # fmt: skip


class Connection(asyncio.Protocol):
    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while b"\r\n\r\n" in self._data:
            head, _, rest = self._data.partition(b"\r\n\r\n")
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                ),
                0,
            )
            if len(rest) < length:
                return
            self._data = rest[length:]
            self._serve(*head.split(b"\r\n")[0].decode().split(" ")[:2])

    def _serve(self, method: str, path: str) -> None:
        if path.endswith("/invocations"):
            asyncio.get_running_loop().call_later(self._delay_s, self._answer_call)
        elif method == "GET" and path.startswith("/2015-03-31/functions/"):
            whole = {
                "Configuration": CONFIGURATION,
                "Code": {"RepositoryType": "S3", "Location": "http://127.0.0.1:9/"},
            }
            self._answer(
                200, json.dumps(CONFIGURATION if path.rstrip("/").endswith("configuration") else whole).encode()
            )
        elif path.startswith("/2016-08-19/account-settings"):
            self._answer(200, json.dumps({"AccountLimit": {"UnreservedConcurrentExecutions": 1000}}).encode())
        else:
            self._answer(404, b'{"__type": "ResourceNotFoundException", "message": "fixed"}',
                         {"x-amzn-ErrorType": "ResourceNotFoundException"})  # fmt: skip

    def _answer_call(self) -> None:
        request_id, ms = str(uuid.uuid4()), self._delay_s * 1000
        report = (
            f"REPORT RequestId: {request_id}\tDuration: {ms:.2f} ms\tBilled Duration: {ms:.0f} ms\t"
            "Memory Size: 512 MB\tMax Memory Used: 40 MB\t\n"
        )
        log = f"START RequestId: {request_id} Version: $LATEST\nEND RequestId: {request_id}\n{report}"
        self._answer(200, b"{}", {"x-amzn-RequestId": request_id, "X-Amz-Executed-Version": "$LATEST",
                                  "X-Amz-Log-Result": base64.b64encode(log.encode()).decode()})  # fmt: skip

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if not self._transport.is_closing():
            self._transport.write("\r\n".join([*lines, "", ""]).encode() + body)


async def main(delay_ms: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(delay_ms / 1000), "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay-ms", type=float, default=50.0)
    asyncio.run(main(parser.parse_args().delay_ms))

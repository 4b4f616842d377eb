"""A program that speaks of one function as AWS would, also of what no emulator serves, and keeps what is to be made.

Run as ``python canned_lambda.py GET_FUNCTION_JSON REQUESTS_FILE``: GetFunction of any name answers the first file;
CreateFunction is written to the second file and refused, so that nothing has to run; the rest is not found. Prints its
own URL. Signatures are not verified.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/2015-03-31/functions/"):
            self._answer(200, Path(sys.argv[1]).read_bytes())
        elif self.path.startswith("/2016-08-19/account-settings"):
            self._answer(200, json.dumps({"AccountLimit": {"UnreservedConcurrentExecutions": 1000}}).encode())
        elif self.path == "/code.zip":
            self._answer(200, b"PK\x05\x06" + bytes(18))
        else:
            self._refuse(404, "ResourceNotFoundException")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.rstrip("/") == "/2015-03-31/functions":
            Path(sys.argv[2]).write_bytes(body)
            self._refuse(400, "InvalidParameterValueException")
        else:
            self._refuse(404, "ResourceNotFoundException")

    def do_DELETE(self) -> None:
        self._refuse(404, "ResourceNotFoundException")

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, json.dumps({"__type": code, "message": "canned"}).encode(), code)

    def _answer(self, status: int, body: bytes, code: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if code:
            self.send_header("x-amzn-ErrorType", code)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()  # ends with the test that started it
    os._exit(0)

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.stub import StubProcess

from lambdatune.load.driver import LoadDriver
from lambdatune.load.endpoint import Credentials
from lambdatune.load.order import ClosedLoop, Order

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


@pytest.fixture
def stub():
    process = StubProcess()
    yield process
    process.close()


@pytest.fixture(scope="module")
def shared_stub():
    """One stub for tests that differ in the function only."""
    process = StubProcess()
    yield process
    process.close()


@pytest.fixture(scope="session")
def start_embedded():
    """Start the embedded endpoint with options, as a context that gives what it tells of itself."""

    @contextlib.contextmanager
    def start(*options: str):
        process = subprocess.Popen(
            [sys.executable, "-m", "lambdatune.local", "--port", "0", "--exit-with-stdin", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
        )
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait(20)

    return start


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A certificate authority's file, and certificate and key of 127.0.0.1 and localhost."""
    where = tmp_path_factory.mktemp("tls")
    ca, ca_key, cert, key, request, extensions = (
        where / name for name in ("ca.pem", "ca.key", "cert.pem", "key.pem", "request.pem", "extensions")
    )
    extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n")
    new_key = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for command in (
        [*new_key, "-x509", "-days", "2", "-subj", "/CN=test CA", "-keyout", ca_key, "-out", ca],
        [*new_key, "-subj", "/CN=localhost", "-keyout", key, "-out", request],
        ["openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2",
         "-extfile", extensions, "-out", cert],
    ):  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "HOME": str(where)})
    return ca, cert, key


@pytest.fixture
def tls_stub(certificates):
    _, cert, key = certificates
    process = StubProcess("--cert", str(cert), "--key", str(key))
    process.url = f"https://127.0.0.1:{process.port}"
    yield process
    process.close()


@pytest.fixture
async def driver(stub):
    async with LoadDriver.start(stub.endpoint, CREDENTIALS) as started:
        yield started


@pytest.fixture
def credentials():
    return CREDENTIALS


@pytest.fixture
def start_stub():
    """Start stubs that a test ends itself."""
    return StubProcess


@pytest.fixture
def make_order():
    def make(function: str, calls: int = 1, pacing=None, **fields) -> Order:
        return Order(7, 3, function, pacing or ClosedLoop(1), calls, **fields)

    return make


@pytest.fixture
def collect():
    """Run an order and return its rows as one array."""

    async def run(driver: LoadDriver, order: Order):
        batches = [batch async for batch in driver.run(order)]
        return np.concatenate(batches) if batches else np.zeros(0)

    return run

"""The bench's server: the C program where there is a compiler, else the tests' Python stub."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

HERE = Path(__file__).parent
PYTHON_STUB = HERE.parent / "load" / "stub_endpoint.py"


@dataclass(frozen=True)
class Cores:
    """Which processor the server has, which the load, and which each second shard; None where there is only one."""

    server: int | None
    load: int | None
    second: int | None

    @classmethod
    def of_this_machine(cls) -> Cores:
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) == 1:
            return cls(None, None, None)
        # A third processor, where there is one, or the server's.
        return cls(allowed[0], allowed[-1], allowed[1] if len(allowed) > 2 else allowed[0])


def pin(pid: int, core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(pid, {core})


@dataclass(frozen=True)
class Programs:
    """What can be served: the C server without and with TLS, where it could be built; certificate and key."""

    plain: Path | None
    tls: Path | None
    certificate: Path | None
    key: Path | None
    authority: Path | None


def build(where: Path) -> Programs:
    """Build the C server, and make a certificate, in the directory `where`."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    plain = tls = None
    if compiler:
        plain = _compiled([compiler, "-O2", HERE / "server.c", "-o", where / "server"])
        tls = _compiled(
            [compiler, "-O2", "-DBENCH_TLS", HERE / "server.c", "-o", where / "server-tls", "-lssl", "-lcrypto"]
        )
    if not shutil.which("openssl"):
        return Programs(plain, tls, None, None, None)
    return Programs(plain, tls, *_certificate(where))


def _compiled(command: list[str | Path]) -> Path | None:
    done = subprocess.run(command, capture_output=True, check=False)
    return Path(command[command.index("-o") + 1]) if done.returncode == 0 else None


def _certificate(where: Path) -> tuple[Path, Path, Path]:
    """Make an RSA-2048 certificate of 127.0.0.1 by an authority of its own."""
    extensions = where / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n")
    authority, authority_key, certificate, key, request = (
        where / name for name in ("ca.pem", "ca.key", "cert.pem", "key.pem", "request.pem")
    )
    new_key = ["openssl", "req", "-newkey", "rsa:2048", "-nodes"]
    for command in (
        [*new_key, "-x509", "-days", "2", "-subj", "/CN=bench CA", "-keyout", authority_key, "-out", authority],
        [*new_key, "-subj", "/CN=localhost", "-keyout", key, "-out", request],
        ["openssl", "x509", "-req", "-in", request, "-CA", authority, "-CAkey", authority_key, "-CAcreateserial",
         "-days", "2", "-extfile", extensions, "-out", certificate],
    ):  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
    return certificate, key, authority


class Server:
    """A running server on loopback.

    Args:
        programs: what was built.
        cores: where it runs.
        tls: whether it speaks TLS.
        delay_us: before each answer.
        stall_ms: of every `stall_every_ms` in which nothing is answered.
    """

    def __init__(
        self, programs: Programs, cores: Cores, *, tls: bool = False, delay_us: int = 0, stall: tuple[int, int] = (0, 0)
    ) -> None:
        program = programs.tls if tls else programs.plain
        command: list[str | Path] = [program] if program else [sys.executable, PYTHON_STUB]
        if program:
            command += ["--delay-us", str(delay_us), "--stall-ms", str(stall[0]), "--stall-every-ms", str(stall[1])]
        if tls:
            assert programs.certificate is not None
            assert programs.key is not None
            command += ["--cert", programs.certificate, "--key", programs.key]
        self.is_c = program is not None
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        pin(self.process.pid, cores.server)
        assert self.process.stdout is not None
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{int(self.process.stdout.readline())}"
        # The stub takes its delay from the function's name; the C server takes any name.
        self.function = f"delay_{delay_us / 1000:g}" if delay_us else "ok"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)

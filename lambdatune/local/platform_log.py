r"""The platform's own log lines: INIT_START, START, END, REPORT and INIT_REPORT, as text or JSON.

Wording and order of fields: AWS docs, "Lambda log formats" and "Telemetry API event schema", and lines of public logs:
``REPORT RequestId: <id>\tDuration: 3.10 ms\tBilled Duration: 546 ms\tMemory Size: 2048 MB\tMax Memory Used: 95 MB\t
Init Duration: 542.01 ms\t\n``. Since August 2025 the init is billed: billed = ceil(Duration + Init Duration).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

_LEVELS = {"DEBUG": 0, "INFO": 1, "WARN": 2}


@dataclass(frozen=True, slots=True)
class Figures:
    """What a REPORT line says.

    Attributes:
        request_id: of the call.
        duration_ms: time of the handler; a suppressed init is part of it.
        memory_mb: memory size in MB.
        max_memory_mb: most memory used in MB.
        init_ms: time of the init phase, on the first call of an environment; else None.
        status: success, error or timeout.
        error_type: for example Runtime.ExitError; None when there is none.
        init_billed: whether the init is billed with this call.
        restore_ms: time of the restore from a snapshot, on the first call of an environment; else None.
        billed_restore_ms: the part of the restore that is billed.
    """

    request_id: str
    duration_ms: float
    memory_mb: int
    max_memory_mb: int
    init_ms: float | None = None
    status: str = "success"
    error_type: str | None = None
    init_billed: bool = True
    restore_ms: float | None = None
    billed_restore_ms: int = 0

    @property
    def billed_ms(self) -> int:
        """Billed milliseconds: duration and what is billed of init or restore, together rounded up."""
        init_ms = self.init_ms if self.init_billed and self.init_ms is not None else 0.0
        return math.ceil(round(self.duration_ms + init_ms + self.billed_restore_ms, 6))


class PlatformLog(Protocol):
    """The lines of one log format; a method may return none when the log level hides them."""

    def init_start(self, runtime: str, note: str) -> list[str]:
        """Return the lines at the start of the init phase; `note` says what serves the runtime."""

    def init_report(self, duration_ms: float, phase: str, status: str, error_type: str | None) -> list[str]:
        """Return the lines at the end of an init that failed, or that was for a snapshot."""

    def restore_start(self, runtime: str, note: str) -> list[str]:
        """Return the lines at the start of a restore."""

    def restore_report(self, duration_ms: float, status: str) -> list[str]:
        """Return the lines at the end of a restore."""

    def start(self, request_id: str, version: str) -> list[str]:
        """Return the lines at the start of a call."""

    def fault(self, request_id: str, sentence: str, error_type: str) -> list[str]:
        """Return the lines that say how the runtime ended or that time ran out."""

    def end(self, figures: Figures) -> list[str]:
        """Return the lines at the end of a call."""


class TextLog:
    """LogFormat Text."""

    def init_start(self, runtime: str, note: str) -> list[str]:
        """INIT_START."""
        return [f"INIT_START Runtime Version: {runtime}\tRuntime Version ARN: {note}\n"]

    def init_report(self, duration_ms: float, phase: str, status: str, error_type: str | None) -> list[str]:
        """INIT_REPORT."""
        error = f"\tError Type: {error_type}" if error_type else ""
        ending = f"\tStatus: {status}{error}" if status != "success" else ""
        return [f"INIT_REPORT Init Duration: {duration_ms:.2f} ms\tPhase: {phase}{ending}\n"]

    def restore_start(self, runtime: str, note: str) -> list[str]:
        """RESTORE_START."""
        return [f"RESTORE_START Runtime Version: {runtime}\tRuntime Version ARN: {note}\n"]

    def restore_report(self, duration_ms: float, status: str) -> list[str]:
        """RESTORE_REPORT."""
        failed = f"\tStatus: {status}" if status != "success" else ""
        return [f"RESTORE_REPORT Restore Duration: {duration_ms:.2f} ms{failed}\n"]

    def start(self, request_id: str, version: str) -> list[str]:
        """START."""
        return [f"START RequestId: {request_id} Version: {version}\n"]

    def fault(self, request_id: str, sentence: str, error_type: str) -> list[str]:
        """Return the line of a timeout, or the two lines of an exit."""
        if error_type == "Sandbox.Timedout":
            return [f"{_timestamp()} {request_id} {sentence}\n", "\n"]
        return [f"RequestId: {request_id} Error: {sentence}\n", f"{error_type}\n"]

    def end(self, figures: Figures) -> list[str]:
        """END and REPORT."""
        f = figures
        report = (
            f"REPORT RequestId: {f.request_id}\tDuration: {f.duration_ms:.2f} ms\tBilled Duration: {f.billed_ms} ms\t"
            f"Memory Size: {f.memory_mb} MB\tMax Memory Used: {f.max_memory_mb} MB\t"
        )
        if f.init_ms is not None:
            report += f"Init Duration: {f.init_ms:.2f} ms\t"
        if f.restore_ms is not None:
            report += f"Restore Duration: {f.restore_ms:.2f} ms\tBilled Restore Duration: {f.billed_restore_ms} ms\t"
        if f.status != "success":
            report += f"Status: {f.status}"
            if f.error_type and f.status == "error":
                report += f"\tError Type: {f.error_type}"
        return [f"END RequestId: {f.request_id}\n", report + "\n"]


class JsonLog:
    """LogFormat JSON.

    Args:
        level: SystemLogLevel: DEBUG, INFO or WARN.
        initialization_type: AWS_LAMBDA_INITIALIZATION_TYPE.
    """

    def __init__(self, level: str, initialization_type: str = "on-demand") -> None:
        self._least = _LEVELS[level]
        self._type = initialization_type

    def init_start(self, runtime: str, note: str) -> list[str]:
        """platform.initStart."""
        record = {
            "initializationType": self._type,
            "phase": "init",
            "runtimeVersion": runtime,
            "runtimeVersionArn": note,
        }
        return self._line("INFO", "platform.initStart", record)

    def init_report(self, duration_ms: float, phase: str, status: str, error_type: str | None) -> list[str]:
        """platform.initReport; that of an init that failed is a warning."""
        record: dict[str, Any] = {
            "initializationType": self._type,
            "phase": phase,
            "status": status,
            "metrics": {"durationMs": round(duration_ms, 3)},
        }
        if error_type:
            record["errorType"] = error_type
        return self._line("INFO" if status == "success" else "WARN", "platform.initReport", record)

    def restore_start(self, runtime: str, note: str) -> list[str]:
        """platform.restoreStart."""
        return self._line("INFO", "platform.restoreStart", {"runtimeVersion": runtime, "runtimeVersionArn": note})

    def restore_report(self, duration_ms: float, status: str) -> list[str]:
        """platform.restoreReport."""
        record = {"status": status, "metrics": {"durationMs": round(duration_ms, 3)}}
        return self._line("INFO" if status == "success" else "WARN", "platform.restoreReport", record)

    def start(self, request_id: str, version: str) -> list[str]:
        """platform.start."""
        return self._line("INFO", "platform.start", {"requestId": request_id, "version": version})

    def fault(self, request_id: str, sentence: str, error_type: str) -> list[str]:  # noqa: ARG002  the protocol
        """Return nothing: platform.report holds status and error type."""
        return []

    def end(self, figures: Figures) -> list[str]:
        """platform.runtimeDone (DEBUG, or WARN after a failure) and platform.report."""
        level = "INFO" if figures.status == "success" else "WARN"
        metrics: dict[str, Any] = {
            "durationMs": round(figures.duration_ms, 3),
            "billedDurationMs": figures.billed_ms,
            "memorySizeMB": figures.memory_mb,
            "maxMemoryUsedMB": figures.max_memory_mb,
        }
        if figures.init_ms is not None:
            metrics["initDurationMs"] = round(figures.init_ms, 3)
        if figures.restore_ms is not None:
            metrics["restoreDurationMs"] = round(figures.restore_ms, 3)
            metrics["billedRestoreDurationMs"] = figures.billed_restore_ms
        record = {"requestId": figures.request_id, "metrics": metrics, "status": figures.status}
        done: dict[str, Any] = {"requestId": figures.request_id, "status": figures.status}
        if figures.error_type:
            record["errorType"] = done["errorType"] = figures.error_type
        done["metrics"] = {"durationMs": metrics["durationMs"]}
        return [
            *self._line("DEBUG" if level == "INFO" else "WARN", "platform.runtimeDone", done),
            *self._line(level, "platform.report", record),
        ]

    def _line(self, level: str, kind: str, record: dict[str, Any]) -> list[str]:
        if _LEVELS[level] < self._least:
            return []
        line = {"time": _timestamp(), "type": kind, "record": record}
        return [json.dumps(line, separators=(",", ":")) + "\n"]


def platform_log(log_format: str, system_level: str, initialization_type: str) -> PlatformLog:
    """Return the writer of a LoggingConfig."""
    return JsonLog(system_level, initialization_type) if log_format == "JSON" else TextLog()


def _timestamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

"""What the server says of its work: a line for each request that was refused or failed, as text or as JSON."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any, Literal

LogFormat = Literal["text", "json"]

requests = logging.getLogger("loopwright.serving.requests")


def log_refusal(
    method: str, path: str, status: int | str, error: str, *, prediction_id: str | None, traceparent: str | None
) -> None:
    """Say that a request was not answered, and which one: by its prediction id and its trace, where it has them."""
    if not requests.isEnabledFor(logging.INFO):
        return
    parent = (traceparent or "").split("-")
    facts = {
        "status": status,
        "method": method,
        "path": path[:256],
        "prediction_id": prediction_id,
        "trace_id": parent[1] if len(parent) == 4 else None,
    }
    known = {name: value for name, value in facts.items() if value is not None}
    shown = " ".join(f"{name}={value!r}" for name, value in known.items())
    requests.info("%s (%s)", error, shown, extra={"facts": {**known, "message": error}})


def set_log_format(form: LogFormat) -> None:
    """Have what this process logs written as JSON lines, if so told; the text is whoever starts it's to choose."""
    if form == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(_JsonLines())


class _JsonLines(logging.Formatter):
    """One object a line: `at`, `level`, `logger`, `message`, what is known of the request, and a traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)

"""What the user decides about the local stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.child import StackError

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`port` and `sandbox_port` 0 mean any free one. `environ` is handed on to every process: what is set
    there (LOG_LEVEL, DEFAULT_CONCURRENCY_CAP, OTEL_* ...) wins over the stack's defaults.
    `<SERVICE>_FAILPOINTS` becomes FAILPOINTS of that service alone.
    """

    data_dir: Path
    port: int = 8080
    sandbox_port: int = 8090
    restart: bool = True
    environ: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        return cls(
            data_dir=(ROOT / (environ.get("CALLPLANE_DATA_DIR") or "var")).resolve(),
            port=_port(environ, "CALLPLANE_PORT", default=8080),
            sandbox_port=_port(environ, "CALLPLANE_SANDBOX_PORT", default=8090),
            restart=environ.get("CALLPLANE_RESTART", "1") != "0",
            environ=dict(environ),
        )


def _port(environ: Mapping[str, str], name: str, *, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdecimal() or int(text) > 65535:
        raise StackError(f"{name} must be a port number, not {text!r}")
    return int(text)

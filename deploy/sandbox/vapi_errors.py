"""Vapi's error bodies."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any


class VapiError(Exception):
    """An answer other than success; `message` is a text, or a list of texts for validation."""

    def __init__(self, status: int, message: str | list[str], **more: Any) -> None:
        super().__init__(str(message))
        self.status = int(status)
        self.body: dict[str, Any] = {
            "message": message,
            "error": HTTPStatus(status).phrase,
            "statusCode": int(status),
            **more,
        }

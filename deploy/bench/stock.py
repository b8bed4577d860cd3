"""Signed requests: the first ones made before the clock starts, the rest as they are needed."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import uuid
from collections.abc import Iterator

import msgspec

from deploy.bench.connection import request_bytes
from deploy.bench.lane import Item
from deploy.bench.webhooks import tool_calls_body, webhooks


def mark_of(body: bytes) -> bytes:
    """What PostgreSQL's `md5(body)` says, as bytes."""
    return hashlib.md5(body, usedforsecurity=False).digest()


class Stock:
    """Webhooks of calls of their own, beginning with the call of this number."""

    def __init__(self, *, path: str, host: str, secret: str) -> None:
        self._path = path
        self._host = host
        self._secret = secret.encode()

    def webhooks(self, *, first_call: int, prepared: int) -> Iterator[Item]:
        """Without end."""
        items = map(self._item, (webhook.body for webhook in webhooks(first_call=first_call)))
        return itertools.chain(list(itertools.islice(items, prepared)), items)

    def tool_calls(self) -> Iterator[Item]:
        """Without end; each asks for a quote, in a call of its own."""
        while True:
            yield self._item(tool_calls_body(call_id=str(uuid.uuid4())))

    def _item(self, body: bytes) -> Item:
        signature = hmac.new(self._secret, body, "sha256").hexdigest()
        headers = {"X-Vapi-Signature": signature}
        return Item(request_bytes(self._path, host=self._host, headers=headers, body=body), mark_of(body))


class _Result(msgspec.Struct):
    result: str = ""


class _Results(msgspec.Struct):
    results: list[_Result] = []


_results = msgspec.json.Decoder(_Results)


def is_quote(answer: bytes) -> bool:
    """Whether an answer to `tool-calls` holds a price; the gateway's fixed answer does not."""
    found = _results.decode(answer[answer.find(b"\r\n\r\n") + 4 :]).results
    return bool(found) and '"min"' in found[0].result

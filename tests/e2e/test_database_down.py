"""The database goes away under the whole stack: nothing is acked meanwhile, and all is well after."""

import hashlib
import hmac
import os
import signal
from pathlib import Path
from uuid import uuid4

import httpx

from tests.support.stack import Stack
from tests.support.waiting import eventually


async def post(stack: Stack, body: bytes) -> httpx.Response:
    signature = hmac.new(stack.vapi_secret.encode(), body, hashlib.sha256).hexdigest()
    return await stack.http.post(stack.vapi_path, content=body, headers={"x-vapi-signature": signature})


async def test_without_a_database_a_webhook_gets_503_and_comes_in_after(stack: Stack) -> None:
    """PostgreSQL is frozen and then killed; the runner starts it again."""
    body = f'{{"message":{{"type":"hang","call":{{"id":"{uuid4()}"}}}}}}'.encode()
    postgres = int(stack.ready["pids"]["postgres"])
    for pid in (postgres, *children(postgres)):
        os.kill(pid, signal.SIGSTOP)
    try:
        refused = await post(stack, body)
    finally:
        for pid in (postgres, *children(postgres)):
            os.kill(pid, signal.SIGKILL)

    assert 503 == refused.status_code
    assert refused.headers["retry-after"]

    async def taken() -> bool:
        return (await post(stack, body)).status_code == 200

    await eventually(taken, within_seconds=30)

    async def healthy() -> bool:
        return (await stack.http.get("/health")).status_code == 200

    await eventually(healthy, within_seconds=30)


def children(pid: int) -> list[int]:
    listing = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in listing.split()]

"""Waiting for what happens in the background, without sleeping longer than it takes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(probe: Callable[[], Awaitable[T | None]], *, within_seconds: float = 30.0) -> T:
    """Calls `probe` until it answers with something true, and returns that. Fails with the last answer."""
    deadline = asyncio.get_running_loop().time() + within_seconds
    while True:
        answer = await probe()
        if answer:
            return answer
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {within_seconds} s; the last answer was {answer!r}")
        await asyncio.sleep(0.02)

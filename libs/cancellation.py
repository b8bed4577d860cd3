"""Cancellation that cannot get lost."""

import asyncio


def raise_if_cancelled() -> None:
    """For loops that survive exceptions: clean-up that fails while a task is being cancelled (a connection
    that is gone already) raises in place of the CancelledError, and the loop would never end."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError

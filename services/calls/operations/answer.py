"""Webhooks the provider waits on: stored and answered in one transaction.

A tool runs once per call and tool call id. Who inserts its row runs it; a repeat, also one at the same
moment, waits for that row and gets the stored answer.
"""

import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import msgspec

from libs import failpoints
from libs.pg import Connection, Pool, transaction
from services.calls.domain import answers
from services.calls.domain.messages import document_of, mapping
from services.calls.domain.tools import ToolResult, ToolUse, legacy_use, tool_uses
from services.calls.domain.webhooks import Head, IncomingWebhook
from services.calls.operations.ingest import count, prepare
from services.calls.operations.routing import Routing
from services.calls.operations.tool_running import ToolRunning
from services.calls.store import ledger, tool_calls

failpoints.register("answer.before_commit", "answer.after_commit")

_NOT_KNOWN = ToolResult(succeeded=False, text="This tool is running already.")


class Answers:
    """`pool` is the request role's, and nobody else's: an answer must not queue behind anything."""

    def __init__(self, pool: Pool, tools: ToolRunning, *, routing: Routing) -> None:
        self._pool = pool
        self._tools = tools
        self._routing = routing

    async def answer(self, webhook: IncomingWebhook) -> bytes:
        """The JSON to answer with; empty if none is expected. Trouble inside a tool is part of it."""
        stored, head = prepared = prepare(webhook)
        count([prepared])
        content = _content(stored.body)
        async with transaction(self._pool, org_id=stored.org_id) as conn:
            await ledger.append(conn, [prepared])
            answer = await self._answer(conn, stored, head, content)
            await failpoints.hit("answer.before_commit")
        await failpoints.hit("answer.after_commit")
        return msgspec.json.encode(answer) if answer is not None else b""

    async def _answer(
        self, conn: Connection, webhook: IncomingWebhook, head: Head, content: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        if head.type == "tool-calls":
            return answers.tool_results(await self._use_tools(conn, webhook, head, tool_uses(content)))
        if head.type == "function-call":
            # It brings no id: the message is the use.
            use = legacy_use(content, use_id=f"legacy-{head.dedupe_key.hex()}")
            [(_, result)] = await self._use_tools(conn, webhook, head, [use])
            return answers.legacy_result(result)
        if head.type == "transfer-destination-request":
            found = await self._tools.transfer_destination(conn, webhook, head)
            if found is not None:
                return found
        if head.type == "assistant-request":
            return await self._routing.answer(conn, webhook, content, provider_call_id=head.provider_call_id)
        return answers.neutral(head.type)

    async def _use_tools(
        self, conn: Connection, webhook: IncomingWebhook, head: Head, uses: Sequence[ToolUse]
    ) -> list[tuple[ToolUse, ToolResult]]:
        if not uses:
            return []
        running = await self._tools.begin(conn, webhook)
        if not head.provider_call_id:
            # It belongs to no call: there is nothing to remember it by.
            return [(use, await running.run(use)) for use in uses]
        names: dict[str, Any] = {
            "org_id": webhook.org_id,
            "provider": webhook.provider,
            "provider_call_id": head.provider_call_id,
        }
        claimed = await tool_calls.claim(conn, uses, **names)
        ran = [await _timed(running.run(use), use) for use in uses if use.id in claimed]
        if ran:
            await tool_calls.record(conn, ran, **names)
        results = {one.tool_call_id: one.result for one in ran}
        if len(results) < len(uses):
            results |= await tool_calls.find_results(conn, [use.id for use in uses], **names)
        return [(use, results.get(use.id, _NOT_KNOWN)) for use in uses]


def _content(body: bytes) -> Mapping[str, Any]:
    """The message, also where it lacks what the record needs."""
    try:
        document = mapping(document_of(body))
    except (ValueError, RecursionError):
        return {}
    return mapping(document.get("message", document))


async def _timed(running: Awaitable[ToolResult], use: ToolUse) -> tool_calls.RanTool:
    started = time.perf_counter()
    result = await running
    return tool_calls.RanTool(
        tool_call_id=use.id, result=result, duration_ms=round((time.perf_counter() - started) * 1000, 3)
    )

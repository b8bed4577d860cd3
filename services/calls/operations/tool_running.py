"""Running the assistant's tools: those that look up rules, and those that do something for the caller."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from libs import telemetry
from libs.pg import Connection
from services.calls.domain import answers, tools, wishes
from services.calls.domain.arguments import BadArguments
from services.calls.domain.call import Call
from services.calls.domain.messages import Unreadable, mapping, read
from services.calls.domain.rules import RuleBook
from services.calls.domain.tools import ToolResult, ToolUse
from services.calls.domain.webhooks import Head, IncomingWebhook
from services.calls.operations.calls_under_way import lock_call
from services.calls.operations.rule_books import RuleBooks
from services.calls.operations.tool_effects import ToolEffects, chosen_destination
from services.calls.store import tool_calls

_ran = telemetry.meter().create_counter(
    "callplane.tools", description="Tools run for assistants, by outcome."
)


class ToolRunning:
    def __init__(self, rule_books: RuleBooks, effects: ToolEffects) -> None:
        self._rule_books = rule_books
        self._effects = effects

    async def begin(self, conn: Connection, webhook: IncomingWebhook) -> "RunningTools":
        """For the tools of one webhook, within the caller's transaction."""
        rules = await self._rule_books.of(conn, webhook.org_id)
        return RunningTools(conn, webhook, rules, self._effects, now=datetime.now(UTC))

    async def transfer_destination(
        self, conn: Connection, webhook: IncomingWebhook, head: Head
    ) -> Mapping[str, Any] | None:
        """What `transferCall` chose last in this call, else the first destination; None if there is none."""
        rules = await self._rule_books.of(conn, webhook.org_id)
        last = await tool_calls.find_last_result(
            conn,
            "transferCall",
            org_id=webhook.org_id,
            provider=webhook.provider,
            provider_call_id=head.provider_call_id,
        )
        name = mapping(msgspec.json.decode(last)).get("destination", "") if last else ""
        chosen = await chosen_destination(conn, name, org_id=webhook.org_id)
        if chosen is None:
            return None
        return answers.transfer(chosen, language=rules.business_hours.language)


class RunningTools:
    def __init__(
        self,
        conn: Connection,
        webhook: IncomingWebhook,
        rules: RuleBook,
        effects: ToolEffects,
        *,
        now: datetime,
    ) -> None:
        self._conn = conn
        self._webhook = webhook
        self._rules = rules
        self._effects = effects
        self._now = now
        self._known: Call | None = None

    async def run(self, use: ToolUse) -> ToolResult:
        """What the model sent wrong is part of the result."""
        result = await self._run(use)
        _ran.add(1, {"outcome": "SUCCEEDED" if result.succeeded else "FAILED"})
        return result

    async def _run(self, use: ToolUse) -> ToolResult:
        if tools.knows(use.name):
            return tools.run(use, self._rules, now=self._now)
        if not wishes.is_wish(use.name):
            return tools.unknown(use)
        if use.arguments is None:
            return tools.failure("The arguments are not a JSON object.")
        try:
            wish = wishes.wish_of(use.name, use.arguments, self._rules, now=self._now)
        except BadArguments as exc:
            return tools.failure(str(exc))
        call = await self._call()
        if call is None:
            return tools.failure("This belongs to no call, so nothing can be done.")
        return await self._effects.fulfil(self._conn, wish, call, self._rules, now=self._now)

    async def _call(self) -> Call | None:
        """Locked by the first tool that needs it; None if the webhook names none."""
        if self._known is None:
            message = read(self._webhook.body)
            if not isinstance(message, Unreadable):
                self._known = await lock_call(self._conn, self._webhook, message, now=self._now)
        return self._known

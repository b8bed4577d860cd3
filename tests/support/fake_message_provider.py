"""A message provider in memory, held to the same contract as the real adapter."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from services.notify.domain.messages import Message, NotSent, SendOutcome, Sent, Unknown, Verdict
from services.notify.domain.provider_codes import verdict_of
from services.notify.errors import MessageProviderUnavailable


@dataclass
class Text:
    id: str
    to: str
    body: str
    status: str
    created_at: datetime


@dataclass
class FakeMessageProvider:
    """`texts` is what it took. Failures are for the next requests, in their order."""

    texts: list[Text] = field(default_factory=list)
    # Numbers that are refused, with the provider's code.
    refusals: dict[str, str] = field(default_factory=dict)
    _failures: list[Callable[[Message], SendOutcome]] = field(default_factory=list)
    _is_down: bool = False

    def fail_next(
        self, mode: Literal["timeout", "reset", "http"], *, status: int = 500, message_made: bool = False
    ) -> None:
        def fail(message: Message) -> SendOutcome:
            if message_made:
                self._take(message)
            if status == 429:
                return NotSent("20429", Verdict.RETRYABLE)
            words = {"timeout": "TIMEOUT", "reset": "CONNECTION_LOST", "http": f"HTTP_{status}"}
            return Unknown(words[mode])

        self._failures.append(fail)

    def go_down(self) -> None:
        self._is_down = True

    async def send(self, message: Message) -> SendOutcome:
        if self._is_down:
            return NotSent("CONNECTION_FAILED", Verdict.RETRYABLE)
        if self._failures:
            return self._failures.pop(0)(message)
        code = self.refusals.get(message.recipient)
        if code is not None:
            return NotSent(code, verdict_of(code, http_status=400))
        return Sent(self._take(message).id, "queued")

    async def find(self, message: Message, *, known: frozenset[str]) -> Sent | None:
        if self._is_down:
            raise MessageProviderUnavailable
        since = message.claimed_at or message.created_at
        for text in self.texts:
            same = (text.to, text.body) == (message.recipient, message.body)
            if same and text.id not in known and text.created_at >= since:
                return Sent(text.id, text.status)
        return None

    def _take(self, message: Message) -> Text:
        text = Text(
            id=f"SM{len(self.texts):032d}",
            to=message.recipient,
            body=message.body,
            status="queued",
            created_at=datetime.now(UTC),
        )
        self.texts.append(text)
        return text

"""The service `calls`, as this one needs it: placing and looking up calls, and assistants at the provider."""

from decimal import Decimal
from typing import Final
from uuid import UUID

from callplane.calls.v2 import (
    calls_pb2,
    calls_pb2_grpc,
    lines_pb2,
    lines_pb2_grpc,
    provider_pb2,
    provider_pb2_grpc,
)
from libs.breaker import Breaker
from libs.errors import Kind, ServiceError
from libs.rpc import Peer, peer_errors
from libs.rpc.convert import moment, struct, to_dict
from services.campaigns.domain.assistants import ProviderAssistant
from services.campaigns.domain.attempts import CallNews, Placement, Result
from services.campaigns.domain.dialing import Dial

# A definite answer about the call. Any other error may come from the way there; the same request is then sent
# again.
_REFUSALS: Final = frozenset({Kind.BAD_INPUT, Kind.MISSING, Kind.WRONG_STATE})
_REFUSAL_REASONS: Final = frozenset({"NO_LINE_FREE"})
# The attempt's id stands there for a call that was ordered otherwise, or whose record is gone. Asking again
# never helps; what became of it is looked up.
_TAKEN: Final = "CALL_ID_REUSED"
_LOOK_UP_SECONDS: Final = 5.0
# Opens for moments only: a restart of `calls` takes seconds, and free slots stay empty meanwhile.
_BREAKER_SECONDS: Final = 0.5
_ASSISTANT_SECONDS: Final = 20.0


class CallsClient:
    def __init__(self, peer: Peer, *, place_seconds: float) -> None:
        self._peer = peer
        self._place_seconds = place_seconds
        self._calls = calls_pb2_grpc.CallServiceStub(peer.channel)
        self._assistants = provider_pb2_grpc.ProviderAssistantServiceStub(peer.channel)
        self._lines = lines_pb2_grpc.LineServiceStub(peer.channel)
        self._placing = Breaker("calls.place_call", open_seconds=_BREAKER_SECONDS, is_failure=_is_away)
        self._reading = Breaker("calls.read", open_seconds=_BREAKER_SECONDS)
        self._directory = Breaker("calls.assistants")

    async def place(self, dial: Dial) -> Placement:
        """Idempotent by the attempt's id. Raises ServiceError if nothing definite was answered."""
        request = calls_pb2.PlaceCallRequest(
            call_id=str(dial.attempt_id),
            customer_number=dial.phone,
            customer_name=dial.name,
            provider_assistant_id=dial.provider_assistant_id,
            assistant_id=str(dial.assistant_id),
            phone_number_id=dial.phone_number_id,
            campaign_id=str(dial.campaign_id),
            contact_id=str(dial.contact_id),
            max_duration_seconds=dial.max_duration_seconds,
            assistant_overrides=struct(dial.assistant_overrides) if dial.assistant_overrides else None,
        )
        metadata = self._peer.metadata(dial.org_id)
        try:
            async with self._placing.guard():
                with peer_errors():
                    response = await self._calls.PlaceCall(
                        request, timeout=self._place_seconds, metadata=metadata
                    )
        except ServiceError as exc:
            if exc.reason == _TAKEN:
                return Placement(result=Result.UNKNOWN, reason=exc.reason)
            if exc.kind not in _REFUSALS and exc.reason not in _REFUSAL_REASONS:
                raise
            return _refusal(exc)
        return _placement(response)

    async def find_call(self, call_id: UUID, *, org_id: UUID) -> CallNews | None:
        """None if `calls` has never heard of it."""
        request = calls_pb2.GetCallRequest(id=str(call_id))
        try:
            async with self._reading.guard():
                with peer_errors():
                    call = await self._calls.GetCall(
                        request, timeout=_LOOK_UP_SECONDS, metadata=self._peer.metadata(org_id)
                    )
        except ServiceError as exc:
            if exc.kind is Kind.MISSING:
                return None
            raise
        return _news(call)

    async def count_others(self, phone_number_id: str, *, campaign_id: UUID, org_id: UUID) -> int:
        """Calls on a phone number of ours that are not the campaign's."""
        request = lines_pb2.GetLineHealthRequest(
            phone_number_id=phone_number_id, except_campaign_id=str(campaign_id), record_only=True
        )
        async with self._reading.guard():
            with peer_errors():
                health = await self._lines.GetLineHealth(
                    request, timeout=_LOOK_UP_SECONDS, metadata=self._peer.metadata(org_id)
                )
        return health.active_calls

    async def create_assistant(
        self, *, org_id: UUID, name: str, config: dict[str, object]
    ) -> ProviderAssistant:
        request = provider_pb2.CreateProviderAssistantRequest(name=name, config=struct(config))
        async with self._directory.guard():
            with peer_errors():
                created = await self._assistants.CreateProviderAssistant(
                    request, timeout=_ASSISTANT_SECONDS, metadata=self._peer.metadata(org_id)
                )
        return _assistant(created)

    async def get_assistant(self, provider_assistant_id: str, *, org_id: UUID) -> ProviderAssistant:
        request = provider_pb2.GetProviderAssistantRequest(id=provider_assistant_id)
        async with self._directory.guard():
            with peer_errors():
                found = await self._assistants.GetProviderAssistant(
                    request, timeout=_ASSISTANT_SECONDS, metadata=self._peer.metadata(org_id)
                )
        return _assistant(found)

    async def update_assistant(
        self, provider_assistant_id: str, *, org_id: UUID, name: str | None, config: dict[str, object] | None
    ) -> ProviderAssistant:
        request = provider_pb2.UpdateProviderAssistantRequest(
            id=provider_assistant_id, name=name or "", config=None if config is None else struct(config)
        )
        async with self._directory.guard():
            with peer_errors():
                updated = await self._assistants.UpdateProviderAssistant(
                    request, timeout=_ASSISTANT_SECONDS, metadata=self._peer.metadata(org_id)
                )
        return _assistant(updated)

    async def list_assistants(
        self, *, org_id: UUID, page_size: int, page_token: str
    ) -> tuple[list[ProviderAssistant], str]:
        """A page, and the token of the next one, empty after the last."""
        request = provider_pb2.ListProviderAssistantsRequest(page_size=page_size, page_token=page_token)
        async with self._directory.guard():
            with peer_errors():
                page = await self._assistants.ListProviderAssistants(
                    request, timeout=_ASSISTANT_SECONDS, metadata=self._peer.metadata(org_id)
                )
        return [_assistant(one) for one in page.assistants], page.next_page_token


def _is_away(exc: Exception) -> bool:
    """Whether `calls` cannot be reached. A request that takes too long waits for its own account."""
    return isinstance(exc, ServiceError) and exc.kind is Kind.UNAVAILABLE


def _assistant(message: provider_pb2.ProviderAssistant) -> ProviderAssistant:
    return ProviderAssistant(
        id=message.id,
        name=message.name,
        config=to_dict(message.config),
        updated_at=moment(message.updated_at) if message.HasField("updated_at") else None,
    )


def _refusal(exc: ServiceError) -> Placement:
    # Only a request that is wrong in itself is the contact's fault; the rest may be different in a while.
    return Placement(
        result=Result.REFUSED,
        reason=exc.reason,
        infrastructure=exc.kind is not Kind.BAD_INPUT,
        retry_after_seconds=exc.retry_after_seconds or 0.0,
    )


def _placement(response: calls_pb2.PlaceCallResponse) -> Placement:
    placement = response.placement
    name = calls_pb2.Placement.Result.Name(placement.result)
    return Placement(
        result=Result(name) if name in Result.__members__ else Result.PENDING,
        reason=placement.reason,
        infrastructure=placement.infrastructure,
        retry_after_seconds=float(placement.retry_after_seconds),
        news=_news(response.call) if response.HasField("call") else None,
    )


def _news(call: calls_pb2.Call) -> CallNews:
    status = calls_pb2.Call.Status.Name(call.status) if call.status else ""
    return CallNews(
        status=status,
        placed=bool(call.provider_call_id),
        infrastructure=call.placement_infrastructure,
        outcome=calls_pb2.CallOutcome.Kind.Name(call.outcome) if call.outcome else "",
        ended_reason=call.ended_reason,
        ended_at=moment(call.ended_at) if call.HasField("ended_at") else None,
        duration_seconds=call.duration_seconds if call.HasField("duration_seconds") else None,
        cost_usd=Decimal(call.cost_usd) if call.HasField("cost_usd") else None,
        success_evaluation=call.success_evaluation if call.HasField("success_evaluation") else None,
        recording_url=call.recording_url,
        summary=call.summary,
    )

"""What the operations ask of the voice provider, in the service's own terms."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from services.calls.domain.assistants import ProviderAssistant, ProviderPhoneNumber
from services.calls.domain.placement import Outcome, PlacementOrder
from services.calls.operations.reconciliation import CallFinder


class CallPlacer(Protocol):
    @property
    def placing_pause_seconds(self) -> float:
        """How long calls are not even tried, after repeated failures; 0 as a rule."""

    async def create_call(
        self, order: PlacementOrder, *, may_send: Callable[[], bool], on_sent: Callable[[], Awaitable[None]]
    ) -> Outcome:
        """Never raises for what the provider does. Asks `may_send` just before the first byte leaves."""

    async def end_call(self, provider_call_id: str) -> None:
        """Raises ProviderUnavailable or ProviderRefused."""


class AssistantProvider(Protocol):
    """Each raises ProviderUnavailable, ProviderRefused or ProviderAssistantNotFound."""

    async def create_assistant(self, *, name: str, config: Mapping[str, Any]) -> ProviderAssistant: ...

    async def get_assistant(self, provider_assistant_id: str) -> ProviderAssistant: ...

    async def list_assistants(self, *, limit: int, created_to: datetime | None) -> list[ProviderAssistant]:
        """Newest first, those of `created_to` included."""

    async def update_assistant(
        self, provider_assistant_id: str, *, name: str, config: Mapping[str, Any] | None
    ) -> ProviderAssistant: ...


class VoiceProvider(CallPlacer, CallFinder, AssistantProvider, Protocol):
    """One account at the provider."""

    async def list_phone_numbers(self) -> list[ProviderPhoneNumber]:
        """Raises ProviderCredentialsRefused, and ProviderUnavailable."""

    async def get_phone_number(self, phone_number_id: str) -> ProviderPhoneNumber | None:
        """None if the provider knows none. Raises ProviderUnavailable, and ProviderRefused."""

    async def close(self) -> None: ...

"""A provider whose lists have no pages, in pages."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.calls.domain.assistants import ListPlace, ProviderAssistant
from services.calls.operations.provider_assistants import ProviderAssistants
from services.calls.operations.voice_provider import AssistantProvider
from tests.support.fake_voice_provider import FakeVoiceProvider

NOW = datetime(2026, 11, 21, tzinfo=UTC)


class Accounts:
    def __init__(self, providers: Sequence[FakeVoiceProvider]) -> None:
        self._providers = providers

    async def of(self, account_id: UUID | None, *, org_id: UUID) -> AssistantProvider:
        return self._providers[0]

    async def every(self, *, org_id: UUID) -> Sequence[AssistantProvider]:
        return self._providers


def provider(ages: Sequence[int]) -> FakeVoiceProvider:
    made = FakeVoiceProvider()
    made.assistants = {
        str(number): ProviderAssistant(
            id=f"{id(made)}-{number}",
            name="",
            config={},
            updated_at=None,
            created_at=NOW - timedelta(seconds=age),
        )
        for number, age in enumerate(ages)
    }
    return made


@pytest.mark.parametrize("size", [1, 2, 3, 50])
@pytest.mark.parametrize(
    "accounts", [[[]], [[0, 1, 2, 3, 4]], [[1, 1, 1, 1, 1, 0]], [[0, 0, 0], [], [5, 5, 6]]]
)
async def test_every_assistant_is_shown_once_however_many_were_made_at_one_moment(
    accounts: list[list[int]], size: int
) -> None:
    """AS-5: discovery pages through the provider."""
    providers = [provider(ages) for ages in accounts]
    listing = ProviderAssistants(Accounts(providers))
    shown: list[str] = []
    place: ListPlace | None = ListPlace()
    for _ in range(50):
        if place is None:
            break
        page, place = await listing.list_page(org_id=uuid4(), size=size, place=place)
        assert len(page) <= size
        shown += [one.id for one in page]

    assert place is None
    assert sorted(one.id for made in providers for one in made.assistants.values()) == sorted(shown)

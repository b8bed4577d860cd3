"""What every voice provider does, the fake and the real adapter alike."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.calls.domain.placement import (
    Outcome,
    Placed,
    PlacementOrder,
    ProviderCall,
    Refused,
    Unknown,
    find_placed,
)
from services.calls.errors import ProviderAssistantNotFound, ProviderRefused
from tests.contract.vapi.conftest import Placing, World
from tests.support.fake_voice_provider import ASSISTANT_ID, PHONE_NUMBER, PHONE_NUMBER_ID

NO_SUCH_ID = "00000000-0000-4000-8000-000000000000"


def order(**changes: Any) -> PlacementOrder:
    fields: dict[str, Any] = {
        "call_id": uuid4(),
        "customer_number": "+15145551234",
        "customer_name": "Éloïse Gagnon-Tremblay de la Rivière-aux-Outardes",
        "provider_assistant_id": ASSISTANT_ID,
        "phone_number_id": PHONE_NUMBER_ID,
        "campaign_id": str(uuid4()),
    }
    return PlacementOrder(**{**fields, **changes})


async def place(world: Placing, wanted: PlacementOrder, *, may_send: bool = True) -> Outcome:
    async def sent() -> None:
        pass

    outcome: Outcome = await world.provider.create_call(wanted, may_send=lambda: may_send, on_sent=sent)
    return outcome


async def recent_calls(world: World) -> list[ProviderCall]:
    now = datetime.now(UTC)
    found: list[ProviderCall] = await world.provider.list_calls(
        created_from=now - timedelta(minutes=1), created_to=now + timedelta(minutes=1)
    )
    return found


async def test_a_placed_call_is_found_by_its_id_and_by_ours(world: World) -> None:
    wanted = order()

    outcome = await place(world, wanted)

    assert isinstance(outcome, Placed)
    shown = await world.provider.get_call(outcome.provider_call_id)
    assert shown.correlates_with(wanted.call_id)
    assert not shown.ended
    listed = find_placed(wanted.call_id, await recent_calls(world))
    assert listed is not None
    assert listed.id == outcome.provider_call_id


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"customer_number": "5145551234"}, Refused(reason="INVALID_NUMBER", infrastructure=False)),
        ({"provider_assistant_id": NO_SUCH_ID}, Refused(reason="ASSISTANT_NOT_FOUND", infrastructure=True)),
        ({"phone_number_id": NO_SUCH_ID}, Refused(reason="PHONE_NUMBER_REFUSED", infrastructure=True)),
    ],
)
async def test_a_refusal_tells_why_and_whose_fault_it_is(
    world: World, changes: dict[str, Any], refused: Refused
) -> None:
    assert await place(world, order(**changes)) == refused
    assert world.made() == 0


async def test_the_providers_own_lines_run_out(world: World) -> None:
    world.limit_lines(1)

    assert isinstance(await place(world, order()), Placed)
    assert await place(world, order()) == Refused(reason="OVER_CONCURRENCY", infrastructure=True)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "PROVIDER_UNAUTHORIZED"),
        (402, "PROVIDER_PAYMENT_REQUIRED"),
        (403, "PROVIDER_FORBIDDEN"),
        (429, "RATE_LIMITED"),
    ],
)
async def test_a_definite_status_is_a_refusal(world: World, status: int, reason: str) -> None:
    world.fail_next("http", status=status)

    assert await place(world, order()) == Refused(reason=reason, infrastructure=True)
    assert world.made() == 0


@pytest.mark.parametrize("call_made", [True, False])
@pytest.mark.parametrize(
    ("mode", "status", "reason"),
    [
        ("timeout", 500, "TIMEOUT"),
        ("reset", 500, "CONNECTION_LOST"),
        ("http", 500, "HTTP_500"),
        ("http", 503, "HTTP_503"),
    ],
)
async def test_what_may_have_been_made_is_unknown_and_the_list_tells(
    world: World, mode: Any, status: int, reason: str, call_made: bool
) -> None:
    world.fail_next(mode, status=status, call_made=call_made)
    wanted = order()

    assert await place(world, wanted) == Unknown(reason=reason)
    assert (find_placed(wanted.call_id, await recent_calls(world)) is not None) is call_made


async def test_nothing_is_sent_after_the_senders_deadline(world: World) -> None:
    outcome = await place(world, order(), may_send=False)

    assert outcome == Refused(reason="DEADLINE_PASSED", infrastructure=True)
    assert world.made() == 0


async def test_an_unknown_call_is_none(world: World) -> None:
    assert await world.provider.get_call(NO_SUCH_ID) is None


async def test_a_list_outside_of_the_window_is_empty(world: World) -> None:
    await place(world, order())
    now = datetime.now(UTC)

    assert (
        await world.provider.list_calls(created_from=now - timedelta(2), created_to=now - timedelta(1)) == []
    )


async def test_ending_a_call_ends_it_once(world: World) -> None:
    outcome = await place(world, order())
    assert isinstance(outcome, Placed)

    for _ in range(2):
        await world.provider.end_call(outcome.provider_call_id)

    shown = await world.provider.get_call(outcome.provider_call_id)
    assert shown.ended
    assert shown.document["endedReason"] == "manually-canceled"


async def test_ending_an_unknown_call_does_nothing(world: World) -> None:
    outcome = await place(world, order())
    assert isinstance(outcome, Placed)

    await world.provider.end_call(NO_SUCH_ID)

    assert not (await world.provider.get_call(outcome.provider_call_id)).ended


async def test_assistants_are_created_changed_and_read(world: World) -> None:
    config = {"firstMessage": "Bonjour!", "maxDurationSeconds": 300}

    created = await world.provider.create_assistant(name="Rappel", config=config)
    renamed = await world.provider.update_assistant(created.id, name="Rappel 2", config=None)
    changed = await world.provider.update_assistant(created.id, name="", config={"firstMessage": "Allô!"})

    assert (created.name, dict(created.config)) == ("Rappel", config)
    assert (renamed.name, dict(renamed.config)) == ("Rappel 2", config)
    read = await world.provider.get_assistant(created.id)
    assert (read.name, dict(read.config)) == ("Rappel 2", {**config, "firstMessage": "Allô!"})
    assert dict(changed.config) == dict(read.config)


async def test_a_text_is_taken_away_by_an_empty_one(world: World) -> None:
    """AS-4: the provider takes no null."""
    created = await world.provider.create_assistant(name="Rappel", config={"voicemailMessage": "Allô!"})

    changed = await world.provider.update_assistant(created.id, name="", config={"voicemailMessage": ""})

    assert ("Rappel", {"voicemailMessage": ""}) == (changed.name, dict(changed.config))


async def test_assistants_are_listed_newest_first_up_to_a_time(world: World) -> None:
    """AS-5: a page begins where the last one ended, that moment included."""
    made = [await world.provider.create_assistant(name=f"Rappel {n}", config={}) for n in range(3)]
    newest = await world.provider.list_assistants(limit=2, created_to=None)
    following = await world.provider.list_assistants(limit=50, created_to=newest[-1].created_at)

    assert 2 == len(newest)
    assert {one.id for one in made} <= {one.id for one in [*newest, *following]}
    assert newest[-1].id in {one.id for one in following}
    # Of the demo's assistant it is not told when it was made, by the fake.
    times = [one.created_at for one in following if one.created_at]
    assert sorted(times, reverse=True) == times


async def test_an_unknown_assistant_is_missing(world: World) -> None:
    with pytest.raises(ProviderAssistantNotFound):
        await world.provider.get_assistant(NO_SUCH_ID)
    with pytest.raises(ProviderAssistantNotFound):
        await world.provider.update_assistant(NO_SUCH_ID, name="x", config=None)


async def test_a_refused_configuration_tells_the_providers_reasons(world: World) -> None:
    with pytest.raises(ProviderRefused) as refused:
        await world.provider.create_assistant(name="x", config={"noSuchField": 1})

    assert refused.value.metadata["status"] == "400"
    assert "noSuchField" in refused.value.metadata["detail"]


async def test_the_phone_numbers_of_the_account_are_listed(world: World) -> None:
    numbers = await world.provider.list_phone_numbers()

    assert [(PHONE_NUMBER_ID, PHONE_NUMBER)] == [(one.id, one.number) for one in numbers]

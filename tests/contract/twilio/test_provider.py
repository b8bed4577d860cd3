"""What every message provider must keep to, the fake one and the real one."""

from datetime import timedelta
from typing import Literal

import pytest

from services.notify.domain.messages import NotSent, Sent, Unknown, Verdict
from tests.contract.twilio.conftest import RECIPIENT, World, new_message


async def test_a_message_is_taken_under_an_id_of_the_providers(world: World) -> None:
    first, second = new_message(body="one"), new_message(body="two")
    outcomes = [await world.provider.send(message) for message in (first, second)]

    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert 2 == len({outcome.provider_message_id for outcome in outcomes if isinstance(outcome, Sent)})
    assert ["one", "two"] == world.made()


@pytest.mark.parametrize(
    ("code", "verdict"),
    [("21610", Verdict.OPT_OUT), ("21614", Verdict.PERMANENT), ("21611", Verdict.RETRYABLE)],
)
async def test_a_refusal_tells_its_code_and_what_it_means(world: World, code: str, verdict: Verdict) -> None:
    world.refuse(RECIPIENT, code)

    outcome = await world.provider.send(new_message())

    assert isinstance(outcome, NotSent)
    assert (code, verdict, True) == (outcome.code, outcome.verdict, outcome.tried)
    assert [] == world.made()


async def test_too_many_requests_is_surely_not_sent(world: World) -> None:
    world.fail_next("http", status=429)

    outcome = await world.provider.send(new_message())

    assert isinstance(outcome, NotSent)
    assert Verdict.RETRYABLE is outcome.verdict


@pytest.mark.parametrize("made", [True, False])
@pytest.mark.parametrize("mode", ["timeout", "reset", "http"])
async def test_without_an_answer_only_a_look_tells(
    world: World, mode: Literal["timeout", "reset", "http"], made: bool
) -> None:
    message = new_message()
    world.fail_next(mode, message_made=made)

    outcome = await world.provider.send(message)
    found = await world.provider.find(message, known=frozenset())

    assert isinstance(outcome, Unknown)
    assert made == (found is not None)


async def test_a_look_finds_neither_other_texts_nor_known_ones_nor_older_ones(world: World) -> None:
    message = new_message()
    await world.provider.send(new_message(body="another text"))
    await world.provider.send(new_message(recipient="+15145550111"))
    taken = await world.provider.send(message)
    assert isinstance(taken, Sent)

    found = await world.provider.find(message, known=frozenset())
    known = await world.provider.find(message, known=frozenset({taken.provider_message_id}))
    later = new_message(claimed_at=message.created_at + timedelta(seconds=10))
    older = await world.provider.find(later, known=frozenset())

    assert found is not None
    assert (taken.provider_message_id, None, None) == (found.provider_message_id, known, older)

"""Webhooks that were answered while `calls` was away reach the ledger all the same."""

from libs.environment import Secret
from libs.pg import DatabaseUnavailable
from services.gateway.store import held_webhooks
from tests.integration.gateway.conftest import StartGateway
from tests.integration.gateway.harness import Gateway, signed, unreachable, webhook
from tests.support.postgres import Database
from tests.support.waiting import eventually


async def ask(gateway: Gateway, body: bytes) -> int:
    return (await gateway.post("/hooks/vapi/vapi-main", body, **signed(body))).status_code


async def waiting(database: Database) -> int:
    return int((await database.fetch("SELECT count(*) FROM gateway.held_webhooks"))[0]["count"])


async def test_what_was_answered_without_calls_reaches_the_ledger(
    start_gateway: StartGateway, database: Database
) -> None:
    """IN-1: nothing is lost because it had to be answered at once."""
    kinds = ("tool-calls", "assistant-request", "transfer-destination-request")
    bodies = [webhook(kind, number=n) for kind in kinds for n in range(5)]
    async with start_gateway(forward_seconds=0.1) as gateway:
        gateway.peers.calls.fail_with = DatabaseUnavailable()

        assert {200} == {await ask(gateway, body) for body in bodies}

        assert len(bodies) == await waiting(database)
        gateway.peers.calls.fail_with = None

        async def all_there() -> bool:
            return await waiting(database) == 0

        await eventually(all_there)
        assert sorted(bodies) == sorted({event.body for event in gateway.peers.calls.events})
        assert {str(gateway.org_id)} == {event.org_id for event in gateway.peers.calls.events}


async def test_a_restart_forgets_none_and_nobody_can_read_them(
    start_gateway: StartGateway, database: Database
) -> None:
    body = webhook("tool-calls", secret="hunter2")
    async with start_gateway() as gateway:
        gateway.peers.calls.fail_with = DatabaseUnavailable()
        assert 200 == await ask(gateway, body)
    [row] = await database.fetch("SELECT body FROM gateway.held_webhooks")
    assert b"hunter2" not in row["body"]

    async with start_gateway(forward_seconds=0.1) as gateway:
        gateway.peers.calls.fail_with = None

        async def there() -> bool:
            return [body] == [event.body for event in gateway.peers.calls.events]

        await eventually(there)


async def test_what_cannot_be_opened_keeps_nothing_else_from_the_ledger(
    start_gateway: StartGateway, database: Database
) -> None:
    lost, kept = webhook("tool-calls", number=1), webhook("tool-calls", number=2)
    keys = [Secret(f"{number}. encryption key of the gateway's tests") for number in range(3)]
    for key, body in zip(keys, (lost, kept), strict=False):
        async with start_gateway(encryption_key=key, former_encryption_keys=tuple(keys)) as gateway:
            gateway.peers.calls.fail_with = DatabaseUnavailable()
            assert 200 == await ask(gateway, body)

    changed = {"encryption_key": keys[2], "former_encryption_keys": (keys[1],)}
    async with start_gateway(forward_seconds=0.1, **changed) as gateway:
        gateway.peers.calls.fail_with = None

        async def there() -> bool:
            return kept in [event.body for event in gateway.peers.calls.events]

        await eventually(there)

        async def taken() -> bool:
            return await waiting(database) == 1

        await eventually(taken)


async def test_the_answer_goes_out_when_nothing_can_be_held(
    start_gateway: StartGateway, database: Database
) -> None:
    async with start_gateway() as gateway:
        gateway.peers.calls.fail_with = DatabaseUnavailable()
        assert 200 == await ask(gateway, webhook("tool-calls", number=1))
        async with unreachable(database, role="gateway_worker"):
            assert 200 == await ask(gateway, webhook("tool-calls", number=2))
        assert 1 == await waiting(database)


async def test_they_are_bounded_in_number_and_batches_in_size(database: Database) -> None:
    fields = (
        "gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'vapi', repeat('x', 1000)::bytea, now(), ''"
    )
    # Names and values are those of this test.
    fill = f"INSERT INTO gateway.held_webhooks SELECT {fields} FROM generate_series(1, {{}})"  # noqa: S608
    await database.execute(fill.format(10))
    async with database.pool("gateway_worker") as pool, pool.acquire() as conn:
        few = await held_webhooks.list_oldest(conn, limit=50, bytes_max=3500)
        one = await held_webhooks.list_oldest(conn, limit=50, bytes_max=1)
        await database.execute(fill.format(held_webhooks.HELD_MAX - 10))
        more = await held_webhooks.insert(conn, few[0])

    assert (3, 1, False) == (len(few), len(one), more)

"""Who takes a call that comes in: routes over the API, the provider's question, and what is kept of it."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import grpc
import grpc.aio
import pytest
from google.protobuf import json_format

from callplane.calls.v2 import calls_pb2, intake_pb2_grpc, provider_pb2, provider_pb2_grpc, routes_pb2
from callplane.calls.v2.intake_pb2 import AnswerEventRequest
from callplane.calls.v2.routes_pb2_grpc import InboundRouteServiceStub
from libs.pg import transaction
from tests.integration.calls.harness import ORG, OTHER_ORG, SOURCE, House, Service, incoming, serving
from tests.support.postgres import Database
from tests.support.vapi_messages import message, report, status_update
from tests.support.waiting import eventually

# A Monday, 09:30 in Montréal.
MONDAY = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
SUNDAY = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
OFFICE: dict[str, Any] = {
    "days": [1, 2, 3, 4, 5],
    "opens_at": "09:00",
    "closes_at": "17:00",
    "time_zone": "America/Toronto",
}


def routes(service: Service) -> InboundRouteServiceStub:
    return InboundRouteServiceStub(service.peer.channel)


async def create(
    service: Service, name: str, *, position: int = 0, org_id: UUID = ORG, result: dict[str, Any], **more: Any
) -> routes_pb2.InboundRoute:
    request = routes_pb2.CreateInboundRouteRequest(
        name=name,
        position=position,
        conditions=routes_pb2.RouteConditions(**more),
        result=routes_pb2.RouteResult(**result),
    )
    return await routes(service).CreateInboundRoute(request, metadata=service.as_org(org_id))


async def ask(
    service: Service,
    call_id: str,
    *,
    at: datetime = MONDAY,
    org_id: UUID = ORG,
    default: str = "",
    **fields: Any,
) -> Any:
    body = json.loads(message("assistant-request", call_id, at=0))
    body["message"] |= fields
    event = incoming(json.dumps(body).encode(), org_id=org_id)
    event.received_at.FromDatetime(at)
    event.default_assistant_id = default
    stub = intake_pb2_grpc.AnswerServiceStub(service.peer.channel)
    answer = await stub.AnswerEvent(AnswerEventRequest(event=event), metadata=service.as_org(org_id))
    return json.loads(answer.body)


async def refused(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code()


async def test_the_number_the_hour_and_the_caller_choose_the_assistant(service: Service) -> None:
    """IN-1: an assistant-request is answered by the organization's own routes, the first that matches."""
    await create(service, "kept out", result={"error_message": "No."}, caller_prefixes=["+1900"])
    await create(service, "day", position=1, result={"provider_assistant_id": "day"}, **OFFICE)
    await create(
        service, "line two", position=2, result={"transfer_to": "+15145550177"}, called_numbers=["pn-2"]
    )
    await create(service, "night", position=3, result={"provider_assistant_id": "night"})

    asked = [
        await ask(service, "c-1"),
        await ask(service, "c-2", at=SUNDAY),
        await ask(service, "c-3", at=SUNDAY, call={"id": "c-3", "phoneNumberId": "pn-2"}),
        await ask(service, "c-4", customer={"number": "+19005550100"}),
        await ask(service, "c-5", org_id=OTHER_ORG),
    ]

    assert [{"assistantId": "day"}, {"assistantId": "night"}] == asked[:2]
    assert {"destination": {"type": "number", "number": "+15145550177"}} == asked[2]
    assert {"error": "No."} == asked[3]
    assert "error" in asked[4]


async def test_customers_who_are_known_may_be_routed_otherwise(service: Service) -> None:
    await create(service, "regulars", result={"provider_assistant_id": "regulars"}, caller_known=True)
    await create(service, "new", position=1, result={"provider_assistant_id": "new"}, caller_known=False)

    first = await ask(service, "c-1")
    await service.ingest(report("c-1"))
    await eventually(lambda: _is_in_the_record(service, "c-1"))
    again = await ask(service, "c-2")
    hidden = await ask(service, "c-3", customer={"number": None, "name": "Anonymous"})

    assert ["new", "regulars", "new"] == [one["assistantId"] for one in (first, again, hidden)]


async def _is_in_the_record(service: Service, provider_call_id: str) -> str:
    listed = await service.calls.ListCalls(calls_pb2.ListCallsRequest(), metadata=service.as_org())
    found = [call.id for call in listed.calls if call.provider_call_id == provider_call_id]
    return found[0] if found else ""


async def test_without_a_matching_route_the_default_of_the_source_takes_the_call(
    service: Service, database: Database
) -> None:
    async with serving(database, default_assistant_id="of-the-deployment") as configured:
        assert {"assistantId": "of-the-source"} == await ask(configured, "c-1", default="of-the-source")
        assert {"assistantId": "of-the-deployment"} == await ask(configured, "c-2")


async def test_a_change_counts_within_five_seconds_in_every_process(
    service: Service, database: Database
) -> None:
    route = await create(service, "r", result={"provider_assistant_id": "one"})
    async with serving(database) as elsewhere:
        assert {"assistantId": "one"} == await ask(elsewhere, "c-0")
        change = routes_pb2.UpdateInboundRouteRequest(
            id=route.id, result=routes_pb2.RouteResult(provider_assistant_id="two")
        )

        await routes(service).UpdateInboundRoute(change, metadata=service.as_org())

        assert {"assistantId": "two"} == await ask(service, "c-1")
        asked = iter(range(2, 10_000))

        async def arrived() -> bool:
            return bool({"assistantId": "two"} == await ask(elsewhere, f"c-{next(asked)}"))

        await eventually(arrived, within_seconds=5)


async def test_the_record_tells_which_route_a_call_took_and_why(service: Service, database: Database) -> None:
    """Every assistant-request stands in the ledger, and its answer with the call."""
    route = await create(service, "night", result={"provider_assistant_id": "night"})
    await ask(service, "c-1")
    await service.ingest(status_update("c-1", "ringing", at=1), status_update("c-9", "ringing", at=1))
    call_id = await eventually(lambda: _is_in_the_record(service, "c-1"))
    unasked = await eventually(lambda: _is_in_the_record(service, "c-9"))

    request = routes_pb2.GetCallRouteRequest(call_id=call_id)
    told = await routes(service).GetCallRoute(request, metadata=service.as_org())

    assert (route.id, "night", routes_pb2.CallRoute.ROUTE) == (told.route_id, told.route_name, told.reason)
    assert {"assistantId": "night"} == json_format.MessageToDict(told.answer)
    stored = await database.fetch("SELECT type FROM calls.provider_events WHERE provider_call_id = 'c-1'")
    assert {"assistant-request", "status-update"} == {row["type"] for row in stored}
    other = routes_pb2.GetCallRouteRequest(call_id=unasked)
    assert grpc.StatusCode.NOT_FOUND is await refused(
        routes(service).GetCallRoute(other, metadata=service.as_org())
    )
    assert grpc.StatusCode.NOT_FOUND is await refused(
        routes(service).GetCallRoute(request, metadata=service.as_org(OTHER_ORG))
    )


async def test_a_call_that_asks_again_gets_the_answer_it_got(service: Service) -> None:
    route = await create(service, "r", result={"provider_assistant_id": "one"})
    first = await ask(service, "c-1")
    await routes(service).DeleteInboundRoute(
        routes_pb2.DeleteInboundRouteRequest(id=route.id), metadata=service.as_org()
    )

    assert first == await ask(service, "c-1")
    assert "error" in await ask(service, "c-2")


async def test_a_question_does_not_wait_behind_other_requests(database: Database) -> None:
    """Answers have connections of their own: every other one is held here by a lock somebody keeps."""
    async with serving(database, pool_size_max=1) as service, database.pool("calls") as pool:
        await create(service, "r", result={"provider_assistant_id": "one"})
        async with transaction(pool) as conn:
            await conn.execute("LOCK TABLE calls.inbound_routes IN SHARE MODE")
            waiting = [
                asyncio.create_task(create(service, f"r{n}", result={"error_message": "x"})) for n in range(3)
            ]
            async with asyncio.timeout(3):
                assert {"assistantId": "one"} == await ask(service, "c-1")
            assert not any(task.done() for task in waiting)
        await asyncio.gather(*waiting)


async def test_routes_are_kept_listed_and_changed(service: Service) -> None:
    made = [
        await create(service, name, position=position, result={"error_message": name}, **OFFICE)
        for name, position in (("b", 2), ("a", 1), ("c", 2))
    ]
    page = await routes(service).ListInboundRoutes(
        routes_pb2.ListInboundRoutesRequest(page_size=2), metadata=service.as_org()
    )
    rest = await routes(service).ListInboundRoutes(
        routes_pb2.ListInboundRoutesRequest(page_token=page.next_page_token), metadata=service.as_org()
    )
    changed = await routes(service).UpdateInboundRoute(
        routes_pb2.UpdateInboundRouteRequest(
            id=made[0].id,
            active=False,
            conditions=routes_pb2.RouteConditions(
                opens_at="22:00", closes_at="24:00", time_zone="Europe/Paris"
            ),
        ),
        metadata=service.as_org(),
    )
    read = await routes(service).GetInboundRoute(
        routes_pb2.GetInboundRouteRequest(id=made[0].id), metadata=service.as_org()
    )

    assert ["a", "b", "c"] == [route.name for route in (*page.inbound_routes, *rest.inbound_routes)]
    assert ([1, 2, 3, 4, 5], "09:00", "17:00") == (
        list(made[0].conditions.days),
        made[0].conditions.opens_at,
        made[0].conditions.closes_at,
    )
    assert read == changed
    assert (False, [], "24:00", "b") == (
        read.active,
        list(read.conditions.days),
        read.conditions.closes_at,
        read.result.error_message,
    )
    theirs = await routes(service).ListInboundRoutes(
        routes_pb2.ListInboundRoutesRequest(), metadata=service.as_org(OTHER_ORG)
    )
    assert [] == list(theirs.inbound_routes)


@pytest.mark.parametrize(
    ("conditions", "result"),
    [
        ({"days": [1]}, {"error_message": "x"}),
        ({"opens_at": "09:00", "time_zone": "Europe/Paris"}, {"error_message": "x"}),
        ({"days": [1], "time_zone": "Mars/Olympus"}, {"error_message": "x"}),
        ({"days": [0]}, {"error_message": "x"}),
        ({"opens_at": "9", "closes_at": "10:00"}, {"error_message": "x"}),
        ({"caller_prefixes": ["514"]}, {"error_message": "x"}),
        ({}, {"transfer_to": "5145550100"}),
        ({}, {}),
    ],
)
async def test_what_makes_no_sense_is_refused(
    service: Service, conditions: dict[str, Any], result: dict[str, Any]
) -> None:
    assert grpc.StatusCode.INVALID_ARGUMENT is await refused(
        create(service, "r", result=result, **conditions)
    )


async def test_names_are_unique_and_other_organizations_routes_do_not_exist(service: Service) -> None:
    route = await create(service, "r", result={"error_message": "x"})

    assert grpc.StatusCode.ALREADY_EXISTS is await refused(
        create(service, "r", result={"error_message": "x"})
    )
    theirs = service.as_org(OTHER_ORG)
    for request in (
        routes(service).GetInboundRoute(routes_pb2.GetInboundRouteRequest(id=route.id), metadata=theirs),
        routes(service).UpdateInboundRoute(
            routes_pb2.UpdateInboundRouteRequest(id=route.id, active=False), metadata=theirs
        ),
        routes(service).DeleteInboundRoute(
            routes_pb2.DeleteInboundRouteRequest(id=route.id), metadata=theirs
        ),
    ):
        assert grpc.StatusCode.NOT_FOUND is await refused(request)


async def test_an_incoming_call_takes_a_line_of_the_account_it_came_through(service: Service) -> None:
    """By the webhook's source, else of the oldest account; the reserve first, and given back at the end."""
    accounts = provider_pb2_grpc.ProviderAccountServiceStub(service.peer.channel)

    async def account(name: str, **fields: Any) -> provider_pb2.ProviderAccount:
        request = provider_pb2.CreateProviderAccountRequest(
            name=name, provider="vapi", lines=2, inbound_reserve=1, **fields
        )
        return await accounts.CreateProviderAccount(request, metadata=service.as_org())

    async def in_use() -> dict[str, int]:
        listed = await accounts.ListProviderAccounts(
            provider_pb2.ListProviderAccountsRequest(), metadata=service.as_org()
        )
        return {one.name: one.lines_in_use for one in listed.provider_accounts}

    oldest = await account("oldest")
    sourced = await account("sourced", source_id=str(SOURCE))
    assert grpc.StatusCode.INVALID_ARGUMENT is await refused(account("second", source_id=str(SOURCE)))

    await service.ingest(*(status_update(f"c-{n}", "ringing", at=1) for n in range(3)))

    async def taken() -> bool:
        return {"oldest": 0, "sourced": 2} == await in_use()

    await eventually(taken)
    await _lines_lowered(accounts, service, sourced.id)
    await service.ingest(*(report(f"c-{n}") for n in range(3)))

    async def free() -> bool:
        return {"oldest": 0, "sourced": 0} == await in_use()

    await eventually(free)
    assert oldest.id != sourced.id


async def _lines_lowered(accounts: Any, service: Service, account_id: str) -> None:
    """Below what is in use: no call loses its line."""
    lowered = await accounts.UpdateProviderAccount(
        provider_pb2.UpdateProviderAccountRequest(id=account_id, lines=1), metadata=service.as_org()
    )
    assert (1, 2, str(SOURCE)) == (lowered.lines, lowered.lines_in_use, lowered.source_id)


async def test_a_call_on_a_known_number_takes_a_line_of_the_account_that_has_it(house: House) -> None:
    for number, name in enumerate(("oldest", "owner")):
        await house.database.execute(
            f"""
            WITH account AS (
                INSERT INTO calls.provider_accounts (org_id, name, provider, lines, created_at)
                VALUES ('{ORG}', '{name}', 'vapi', 1, now() + make_interval(secs => {number}))
                RETURNING org_id, id
            ), line AS (
                INSERT INTO calls.lines (org_id, account_id, line_no) SELECT org_id, id, 1 FROM account
            )
            INSERT INTO calls.provider_phone_numbers (org_id, account_id, phone_number_id, number, name)
            SELECT org_id, id, 'pn-{name}', '', '' FROM account
            """  # noqa: S608  names of the test's own making
        )

    await house.told(status_update("c-1", "ringing", at=1, call={"phoneNumberId": "pn-owner"}))

    call = await house.call("c-1")
    [line] = await house.database.fetch(
        """
        SELECT account.name, line.account_id
          FROM calls.lines AS line JOIN calls.provider_accounts AS account ON account.id = line.account_id
         WHERE line.call_id = $1
        """,
        call["id"],
    )
    assert ("owner", call["provider_account_id"]) == (line["name"], line["account_id"])

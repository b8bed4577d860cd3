"""Organizations, API keys and sources over gRPC: what each caller may do and see."""

from typing import Any
from uuid import UUID, uuid4

import grpc
import grpc.aio
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from callplane.events.v1 import events_pb2, events_pb2_grpc
from callplane.gateway.v2 import gateway_pb2
from tests.integration.gateway.conftest import StartGateway
from tests.integration.gateway.harness import PUBLIC_URL, Gateway
from tests.support.postgres import Database

Source = gateway_pb2.Source


async def another_organization(gateway: Gateway) -> UUID:
    request = gateway_pb2.CreateOrganizationRequest(name=f"Other {uuid4()}")
    return UUID((await gateway.organizations.CreateOrganization(request, metadata=gateway.internal())).id)


def code(refused: pytest.ExceptionInfo[grpc.aio.AioRpcError]) -> grpc.StatusCode:
    return refused.value.code()


async def test_an_organization_is_created_once_and_told_to_the_others(gateway: Gateway) -> None:
    name = f"New {uuid4()}"
    request = gateway_pb2.CreateOrganizationRequest(name=name)
    created = await gateway.organizations.CreateOrganization(request, metadata=gateway.internal())

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await gateway.organizations.CreateOrganization(request, metadata=gateway.internal())

    assert grpc.StatusCode.ALREADY_EXISTS is code(refused)
    events = events_pb2_grpc.EventServiceStub(gateway.peer.channel)
    call = events.Subscribe(events_pb2.SubscribeRequest(), metadata=gateway.internal(), timeout=5)
    found: list[events_pb2.Event] = []
    async for batch in call:
        found += [event for event in batch.events if event.subject == created.id]
        if found:
            break
    call.cancel()
    told = events_pb2.OrganizationCreated()
    assert found[0].data.Unpack(told)
    assert ("callplane.organization.created.v1", name) == (found[0].type, told.name)


async def test_only_our_own_services_create_organizations(gateway: Gateway) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await gateway.organizations.CreateOrganization(
            gateway_pb2.CreateOrganizationRequest(name="x"), metadata=gateway.caller("admin")
        )

    assert grpc.StatusCode.PERMISSION_DENIED is code(refused)


async def test_a_caller_sees_its_own_organization_only(gateway: Gateway) -> None:
    other = await another_organization(gateway)
    metadata = gateway.caller("organizations:read")

    listed = await gateway.organizations.ListOrganizations(
        gateway_pb2.ListOrganizationsRequest(), metadata=metadata
    )
    assert [str(gateway.org_id)] == [organization.id for organization in listed.organizations]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await gateway.organizations.GetOrganization(
            gateway_pb2.GetOrganizationRequest(id=str(other)), metadata=metadata
        )
    assert grpc.StatusCode.NOT_FOUND is code(refused)


async def test_a_key_is_shown_once_and_stored_as_its_hash(gateway: Gateway) -> None:
    expires = Timestamp(seconds=4102444800)
    key = await gateway.key("calls:read", expires_at=expires, hourly_rate=7, quota=9)

    assert key.key.startswith("vx_")
    assert key.key[:10] == key.prefix
    found = await gateway.api_keys.GetApiKey(
        gateway_pb2.GetApiKeyRequest(id=key.id), metadata=gateway.caller("apiKeys:read")
    )
    assert "" == found.key
    key.ClearField("key")
    assert key == found


async def test_nothing_of_a_secret_stands_in_the_database(
    start_gateway: StartGateway, database: Database
) -> None:
    async with start_gateway() as gateway:
        key = await gateway.key()
        request = gateway_pb2.CreateSourceRequest(name="sealed", provider="vapi", schemes=[Source.HMAC_BODY])
        source = await gateway.sources.CreateSource(request, metadata=gateway.internal())
    rows = await database.fetch(
        "SELECT api_keys::text AS row FROM gateway.api_keys "
        "UNION ALL SELECT sources::text FROM gateway.sources"
    )

    text = " ".join(row["row"] for row in rows)
    assert len(source.secret) >= 40
    for secret in (key.key, source.secret, source.secret.encode().hex(), key.key.encode().hex()):
        assert secret not in text


async def test_nobody_gives_scopes_that_they_lack(gateway: Gateway) -> None:
    async def create(scopes: list[str], *held: str) -> grpc.StatusCode:
        request = gateway_pb2.CreateApiKeyRequest(name="x", scopes=scopes)
        try:
            await gateway.api_keys.CreateApiKey(request, metadata=gateway.caller(*held))
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    assert grpc.StatusCode.OK is await create(["calls:read"], "apiKeys:write", "calls:read")
    assert grpc.StatusCode.OK is await create(["admin"], "admin")
    assert grpc.StatusCode.PERMISSION_DENIED is await create(["calls:write"], "apiKeys:write", "calls:read")
    assert grpc.StatusCode.PERMISSION_DENIED is await create(["admin"], "apiKeys:write")
    assert grpc.StatusCode.PERMISSION_DENIED is await create(["calls:read"], "calls:read")
    assert grpc.StatusCode.INVALID_ARGUMENT is await create(["internal"], "admin")
    assert grpc.StatusCode.INVALID_ARGUMENT is await create([], "admin")


async def test_nobody_changes_a_key_that_can_do_more_than_they_can(gateway: Gateway) -> None:
    key = await gateway.key("admin")
    small = gateway.caller("apiKeys:write", "apiKeys:read")
    calls: list[Any] = [
        gateway.api_keys.UpdateApiKey(
            gateway_pb2.UpdateApiKeyRequest(id=key.id, enabled=False), metadata=small
        ),
        gateway.api_keys.DeleteApiKey(gateway_pb2.DeleteApiKeyRequest(id=key.id), metadata=small),
    ]

    for call in calls:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        assert grpc.StatusCode.PERMISSION_DENIED is code(refused)
    unchanged = await gateway.api_keys.GetApiKey(gateway_pb2.GetApiKeyRequest(id=key.id), metadata=small)
    assert unchanged.enabled


async def test_only_the_sent_fields_of_a_key_change(gateway: Gateway) -> None:
    key = await gateway.key("calls:read", hourly_rate=7)
    request = gateway_pb2.UpdateApiKeyRequest(id=key.id, name="renamed", hourly_rate=0)

    changed = await gateway.api_keys.UpdateApiKey(
        request, metadata=gateway.caller("apiKeys:write", "calls:read")
    )

    assert ("renamed", 0, True, key.prefix) == (
        changed.name,
        changed.hourly_rate,
        changed.enabled,
        changed.prefix,
    )


async def test_another_organization_s_things_are_not_there(gateway: Gateway) -> None:
    other = await another_organization(gateway)
    key = await gateway.key()
    sources = await gateway.sources.ListSources(gateway_pb2.ListSourcesRequest(), metadata=gateway.internal())
    stranger = gateway.caller("admin", org_id=other)
    calls: list[Any] = [
        gateway.api_keys.GetApiKey(gateway_pb2.GetApiKeyRequest(id=key.id), metadata=stranger),
        gateway.api_keys.UpdateApiKey(
            gateway_pb2.UpdateApiKeyRequest(id=key.id, enabled=False), metadata=stranger
        ),
        gateway.api_keys.DeleteApiKey(gateway_pb2.DeleteApiKeyRequest(id=key.id), metadata=stranger),
        gateway.sources.GetSource(gateway_pb2.GetSourceRequest(id=sources.sources[0].id), metadata=stranger),
        gateway.sources.DeleteSource(
            gateway_pb2.DeleteSourceRequest(id=sources.sources[0].id), metadata=stranger
        ),
    ]

    for call in calls:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        assert grpc.StatusCode.NOT_FOUND is code(refused)
    listed = await gateway.api_keys.ListApiKeys(gateway_pb2.ListApiKeysRequest(), metadata=stranger)
    assert [] == list(listed.api_keys)


async def test_lists_go_on_where_the_page_ended(gateway: Gateway) -> None:
    other = await another_organization(gateway)
    metadata = gateway.caller("admin", org_id=other)
    for number in range(5):
        request = gateway_pb2.CreateApiKeyRequest(name=str(number), scopes=["admin"])
        await gateway.api_keys.CreateApiKey(request, metadata=metadata)

    names: list[str] = []
    token = ""
    while True:
        page = await gateway.api_keys.ListApiKeys(
            gateway_pb2.ListApiKeysRequest(page_size=2, page_token=token), metadata=metadata
        )
        names += [key.name for key in page.api_keys]
        token = page.next_page_token
        if not token:
            break

    assert ["4", "3", "2", "1", "0"] == names
    for forged in ("x", "WyJhIl0", "WyJhIiwiYiJd", "####"):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await gateway.api_keys.ListApiKeys(
                gateway_pb2.ListApiKeysRequest(page_token=forged), metadata=metadata
            )
        assert grpc.StatusCode.INVALID_ARGUMENT is code(refused)


async def test_a_source_tells_where_to_send_and_hides_its_secret(gateway: Gateway) -> None:
    settings = gateway_pb2.SignatureSettings(signature_header="X-Mine", encoding="base64")
    request = gateway_pb2.CreateSourceRequest(
        name="with-settings", provider="vapi", schemes=[Source.HMAC_BODY, Source.BEARER], signature=settings
    )

    created = await gateway.sources.CreateSource(request, metadata=gateway.caller("sources:write"))
    found = await gateway.sources.GetSource(
        gateway_pb2.GetSourceRequest(id=created.id), metadata=gateway.caller("sources:read")
    )

    assert f"{PUBLIC_URL}/hooks/vapi/with-settings" == created.url
    assert created.secret
    assert "" == found.secret
    assert (settings, [Source.HMAC_BODY, Source.BEARER]) == (found.signature, list(found.schemes))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await gateway.sources.CreateSource(request, metadata=gateway.caller("sources:write"))
    assert grpc.StatusCode.ALREADY_EXISTS is code(refused)


@pytest.mark.parametrize(
    "fields",
    [
        {"provider": "twilio", "schemes": [Source.TWILIO]},
        {"provider": "twilio", "schemes": [Source.BEARER], "secret": "x"},
        {"provider": "vapi", "schemes": [Source.TWILIO]},
        {"provider": "vapi", "schemes": []},
        {"provider": "bland", "schemes": [Source.BEARER]},
        {"provider": "vapi", "schemes": [Source.BEARER], "name": "No Good"},
    ],
)
async def test_a_source_that_makes_no_sense_is_refused(gateway: Gateway, fields: dict[str, object]) -> None:
    request = gateway_pb2.CreateSourceRequest(**{"name": "a-name", **fields})  # type: ignore[arg-type]  # on purpose

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await gateway.sources.CreateSource(request, metadata=gateway.caller("admin"))

    assert grpc.StatusCode.INVALID_ARGUMENT is code(refused)


async def test_an_organization_that_is_not_there_gets_nothing(gateway: Gateway) -> None:
    nowhere = gateway.internal(uuid4())

    for call in (
        gateway.api_keys.CreateApiKey(
            gateway_pb2.CreateApiKeyRequest(name="x", scopes=["admin"]), metadata=nowhere
        ),
        gateway.sources.CreateSource(
            gateway_pb2.CreateSourceRequest(name="nowhere", provider="vapi", schemes=[Source.BEARER]),
            metadata=nowhere,
        ),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        assert grpc.StatusCode.NOT_FOUND is code(refused)


async def test_every_tenant_table_is_closed_by_row_level_security(database: Database) -> None:
    rows = await database.fetch(
        """
        SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS closed,
               (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid AND p.polwithcheck IS NOT NULL) AS
               policies
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'gateway' AND c.relkind IN ('r', 'p') AND c.relname NOT IN ('migrations', 'leases')
        """
    )

    assert {"organizations", "api_keys", "api_key_usage", "sources", "outbox", "held_webhooks"} == {
        row["relname"] for row in rows
    }
    assert all(row["closed"] and row["policies"] == 2 for row in rows)

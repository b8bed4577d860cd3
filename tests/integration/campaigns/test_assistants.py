"""The directory: the provider first, our record after."""

import grpc

from callplane.campaigns.v2 import assistants_pb2
from libs.rpc.convert import struct, to_dict
from tests.integration.campaigns.fake_calls import FakeTrouble, ProviderSaysNo, Script
from tests.integration.campaigns.harness import OTHER_ORG, Service, refused

Assistant = assistants_pb2.Assistant
VOICE = {"provider": "11labs", "voiceId": "burt"}


async def _list(service: Service, **fields: object) -> assistants_pb2.ListAssistantsResponse:
    """Without the templates, which are there from the start."""
    request = assistants_pb2.ListAssistantsRequest(**{"source": Assistant.LOCAL, **fields})  # type: ignore[arg-type]
    return await service.assistants.ListAssistants(request, metadata=service.metadata())


async def test_an_assistant_is_made_at_the_provider_and_kept(service: Service) -> None:
    created = await service.assistant(name="Agnes")

    at_provider = service.calls.assistants[created.provider_assistant_id]
    assert ("Agnes", {"firstMessage": "Hello"}) == (at_provider.name, to_dict(at_provider.config))
    assert (Assistant.LOCAL, "vapi", True, 1) == (
        created.source,
        created.provider,
        created.active,
        created.version,
    )
    request = assistants_pb2.GetAssistantRequest(id=created.id)
    assert created == await service.assistants.GetAssistant(request, metadata=service.metadata())


async def test_what_the_provider_refuses_is_not_kept(service: Service) -> None:
    service.calls.assistant_trouble = ProviderSaysNo()
    request = assistants_pb2.CreateAssistantRequest(name="Agnes")
    metadata = service.metadata(key="once")
    refusal = await refused(service.assistants.CreateAssistant(request, metadata=metadata))
    assert (grpc.StatusCode.INVALID_ARGUMENT, "PROVIDER_REFUSED") == (refusal.code, refusal.reason)
    assert [] == list((await _list(service)).assistants)

    service.calls.assistant_trouble = None
    created = await service.assistants.CreateAssistant(request, metadata=metadata)
    assert [created] == list((await _list(service)).assistants)


async def test_a_provider_that_does_not_answer_leaves_nothing(service: Service) -> None:
    service.calls.assistant_trouble = FakeTrouble()
    request = assistants_pb2.CreateAssistantRequest(name="Agnes")

    refusal = await refused(service.assistants.CreateAssistant(request, metadata=service.metadata()))

    assert grpc.StatusCode.UNAVAILABLE == refusal.code
    assert [] == list((await _list(service)).assistants)


async def test_a_repeated_creation_makes_one_assistant(service: Service) -> None:
    request = assistants_pb2.CreateAssistantRequest(name="Agnes")
    metadata = service.metadata(key="once")

    first = await service.assistants.CreateAssistant(request, metadata=metadata)
    again = await service.assistants.CreateAssistant(request, metadata=metadata)

    assert first == again
    assert 1 == len(service.calls.assistants)
    other = assistants_pb2.CreateAssistantRequest(name="Bruno")
    refusal = await refused(service.assistants.CreateAssistant(other, metadata=metadata))
    assert "IDEMPOTENCY_KEY_REUSED" == refusal.reason


async def test_an_import_takes_the_providers_name_and_a_repeat_refreshes_it(service: Service) -> None:
    service.calls.add_assistant("va-1", name="Old name", voice="a")
    request = assistants_pb2.ImportAssistantRequest(provider_assistant_id="va-1")
    first = await service.assistants.ImportAssistant(request, metadata=service.metadata())
    unchanged = await service.assistants.ImportAssistant(request, metadata=service.metadata())
    service.calls.add_assistant("va-1", name="New name", voice="b")
    again = await service.assistants.ImportAssistant(request, metadata=service.metadata())

    assert (Assistant.IMPORTED, "Old name", 1) == (first.source, first.name, first.version)
    assert first == unchanged
    assert (first.id, "New name", {"voice": "b"}, 2) == (
        again.id,
        again.name,
        to_dict(again.config),
        again.version,
    )
    [row] = await service.database.fetch("SELECT count(*) FROM campaigns.assistant_versions")
    assert 2 == row[0]


async def test_an_unknown_assistant_cannot_be_imported(service: Service) -> None:
    request = assistants_pb2.ImportAssistantRequest(provider_assistant_id="nobody")

    refusal = await refused(service.assistants.ImportAssistant(request, metadata=service.metadata()))

    assert grpc.StatusCode.NOT_FOUND == refusal.code


async def test_a_change_reaches_the_provider_and_becomes_a_version(service: Service) -> None:
    created = await service.assistant()
    request = assistants_pb2.UpdateAssistantRequest(
        id=created.id, etag=created.etag, name="Better", config=struct({"voice": VOICE, "firstMessage": "Hi"})
    )
    updated = await service.assistants.UpdateAssistant(request, metadata=service.metadata())

    at_provider = service.calls.assistants[created.provider_assistant_id]
    assert ("Better", {"voice": VOICE, "firstMessage": "Hi"}) == (
        at_provider.name,
        to_dict(at_provider.config),
    )
    assert ("Better", 2) == (updated.name, updated.version)
    refusal = await refused(service.assistants.UpdateAssistant(request, metadata=service.metadata()))
    assert (grpc.StatusCode.ABORTED, "ETAG_MISMATCH") == (refusal.code, refusal.reason)


async def test_a_change_the_provider_refuses_is_none(service: Service) -> None:
    created = await service.assistant()
    service.calls.assistant_trouble = ProviderSaysNo()
    request = assistants_pb2.UpdateAssistantRequest(id=created.id, name="Better")

    await refused(service.assistants.UpdateAssistant(request, metadata=service.metadata()))

    get = assistants_pb2.GetAssistantRequest(id=created.id)
    assert created == await service.assistants.GetAssistant(get, metadata=service.metadata())


async def test_switching_off_is_no_version_and_no_concern_of_the_provider(service: Service) -> None:
    created = await service.assistant()
    service.calls.assistant_trouble = FakeTrouble()
    request = assistants_pb2.UpdateAssistantRequest(id=created.id, active=False)

    updated = await service.assistants.UpdateAssistant(request, metadata=service.metadata())

    assert (False, 1) == (updated.active, updated.version)
    refusal = await refused(service.campaign(assistant_id=created.id))
    assert (grpc.StatusCode.FAILED_PRECONDITION, "ASSISTANT_INACTIVE") == (refusal.code, refusal.reason)


async def test_an_assistant_in_use_cannot_be_deleted(service: Service) -> None:
    created = await service.assistant()
    service.calls.script = lambda _: Script()
    campaign = await service.campaign(contacts=1, assistant_id=created.id, name="Autumn")
    request = assistants_pb2.DeleteAssistantRequest(id=created.id)
    for _ in range(2):
        refusal = await refused(service.assistants.DeleteAssistant(request, metadata=service.metadata()))
        assert ("ASSISTANT_IN_USE", "Autumn") == (refusal.reason, refusal.metadata["campaigns"])
        # The second time around it has just completed.
        if (await service.get(campaign.id)).status == 1:
            await service.start(campaign.id)
            await service.until_status(campaign.id, "COMPLETED")

    await service.database.execute(
        "UPDATE campaigns.campaigns SET completed_at = now() - interval '25 hours'"
    )
    await service.assistants.DeleteAssistant(request, metadata=service.metadata())
    get = assistants_pb2.GetAssistantRequest(id=created.id)
    refusal = await refused(service.assistants.GetAssistant(get, metadata=service.metadata()))
    assert (grpc.StatusCode.NOT_FOUND, "ASSISTANT_NOT_FOUND") == (refusal.code, refusal.reason)


async def test_the_list_goes_by_name_in_pages(service: Service) -> None:
    for name in ("Chloe", "Agnes", "Bruno"):
        await service.assistant(name=name)
    await service.assistant(OTHER_ORG, name="Stranger")

    first = await _list(service, page_size=2)
    second = await _list(service, page_size=2, page_token=first.next_page_token)

    assert ["Agnes", "Bruno"] == [one.name for one in first.assistants]
    assert ["Chloe"] == [one.name for one in second.assistants]
    assert "" == second.next_page_token
    refusal = await refused(_list(service, page_token="nonsense"))
    assert "INVALID_PAGE_TOKEN" == refusal.reason

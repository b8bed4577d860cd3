"""Templates, versions, drift, discovery and the loops that look after the directory."""

import json
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from callplane.campaigns.v2 import assistants_pb2
from libs.errors import Kind, ServiceError
from libs.rpc.convert import struct, to_dict
from tests.integration.campaigns.conftest import StartService
from tests.integration.campaigns.fake_calls import FakeTrouble, Script
from tests.integration.campaigns.harness import OTHER_ORG, Service, refused

Assistant = assistants_pb2.Assistant
ChangedBy = assistants_pb2.AssistantDifference.ChangedBy
OTHER_VOICE = {"provider": "11labs", "voiceId": "marissa"}


class AnswerLost(ServiceError):
    """Nobody knows what became of it."""

    kind = Kind.TIMEOUT
    reason = "DEADLINE_EXCEEDED"


async def templates(service: Service) -> dict[str, assistants_pb2.Assistant]:
    request = assistants_pb2.ListAssistantsRequest(source=Assistant.TEMPLATE)
    found = await service.assistants.ListAssistants(request, metadata=service.metadata())
    return {one.name: one for one in found.assistants}


async def update(service: Service, assistant_id: str, **fields: Any) -> assistants_pb2.Assistant:
    config = fields.pop("config", None)
    request = assistants_pb2.UpdateAssistantRequest(
        id=assistant_id, config=None if config is None else struct(config), **fields
    )
    return await service.assistants.UpdateAssistant(request, metadata=service.metadata())


async def clone(service: Service, assistant_id: str, **fields: Any) -> assistants_pb2.Assistant:
    request = assistants_pb2.CloneAssistantRequest(id=assistant_id, **fields)
    return await service.assistants.CloneAssistant(request, metadata=service.metadata())


async def rollback(service: Service, assistant_id: str, version: int) -> assistants_pb2.Assistant:
    request = assistants_pb2.RollbackAssistantRequest(id=assistant_id, version=version)
    return await service.assistants.RollbackAssistant(request, metadata=service.metadata())


async def drift(service: Service, assistant_id: str) -> assistants_pb2.AssistantDrift:
    request = assistants_pb2.CheckAssistantDriftRequest(id=assistant_id)
    return await service.assistants.CheckAssistantDrift(request, metadata=service.metadata())


async def get(service: Service, assistant_id: str) -> assistants_pb2.Assistant:
    request = assistants_pb2.GetAssistantRequest(id=assistant_id)
    return await service.assistants.GetAssistant(request, metadata=service.metadata())


async def test_templates_are_there_protected_and_clonable(service: Service) -> None:
    """AS-1, AS-3: three templates in every directory; a clone is the organization's own."""
    found = await templates(service)
    quick = found["Quick Pitch"]

    assert ["Discovery", "Quick Pitch", "Voicemail-Friendly"] == list(found)
    assert [("", False, 1)] * 3 == [
        (one.provider_assistant_id, one.active, one.version) for one in found.values()
    ]
    for act in (
        update(service, quick.id, name="Mine"),
        rollback(service, quick.id, 1),
        drift(service, quick.id),
        service.campaign(assistant_id=quick.id),
        service.assistants.DeleteAssistant(
            assistants_pb2.DeleteAssistantRequest(id=quick.id), metadata=service.metadata()
        ),
    ):
        refusal = await refused(act)
        assert (grpc.StatusCode.FAILED_PRECONDITION, "ASSISTANT_IS_TEMPLATE") == (
            refusal.code,
            refusal.reason,
        )

    cloned = await clone(service, quick.id, name="My pitch", config=struct({"firstMessage": "Salut!"}))
    assert (Assistant.LOCAL, "My pitch", True) == (cloned.source, cloned.name, cloned.active)
    wanted = {**to_dict(quick.config), "firstMessage": "Salut!"}
    at_provider = service.calls.assistants[cloned.provider_assistant_id]
    assert wanted == to_dict(cloned.config) == to_dict(at_provider.config)
    assert "NOT_FOUND" in (await refused(_as_other(service, quick.id))).code.name


async def _as_other(service: Service, assistant_id: str) -> assistants_pb2.Assistant:
    request = assistants_pb2.CloneAssistantRequest(id=assistant_id)
    return await service.assistants.CloneAssistant(request, metadata=service.metadata(OTHER_ORG))


async def test_a_bad_configuration_is_refused_with_every_field(service: Service) -> None:
    """AS-6: nothing reaches the provider."""
    config = struct({"voice": {"provider": "11labs"}, "maxDurationSeconds": 5, "nonsense": 1})
    request = assistants_pb2.CreateAssistantRequest(name="Agnes", config=config)

    refusal = await refused(service.assistants.CreateAssistant(request, metadata=service.metadata()))

    assert (grpc.StatusCode.INVALID_ARGUMENT, "ASSISTANT_CONFIG_INVALID") == (refusal.code, refusal.reason)
    assert ["config.maxDurationSeconds", "config.nonsense", "config.voice.voiceId"] == sorted(refusal.fields)
    assert "must be at least 10 and at most 43200" == refusal.violations["config.maxDurationSeconds"]
    assert {} == service.calls.assistants


async def test_a_rollback_is_a_new_version_with_the_old_content(service: Service) -> None:
    """AS-4: versions kept, rollback at the provider too."""
    created = await service.assistant()
    await update(service, created.id, config={"firstMessage": "Bye", "voicemailMessage": "Call back"})
    await update(service, created.id, name="Bruno")
    restored = await rollback(service, created.id, 1)

    assert ("Caller", {"firstMessage": "Hello"}, 4) == (
        restored.name,
        to_dict(restored.config),
        restored.version,
    )
    at_provider = service.calls.assistants[created.provider_assistant_id]
    assert ("Caller", {"firstMessage": "Hello", "voicemailMessage": ""}) == (
        at_provider.name,
        to_dict(at_provider.config),
    )
    assert not (await drift(service, created.id)).drifted
    request = assistants_pb2.ListAssistantVersionsRequest(id=created.id, page_size=3)
    first = await service.assistants.ListAssistantVersions(request, metadata=service.metadata())
    request.page_token = first.next_page_token
    second = await service.assistants.ListAssistantVersions(request, metadata=service.metadata())
    assert [(4, 1), (3, 0), (2, 0)] == [(one.version, one.restored_version) for one in first.versions]
    assert [1] == [one.version for one in second.versions]
    refusal = await refused(rollback(service, created.id, 9))
    assert (grpc.StatusCode.NOT_FOUND, "ASSISTANT_VERSION_NOT_FOUND") == (refusal.code, refusal.reason)


async def test_a_rollback_that_the_provider_refuses_changes_nothing(service: Service) -> None:
    """AS-2, AS-4: and one whose end could not be kept is undone there."""
    created = await service.assistant()
    await update(service, created.id, config={"voice": OTHER_VOICE})

    refusal = await refused(rollback(service, created.id, 1))
    assert ("ASSISTANT_FIELDS_NOT_REMOVABLE", "voice") == (refusal.reason, refusal.metadata["fields"])
    assert 2 == (await get(service, created.id)).version

    # Somebody deletes the entry while the provider is being told.
    service.calls.assistant_told = lambda: service.database.execute(
        "UPDATE campaigns.assistants SET revision = revision + 1"
    )
    refusal = await refused(update(service, created.id, config={"firstMessage": "Changed"}))
    assert "ETAG_MISMATCH" == refusal.reason
    at_provider = service.calls.assistants[created.provider_assistant_id]
    assert "Hello" == to_dict(at_provider.config)["firstMessage"]


async def test_a_change_made_at_the_provider_is_not_overwritten_silently(service: Service) -> None:
    """AS-4: guarded write, three-way diff, and both ways out of it."""
    created = await service.assistant()
    at_provider = service.calls.assistants[created.provider_assistant_id]
    at_provider.config.fields["firstMessage"].string_value = "Theirs"

    found = await drift(service, created.id)
    [difference] = found.differences
    assert ("firstMessage", ChangedBy.PROVIDER) == (difference.field, difference.changed_by)
    assert ("Hello", "Hello", "Theirs") == (
        difference.last_written.string_value,
        difference.directory.string_value,
        difference.provider.string_value,
    )
    refusal = await refused(update(service, created.id, name="Bruno"))
    assert (grpc.StatusCode.FAILED_PRECONDITION, "ASSISTANT_DRIFTED", "firstMessage") == (
        refusal.code,
        refusal.reason,
        refusal.metadata["fields"],
    )
    assert [] == service.calls.assistant_writes

    forced = await update(service, created.id, name="Bruno", force=True)
    assert ("Bruno", "Hello") == (at_provider.name, at_provider.config.fields["firstMessage"].string_value)
    assert ("Bruno", 2) == (forced.name, forced.version)

    at_provider.config.fields["firstMessage"].string_value = "Theirs again"
    request = assistants_pb2.ImportAssistantRequest(provider_assistant_id=created.provider_assistant_id)
    taken = await service.assistants.ImportAssistant(request, metadata=service.metadata())
    assert ("Theirs again", 3) == (to_dict(taken.config)["firstMessage"], taken.version)
    assert not (await drift(service, created.id)).drifted


async def test_two_changes_at_one_moment_do_not_meet_at_the_provider(service: Service) -> None:
    """AS-4: one change is on its way at a time; the other one hears so and changes nothing."""
    created = await service.assistant()
    refusals = []

    async def meanwhile() -> None:
        refusals.append(await refused(update(service, created.id, config={"firstMessage": "Second"})))
        refusals.append(await refused(rollback(service, created.id, 7)))

    service.calls.assistant_told = meanwhile
    first = await update(service, created.id, config={"firstMessage": "First"})

    assert (grpc.StatusCode.ABORTED, "ASSISTANT_BEING_CHANGED") == (refusals[0].code, refusals[0].reason)
    assert "ASSISTANT_VERSION_NOT_FOUND" == refusals[1].reason
    assert ("First", 2) == (to_dict(first.config)["firstMessage"], first.version)
    assert 1 == len(service.calls.assistant_writes)
    second = await update(service, created.id, config={"firstMessage": "Second"})
    assert ("Second", 3) == (to_dict(second.config)["firstMessage"], second.version)


async def test_a_repeated_clone_makes_one_assistant(service: Service) -> None:
    """AS-3: under one idempotency key."""
    quick = (await templates(service))["Quick Pitch"]
    request = assistants_pb2.CloneAssistantRequest(id=quick.id, ephemeral=True)
    metadata = service.metadata(key="clone once")

    first = await service.assistants.CloneAssistant(request, metadata=metadata)
    again = await service.assistants.CloneAssistant(request, metadata=metadata)

    assert first == again
    assert (True, "Quick Pitch", 1) == (first.ephemeral, first.name, len(service.calls.assistants))


async def test_a_name_of_the_directorys_own_is_no_drift_and_stays_its_own(service: Service) -> None:
    """AS-2, AS-4: an import may be called otherwise here; only a change of name reaches the provider."""
    service.calls.add_assistant("va-1", name="Theirs", firstMessage="Hi")
    request = assistants_pb2.ImportAssistantRequest(provider_assistant_id="va-1", name="Ours")
    imported = await service.assistants.ImportAssistant(request, metadata=service.metadata())
    assert not (await drift(service, imported.id)).drifted

    service.calls.assistants["va-1"].config.fields["firstMessage"].string_value = "Good morning"
    request = assistants_pb2.ImportAssistantRequest(provider_assistant_id="va-1")
    taken = await service.assistants.ImportAssistant(request, metadata=service.metadata())
    assert ("Ours", "Good morning") == (taken.name, to_dict(taken.config)["firstMessage"])

    changed = await update(service, imported.id, config={"firstMessage": "Hello"})
    assert ("Ours", "Theirs") == (changed.name, service.calls.assistants["va-1"].name)
    assert not (await drift(service, imported.id)).drifted

    service.calls.assistants["va-1"].name = "Theirs, renamed"
    found = await drift(service, imported.id)
    assert [("name", ChangedBy.BOTH)] == [(one.field, one.changed_by) for one in found.differences]
    renamed = await update(service, imported.id, name="Everybody's", force=True)
    assert ("Everybody's", "Everybody's") == (renamed.name, service.calls.assistants["va-1"].name)
    assert not (await drift(service, imported.id)).drifted


async def test_an_import_overtaken_by_a_change_takes_nothing_back(service: Service) -> None:
    """AS-4: neither one that was kept while the provider was asked, nor one that is on its way."""
    created = await service.assistant()
    request = assistants_pb2.ImportAssistantRequest(provider_assistant_id=created.provider_assistant_id)
    service.calls.assistant_read = lambda: update(service, created.id, config={"firstMessage": "Changed"})
    refusal = await refused(service.assistants.ImportAssistant(request, metadata=service.metadata()))
    assert (grpc.StatusCode.ABORTED, "LOST_RACE") == (refusal.code, refusal.reason)
    kept = await get(service, created.id)
    assert ("Changed", 2) == (to_dict(kept.config)["firstMessage"], kept.version)
    refusals = []

    async def meanwhile() -> None:
        call = service.assistants.ImportAssistant(request, metadata=service.metadata())
        refusals.append(await refused(call))

    service.calls.assistant_told = meanwhile
    again = await update(service, created.id, config={"firstMessage": "Again"})

    assert ["ASSISTANT_BEING_CHANGED"] == [one.reason for one in refusals]
    assert ("Again", 3) == (to_dict(again.config)["firstMessage"], again.version)
    assert not (await drift(service, created.id)).drifted


async def test_what_could_not_be_undone_at_the_provider_is_told_as_ours(service: Service) -> None:
    """AS-2, AS-4: the provider keeps a voice once it is set; nobody else is blamed for it."""
    created = await service.assistant()
    service.calls.assistant_told = lambda: service.database.execute(
        "UPDATE campaigns.assistants SET revision = revision + 1"
    )
    refusal = await refused(update(service, created.id, config={"voice": OTHER_VOICE}))
    assert "ETAG_MISMATCH" == refusal.reason

    [difference] = (await drift(service, created.id)).differences
    assert ("voice", ChangedBy.DIRECTORY) == (difference.field, difference.changed_by)
    again = await update(service, created.id, config={"voice": OTHER_VOICE})
    assert (OTHER_VOICE, 2) == (to_dict(again.config)["voice"], again.version)
    assert not (await drift(service, created.id)).drifted


async def test_a_write_whose_answer_is_lost_is_told_as_ours(service: Service) -> None:
    """AS-4: what we last wrote is known even if nobody heard what became of it."""
    created = await service.assistant()
    service.calls.assistant_answer_lost = AnswerLost()
    await refused(update(service, created.id, config={"firstMessage": "New"}))
    service.calls.assistant_answer_lost = None

    [difference] = (await drift(service, created.id)).differences
    assert ("firstMessage", ChangedBy.DIRECTORY) == (difference.field, difference.changed_by)
    assert ("New", "Hello", "New") == (
        difference.last_written.string_value,
        difference.directory.string_value,
        difference.provider.string_value,
    )
    again = await update(service, created.id, config={"firstMessage": "New"})
    assert ("New", 2) == (to_dict(again.config)["firstMessage"], again.version)
    assert not (await drift(service, created.id)).drifted


async def test_a_campaign_calls_with_the_version_it_started_with(service: Service) -> None:
    """AS-4: the directory moves on, calls of the campaign do not."""
    service.calls.script = lambda _: Script(seconds=None)
    created = await service.assistant()
    await update(service, created.id, config={"maxDurationSeconds": 90})
    campaign = await service.campaign(contacts=2, assistant_id=created.id, cap=1)
    await service.start(campaign.id)
    await service.until(lambda: len(service.calls.calls) == 1)
    await update(service, created.id, config={"firstMessage": "Later", "voicemailMessage": "Later"})
    [first] = service.calls.calls
    await service.calls.end(first)
    await service.until(lambda: len(service.calls.calls) == 2)

    before, after = (call.request for call in service.calls.calls.values())
    assert (90, {}) == (before.max_duration_seconds, to_dict(before.assistant_overrides))
    assert (90, {"firstMessage": "Hello", "voicemailMessage": ""}) == (
        after.max_duration_seconds,
        to_dict(after.assistant_overrides),
    )


async def test_what_the_provider_has_is_discovered_in_pages_and_imported(service: Service) -> None:
    """AS-5: bulk discovery and import."""
    known = await service.assistant(name="Known")
    for number in range(3):
        service.calls.add_assistant(f"va-{number}", name=f"Found {number}", firstMessage="Hi")
    service.calls.assistants[known.provider_assistant_id].name = "Renamed there"
    request = assistants_pb2.DiscoverAssistantsRequest(page_size=3)
    first = await service.assistants.DiscoverAssistants(request, metadata=service.metadata())
    second = await service.assistants.DiscoverAssistants(
        assistants_pb2.DiscoverAssistantsRequest(page_size=3, page_token=first.next_page_token),
        metadata=service.metadata(),
    )

    assert [(known.id, True, False), ("", False, False), ("", False, False)] == [
        (one.assistant_id, one.drifted, one.imported) for one in first.assistants
    ]
    assert ["va-2"] == [one.provider_assistant_id for one in second.assistants]
    assert "" == second.next_page_token
    request = assistants_pb2.DiscoverAssistantsRequest(import_new=True, provider_assistant_ids=["va-1"])
    some = await service.assistants.DiscoverAssistants(request, metadata=service.metadata())
    assert ["va-1"] == [one.provider_assistant_id for one in some.assistants if one.imported]
    request = assistants_pb2.DiscoverAssistantsRequest(import_new=True)
    rest = await service.assistants.DiscoverAssistants(request, metadata=service.metadata())
    assert ["va-0", "va-2"] == [one.provider_assistant_id for one in rest.assistants if one.imported]
    imported = await get(service, rest.assistants[1].assistant_id)
    assert (Assistant.IMPORTED, "Found 0") == (imported.source, imported.name)


async def test_the_whole_directory_is_exported_as_json(service: Service) -> None:
    """AS-5: all configurations, and nobody else's."""
    created = await service.assistant(name="Agnes")
    await service.assistant(OTHER_ORG, name="Stranger")
    stream = service.assistants.ExportAssistants(
        assistants_pb2.ExportAssistantsRequest(), metadata=service.metadata()
    )
    pieces = [piece async for piece in stream]
    document = json.loads(b"".join(piece.data for piece in pieces))

    assert {"application/json"} == {piece.content_type for piece in pieces}
    assert ["Agnes", "Discovery", "Quick Pitch", "Voicemail-Friendly"] == [
        one["name"] for one in document["assistants"]
    ]
    assert json_format.MessageToDict(created) == document["assistants"][0]


async def _due(service: Service) -> None:
    await service.database.execute("UPDATE campaigns.assistants SET check_at = now() WHERE template IS NULL")


async def test_an_assistant_that_is_gone_is_switched_off_and_its_campaigns_fail(
    start_service: StartService,
) -> None:
    """AS-4: periodic existence check; two looks before it counts, and a way back."""
    async with start_service(assistant_check_seconds=1.0) as service:
        service.calls.script = lambda _: Script(seconds=None)
        created = await service.assistant()
        campaign = await service.campaign(contacts=2, assistant_id=created.id, cap=1)
        await service.start(campaign.id)
        await service.until(lambda: len(service.calls.calls) == 1)
        taken = service.calls.assistants.pop(created.provider_assistant_id)
        await _due(service)

        failed = await service.until_status(campaign.id, "FAILED")
        assert "GONE_AT_PROVIDER" == failed.failure_reason
        gone = await get(service, created.id)
        assert (False, "GONE_AT_PROVIDER") == (gone.active, gone.inactive_reason)
        assert 1 == len(await service.outbox("callplane.assistant.gone.v1"))
        refusal = await refused(service.resume(campaign.id))
        assert (grpc.StatusCode.FAILED_PRECONDITION, "ASSISTANT_GONE") == (refusal.code, refusal.reason)
        refusal = await refused(service.campaign(assistant_id=created.id))
        assert "ASSISTANT_GONE" == refusal.reason
        assert (await drift(service, created.id)).gone
        assert gone == await update(service, created.id)

        service.calls.assistants[taken.id] = taken
        await _due(service)

        async def back() -> bool:
            return (await get(service, created.id)).active

        await service.eventually(back)
        await service.resume(campaign.id)


async def test_trouble_at_the_provider_is_no_proof_of_absence(start_service: StartService) -> None:
    """AS-4: only a definite no counts."""
    async with start_service(assistant_check_seconds=1.0) as service:
        created = await service.assistant()
        service.calls.assistant_trouble = FakeTrouble()
        service.calls.assistant_looks = 0
        await _due(service)
        await service.until(lambda: service.calls.assistant_looks >= 2)

        assert (await get(service, created.id)).active


async def test_only_ephemeral_assistants_that_nobody_needs_are_deleted_by_themselves(
    start_service: StartService,
) -> None:
    """AS-1: and of these only the ones no campaign uses."""
    async with start_service(ephemeral_seconds=1.0) as service:
        made = {
            name: await service.assistants.CreateAssistant(
                assistants_pb2.CreateAssistantRequest(name=name, ephemeral=name != "kept"),
                metadata=service.metadata(),
            )
            for name in ("kept", "needed", "idle")
        }
        await service.campaign(assistant_id=made["needed"].id)
        await service.database.execute(
            "UPDATE campaigns.assistants SET created_at = now() - interval '2 seconds'"
        )

        async def alone() -> bool:
            rows = await service.database.fetch(
                "SELECT name FROM campaigns.assistants WHERE deleted_at IS NULL ORDER BY name"
            )
            return ["kept", "needed"] == [row["name"] for row in rows]

        await service.eventually(alone)
        assert made["idle"].provider_assistant_id in service.calls.assistants


@pytest.mark.parametrize("others", [("Spring",), ("Spring", "Autumn")])
async def test_a_used_assistant_is_not_deleted_and_the_campaigns_are_named(
    service: Service, others: tuple[str, ...]
) -> None:
    """AS-2: delete refused while campaigns use it."""
    created = await service.assistant()
    for name in others:
        await service.campaign(assistant_id=created.id, name=name)

    request = assistants_pb2.DeleteAssistantRequest(id=created.id)
    refusal = await refused(service.assistants.DeleteAssistant(request, metadata=service.metadata()))

    assert (grpc.StatusCode.FAILED_PRECONDITION, "ASSISTANT_IN_USE") == (refusal.code, refusal.reason)
    assert set(others) == set(refusal.metadata["campaigns"].split(", "))

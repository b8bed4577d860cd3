"""Changes of an assistant's content: guarded against changes that somebody else made at the provider, written
there first, kept after, undone there if they cannot be kept."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs import telemetry
from libs.errors import EtagMismatch, Kind, ServiceError
from libs.pg import Pool, transaction
from services.campaigns.domain import drift
from services.campaigns.domain.assistants import Assistant, AssistantChange, Content, Source
from services.campaigns.errors import (
    AssistantBeingChanged,
    AssistantDrifted,
    AssistantFieldsNotRemovable,
    AssistantIsTemplate,
    AssistantVersionNotFound,
)
from services.campaigns.operations.assistants import (
    WRITE_SECONDS_MAX,
    AssistantProvider,
    check_config,
    existing,
)
from services.campaigns.store import assistant_versions, assistant_writes, assistants

_log = telemetry.logger(__name__)

_NAMED_FIELDS_MAX = 20
# The provider certainly changed nothing.
_REFUSALS = frozenset({Kind.BAD_INPUT, Kind.MISSING, Kind.WRONG_STATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Write:
    """`present` is what the provider has before."""

    current: Assistant
    wanted: Content
    present: Content
    active: bool | None = None
    restored_version: int | None = None

    @property
    def patch(self) -> dict[str, Any]:
        return drift.patch(wanted=self.wanted, present=self.present)

    @property
    def name(self) -> str | None:
        """To be sent. An assistant that is called otherwise in the directory keeps its name at the provider,
        until somebody renames it here."""
        renamed = self.wanted.name != self.current.name
        in_step = self.current.last_written.name == self.current.name
        if self.wanted.name != self.present.name and (renamed or in_step):
            return self.wanted.name
        return None


class AssistantWriting:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool, provider: AssistantProvider) -> None:
        self._pool = pool
        self._provider = provider

    async def update(
        self, assistant_id: UUID, change: AssistantChange, *, org_id: UUID, etag: str, force: bool
    ) -> Assistant:
        check_config(change.config or {})
        current = await self._changeable(assistant_id, org_id=org_id, etag=etag)
        wanted = change.content(current.content)
        if not force and drift.same(wanted, current.content):
            return await self._set_active(current, change.active)
        return await self._write(current, wanted, force=force, active=change.active)

    async def rollback(
        self, assistant_id: UUID, *, version: int, org_id: UUID, etag: str, force: bool
    ) -> Assistant:
        """The content of an earlier version, as a new one."""
        current = await self._changeable(assistant_id, org_id=org_id, etag=etag)
        async with transaction(self._pool, org_id=org_id) as conn:
            earlier = await assistant_versions.find(conn, assistant_id, version=version)
        if earlier is None:
            raise AssistantVersionNotFound
        if not force and drift.same(earlier.content, current.content):
            return current
        return await self._write(current, earlier.content, force=force, restored_version=version)

    async def _changeable(self, assistant_id: UUID, *, org_id: UUID, etag: str) -> Assistant:
        async with transaction(self._pool, org_id=org_id) as conn:
            current = existing(await assistants.find(conn, assistant_id))
        if etag and etag != current.etag:
            raise EtagMismatch
        if current.source is Source.TEMPLATE:
            raise AssistantIsTemplate
        return current

    async def _set_active(self, current: Assistant, active: bool | None) -> Assistant:
        if active is None:
            return current
        async with transaction(self._pool, org_id=current.org_id) as conn:
            updated = await assistants.set_active(conn, current.id, revision=current.revision, active=active)
        if updated is None:
            raise EtagMismatch
        return updated

    async def _write(
        self,
        current: Assistant,
        wanted: Content,
        *,
        force: bool,
        active: bool | None = None,
        restored_version: int | None = None,
    ) -> Assistant:
        found = await self._provider.get_assistant(current.provider_assistant_id, org_id=current.org_id)
        if not force:
            _refuse_drift(current, found.content)
        write = _Write(
            current=current,
            wanted=_with_kept(wanted, found.content, force=force),
            present=found.content,
            active=active,
            restored_version=restored_version,
        )
        await self._begin(write)
        told = await self._tell(write)
        return await self._keep(write, told)

    async def _begin(self, write: _Write) -> None:
        current = write.current
        async with transaction(self._pool, org_id=current.org_id) as conn:
            begun = await assistant_writes.begin(
                conn, current.id, write.wanted, revision=current.revision, within_seconds=WRITE_SECONDS_MAX
            )
            if begun:
                return
            found = existing(await assistants.find(conn, current.id))
        raise AssistantBeingChanged if found.revision == current.revision else EtagMismatch

    async def _tell(self, write: _Write) -> Content:
        """What the provider has now. After a lost answer what we wrote stays on record as last written."""
        current = write.current
        if not write.patch and write.name is None:
            return write.present
        try:
            told = await self._provider.update_assistant(
                current.provider_assistant_id,
                org_id=current.org_id,
                name=write.name,
                config=write.patch or None,
            )
        except ServiceError as exc:
            refused = exc.kind in _REFUSALS
            await self._end(write, last_written=current.last_written if refused else write.wanted)
            raise
        return told.content

    async def _keep(self, write: _Write, told: Content) -> Assistant:
        current = write.current
        try:
            async with transaction(self._pool, org_id=current.org_id) as conn:
                updated = await assistants.update(
                    conn,
                    current.id,
                    Content(write.wanted.name, drift.stored_config(told, wanted=write.wanted)),
                    revision=current.revision,
                    at_provider=told,
                    active=write.active,
                    restored_version=write.restored_version,
                )
        except ServiceError:
            await self._undo(write, told)
            raise
        if updated is None:
            await self._undo(write, told)
            raise EtagMismatch
        return updated

    async def _undo(self, write: _Write, told: Content) -> None:
        """The provider gets back what we have."""
        current = write.current
        try:
            async with transaction(self._pool, org_id=current.org_id) as conn:
                winner = existing(await assistants.find(conn, current.id)).content
        except ServiceError:
            winner = current.content
        left = await self._provider.update_assistant(
            current.provider_assistant_id,
            org_id=current.org_id,
            name=write.present.name if write.name is not None else None,
            config=drift.patch(wanted=winner, present=told),
        )
        # It may be more than we have: some fields the provider keeps once they are set.
        await self._end(write, last_written=left.content)

    async def _end(self, write: _Write, *, last_written: Content) -> None:
        current = write.current
        try:
            async with transaction(self._pool, org_id=current.org_id) as conn:
                await assistant_writes.end(conn, current.id, last_written=last_written, known=current.content)
        except ServiceError as exc:
            # It counts as under way for a minute, and as what was last written after.
            _log.warning("write not ended", assistant_id=str(current.id), reason=exc.reason)


def _refuse_drift(current: Assistant, present: Content) -> None:
    found = drift.differences(last_written=current.last_written, directory=current.content, provider=present)
    fields = [one.field for one in found if drift.is_foreign(one)]
    if fields:
        named = ", ".join(fields[:_NAMED_FIELDS_MAX])
        raise AssistantDrifted(
            f"Somebody changed the assistant at the provider: {named}. Import it again to take that over, or "
            "set `force` to write over it.",
            metadata={"fields": named},
        )


def _with_kept(wanted: Content, present: Content, *, force: bool) -> Content:
    """With `force`, fields that somebody added and nobody can take away stay."""
    stuck = drift.not_removable(wanted=wanted, present=present)
    if not stuck:
        return wanted
    if not force:
        named = ", ".join(stuck)
        raise AssistantFieldsNotRemovable(
            f"The provider keeps these fields once they are set: {named}. Set them to another value instead.",
            metadata={"fields": named},
        )
    return Content(wanted.name, {**wanted.config, **{key: present.config[key] for key in stuck}})

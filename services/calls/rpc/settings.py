"""CallSettingsService."""

from typing import Any, TypeAlias

import grpc.aio

from callplane.calls.v2 import settings_pb2, settings_pb2_grpc
from libs.errors import EtagMismatch
from libs.rpc import convert, principal
from services.calls.domain.call_settings import CallSettings
from services.calls.domain.redaction import PiiKind
from services.calls.operations.call_settings import SettingsKeeping

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class CallSettingsServicer(settings_pb2_grpc.CallSettingsServiceServicer):
    def __init__(self, settings: SettingsKeeping) -> None:
        self._settings = settings

    async def GetCallSettings(
        self, request: settings_pb2.GetCallSettingsRequest, context: _Context
    ) -> settings_pb2.CallSettings:
        return _message(await self._settings.get(principal().org_id))

    async def ReplaceCallSettings(
        self, request: settings_pb2.ReplaceCallSettingsRequest, context: _Context
    ) -> settings_pb2.CallSettings:
        kinds = frozenset(PiiKind(settings_pb2.CallSettings.PiiKind.Name(kind)) for kind in request.redacted)
        replaced = await self._settings.replace(
            principal().org_id, redacted=kinds, version=_version(request.etag)
        )
        return _message(replaced)


def _version(etag: str) -> int | None:
    if not etag:
        return None
    if not (etag.isascii() and etag.isdecimal() and len(etag) < 19):
        raise EtagMismatch
    return int(etag)


def _message(settings: CallSettings) -> settings_pb2.CallSettings:
    return settings_pb2.CallSettings(
        redacted=[settings_pb2.CallSettings.PiiKind.Value(kind.value) for kind in sorted(settings.redacted)],
        etag=str(settings.version),
        updated_at=convert.timestamp(settings.updated_at),
    )

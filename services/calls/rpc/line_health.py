"""LineService."""

from typing import Any, TypeAlias

import grpc.aio

from callplane.calls.v2 import lines_pb2, lines_pb2_grpc
from libs.rpc import principal
from libs.rpc.convert import timestamp
from services.calls.operations.line_health import LineHealthReading

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class LineServicer(lines_pb2_grpc.LineServiceServicer):
    def __init__(self, reading: LineHealthReading) -> None:
        self._reading = reading

    async def GetLineHealth(
        self, request: lines_pb2.GetLineHealthRequest, context: _Context
    ) -> lines_pb2.LineHealth:
        found = await self._reading.read(
            request.phone_number_id,
            org_id=principal().org_id,
            except_campaign_id=request.except_campaign_id,
            record_only=request.record_only,
        )
        return lines_pb2.LineHealth(
            phone_number_id=found.phone_number_id,
            status=lines_pb2.LineHealth.Status.Value(found.status.value),
            active_calls=found.active_calls,
            last_checked=timestamp(found.checked_at),
            provider=found.provider,
            reason=found.trouble,
        )

"""InboundRouteService."""

from dataclasses import replace
from typing import Any, TypeAlias
from uuid import UUID

import grpc.aio
from google.protobuf import empty_pb2

from callplane.calls.v2 import routes_pb2, routes_pb2_grpc
from libs.errors import FieldViolation, InvalidArgument
from libs.rpc import convert, pages, principal
from services.calls.domain.inbound_routes import GivenAnswer, InboundRoute, StoredInboundRoute, Window
from services.calls.operations.inbound_routes import InboundRoutes
from services.calls.rpc.documents import struct
from services.calls.rpc.places import cut, number_place

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class InboundRouteServicer(routes_pb2_grpc.InboundRouteServiceServicer):
    def __init__(self, routes: InboundRoutes) -> None:
        self._routes = routes

    async def ListInboundRoutes(
        self, request: routes_pb2.ListInboundRoutesRequest, context: _Context
    ) -> routes_pb2.ListInboundRoutesResponse:
        size = pages.size(request.page_size)
        found = await self._routes.list(
            principal().org_id, after=number_place(request.page_token), limit=size + 1
        )
        page, token = cut(found, size=size, place=lambda one: (str(one.route.position), str(one.id)))
        return routes_pb2.ListInboundRoutesResponse(
            inbound_routes=[_route_message(one) for one in page], next_page_token=token
        )

    async def GetInboundRoute(
        self, request: routes_pb2.GetInboundRouteRequest, context: _Context
    ) -> routes_pb2.InboundRoute:
        return _route_message(await self._routes.get(principal().org_id, UUID(request.id)))

    async def CreateInboundRoute(
        self, request: routes_pb2.CreateInboundRouteRequest, context: _Context
    ) -> routes_pb2.InboundRoute:
        route = InboundRoute(
            name=request.name,
            position=request.position,
            active=request.active if request.HasField("active") else True,
        )
        route = _with_result(_with_conditions(route, request.conditions), request.result)
        return _route_message(await self._routes.create(principal().org_id, route))

    async def UpdateInboundRoute(
        self, request: routes_pb2.UpdateInboundRouteRequest, context: _Context
    ) -> routes_pb2.InboundRoute:
        updated = await self._routes.update(
            principal().org_id, UUID(request.id), change=lambda route: _changed(route, request)
        )
        return _route_message(updated)

    async def DeleteInboundRoute(
        self, request: routes_pb2.DeleteInboundRouteRequest, context: _Context
    ) -> empty_pb2.Empty:
        await self._routes.delete(principal().org_id, UUID(request.id))
        return empty_pb2.Empty()

    async def GetCallRoute(
        self, request: routes_pb2.GetCallRouteRequest, context: _Context
    ) -> routes_pb2.CallRoute:
        found = await self._routes.get_of_call(principal().org_id, UUID(request.call_id))
        return _call_route_message(found, call_id=request.call_id)


def _changed(route: InboundRoute, request: routes_pb2.UpdateInboundRouteRequest) -> InboundRoute:
    route = replace(
        route,
        name=request.name if request.HasField("name") else route.name,
        position=request.position if request.HasField("position") else route.position,
        active=request.active if request.HasField("active") else route.active,
    )
    if request.HasField("conditions"):
        route = _with_conditions(route, request.conditions)
    return _with_result(route, request.result) if request.HasField("result") else route


def _with_conditions(route: InboundRoute, conditions: routes_pb2.RouteConditions) -> InboundRoute:
    return replace(
        route,
        called_numbers=tuple(conditions.called_numbers),
        caller_prefixes=tuple(conditions.caller_prefixes),
        caller_known=conditions.caller_known if conditions.HasField("caller_known") else None,
        days=tuple(sorted(conditions.days)),
        window=_window(conditions),
        zone=conditions.time_zone,
    )


def _with_result(route: InboundRoute, result: routes_pb2.RouteResult) -> InboundRoute:
    return replace(
        route,
        provider_assistant_id=result.provider_assistant_id,
        transfer_to=result.transfer_to,
        error_message=result.error_message,
    )


def _window(conditions: routes_pb2.RouteConditions) -> Window | None:
    opens_at, closes_at = conditions.opens_at, conditions.closes_at
    if bool(opens_at) != bool(closes_at):
        missing = "closes_at" if opens_at else "opens_at"
        violation = FieldViolation(f"conditions.{missing}", "must be set with the other one")
        raise InvalidArgument(violations=[violation])
    if not opens_at:
        return None
    # At 00:00 a day ends as well as it begins.
    return Window(opens_minute=_minute(opens_at), closes_minute=_minute(closes_at) or 24 * 60)


def _minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _route_message(stored: StoredInboundRoute) -> routes_pb2.InboundRoute:
    route = stored.route
    return routes_pb2.InboundRoute(
        id=str(stored.id),
        name=route.name,
        position=route.position,
        active=route.active,
        conditions=routes_pb2.RouteConditions(
            called_numbers=route.called_numbers,
            caller_prefixes=route.caller_prefixes,
            caller_known=route.caller_known,
            days=route.days,
            opens_at=_time(route.window.opens_minute) if route.window else "",
            closes_at=_time(route.window.closes_minute) if route.window else "",
            time_zone=route.zone,
        ),
        result=_result_message(route),
        updated_at=convert.timestamp(stored.updated_at),
    )


def _result_message(route: InboundRoute) -> routes_pb2.RouteResult:
    if route.provider_assistant_id:
        return routes_pb2.RouteResult(provider_assistant_id=route.provider_assistant_id)
    if route.transfer_to:
        return routes_pb2.RouteResult(transfer_to=route.transfer_to)
    return routes_pb2.RouteResult(error_message=route.error_message)


def _call_route_message(given: GivenAnswer, *, call_id: str) -> routes_pb2.CallRoute:
    answer = given.answer
    return routes_pb2.CallRoute(
        call_id=call_id,
        route_id=str(answer.route_id) if answer.route_id else "",
        route_name=answer.route_name,
        reason=routes_pb2.CallRoute.Reason.Value(answer.reason.value),
        answer=struct(answer.answer),
        answered_at=convert.timestamp(given.answered_at),
    )

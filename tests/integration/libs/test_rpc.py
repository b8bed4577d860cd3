"""Calls over real sockets: who may, how long, and what an error tells."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from callplane.events.v1 import events_pb2
from callplane.options.v1 import options_pb2
from libs.errors import FieldViolation, Kind, LimitExceeded
from libs.rpc import Peer, Principal, PrincipalSigner, RunningServer, principal, serving, to_service_error
from libs.rpc.deadlines import current as current_deadline
from libs.rpc.principals import METADATA_KEY

SIGNER = PrincipalSigner("s" * 32)
ORG = uuid4()
SERVICE = "callplane.test.v1.EchoService"
SECRET = "the password is hunter2"

Request, Response = events_pb2.SubscribeRequest, events_pb2.SubscribeResponse
Handler = Callable[..., Any]


def _declare_service() -> None:
    """A service of our own, as a proto file would describe it."""
    file = descriptor_pb2.FileDescriptorProto(
        name="callplane/test/v1/echo.proto",
        package="callplane.test.v1",
        syntax="proto3",
        dependency=["callplane/events/v1/events.proto", "callplane/options/v1/options.proto"],
    )
    service = file.service.add(name="EchoService")
    shapes = {"Unary": (False, False), "Up": (True, False), "Down": (False, True), "Both": (True, True)}
    scopes = {"Internal": "internal", "Undeclared": ""}
    for name in (*shapes, *scopes):
        up, down = shapes.get(name, (False, False))
        method = service.method.add(
            name=name,
            input_type=f".{Request.DESCRIPTOR.full_name}",
            output_type=f".{Response.DESCRIPTOR.full_name}",
            client_streaming=up,
            server_streaming=down,
        )
        scope = scopes.get(name, "calls:read")
        if scope:
            method.options.Extensions[options_pb2.required_scope] = scope
    descriptor_pool.Default().Add(file)


_declare_service()


def _registering(handle: Handler, stream: Handler) -> Callable[[grpc.aio.Server], None]:
    makers = {
        "Unary": (grpc.unary_unary_rpc_method_handler, handle),
        "Internal": (grpc.unary_unary_rpc_method_handler, handle),
        "Undeclared": (grpc.unary_unary_rpc_method_handler, handle),
        "Up": (grpc.stream_unary_rpc_method_handler, handle),
        "Down": (grpc.unary_stream_rpc_method_handler, stream),
        "Both": (grpc.stream_stream_rpc_method_handler, stream),
    }
    handlers: dict[str, Any] = {
        name: make(behavior, Request.FromString, Response.SerializeToString)
        for name, (make, behavior) in makers.items()
    }

    def register(server: grpc.aio.Server) -> None:
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        server.add_registered_method_handlers(SERVICE, handlers)

    return register


async def _drained(request: Any) -> list[events_pb2.SubscribeRequest]:
    return [request] if isinstance(request, Request) else [one async for one in request]


class Echo:
    """Answers with what it got; `behave` runs first."""

    def __init__(self) -> None:
        self.principals: list[Principal] = []
        self.time_left: list[float] = []

    async def behave(self) -> None:
        self.principals.append(principal())
        self.time_left.append(current_deadline.get() - asyncio.get_running_loop().time())

    async def handle(self, request: Any, _context: object) -> events_pb2.SubscribeResponse:
        requests = await _drained(request)
        await self.behave()
        return Response(cursor="".join(one.after for one in requests))

    async def stream(self, request: Any, _context: object) -> AsyncIterator[events_pb2.SubscribeResponse]:
        for one in await _drained(request):
            yield Response(cursor=one.after)
            await self.behave()


@asynccontextmanager
async def _served(
    echo: Echo, *, listen: str = "127.0.0.1:0", reflection: bool = False
) -> AsyncIterator[RunningServer]:
    register = _registering(echo.handle, echo.stream)
    async with serving(
        listen=listen, service="test", register=register, signer=SIGNER, reflection=reflection
    ) as server:
        yield server


@asynccontextmanager
async def _peer(port: int) -> AsyncIterator[Peer]:
    peer = Peer(f"127.0.0.1:{port}", signer=SIGNER, service="campaigns")
    try:
        yield peer
    finally:
        await peer.close()


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def server_and_peer(echo: Echo) -> AsyncIterator[tuple[RunningServer, Peer]]:
    async with _served(echo, reflection=True) as server, _peer(server.port) as peer:
        yield server, peer


@pytest.fixture
def peer(server_and_peer: tuple[RunningServer, Peer]) -> Peer:
    return server_and_peer[1]


def _as(*scopes: str) -> tuple[tuple[str, str], ...]:
    return ((METADATA_KEY, SIGNER.sign(Principal("key:1", ORG, frozenset(scopes)))),)


def _method(peer: Peer, name: str) -> Any:
    kinds = {
        "Up": peer.channel.stream_unary,
        "Down": peer.channel.unary_stream,
        "Both": peer.channel.stream_stream,
    }
    make: Any = kinds.get(name, peer.channel.unary_unary)
    return make(f"/{SERVICE}/{name}", _serialized, Response.FromString)


def _serialized(request: Any) -> bytes:
    content: bytes = request if isinstance(request, bytes) else request.SerializeToString()
    return content


async def _call(peer: Peer, name: str, *requests: events_pb2.SubscribeRequest | bytes, **options: Any) -> str:
    """The cursors that came back, joined."""
    requests = requests or (Request(after="a"),)
    argument = iter(requests) if name in ("Up", "Both") else requests[0]
    call = _method(peer, name)(argument, **{"metadata": _as("calls:read"), **options})
    if name in ("Down", "Both"):
        return "".join([response.cursor async for response in call])
    response: events_pb2.SubscribeResponse = await call
    return response.cursor


async def _refused(
    peer: Peer, name: str, *requests: events_pb2.SubscribeRequest | bytes, **options: Any
) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await _call(peer, name, *requests, **options)
    return raised.value


SHAPES = pytest.mark.parametrize("name", ["Unary", "Up", "Down", "Both"])


def _failing(echo: Echo, error: Exception) -> None:
    async def behave() -> None:
        raise error

    echo.behave = behave  # type: ignore[method-assign]


@SHAPES
async def test_every_shape_works(peer: Peer, echo: Echo, name: str) -> None:
    requests = [Request(after="a"), Request(after="b")]

    assert await _call(peer, name, *requests) == ("ab" if name in ("Up", "Both") else "a")
    assert echo.principals[0] == Principal("key:1", ORG, frozenset({"calls:read"}))


@SHAPES
async def test_an_error_of_ours_arrives_with_its_details(peer: Peer, echo: Echo, name: str) -> None:
    _failing(
        echo,
        LimitExceeded("Too many.", violations=[FieldViolation("after", "is wrong")], retry_after_seconds=2),
    )

    raw = await _refused(peer, name)
    error = to_service_error(raw)

    assert (raw.code(), raw.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "Too many.")
    assert (error.kind, error.reason, error.retry_after_seconds) == (Kind.EXHAUSTED, "LIMIT_EXCEEDED", 2)
    assert error.violations == (FieldViolation("after", "is wrong"),)
    assert "2" == dict(raw.trailing_metadata() or ())["retry-after"]


@SHAPES
async def test_no_text_of_an_exception_leaks(peer: Peer, echo: Echo, name: str) -> None:
    _failing(echo, ValueError(SECRET))

    error = await _refused(peer, name)

    assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, "Something broke on our side.")
    assert SECRET not in repr(error) + repr(error.trailing_metadata())


@SHAPES
async def test_rules_of_the_proto_are_enforced(peer: Peer, echo: Echo, name: str) -> None:
    error = to_service_error(await _refused(peer, name, Request(after="x" * 101, batch_max=501)))

    assert (error.kind, error.reason) == (Kind.BAD_INPUT, "INVALID_ARGUMENT")
    assert [violation.field for violation in error.violations] == ["after", "batch_max"]
    assert echo.principals == []


@SHAPES
async def test_text_with_nul_is_bad_input(peer: Peer, echo: Echo, name: str) -> None:
    error = to_service_error(await _refused(peer, name, Request(after="a\0b")))

    assert (error.kind, [violation.field for violation in error.violations]) == (Kind.BAD_INPUT, ["after"])
    assert echo.principals == []


@SHAPES
@pytest.mark.parametrize("content", [b"\x0a\x01\xff", b"\x0a\xff", b"\xff" * 50])
async def test_bytes_that_are_no_message_are_bad_input(
    peer: Peer, echo: Echo, name: str, content: bytes
) -> None:
    error = await _refused(peer, name, content)

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "DecodeError" not in repr(error)
    assert echo.principals == []


@SHAPES
async def test_packed_messages_are_refused_as_they_are(peer: Peer, echo: Echo, name: str) -> None:
    """B17: a megabyte packed may be a gigabyte; no limit on what comes in would see that."""
    bomb = Request(after="0" * 8 * 1024 * 1024)
    error = await _refused(peer, name, bomb, compression=grpc.Compression.Gzip)

    # INTERNAL is what grpc.aio itself says to a caller that a refusal meets while it writes a stream.
    cut_off = name in ("Up", "Both") and "Internal error from Core" in (error.details() or "")
    assert error.code() is (grpc.StatusCode.INTERNAL if cut_off else grpc.StatusCode.UNIMPLEMENTED)
    assert echo.principals == []


async def test_the_longest_error_leaves_the_connection_to_others(peer: Peer, echo: Echo) -> None:
    long = "x" * 100_000
    _failing(
        echo,
        LimitExceeded(long, metadata={"name": long}, violations=[FieldViolation(long, long)] * 1000),
    )

    error = to_service_error(await _refused(peer, "Unary"))

    assert (error.kind, error.reason) == (Kind.EXHAUSTED, "LIMIT_EXCEEDED")
    assert len(error.violations) == 10


@SHAPES
async def test_nobody_gets_in_without_a_token(peer: Peer, echo: Echo, name: str) -> None:
    for metadata in ((), ((METADATA_KEY, ""),), ((METADATA_KEY, "a.b.c"),)):
        error = await _refused(peer, name, metadata=metadata)

        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert echo.principals == []


@SHAPES
async def test_the_scope_is_required(peer: Peer, echo: Echo, name: str) -> None:
    error = to_service_error(await _refused(peer, name, metadata=_as("calls:write")))

    assert (error.kind, error.reason) == (Kind.FORBIDDEN, "MISSING_SCOPE")
    assert error.metadata == {"required_scope": "calls:read"}
    assert echo.principals == []


async def test_admin_opens_everything_but_internal_methods(peer: Peer) -> None:
    assert await _call(peer, "Unary", metadata=_as("admin")) == "a"

    error = await _refused(peer, "Internal", metadata=_as("admin"))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_service_opens_internal_and_public_methods(peer: Peer, echo: Echo) -> None:
    assert await _call(peer, "Internal", metadata=peer.metadata(ORG)) == "a"
    assert await _call(peer, "Unary", metadata=peer.metadata(ORG)) == "a"
    assert [(one.subject, one.org_id) for one in echo.principals] == [("service:campaigns", ORG)] * 2


async def test_a_method_without_a_declared_scope_is_refused_whoever_asks(peer: Peer, echo: Echo) -> None:
    for metadata in (_as("admin"), peer.metadata()):
        error = to_service_error(await _refused(peer, "Undeclared", metadata=metadata))

        assert (error.kind, error.reason) == (Kind.FORBIDDEN, "SCOPE_NOT_DECLARED")
    assert echo.principals == []


async def test_an_unknown_method_is_unimplemented(peer: Peer) -> None:
    error = await _refused(peer, "Nowhere")

    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(("name", "seconds"), [("Unary", 5), ("Down", 300)])
async def test_a_call_without_a_deadline_gets_one(
    server_and_peer: tuple[RunningServer, Peer], echo: Echo, name: str, seconds: float
) -> None:
    """Over a plain channel: ours would have set one."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server_and_peer[0].port}") as channel:
        plain = Peer("127.0.0.1:1", signer=SIGNER, service="test")
        await plain.close()
        plain.channel = channel
        await _call(plain, name)

    assert seconds - 1 < echo.time_left[0] <= seconds


@SHAPES
async def test_the_caller_is_told_when_time_is_over(peer: Peer, echo: Echo, name: str) -> None:
    """By the server, a moment before the caller would have given up."""

    async def behave() -> None:
        await asyncio.sleep(10)

    echo.behave = behave  # type: ignore[method-assign]
    started = time.monotonic()

    error = await _refused(peer, name, timeout=0.2)

    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < 0.5


async def test_too_little_time_is_refused_at_once(peer: Peer, echo: Echo) -> None:
    error = await _refused(peer, "Unary", timeout=0.005)

    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert echo.principals == []


async def test_a_timeout_inside_is_not_the_callers_deadline(peer: Peer, echo: Echo) -> None:
    _failing(echo, TimeoutError(SECRET))

    error = await _refused(peer, "Unary")

    assert error.code() is grpc.StatusCode.INTERNAL


async def test_the_deadline_is_passed_on(peer: Peer, echo: Echo) -> None:
    """A call made while serving a call gets what is left, less a margin."""
    inner = Echo()
    async with _served(inner) as server, _peer(server.port) as onward:

        async def behave() -> None:
            await _call(onward, "Unary", timeout=60)

        echo.behave = behave  # type: ignore[method-assign]
        await _call(peer, "Unary", timeout=0.5)

    assert 0.2 < inner.time_left[0] < 0.46


async def test_a_cancelled_call_cancels_its_work(peer: Peer, echo: Echo) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def behave() -> None:
        started.set()
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    echo.behave = behave  # type: ignore[method-assign]
    call = asyncio.create_task(_call(peer, "Unary"))
    await started.wait()
    call.cancel()

    async with asyncio.timeout(2):
        await cancelled.wait()
    assert call.cancelled()


async def test_a_peer_that_is_away_is_unavailable_until_it_comes(unused_tcp_port: int, echo: Echo) -> None:
    async with _peer(unused_tcp_port) as peer:
        error = to_service_error(await _refused(peer, "Unary", timeout=1))
        assert (error.kind, error.reason) == (Kind.UNAVAILABLE, "PEER_UNAVAILABLE")

        async with _served(echo, listen=f"127.0.0.1:{unused_tcp_port}"):
            assert await _call(peer, "Unary", timeout=5, wait_for_ready=True) == "a"


async def test_one_port_has_one_server(server_and_peer: tuple[RunningServer, Peer], echo: Echo) -> None:
    with pytest.raises((OSError, RuntimeError), match=r"127\.0\.0\.1"):
        async with _served(echo, listen=f"127.0.0.1:{server_and_peer[0].port}"):
            pass


async def test_health_needs_no_principal(server_and_peer: tuple[RunningServer, Peer]) -> None:
    server, peer = server_and_peer
    stub = health_pb2_grpc.HealthStub(peer.channel)

    async def status(service: str) -> int:
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        return int(answer.status)

    assert await status("") == health_pb2.HealthCheckResponse.NOT_SERVING
    await server.set_serving(True)
    assert await status("") == health_pb2.HealthCheckResponse.SERVING
    assert await status(SERVICE) == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_lists_the_services(peer: Peer) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(peer.channel)
    requests = iter([reflection_pb2.ServerReflectionRequest(list_services="")])

    answers = [answer async for answer in stub.ServerReflectionInfo(requests)]

    names = {service.name for service in answers[0].list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= names


async def test_reflection_can_be_off(echo: Echo) -> None:
    async with _served(echo) as server, _peer(server.port) as peer:
        stub = reflection_pb2_grpc.ServerReflectionStub(peer.channel)
        requests = iter([reflection_pb2.ServerReflectionRequest(list_services="")])

        with pytest.raises(grpc.aio.AioRpcError) as raised:
            _ = [answer async for answer in stub.ServerReflectionInfo(requests)]

    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_stopping_ends_streams_and_lets_calls_finish(echo: Echo) -> None:
    async def behave() -> None:
        echo.principals.append(principal())
        await asyncio.sleep(0.3 if len(echo.principals) == 1 else 60)

    echo.behave = behave  # type: ignore[method-assign]
    async with AsyncExitStack() as client, AsyncExitStack() as stopping:
        server = await stopping.enter_async_context(_served(echo))
        peer = await client.enter_async_context(_peer(server.port))
        call = asyncio.create_task(_call(peer, "Unary"))
        await asyncio.sleep(0.1)
        stream = asyncio.create_task(_refused(peer, "Down", timeout=60))
        await asyncio.sleep(0.1)
        started = time.monotonic()
        await stopping.aclose()

        assert time.monotonic() - started < 2
        assert await call == "a"
        assert (await stream).code() is grpc.StatusCode.UNAVAILABLE

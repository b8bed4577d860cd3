"""How a source's webhooks prove where they come from: every way it can be set up, and every way to fail."""

import base64
import hmac
import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import grpc
import grpc.aio
import httpx
import pytest

from callplane.gateway.v2 import gateway_pb2
from libs.environment import Secret
from tests.integration.gateway.conftest import StartGateway
from tests.integration.gateway.harness import Gateway, signed_by_twilio, signed_with_time, webhook
from tests.support.postgres import Database
from tests.support.waiting import eventually

Source = gateway_pb2.Source
BODY = webhook("hang")
OTHER_BODY = webhook("hang", n=1)
SECRET = "c2VjcmV0IG9mIHRoZSB0ZXN0cw=="


@dataclass(frozen=True)
class Way:
    """A scheme with its settings, and the headers that satisfy it."""

    scheme: Source.Scheme.ValueType
    settings: Mapping[str, str]

    def __str__(self) -> str:
        return "-".join([Source.Scheme.Name(self.scheme), *self.settings.values()])

    def headers(self, body: bytes, *, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
        given = self.settings
        if self.scheme == Source.SHARED_SECRET:
            return {given.get("signature_header", "X-Vapi-Secret"): secret}
        if self.scheme == Source.BEARER:
            return {given.get("signature_header", "Authorization"): f"Bearer {secret}"}
        stamp = str(int(time.time() if at is None else at))
        timed = self.scheme == Source.HMAC_TIMESTAMP
        default, payload = ("X-Signature", "{timestamp}.{body}") if timed else ("X-Vapi-Signature", "{body}")
        payload = given.get("payload_format", payload)
        message = payload.replace("{timestamp}", stamp).replace("{svix-id}", "msg_1").encode()
        headers = {given.get("signature_header", default): self._signature(message, body, secret)}
        headers[given.get("timestamp_header", "X-Timestamp")] = stamp
        headers[given.get("message_id_header", "svix-id")] = "msg_1"
        return headers

    def _signature(self, message: bytes, body: bytes, secret: str) -> str:
        given = self.settings
        key = base64.b64decode(secret) if given.get("secret_encoding") else secret.encode()
        message = message.replace(b"{body}", body)
        digest = hmac.new(key, message, given.get("algorithm") or "sha256").digest()
        text = base64.b64encode(digest).decode() if given.get("encoding") == "base64" else digest.hex()
        return given.get("prefix", "") + text


def ways() -> list[Way]:
    found = [
        Way(scheme, {name: value for name, value in settings.items() if value})
        for scheme in (Source.HMAC_BODY, Source.HMAC_TIMESTAMP)
        for algorithm, encoding, prefix, header in itertools.product(
            ("", "sha256", "sha512", "sha1"), ("", "base64"), ("", "v1,"), ("", "X-Mine")
        )
        for settings in [
            {"algorithm": algorithm, "encoding": encoding, "prefix": prefix, "signature_header": header}
        ]
    ]
    found += [Way(scheme, {}) for scheme in (Source.SHARED_SECRET, Source.BEARER)]
    found += [Way(scheme, {"signature_header": "X-Mine"}) for scheme in (Source.SHARED_SECRET, Source.BEARER)]
    found.append(Way(Source.HMAC_TIMESTAMP, {"timestamp_header": "X-When"}))
    svix = {"payload_format": "{svix-id}.{timestamp}.{body}", "prefix": "v1,", "encoding": "base64"}
    found.append(Way(Source.HMAC_TIMESTAMP, {**svix, "secret_encoding": "base64"}))
    found.append(Way(Source.HMAC_TIMESTAMP, {**svix, "message_id_header": "webhook-id"}))
    found.append(Way(Source.HMAC_BODY, {"payload_format": "{svix-id}:{body}"}))
    return found


async def create(gateway: Gateway, way: Way, *, secret: str = SECRET, **fields: Any) -> gateway_pb2.Source:
    request = gateway_pb2.CreateSourceRequest(
        name=f"way-{uuid4()}",
        provider="vapi",
        schemes=[way.scheme],
        secret=secret,
        signature=gateway_pb2.SignatureSettings(**way.settings),
        **fields,
    )
    created: gateway_pb2.Source = await gateway.sources.CreateSource(request, metadata=gateway.internal())
    return created


async def status(gateway: Gateway, source: gateway_pb2.Source, headers: Any, body: bytes = BODY) -> int:
    answer = await gateway.http.post(f"/hooks/vapi/{source.name}", content=body, headers=headers)
    if answer.status_code == 401:
        assert "SIGNATURE_INVALID" == answer.json()["details"][0]["reason"]
    return answer.status_code


@pytest.mark.parametrize("way", ways(), ids=str)
async def test_every_way_lets_in_what_is_right_and_nothing_else(gateway: Gateway, way: Way) -> None:
    """IN-1: scheme, header, prefix, encoding and algorithm in every combination. B1: wrong secret, other
    body, header missing or twice."""
    source = await create(gateway, way)
    right = way.headers(BODY)

    assert 200 == await status(gateway, source, right)
    assert 401 == await status(gateway, source, way.headers(BODY, secret=base64.b64encode(b"x").decode()))
    assert 401 == await status(gateway, source, {})
    assert 401 == await status(gateway, source, [*right.items(), *right.items()])
    if way.scheme in (Source.HMAC_BODY, Source.HMAC_TIMESTAMP):
        assert 401 == await status(gateway, source, right, OTHER_BODY)
    assert [BODY] == [event.body for event in gateway.peers.calls.events]


HMAC = Way(Source.HMAC_BODY, {})
RIGHT = HMAC.headers(BODY)["X-Vapi-Signature"]


@pytest.mark.parametrize(
    "given",
    [
        "",
        "sha256=",
        RIGHT[:-1],
        RIGHT[:-2],
        RIGHT + "00",
        " ".join([RIGHT] * 2),
        f"{RIGHT},{RIGHT}",
        "v1,%%%not base64%%%",
        "v1," + base64.b64encode(bytes.fromhex(RIGHT)).decode(),
        "=" * 64,
        "\u00e9" * 64,
        "0" * 64,
        f"sha1={RIGHT}",
        f"sha256=sha256={RIGHT}",
        ",".join(f"v1,{RIGHT}" for _ in range(800)),
    ],
)
async def test_garbage_in_the_header_is_refused(gateway: Gateway, given: str) -> None:
    """B1: garbage, cut, doubled and very many signatures; none is searched for the right one."""
    source = await create(gateway, HMAC)

    assert 401 == await status(gateway, source, {"X-Vapi-Signature": given.encode()})
    assert [] == gateway.peers.calls.events


async def test_ten_thousand_signatures_cost_nothing(gateway: Gateway) -> None:
    """B1: as many headers as the server takes at all, or as many as fit into one."""
    source = await create(gateway, HMAC)
    many = [("X-Vapi-Signature", RIGHT)] * 700
    started = time.monotonic()

    assert 401 == await status(gateway, source, many)
    with pytest.raises(httpx.HTTPError):
        await _refused(gateway, source, [("X-Vapi-Signature", RIGHT)] * 10_000)

    assert time.monotonic() - started < 2


async def _refused(gateway: Gateway, source: gateway_pb2.Source, headers: Any) -> None:
    answer = await gateway.http.post(f"/hooks/vapi/{source.name}", content=BODY, headers=headers)
    # Some servers answer that the headers are too large, others hang up.
    raise (
        httpx.HTTPError(str(answer.status_code)) if answer.status_code in (400, 401, 431) else AssertionError
    )


async def test_another_tenant_s_secret_lets_nobody_in(gateway: Gateway) -> None:
    """B1: two organizations, each with a good secret of its own."""
    request = gateway_pb2.CreateOrganizationRequest(name=f"Other {uuid4()}")
    other = await gateway.organizations.CreateOrganization(request, metadata=gateway.internal())
    mine = await create(gateway, HMAC, secret="")
    name = f"theirs-{uuid4()}"
    theirs = await gateway.sources.CreateSource(
        gateway_pb2.CreateSourceRequest(name=name, provider="vapi", schemes=[Source.HMAC_BODY]),
        metadata=gateway.internal(UUID(other.id)),
    )

    assert 401 == await status(gateway, mine, HMAC.headers(BODY, secret=theirs.secret))
    assert 401 == await status(gateway, theirs, HMAC.headers(BODY, secret=mine.secret))
    assert 200 == await status(gateway, theirs, HMAC.headers(BODY, secret=theirs.secret))
    assert [other.id] == [event.org_id for event in gateway.peers.calls.events]


@pytest.mark.parametrize("milliseconds", [False, True])
@pytest.mark.parametrize(
    ("offset", "expected"),
    [(0, 200), (-298, 200), (298, 200), (-302, 401), (302, 401), (-86_400, 401), (86_400, 401)],
)
async def test_a_replay_is_good_inside_its_window_only(
    gateway: Gateway, offset: int, expected: int, milliseconds: bool
) -> None:
    """B2: at once, at the window's edges, after it and from the future; in both units of time. The very
    second is in the unit tests, where the clock stands still."""
    headers = signed_with_time(BODY, at=time.time() + offset, milliseconds=milliseconds)

    assert [expected] * 2 == [(await gateway.vapi(BODY, headers)).status_code for _ in range(2)]


async def rotate(gateway: Gateway, source: gateway_pb2.Source, **fields: Any) -> gateway_pb2.Source:
    request = gateway_pb2.RotateSourceSecretRequest(id=source.id, **fields)
    rotated: gateway_pb2.Source = await gateway.sources.RotateSourceSecret(
        request, metadata=gateway.caller("sources:write")
    )
    return rotated


async def become(gateway: Gateway, source: gateway_pb2.Source, secret: str, expected: int) -> None:
    """Other requests may still see what the cache held, for a moment."""

    async def so() -> bool:
        return expected == await status(gateway, source, HMAC.headers(BODY, secret=secret))

    await eventually(so)


async def test_a_rotated_secret_overlaps_with_the_one_before(gateway: Gateway) -> None:
    """IN-1: two secrets are good for the hours that were asked for, a third never is."""
    first = await create(gateway, HMAC, secret="")
    second = await rotate(gateway, first, overlap_hours=2)

    await become(gateway, first, second.secret, 200)
    await become(gateway, first, first.secret, 200)
    left = second.previous_secret_expires_at.ToSeconds() - time.time()
    assert 7100 < left <= 7200
    assert len({first.secret, second.secret}) == 2
    third = await rotate(gateway, first)
    await become(gateway, first, first.secret, 401)
    for secret in (third.secret, second.secret):
        await become(gateway, first, secret, 200)
    assert 23.9 < (third.previous_secret_expires_at.ToSeconds() - time.time()) / 3600 <= 24


async def test_without_an_overlap_the_old_secret_ends_at_once(gateway: Gateway) -> None:
    """IN-1: what a leaked secret needs."""
    source = await create(gateway, HMAC, secret="")
    rotated = await rotate(gateway, source, overlap_hours=0, secret="a secret of their own")

    await become(gateway, source, source.secret, 401)
    await become(gateway, source, "a secret of their own", 200)
    assert "a secret of their own" == rotated.secret
    assert not rotated.HasField("previous_secret_expires_at")
    found = await gateway.sources.GetSource(
        gateway_pb2.GetSourceRequest(id=source.id), metadata=gateway.internal()
    )
    assert "" == found.secret


async def test_after_a_lost_key_a_source_is_good_again_with_a_new_secret(start_gateway: StartGateway) -> None:
    """The overlap keeps a secret that nobody can open any more."""
    async with start_gateway() as gateway:
        source = await create(gateway, HMAC, secret="")
    async with start_gateway(
        encryption_key=Secret("an encryption key after the one that was lost")
    ) as gateway:
        assert 500 == await status(gateway, source, HMAC.headers(BODY, secret=source.secret))
        rotated = await rotate(gateway, source)

        await become(gateway, source, rotated.secret, 200)
        assert 401 == await status(gateway, source, HMAC.headers(BODY, secret=source.secret))


async def test_the_overlap_ends_by_the_clock(start_gateway: StartGateway, database: Database) -> None:
    """IN-1: also for a gateway that looked the source up before."""
    async with start_gateway() as gateway:
        source = await create(gateway, HMAC, secret="")
        rotated = await rotate(gateway, source)
        # Without an announcement: what the gateway looks up now says when it ends.
        await database.execute(
            "UPDATE gateway.sources SET previous_secret_expires_at = now() + interval '1.5 s' "
            "WHERE previous_secret IS NOT NULL"
        )

        async def looked_up() -> bool:
            return 200 == await status(gateway, source, HMAC.headers(BODY, secret=source.secret))

        await eventually(looked_up)
        await become(gateway, source, source.secret, 401)
        await become(gateway, source, rotated.secret, 200)


async def test_the_secret_of_twilio_is_rotated_to_the_new_token(gateway: Gateway) -> None:
    """IN-1: the account's secondary token becomes the primary one."""
    name = f"twilio-{uuid4()}"
    source = await gateway.sources.CreateSource(
        gateway_pb2.CreateSourceRequest(
            name=name, provider="twilio", schemes=[Source.TWILIO], secret="old-token"
        ),
        metadata=gateway.internal(),
    )
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await rotate(gateway, source)
    assert grpc.StatusCode.INVALID_ARGUMENT is refused.value.code()
    await rotate(gateway, source, secret="new-token")
    path = f"/hooks/twilio/{name}/sms"

    async def taken(token: str) -> bool:
        headers = signed_by_twilio(path, {"From": "+1"}, token=token)
        answer = await gateway.http.post(path, data={"From": "+1"}, headers=headers)
        return answer.status_code == 200

    async def both_are_taken() -> bool:
        return await taken("new-token") and await taken("old-token")

    await eventually(both_are_taken)
    assert not await taken("token")


async def test_nobody_else_rotates_a_secret(gateway: Gateway) -> None:
    """IN-1: another organization does not find the source, and reading is not enough."""
    source = await create(gateway, HMAC)
    request = gateway_pb2.CreateOrganizationRequest(name=f"Other {uuid4()}")
    other = await gateway.organizations.CreateOrganization(request, metadata=gateway.internal())
    callers = {
        grpc.StatusCode.NOT_FOUND: gateway.caller("admin", org_id=UUID(other.id)),
        grpc.StatusCode.PERMISSION_DENIED: gateway.caller("sources:read"),
    }

    for code, metadata in callers.items():
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await gateway.sources.RotateSourceSecret(
                gateway_pb2.RotateSourceSecretRequest(id=source.id), metadata=metadata
            )
        assert code is refused.value.code()
    assert 200 == await status(gateway, source, HMAC.headers(BODY))


@pytest.mark.parametrize(
    ("schemes", "settings"),
    [
        ([Source.HMAC_TIMESTAMP], {"payload_format": "{body}"}),
        ([Source.HMAC_TIMESTAMP], {"payload_format": "{timestamp}"}),
        ([Source.HMAC_TIMESTAMP], {"payload_format": "{timestamp}.{body}{body}"}),
        ([Source.HMAC_TIMESTAMP], {"payload_format": "{timestamp}.{body}.{url}"}),
        ([Source.HMAC_TIMESTAMP], {"payload_format": "{timestamp}.{body}{"}),
        ([Source.HMAC_BODY], {"payload_format": "{timestamp}.{body}"}),
        ([Source.HMAC_BODY, Source.HMAC_TIMESTAMP], {"payload_format": "{timestamp}.{body}"}),
        ([Source.BEARER], {"payload_format": "{body}"}),
        ([Source.HMAC_BODY], {"secret_encoding": "base64"}),
        ([Source.HMAC_BODY], {"secret_encoding": "hex"}),
        ([Source.HMAC_BODY], {"algorithm": "md5"}),
        ([Source.HMAC_BODY], {"signature_header": "X-Mine: x"}),
    ],
)
async def test_settings_that_would_prove_nothing_are_refused(
    gateway: Gateway, schemes: list[Any], settings: dict[str, str]
) -> None:
    """IN-1: a signature has to cover the body, and the time where a window is promised."""
    request = gateway_pb2.CreateSourceRequest(
        name="proves-nothing",
        provider="vapi",
        schemes=schemes,
        secret="not base64!",
        signature=gateway_pb2.SignatureSettings(**settings),
    )

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await gateway.sources.CreateSource(request, metadata=gateway.internal())

    assert grpc.StatusCode.INVALID_ARGUMENT is refused.value.code()


async def test_a_made_up_secret_fits_its_encoding(gateway: Gateway) -> None:
    way = Way(Source.HMAC_BODY, {"secret_encoding": "base64"})
    source = await create(gateway, way, secret="")

    assert 32 == len(base64.b64decode(source.secret, validate=True))
    assert 200 == await status(gateway, source, way.headers(BODY, secret=source.secret))
    assert 401 == await status(gateway, source, HMAC.headers(BODY, secret=source.secret))

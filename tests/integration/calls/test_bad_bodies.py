"""Bodies that break parsers, in one batch with good ones: kept byte for byte, and the good ones go on."""

import time
from collections.abc import Mapping

import pytest

from services.calls.domain.secrets import REDACTED
from tests.integration.calls.harness import House, Service
from tests.support.bad_bodies import MEBIBYTE, STRUCTURES, TEXTS, about, large_report
from tests.support.vapi_messages import status_update

UNREADABLE = {"NOT_JSON", "NOT_AN_OBJECT", "NO_MESSAGE", "NO_TYPE", "NO_CALL_ID"}


def among_good(bodies: Mapping[str, bytes]) -> list[bytes]:
    """Each between two webhooks of a call that has nothing to do with it."""
    found = []
    for n, body in enumerate(bodies.values()):
        found += [status_update(f"good-{n}", "ringing", at=0), about(f"bad-{n}", body)]
        found.append(status_update(f"good-{n}", "in-progress", at=1))
    return found


@pytest.mark.parametrize("bodies", [TEXTS, STRUCTURES], ids=["texts", "structures"])
async def test_bad_bodies_harm_nobody_else(house: House, bodies: Mapping[str, bytes]) -> None:
    """B13, B14: every body is in the ledger as it came, folded or marked with why not, and every good webhook
    of its batch is in the record."""
    assert len(bodies) * 3 == await house.post(*among_good(bodies))
    await house.fold_all()

    kept = {row["body"] for row in await house.database.fetch("SELECT body FROM calls.provider_events")}
    sent = {name: about(f"bad-{n}", body) for n, (name, body) in enumerate(bodies.items())}
    # All but the secrets.
    assert [] == [name for name, body in sent.items() if body not in kept and b"canary" not in body]
    assert not any(b"canary" in body for body in kept)
    good = await house.database.fetch("SELECT status FROM calls.calls WHERE provider_call_id LIKE 'good-%'")
    assert ["IN_PROGRESS"] * len(bodies) == [row["status"] for row in good]
    reasons = await house.database.fetch("SELECT DISTINCT reason FROM calls.unparsed_events")
    assert {row["reason"] for row in reasons} <= UNREADABLE
    folded = await house.count("call_events") + await house.count("unparsed_events")
    assert len(bodies) * 3 == folded


READABLE = (
    "NUL",
    "NUL in a key and in the id",
    "right to left",
    "four bytes",
    "objects 100 deep",
    "objects 500 deep with a secret",
    "4,300 digits",
    "4,300 digits and a secret",
    "digits in every number",
    "1e-400",
    "every key twice",
    "half a million keys",
    "the same key half a million times",
    "half a million numbers",
    "a type that is no word",
)


async def test_what_is_valid_json_becomes_part_of_the_record(house: House) -> None:
    """B13, B14: however odd it is."""
    every = {**TEXTS, **STRUCTURES}
    await house.told(*(about(f"odd-{n}", every[name]) for n, name in enumerate(READABLE)))

    assert 0 == await house.count("unparsed_events")
    told = await house.database.fetch("SELECT provider_call_id, status FROM calls.calls")
    assert {f"odd-{n}" for n in range(len(READABLE))} == {row["provider_call_id"] for row in told}


async def test_a_request_that_waits_is_answered_whatever_it_holds(service: Service) -> None:
    """B14: the ledger takes it, and whoever waits gets an answer or none, never an error."""
    for name, body in {**TEXTS, **STRUCTURES}.items():
        asked = about("c-1", body).replace(b'"type":"hang"', b'"type":"tool-calls"')
        assert await service.answer(asked) in ("", '{"results":[]}'), name


async def test_a_report_of_almost_five_megabytes_is_folded(house: House) -> None:
    """B14: 4.6 MB, as long calls have them; secrets in it go."""
    body = large_report("c-large", size_bytes=int(4.6 * MEBIBYTE))
    secret = body.replace(b'"cost":0.5', b'"cost":0.5,"apiKey":"canary"')
    started = time.monotonic()
    await house.told(secret, status_update("c-next", "ringing", at=0))

    call = await house.call("c-large")
    assert ("ENDED", "Water.") == (call["status"], call["summary"])
    assert call["transcript_lines"] > 4_000
    assert "RINGING" == (await house.call("c-next"))["status"]
    [row] = await house.database.fetch(
        "SELECT body FROM calls.provider_events WHERE type = 'end-of-call-report'"
    )
    assert (True, False) == (REDACTED.encode() in row["body"], b"canary" in row["body"])
    assert time.monotonic() - started < 20

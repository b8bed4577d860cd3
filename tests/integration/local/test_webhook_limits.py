"""How many webhooks Envoy lets in from one address."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from deploy.envoy.config import webhooks_per_minute
from tests.support.front_door import Upstream, front_door


async def answers(url: str, count: int, forwarded_for: str = "") -> list[httpx.Response]:
    """To so many webhooks. A `{}` in X-Forwarded-For is another number each time."""
    async with httpx.AsyncClient(base_url=url, timeout=20, trust_env=False) as client:
        values = [forwarded_for.format(n) for n in range(count)]
        headers = [{"x-forwarded-for": value} if value else {} for value in values]
        sent = [client.post("/hooks/vapi/x", content=b"{}", headers=one) for one in headers]
        return await asyncio.gather(*sent)


def taken(found: list[httpx.Response]) -> int:
    assert {200, 429} >= {answer.status_code for answer in found}
    return sum(answer.status_code == 200 for answer in found)


async def test_webhooks_are_limited_per_source_address(tmp_path: Path) -> None:
    """IN-3: so many a minute, then 429 with Retry-After. Whatever X-Forwarded-For claims."""
    async with front_door(Upstream(), tmp_path, webhooks_per_minute=20) as url:
        flood = await answers(url, 40)
        spoofed = await answers(url, 20, "203.0.113.{}")
        async with httpx.AsyncClient(base_url=url, timeout=20, trust_env=False) as client:
            elsewhere = await client.get("/livez")

    refused = [answer for answer in flood if answer.status_code == 429]
    assert (20, 0) == (taken(flood), taken(spoofed))
    assert {(8, "60")} == {(answer.json()["code"], answer.headers["retry-after"]) for answer in refused}
    assert 200 == elsewhere.status_code


async def test_behind_a_proxy_the_limit_goes_by_the_address_that_proxy_saw(tmp_path: Path) -> None:
    """IN-3: of X-Forwarded-For only the last address counts, which our proxy wrote; what the caller wrote
    before it changes nothing. A network of IPv6 is one caller."""
    async with front_door(Upstream(), tmp_path, webhooks_per_minute=5, trusted_hops=1) as url:
        first = await answers(url, 10, "198.51.100.{}, 203.0.113.7")
        second = await answers(url, 10, "203.0.113.7, 198.51.100.{}")
        network = await answers(url, 10, "2001:db8:0:1::{}")
        neighbor = await answers(url, 1, "2001:db8:0:2::1")

    assert [5, 10, 5, 1] == [taken(found) for found in (first, second, network, neighbor)]


def test_the_limit_is_on_unless_it_is_switched_off() -> None:
    """IN-3: 1000 a minute by default, RATE_LIMIT_ENABLED=0 for none."""
    assert 1000 == webhooks_per_minute({})
    assert 1000 == webhooks_per_minute({"RATE_LIMIT_ENABLED": "1"})
    assert 0 == webhooks_per_minute({"RATE_LIMIT_ENABLED": "0", "WEBHOOKS_PER_MINUTE": "50"})
    assert 50 == webhooks_per_minute({"WEBHOOKS_PER_MINUTE": "50"})

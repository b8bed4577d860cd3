"""Look-ups kept in memory."""

import asyncio

import pytest

from libs.errors import Kind, NotFound, ServiceError
from services.gateway.operations.cache import Cache


class Down(ServiceError):
    """Not reachable."""

    kind = Kind.UNAVAILABLE


class Shelf:
    def __init__(self) -> None:
        self.values: dict[str, str] = {"a": "1"}
        self.asked = 0
        self.error: ServiceError | None = None
        self.now = 0.0
        self.open = asyncio.Event()
        self.open.set()

    async def load(self, key: str) -> str | None:
        self.asked += 1
        value = self.values.get(key)
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return value

    def cache(self, *, stale_seconds: float = 0.0, size_max: int = 10) -> Cache[str, str]:
        return Cache(
            self.load,
            ttl_seconds=30,
            size_max=size_max,
            stale_seconds=stale_seconds,
            patience_seconds=0.05,
            monotonic=lambda: self.now,
        )


async def test_an_answer_is_kept_for_its_time_also_if_there_was_none() -> None:
    shelf = Shelf()
    cache = shelf.cache()

    assert ["1", "1", None, None] == [await cache.get(key) for key in ("a", "a", "b", "b")]
    assert 2 == shelf.asked
    shelf.now = 31
    shelf.values["a"] = "2"
    assert "2" == await cache.get("a")


async def test_a_look_up_that_stands_still_is_not_waited_for() -> None:
    shelf = Shelf()
    cache = shelf.cache(stale_seconds=600)
    assert "1" == await cache.get("a")

    shelf.now = 31
    shelf.open.clear()

    assert "1" == await cache.get("a")
    with pytest.raises(ServiceError) as caught:
        await cache.get("b")
    assert Kind.UNAVAILABLE is caught.value.kind
    shelf.open.set()


async def test_many_who_ask_at_once_ask_once() -> None:
    shelf = Shelf()
    cache = shelf.cache()

    assert ["1"] * 50 == await asyncio.gather(*(cache.get("a") for _ in range(50)))
    assert 1 == shelf.asked


async def test_clearing_forgets_also_what_is_on_its_way() -> None:
    shelf = Shelf()
    cache = shelf.cache()
    shelf.open.clear()
    on_its_way = asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    cache.clear()
    shelf.values["a"] = "2"
    shelf.open.set()

    assert "1" == await on_its_way
    assert "2" == await cache.get("a")


async def test_an_old_answer_serves_while_nobody_can_be_asked() -> None:
    shelf = Shelf()
    cache = shelf.cache(stale_seconds=60)
    await cache.get("a")
    shelf.error = Down()
    shelf.now = 40

    assert "1" == await cache.get("a")
    with pytest.raises(Down):
        await cache.get("never seen")
    shelf.now = 91
    with pytest.raises(Down):
        await cache.get("a")


async def test_an_answer_that_was_cleared_serves_only_where_old_ones_may() -> None:
    shelf = Shelf()
    tolerant, strict = shelf.cache(stale_seconds=60), shelf.cache()
    for cache in (tolerant, strict):
        await cache.get("a")
        cache.clear()
    shelf.error = Down()

    assert "1" == await tolerant.get("a")
    with pytest.raises(Down):
        await strict.get("a")


async def test_other_errors_are_not_papered_over() -> None:
    shelf = Shelf()
    cache = shelf.cache(stale_seconds=60)
    await cache.get("a")
    shelf.error = NotFound()
    shelf.now = 40

    with pytest.raises(NotFound):
        await cache.get("a")


async def test_the_oldest_make_room() -> None:
    shelf = Shelf()
    cache = shelf.cache(size_max=2)

    for key in ("a", "b", "c", "c", "b", "a"):
        await cache.get(key)

    assert 4 == shelf.asked

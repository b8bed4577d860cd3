"""The kill campaign of intake: real processes die at each point of the way, under load, and nothing is lost,
applied twice or skipped.

    K1 K3  gateway: before the ledger is asked, after it answered and before the 200
    K2 K3  calls: before and after the commit of the ledger
    K6-K8  calls: the fold with its batch read, before and after its commit
    K9 K10 notify, campaigns: an event handled and not committed, committed and not gone on from, mid-batch
    K5     gateway: told to stop with requests open
    P2     PostgreSQL: the whole server killed
    P3     PostgreSQL: sessions ended at random
    P14    PostgreSQL: somebody holds an older transaction open

`KILLS=30` kills that often at each point. A run that cannot read what it has to count is no run: reading
raises.
"""

import asyncio
import hashlib
import hmac
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg
import httpx
import pytest

from libs import failpoints
from tests.support.stack import Stack, started
from tests.support.vapi_messages import FLOODED, STRUCTURED, whole_call
from tests.support.waiting import eventually

KILLS: Final = int(os.environ.get("KILLS", "1"))
# A line is the plan of one life. Errors after the work is done go along with the kills.
_AFTER: Final = "=error@0.02;"
POINTS: Final = {
    "gateway": ["gw.before_ingest=kill#6", "gw.after_ingest=kill#6"],
    "calls": [
        f"ingest.after_commit{_AFTER}ingest.before_commit=kill#6",
        "ingest.after_commit=kill#6",
        "calls.after_claim=kill#4",
        f"calls.after_commit{_AFTER}calls.before_commit=kill#4",
        "calls.after_commit=kill#4",
    ],
    "notify": [
        "consumer.before_commit=kill#3",
        "consumer.after_commit=kill#3",
        "consumer.before_handle=kill#5",
    ],
    "campaigns": ["consumer.before_commit=kill", "consumer.after_commit=kill"],
}
WORKERS: Final = 4
HEARD: Final = ("call.ended", "lead.created")


@dataclass
class Load:
    """Whole calls, each webhook sent until it is acked, as a provider with a backoff plan does."""

    stack: Stack
    acked: dict[str, str] = field(default_factory=dict)
    attempts: int = 0
    refused: int = 0
    duplicates: int = 0
    calls: list[str] = field(default_factory=list)
    stopped: bool = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as workers:
            for number in range(WORKERS):
                workers.create_task(self._work(random.Random(number)))

    async def _work(self, chance: random.Random) -> None:
        while not self.stopped:
            name = str(uuid4())
            # Tools are answered, not acked: when nobody can store the question, the caller still hears
            # something.
            whole = [
                body for body in whole_call(name, structured_data=STRUCTURED) if b"tool-calls" not in body
            ]
            bodies = [self._marked(body) for body in whole]
            chance.shuffle(bodies)
            for marker, body in bodies:
                await self._send(name, marker, body)
                if chance.random() < 0.1:
                    self.duplicates += 1
                    await self._send(name, marker, body)
            self.calls.append(name)

    def _marked(self, body: bytes) -> tuple[str, bytes]:
        marker = str(uuid4())
        document = json.loads(body)
        document["message"]["marker"] = marker
        # Everybody rings for himself, so that each call opens a lead of its own.
        document["message"]["customer"] = {"number": f"+1514{random.randint(2_000_000, 9_999_999)}"}
        return marker, json.dumps(document).encode()

    async def _send(self, name: str, marker: str, body: bytes) -> None:
        while True:
            self.attempts += 1
            if await self._posted(body):
                self.acked[marker] = name
                return
            self.refused += 1
            await asyncio.sleep(0.05)

    async def _posted(self, body: bytes) -> bool:
        signature = hmac.new(self.stack.vapi_secret.encode(), body, hashlib.sha256).hexdigest()
        try:
            answer = await self.stack.http.post(
                self.stack.vapi_path, content=body, headers={"x-vapi-signature": signature}
            )
        except httpx.HTTPError:
            return False
        assert answer.status_code in (200, 500, 502, 503, 504), answer.text
        return answer.status_code == 200


@dataclass
class Counts:
    """What is left to count when everything has come to rest."""

    acked: int
    lost: int
    skipped: int
    applied_twice: int
    unsaid: int
    undelivered: int
    delivered_twice: int
    wrong: int
    dead: int


@asynccontextmanager
async def loaded(stack: Stack) -> AsyncIterator[Load]:
    load = Load(stack)
    task = asyncio.create_task(load.run())
    try:
        yield load
    finally:
        load.stopped = True
        await asyncio.wait_for(task, 120)


async def at_rest(stack: Stack) -> None:
    """The fold has read everything, and notify and campaigns have read everything that was said."""

    async def idle() -> bool:
        rows = await stack.fetch(
            """
            SELECT (SELECT count(*) FROM calls.provider_events AS entry
                     WHERE NOT EXISTS (SELECT FROM calls.call_events AS event
                                        WHERE event.provider_event_id = entry.id)
                       AND NOT EXISTS (SELECT FROM calls.unparsed_events AS unparsed
                                        WHERE unparsed.provider_event_id = entry.id)) AS unfolded,
                   (SELECT count(*) FROM calls.outbox AS said
                     WHERE said.type = ANY($1)
                       AND NOT EXISTS (SELECT FROM notify.deliveries AS delivery
                                        WHERE delivery.event_id = said.id)) AS unheard
            """,
            [f"callplane.{name}.v1" for name in HEARD],
        )
        return not rows[0]["unfolded"] and not rows[0]["unheard"]

    await eventually(idle, within_seconds=120)


async def counted(stack: Stack, load: Load) -> Counts:
    """Raises if anything cannot be read."""
    ledger = await stack.fetch(
        """
        SELECT convert_from(entry.body, 'UTF8')::jsonb -> 'message' ->> 'marker' AS marker,
               (SELECT count(*) FROM calls.call_events AS event WHERE event.provider_event_id = entry.id)
               AS folded
          FROM calls.provider_events AS entry
         WHERE convert_from(entry.body, 'UTF8') LIKE '%"marker"%'
        """
    )
    stored = Counter(row["marker"] for row in ledger)
    assert ledger, "nothing was read: this says nothing about what is there"
    said = Counter(
        (row["type"], row["subject"])
        for row in await stack.fetch(
            "SELECT type, subject FROM calls.outbox WHERE type = ANY($1)",
            [
                f"callplane.{name}.v1"
                for name in ("call.started", "call.ended", "call.reported", "lead.created")
            ],
        )
    )
    deliveries = await stack.fetch("SELECT event_id, subject, event_type FROM notify.deliveries")
    events = await stack.fetch(
        "SELECT id FROM calls.outbox WHERE type = ANY($1)", [f"callplane.{name}.v1" for name in HEARD]
    )
    delivered = Counter(row["event_id"] for row in deliveries)
    calls = {
        row["provider_call_id"]: (row["status"], row["cost"], row["transcript_lines"], row["priority"])
        for row in await stack.fetch(
            """
            SELECT provider_call_id, status, cost_usd::text AS cost, transcript_lines, priority
              FROM calls.calls
            """
        )
    }
    ended = sum(1 for kind, _ in said if kind == "callplane.call.ended.v1")
    dead = await stack.fetch("SELECT (SELECT count(*) FROM notify.dead_events) AS dead")
    return Counts(
        acked=len(load.acked),
        lost=sum(marker not in stored for marker in load.acked),
        skipped=sum(row["folded"] == 0 for row in ledger),
        applied_twice=sum(count - 1 for count in (*said.values(), *stored.values())),
        unsaid=len(set(load.calls)) - ended,
        undelivered=sum(row["id"] not in delivered for row in events),
        delivered_twice=sum(count - 1 for count in delivered.values()),
        wrong=sum(calls.get(name) != ("ENDED", "0.1235", len(FLOODED), "P1") for name in load.calls),
        dead=dead[0]["dead"],
    )


def schedules(folder: Path) -> dict[str, str]:
    """Writes each service's schedule and answers the environment that names them."""
    for service, points in POINTS.items():
        (folder / service).write_text("\n".join(points * KILLS) + "\n")
    return {f"{service.upper()}_FAILPOINTS": f"@{folder / service}" for service in POINTS}


def struck(folder: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for service in POINTS:
        file = failpoints.struck_file(folder / service)
        found.update(f"{service} {name}" for name in (file.read_text().splitlines() if file.exists() else []))
    return found


def expected() -> Counter[str]:
    names = [
        (service, line.rpartition(";")[2].partition("=")[0])
        for service, lines in POINTS.items()
        for line in lines
    ]
    return Counter({f"{service} {name}": KILLS for service, name in names})


def children(pid: int) -> list[int]:
    listing = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in listing.split()]


async def told_to_stop(stack: Stack) -> None:
    """K5: SIGTERM with requests open; the runner starts the next one."""
    pid = int(stack.ready["pids"]["gateway"])
    os.kill(pid, signal.SIGTERM)

    async def replaced() -> bool:
        return int(stack.ready["pids"]["gateway"]) not in (0, pid)

    await eventually(replaced, within_seconds=60)


async def sessions_ended(stack: Stack, *, seconds: float) -> int:
    """P3: five random sessions of the services a second."""
    connection = await stack.connect()
    ended = 0
    try:
        for _ in range(int(seconds * 5)):
            ended += await connection.fetchval(
                """
                SELECT count(pg_terminate_backend(pid))
                  FROM (SELECT pid FROM pg_stat_activity
                         WHERE usename ~ '^(calls|notify|campaigns|gateway)'
                         ORDER BY random() LIMIT 1) AS chosen
                """
            )
            await asyncio.sleep(0.2)
    finally:
        await connection.close()
    return ended


async def server_killed(stack: Stack) -> None:
    """P2: postmaster and all children at once; the runner starts it again."""
    postgres = int(stack.ready["pids"]["postgres"])
    for pid in (postgres, *children(postgres)):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue

    async def back() -> bool:
        try:
            return bool(await stack.fetch("SELECT 1"))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False

    await eventually(back, within_seconds=60)


@asynccontextmanager
async def late_committer(stack: Stack, load: Load) -> AsyncIterator[None]:
    """P14: a webhook and an event take their places now, and are committed when the block ends."""
    connection = await stack.connect()
    marker, name = str(uuid4()), str(uuid4())
    [template] = await connection.fetch(
        "SELECT org_id, source_id FROM calls.provider_events WHERE source_id <> org_id LIMIT 1"
    )
    content: dict[str, Any] = {"type": "hang", "call": {"id": name}, "marker": marker}
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(
        """
        INSERT INTO calls.provider_events (
               org_id, source_id, provider, type, provider_call_id, body, received_at, traceparent)
        VALUES ($1, $2, 'vapi', 'hang', $3, $4, now(), '')
        """,
        template["org_id"],
        template["source_id"],
        name,
        json.dumps({"message": content}).encode(),
    )
    try:
        yield
    finally:
        await transaction.commit()
        await connection.close()
    load.acked[marker] = name


def told(line: str) -> None:
    sys.stdout.write(f"{line}\n")


@pytest.mark.timeout(400 + 90 * KILLS)
async def test_killed_at_every_point_intake_loses_repeats_and_skips_nothing(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """K1 to K10, P2, P3, P14 (IN-2, IN-8): acked n, lost 0, applied twice 0, skipped 0."""
    folder = tmp_path_factory.mktemp("points")
    async with started(tmp_path_factory.mktemp("kills"), **schedules(folder)) as stack:
        receiver = f"{stack.sandbox_url}/sandbox/receivers/kills"
        await stack.api.post("/v2/webhooks", {"url": receiver, "events": list(HEARD)})
        async with loaded(stack) as load:

            async def all_struck() -> bool:
                return struck(folder) == expected()

            await eventually(all_struck, within_seconds=150 + 90 * KILLS)
            async with late_committer(stack, load):
                await told_to_stop(stack)
                ended = await sessions_ended(stack, seconds=2)
            await server_killed(stack)
        await at_rest(stack)
        counts = await counted(stack, load)

    told(
        f"kills {sum(struck(folder).values())} at {len(expected())} points, sessions ended {ended}, servers 1"
    )
    told(f"webhooks {load.attempts}, refused {load.refused}, sent again {load.duplicates}; {counts}")
    assert expected() == struck(folder)
    assert Counts(len(load.acked), 0, 0, 0, 0, 0, 0, 0, 0) == counts

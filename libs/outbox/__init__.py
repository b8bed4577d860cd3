"""The event log of a service and the readers of other services' logs.

A service appends its events to `<schema>.outbox` in the transaction that makes them true, and serves them
with `EventServicer`. A `Consumer` keeps its cursor in its own schema and moves it in the transaction of its
effects.

Each service's first migration contains this text, with its own name for `calls`:

    CREATE TABLE calls.outbox (
        xid         xid8        NOT NULL DEFAULT pg_current_xact_id(),
        position    bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
        id          uuid        NOT NULL DEFAULT uuidv7(),
        org_id      uuid        NOT NULL,
        type        text        NOT NULL,
        subject     text        NOT NULL,
        time        timestamptz NOT NULL DEFAULT clock_timestamp(),
        traceparent text        NOT NULL,
        data        bytea       NOT NULL,
        CONSTRAINT outbox_pkey PRIMARY KEY (xid, position)
    );
    ALTER TABLE calls.outbox ENABLE ROW LEVEL SECURITY;
    ALTER TABLE calls.outbox FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant ON calls.outbox TO calls, calls_owner
        USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
        WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
    CREATE POLICY worker ON calls.outbox TO calls_worker USING (true) WITH CHECK (true);
    GRANT INSERT ON calls.outbox TO calls;
    GRANT SELECT, INSERT ON calls.outbox TO calls_worker;

    CREATE TABLE calls.leases (
        name       text        NOT NULL CONSTRAINT leases_pkey PRIMARY KEY,
        holder     uuid        NOT NULL,
        expires_at timestamptz NOT NULL
    );
    GRANT SELECT, INSERT, UPDATE, DELETE ON calls.leases TO calls_worker;

and, if it reads other services' events:

    CREATE TABLE calls.cursors (
        consumer text        NOT NULL CONSTRAINT cursors_pkey PRIMARY KEY,
        cursor   text        NOT NULL DEFAULT '',
        -- Times the batch after the cursor was begun; raised before it is handled, so that crashes count.
        attempts integer     NOT NULL DEFAULT 0,
        moved_at timestamptz NOT NULL DEFAULT now()
    );
    GRANT SELECT, INSERT, UPDATE ON calls.cursors TO calls_worker;

    CREATE TABLE calls.dead_events (
        position bigint      NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT dead_events_pkey PRIMARY KEY,
        consumer text        NOT NULL,
        event_id uuid        NOT NULL,
        org_id   uuid        NOT NULL,
        subject  text        NOT NULL,
        -- The whole envelope, a serialized callplane.events.v1.Event.
        event    bytea       NOT NULL,
        attempts integer     NOT NULL,
        error    text        NOT NULL,
        -- Never tried itself; waits behind an earlier dead event of its subject.
        waiting  boolean     NOT NULL,
        died_at  timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT dead_events_event_unique UNIQUE (consumer, event_id)
    );
    CREATE INDEX dead_events_subject ON calls.dead_events (consumer, subject, position);
    ALTER TABLE calls.dead_events ENABLE ROW LEVEL SECURITY;
    ALTER TABLE calls.dead_events FORCE ROW LEVEL SECURITY;
    CREATE POLICY worker ON calls.dead_events TO calls_worker USING (true) WITH CHECK (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON calls.dead_events TO calls_worker;

A later migration of each adds the way in which old events go. The log stays append-only for the service's own
roles: the function runs with the owner's rights, for one organization at a time.

    CREATE FUNCTION calls.forget_events(organization uuid, xids text[], positions bigint[]) RETURNS integer
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
    AS $$
    DECLARE
        forgotten integer;
        before    text := current_setting('app.org_id', true);
    BEGIN
        PERFORM set_config('app.org_id', organization::text, true);
        DELETE FROM calls.outbox AS event
         USING unnest(xids, positions) AS old (xid, position)
         WHERE event.xid = old.xid::xid8 AND event.position = old.position AND event.org_id = organization
           AND event.time < now() - interval '7 days';
        GET DIAGNOSTICS forgotten = ROW_COUNT;
        PERFORM set_config('app.org_id', coalesce(before, ''), true);
        RETURN forgotten;
    END
    $$;
    REVOKE ALL ON FUNCTION calls.forget_events(uuid, text[], bigint[]) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION calls.forget_events(uuid, text[], bigint[]) TO calls_worker;
"""

from libs.outbox.consumer import Consumer
from libs.outbox.dead_events import DeadEventServicer
from libs.outbox.effects import Choose, Handle
from libs.outbox.forgetting import KEPT_DAYS_DEFAULT, KEPT_DAYS_MIN, forgetting_loop
from libs.outbox.log import NewEvent, Page, StoredEvent, append, read_after
from libs.outbox.servicer import EventServicer

__all__ = [
    "KEPT_DAYS_DEFAULT",
    "KEPT_DAYS_MIN",
    "Choose",
    "Consumer",
    "DeadEventServicer",
    "EventServicer",
    "Handle",
    "NewEvent",
    "Page",
    "StoredEvent",
    "append",
    "forgetting_loop",
    "read_after",
]

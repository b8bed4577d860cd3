-- The record of calls: the ledger of webhooks, calls and what is known about them, rules, leads; and the outbox and
-- the leases every service has.

GRANT USAGE ON SCHEMA calls TO calls, calls_worker;

-- Append-only tables refuse changes from everybody; the grants below refuse them from the service's own roles.
CREATE FUNCTION calls.refuse_change() RETURNS trigger
    LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;

-- Webhooks as they came, but for secrets. Read in the order of (xid, position), and only where every older
-- transaction has ended: a sequence alone would skip what commits late.
CREATE TABLE calls.provider_events (
    id               uuid        NOT NULL DEFAULT uuidv7(),
    org_id           uuid        NOT NULL,
    source_id        uuid        NOT NULL,
    provider         text        NOT NULL,
    -- The provider's word; empty if the body could not be read.
    type             text        NOT NULL,
    provider_call_id text        NOT NULL,
    body             bytea       NOT NULL,
    received_at      timestamptz NOT NULL,
    stored_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    traceparent      text        NOT NULL,
    xid              xid8        NOT NULL DEFAULT pg_current_xact_id(),
    position         bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    CONSTRAINT provider_events_pkey PRIMARY KEY (id, received_at)
) PARTITION BY RANGE (received_at);
CREATE INDEX provider_events_order ON calls.provider_events (xid, position);
CREATE INDEX provider_events_org_received ON calls.provider_events (org_id, received_at DESC, id DESC);
CREATE INDEX provider_events_org_call ON calls.provider_events (org_id, provider_call_id, received_at)
    WHERE provider_call_id <> '';
CREATE TABLE calls.provider_events_default PARTITION OF calls.provider_events DEFAULT;
CREATE TRIGGER provider_events_append_only BEFORE UPDATE OR DELETE ON calls.provider_events
    FOR EACH ROW EXECUTE FUNCTION calls.refuse_change();

-- What makes a webhook the same as an earlier one. Apart from the ledger, because a unique key of a partitioned
-- table cannot span its months.
CREATE TABLE calls.provider_event_keys (
    source_id   uuid        NOT NULL,
    dedupe_key  bytea       NOT NULL CONSTRAINT provider_event_keys_length CHECK (length(dedupe_key) = 16),
    org_id      uuid        NOT NULL,
    received_at timestamptz NOT NULL,
    CONSTRAINT provider_event_keys_pkey PRIMARY KEY (source_id, dedupe_key)
);

-- How far the ledger is in the record.
CREATE TABLE calls.foldings (
    name     text        NOT NULL CONSTRAINT foldings_pkey PRIMARY KEY,
    xid      xid8        NOT NULL DEFAULT '0',
    position bigint      NOT NULL DEFAULT 0,
    moved_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO calls.foldings (name) VALUES ('ledger');

-- Webhooks that could not be read, or belong to no call.
CREATE TABLE calls.unparsed_events (
    provider_event_id uuid        NOT NULL CONSTRAINT unparsed_events_pkey PRIMARY KEY,
    org_id            uuid        NOT NULL,
    received_at       timestamptz NOT NULL,
    reason            text        NOT NULL CONSTRAINT unparsed_events_reason_form CHECK (reason ~ '^[A-Z][A-Z_]{1,59}$'),
    created_at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX unparsed_events_org ON calls.unparsed_events (org_id, received_at DESC, provider_event_id DESC);

-- Webhooks that shall go through the folder again.
CREATE TABLE calls.replays (
    position          bigint      NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT replays_pkey PRIMARY KEY,
    org_id            uuid        NOT NULL,
    provider_event_id uuid        NOT NULL,
    received_at       timestamptz NOT NULL,
    requested_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT replays_event_unique UNIQUE (provider_event_id)
);

CREATE TABLE calls.calls (
    id                            uuid             NOT NULL DEFAULT uuidv7() CONSTRAINT calls_pkey PRIMARY KEY,
    org_id                        uuid             NOT NULL,
    provider                      text             NOT NULL,
    provider_account_id           uuid,
    -- NULL until the provider told it.
    provider_call_id              text             CONSTRAINT calls_provider_call_id_given CHECK (provider_call_id <> ''),
    direction                     text             NOT NULL CONSTRAINT calls_direction_known CHECK (direction IN ('INBOUND', 'OUTBOUND')),
    status                        text             NOT NULL CONSTRAINT calls_status_known CHECK (
        status IN ('QUEUED', 'RINGING', 'IN_PROGRESS', 'ENDED', 'FAILED', 'CANCELED', 'TIMEOUT')),
    outcome                       text             CONSTRAINT calls_outcome_known CHECK (
        outcome IN ('HUMAN', 'VOICEMAIL', 'CALL_SCREENING', 'NO_ANSWER', 'BUSY', 'FAILED', 'UNKNOWN')),
    assistant_id                  text             NOT NULL DEFAULT '',
    provider_assistant_id         text             NOT NULL DEFAULT '',
    campaign_id                   text             NOT NULL DEFAULT '',
    contact_id                    text             NOT NULL DEFAULT '',
    phone_number_id               text             NOT NULL DEFAULT '',
    phone_number                  text             NOT NULL DEFAULT '',
    customer_number               text             NOT NULL DEFAULT '',
    customer_name                 text             NOT NULL DEFAULT '',
    customer_email                text             NOT NULL DEFAULT '',
    address                       text             NOT NULL DEFAULT '',
    city                          text             NOT NULL DEFAULT '',
    postal_code                   text             NOT NULL DEFAULT '',
    problem_description           text             NOT NULL DEFAULT '',
    service_type                  text             NOT NULL DEFAULT '',
    estimated_value               integer          CONSTRAINT calls_estimated_value_positive CHECK (estimated_value >= 0),
    -- Customer data that was told but makes no sense, in words without the data.
    data_notes                    text[]           NOT NULL DEFAULT '{}',
    priority                      text             CONSTRAINT calls_priority_known CHECK (priority IN ('P1', 'P2', 'P3', 'P4')),
    priority_reason               text             NOT NULL DEFAULT '',
    sla_seconds                   integer          CONSTRAINT calls_sla_seconds_positive CHECK (sla_seconds >= 0),
    sla_due_at                    timestamptz,
    started_at                    timestamptz,
    ended_at                      timestamptz,
    ended_reason                  text             NOT NULL DEFAULT '',
    duration_seconds              double precision CONSTRAINT calls_duration_positive CHECK (duration_seconds >= 0),
    -- NULL while unknown, which is not zero.
    cost_usd                      numeric(10,4)    CONSTRAINT calls_cost_positive CHECK (cost_usd >= 0),
    cost_breakdown                jsonb,
    recording_url                 text             NOT NULL DEFAULT '',
    summary                       text             NOT NULL DEFAULT '',
    success_evaluation            boolean,
    success_evaluation_raw        text             NOT NULL DEFAULT '',
    analysis                      jsonb,
    last_status_at                timestamptz,
    -- Both sides were connected, as far as is known.
    connected                     boolean          NOT NULL DEFAULT false,
    -- When the provider's report on the ended call came.
    reported_at                   timestamptz,
    -- Where the lines in `transcripts` come from, best last.
    transcript_source             text             CONSTRAINT calls_transcript_source_known CHECK (
        transcript_source IN ('LIVE', 'CONVERSATION', 'REPORT')),
    transcript_lines              integer          NOT NULL DEFAULT 0 CONSTRAINT calls_transcript_lines_positive CHECK (transcript_lines >= 0),
    -- What the provider told, per field the best of it: {field: [authority, order, value]}. The columns above follow
    -- from it and from the columns below.
    facts                         jsonb            NOT NULL DEFAULT '{}',
    -- What we did ourselves: how the placing of an outbound call went, and how we closed it if the provider did not.
    placement                     text             CONSTRAINT calls_placement_known CHECK (
        placement IN ('PENDING', 'PLACED', 'REFUSED', 'UNKNOWN')),
    placement_reason              text             NOT NULL DEFAULT '',
    placement_infrastructure      boolean          NOT NULL DEFAULT false,
    placement_retry_after_seconds integer          NOT NULL DEFAULT 0 CONSTRAINT calls_placement_retry_after_positive CHECK (placement_retry_after_seconds >= 0),
    placement_requested_at        timestamptz,
    placed_at                     timestamptz,
    max_duration_seconds          integer          CONSTRAINT calls_max_duration_positive CHECK (max_duration_seconds > 0),
    closed_as                     text             CONSTRAINT calls_closed_as_known CHECK (closed_as IN ('FAILED', 'CANCELED', 'TIMEOUT')),
    closed_at                     timestamptz,
    looked_up_at                  timestamptz,
    lookups                       integer          NOT NULL DEFAULT 0 CONSTRAINT calls_lookups_positive CHECK (lookups >= 0),
    created_at                    timestamptz      NOT NULL DEFAULT now(),
    updated_at                    timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT calls_provider_call_id_unique UNIQUE (org_id, provider, provider_call_id),
    CONSTRAINT calls_closed_has_time CHECK ((closed_as IS NULL) = (closed_at IS NULL)),
    CONSTRAINT calls_over_has_end CHECK (status IN ('QUEUED', 'RINGING', 'IN_PROGRESS') OR ended_at IS NOT NULL),
    CONSTRAINT calls_priority_has_sla CHECK ((priority IS NULL) = (sla_seconds IS NULL))
);
CREATE INDEX calls_org_created ON calls.calls (org_id, created_at DESC, id DESC);
CREATE INDEX calls_org_customer ON calls.calls (org_id, customer_number, created_at DESC) WHERE customer_number <> '';
CREATE INDEX calls_org_campaign ON calls.calls (org_id, campaign_id, created_at DESC) WHERE campaign_id <> '';
CREATE INDEX calls_active ON calls.calls (last_status_at, id) WHERE status IN ('QUEUED', 'RINGING', 'IN_PROGRESS');
CREATE INDEX calls_unsettled ON calls.calls (placement_requested_at, id) WHERE placement IN ('PENDING', 'UNKNOWN');
CREATE INDEX calls_analysis ON calls.calls USING gin (analysis jsonb_path_ops) WHERE analysis IS NOT NULL;

-- Everything the provider told about a call; the call can be rebuilt from it.
CREATE TABLE calls.call_events (
    id                uuid        NOT NULL DEFAULT uuidv7(),
    org_id            uuid        NOT NULL,
    call_id           uuid        NOT NULL CONSTRAINT call_events_call_fkey REFERENCES calls.calls (id),
    provider_event_id uuid        NOT NULL,
    type              text        NOT NULL,
    -- The status this event alone would give the call.
    status            text        CONSTRAINT call_events_status_known CHECK (
        status IN ('QUEUED', 'RINGING', 'IN_PROGRESS', 'ENDED', 'FAILED', 'CANCELED', 'TIMEOUT')),
    occurred_at       timestamptz NOT NULL,
    received_at       timestamptz NOT NULL,
    payload           jsonb       NOT NULL,
    CONSTRAINT call_events_pkey PRIMARY KEY (id, received_at),
    CONSTRAINT call_events_provider_event_unique UNIQUE (provider_event_id, received_at)
) PARTITION BY RANGE (received_at);
CREATE INDEX call_events_call ON calls.call_events (call_id, occurred_at, id);
CREATE TABLE calls.call_events_default PARTITION OF calls.call_events DEFAULT;
CREATE TRIGGER call_events_append_only BEFORE UPDATE OR DELETE ON calls.call_events
    FOR EACH ROW EXECUTE FUNCTION calls.refuse_change();

-- The conversation, from the best source so far. All lines of a call lie in the month of the call.
CREATE TABLE calls.transcripts (
    org_id             uuid        NOT NULL,
    call_id            uuid        NOT NULL CONSTRAINT transcripts_call_fkey REFERENCES calls.calls (id),
    call_created_at    timestamptz NOT NULL,
    line_no            bigint      NOT NULL,
    source             text        NOT NULL CONSTRAINT transcripts_source_known CHECK (source IN ('LIVE', 'CONVERSATION', 'REPORT')),
    role               text        NOT NULL CONSTRAINT transcripts_role_known CHECK (role IN ('USER', 'ASSISTANT', 'SYSTEM', 'TOOL')),
    message            text        NOT NULL,
    seconds_from_start double precision,
    spoken_at          timestamptz,
    confidence         real        CONSTRAINT transcripts_confidence_range CHECK (confidence BETWEEN 0 AND 1),
    metadata           jsonb,
    CONSTRAINT transcripts_pkey PRIMARY KEY (call_id, line_no, call_created_at)
) PARTITION BY RANGE (call_created_at);
CREATE TABLE calls.transcripts_default PARTITION OF calls.transcripts DEFAULT;

-- Tools the assistant used. Written by the one who answers the provider, which may be before the call is known here;
-- hence by the provider's ids. A tool runs once per call and tool call id: the row is the claim.
CREATE TABLE calls.tool_calls (
    id               uuid             NOT NULL DEFAULT uuidv7() CONSTRAINT tool_calls_pkey PRIMARY KEY,
    org_id           uuid             NOT NULL,
    provider         text             NOT NULL,
    provider_call_id text             NOT NULL,
    tool_call_id     text             NOT NULL,
    -- The order within one request.
    ordinal          integer          NOT NULL,
    name             text             NOT NULL,
    arguments        jsonb            NOT NULL,
    result           text             NOT NULL DEFAULT '',
    -- NULL only inside the transaction that runs the tool.
    status           text             CONSTRAINT tool_calls_status_known CHECK (status IN ('SUCCEEDED', 'FAILED')),
    executed_at      timestamptz      NOT NULL DEFAULT now(),
    duration_ms      double precision NOT NULL DEFAULT 0,
    CONSTRAINT tool_calls_use_unique UNIQUE (org_id, provider, provider_call_id, tool_call_id)
);

CREATE TABLE calls.priority_rules (
    id          uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT priority_rules_pkey PRIMARY KEY,
    org_id      uuid        NOT NULL,
    name        text        NOT NULL CONSTRAINT priority_rules_name_length CHECK (length(name) BETWEEN 1 AND 100),
    position    integer     NOT NULL CONSTRAINT priority_rules_position_positive CHECK (position >= 0),
    active      boolean     NOT NULL,
    keywords    text[]      NOT NULL DEFAULT '{}',
    value_min   integer     CONSTRAINT priority_rules_value_positive CHECK (value_min >= 0),
    priority    text        NOT NULL CONSTRAINT priority_rules_priority_known CHECK (priority IN ('P1', 'P2', 'P3', 'P4')),
    reason      text        NOT NULL,
    sla_seconds integer     NOT NULL CONSTRAINT priority_rules_sla_positive CHECK (sla_seconds >= 0),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT priority_rules_name_unique UNIQUE (org_id, name)
);
CREATE INDEX priority_rules_order ON calls.priority_rules (org_id, position, id);

CREATE TABLE calls.pricing_rules (
    id           uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT pricing_rules_pkey PRIMARY KEY,
    org_id       uuid        NOT NULL,
    -- Empty for everything that has no rule of its own.
    service_type text        NOT NULL,
    price_min    integer     NOT NULL CONSTRAINT pricing_rules_min_positive CHECK (price_min >= 0),
    price_max    integer     NOT NULL,
    currency     text        NOT NULL CONSTRAINT pricing_rules_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    active       boolean     NOT NULL DEFAULT true,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pricing_rules_service_unique UNIQUE (org_id, service_type),
    CONSTRAINT pricing_rules_range CHECK (price_max >= price_min)
);

-- What is added to a base price. LOCATION and URGENCY add an amount, COMPLEXITY multiplies; MINIMUM is the least
-- anything costs; SPREAD is how far the upper end lies above the estimate.
CREATE TABLE calls.pricing_adjustments (
    id         uuid         NOT NULL DEFAULT uuidv7() CONSTRAINT pricing_adjustments_pkey PRIMARY KEY,
    org_id     uuid         NOT NULL,
    kind       text         NOT NULL CONSTRAINT pricing_adjustments_kind_known CHECK (
        kind IN ('LOCATION', 'URGENCY', 'COMPLEXITY', 'MINIMUM', 'SPREAD')),
    name       text         NOT NULL DEFAULT '',
    amount     integer      NOT NULL DEFAULT 0 CONSTRAINT pricing_adjustments_amount_positive CHECK (amount >= 0),
    factor     numeric(6,3) NOT NULL DEFAULT 1 CONSTRAINT pricing_adjustments_factor_positive CHECK (factor > 0),
    created_at timestamptz  NOT NULL DEFAULT now(),
    updated_at timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT pricing_adjustments_name_unique UNIQUE (org_id, kind, name)
);

-- Kinds of service that are not taken on; a request for one opens no lead.
CREATE TABLE calls.refused_services (
    id           uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT refused_services_pkey PRIMARY KEY,
    org_id       uuid        NOT NULL,
    service_type text        NOT NULL CONSTRAINT refused_services_type_given CHECK (service_type <> ''),
    created_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT refused_services_type_unique UNIQUE (org_id, service_type)
);

CREATE TABLE calls.leads (
    id                  uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT leads_pkey PRIMARY KEY,
    org_id              uuid        NOT NULL,
    call_id             uuid        NOT NULL CONSTRAINT leads_call_fkey REFERENCES calls.calls (id),
    last_call_id        uuid        NOT NULL CONSTRAINT leads_last_call_fkey REFERENCES calls.calls (id),
    customer_number     text        NOT NULL DEFAULT '',
    customer_name       text        NOT NULL DEFAULT '',
    customer_email      text        NOT NULL DEFAULT '',
    service_type        text        NOT NULL DEFAULT '',
    priority            text        NOT NULL CONSTRAINT leads_priority_known CHECK (priority IN ('P1', 'P2', 'P3', 'P4')),
    priority_reason     text        NOT NULL DEFAULT '',
    sla_seconds         integer     NOT NULL CONSTRAINT leads_sla_positive CHECK (sla_seconds >= 0),
    sla_due_at          timestamptz NOT NULL,
    address             text        NOT NULL DEFAULT '',
    city                text        NOT NULL DEFAULT '',
    postal_code         text        NOT NULL DEFAULT '',
    problem_description text        NOT NULL DEFAULT '',
    estimated_value     integer     CONSTRAINT leads_estimated_value_positive CHECK (estimated_value >= 0),
    notes               text        NOT NULL DEFAULT '',
    status              text        NOT NULL DEFAULT 'NEW' CONSTRAINT leads_status_known CHECK (
        status IN ('NEW', 'CONTACTED', 'QUOTED', 'SCHEDULED', 'WON', 'LOST')),
    source              text        NOT NULL,
    assigned_to         text        NOT NULL DEFAULT '',
    scheduled_at        timestamptz,
    follow_up_at        timestamptz,
    -- The etag.
    version             bigint      NOT NULL DEFAULT 1,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now()
);
-- One open lead per caller and kind of service.
CREATE UNIQUE INDEX leads_open_unique ON calls.leads (org_id, customer_number, service_type)
    WHERE status NOT IN ('WON', 'LOST') AND customer_number <> '';
CREATE INDEX leads_org_created ON calls.leads (org_id, created_at DESC, id DESC);
CREATE INDEX leads_call ON calls.leads (call_id);
CREATE INDEX leads_last_call ON calls.leads (last_call_id);

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

CREATE TABLE calls.leases (
    name       text        NOT NULL CONSTRAINT leases_pkey PRIMARY KEY,
    holder     uuid        NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE calls.cursors (
    consumer text        NOT NULL CONSTRAINT cursors_pkey PRIMARY KEY,
    cursor   text        NOT NULL DEFAULT '',
    -- Times the batch after the cursor was begun; raised before it is handled, so that crashes count.
    attempts integer     NOT NULL DEFAULT 0,
    moved_at timestamptz NOT NULL DEFAULT now()
);

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

-- Creates the months that are missing, from the last one to `months_ahead` from now. Run with the owner's rights, so
-- that the worker may call it without owning anything. Rows of a month without a partition wait in the default one;
-- their month is then left there, and a warning says so.
CREATE FUNCTION calls.create_partitions(months_ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET lock_timeout = '2s'
AS $$
DECLARE
    this_month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
    parent     text;
    month      timestamp;
    partition  text;
    created    integer := 0;
BEGIN
    FOREACH parent IN ARRAY ARRAY['provider_events', 'call_events', 'transcripts'] LOOP
        FOR offset_months IN -1 .. least(months_ahead, 24) LOOP
            month := this_month + make_interval(months => offset_months);
            partition := parent || '_' || to_char(month, 'YYYYMM');
            CONTINUE WHEN to_regclass('calls.' || partition) IS NOT NULL;
            BEGIN
                EXECUTE format(
                    'CREATE TABLE calls.%I PARTITION OF calls.%I FOR VALUES FROM (%L) TO (%L)',
                    partition, parent, month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
                created := created + 1;
            EXCEPTION WHEN check_violation THEN
                RAISE WARNING 'calls.%: rows of this month are in the default partition', partition;
            END;
        END LOOP;
    END LOOP;
    RETURN created;
END
$$;
REVOKE ALL ON FUNCTION calls.create_partitions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION calls.create_partitions(integer) TO calls_worker;
SELECT calls.create_partitions(3);

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY[
        'provider_events', 'provider_event_keys', 'unparsed_events', 'replays', 'calls', 'call_events', 'transcripts',
        'tool_calls', 'priority_rules', 'pricing_rules', 'pricing_adjustments', 'refused_services', 'leads', 'outbox',
        'dead_events'
    ] LOOP
        EXECUTE format('ALTER TABLE calls.%I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE calls.%I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format(
            'CREATE POLICY tenant ON calls.%I TO calls, calls_owner
                 USING (org_id = NULLIF(current_setting(''app.org_id'', true), '''')::uuid)
                 WITH CHECK (org_id = NULLIF(current_setting(''app.org_id'', true), '''')::uuid)', tenant_table);
        EXECUTE format('CREATE POLICY worker ON calls.%I TO calls_worker USING (true) WITH CHECK (true)', tenant_table);
    END LOOP;
END
$$;

GRANT SELECT, INSERT                 ON calls.provider_events, calls.provider_event_keys, calls.call_events TO calls_worker;
GRANT SELECT, INSERT                 ON calls.provider_events, calls.provider_event_keys TO calls;
GRANT SELECT                         ON calls.call_events, calls.transcripts, calls.unparsed_events TO calls;
GRANT SELECT, INSERT, UPDATE         ON calls.calls TO calls, calls_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON calls.transcripts, calls.unparsed_events, calls.replays TO calls_worker;
GRANT SELECT, INSERT                 ON calls.replays TO calls;
GRANT SELECT, INSERT, UPDATE         ON calls.tool_calls TO calls;
GRANT SELECT                         ON calls.tool_calls TO calls_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON calls.priority_rules, calls.pricing_rules, calls.pricing_adjustments,
                                        calls.refused_services TO calls;
GRANT SELECT                         ON calls.priority_rules, calls.pricing_rules, calls.pricing_adjustments,
                                        calls.refused_services TO calls_worker;
GRANT SELECT, INSERT, UPDATE         ON calls.leads TO calls_worker;
GRANT SELECT, UPDATE                 ON calls.leads TO calls;
GRANT SELECT, UPDATE                 ON calls.foldings TO calls_worker;
GRANT INSERT                         ON calls.outbox TO calls;
GRANT SELECT, INSERT                 ON calls.outbox TO calls_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON calls.leases, calls.dead_events TO calls_worker;
GRANT SELECT, INSERT, UPDATE         ON calls.cursors TO calls_worker;

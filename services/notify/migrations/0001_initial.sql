-- Messages, alerts, suppressions, webhooks and their deliveries; the event log, cursors and leases of the service.

CREATE TABLE notify.outbox (
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

CREATE TABLE notify.leases (
    name       text        NOT NULL CONSTRAINT leases_pkey PRIMARY KEY,
    holder     uuid        NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE notify.cursors (
    consumer text        NOT NULL CONSTRAINT cursors_pkey PRIMARY KEY,
    cursor   text        NOT NULL DEFAULT '',
    -- Times the batch after the cursor was begun; raised before it is handled, so that crashes count.
    attempts integer     NOT NULL DEFAULT 0,
    moved_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE notify.dead_events (
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
CREATE INDEX dead_events_subject ON notify.dead_events (consumer, subject, position);

CREATE TABLE notify.suppressions (
    id           uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT suppressions_pkey PRIMARY KEY,
    org_id       uuid        NOT NULL,
    phone_number text        NOT NULL,
    channel      text        NOT NULL,
    source       text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT suppressions_number_channel_unique UNIQUE (org_id, phone_number, channel),
    CONSTRAINT suppressions_phone_number_e164 CHECK (phone_number ~ '^\+[1-9][0-9]{6,14}$'),
    CONSTRAINT suppressions_channel_known CHECK (channel IN ('VOICE', 'SMS', 'ALL')),
    CONSTRAINT suppressions_source_known CHECK (source IN ('api', 'sms', 'call'))
);
CREATE INDEX suppressions_by_org ON notify.suppressions (org_id, created_at DESC, id DESC);

CREATE TABLE notify.alert_policies (
    id         uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT alert_policies_pkey PRIMARY KEY,
    org_id     uuid        NOT NULL,
    name       text        NOT NULL,
    priorities text[]      NOT NULL,
    recipients text[]      NOT NULL,
    -- The built-in text if empty.
    template   text        NOT NULL DEFAULT '',
    active     boolean     NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    CONSTRAINT alert_policies_org_id_unique UNIQUE (org_id, id),
    CONSTRAINT alert_policies_name_length CHECK (length(name) BETWEEN 1 AND 100),
    CONSTRAINT alert_policies_priorities_known
        CHECK (priorities <@ ARRAY['P1', 'P2', 'P3', 'P4'] AND cardinality(priorities) > 0),
    CONSTRAINT alert_policies_recipients_count CHECK (cardinality(recipients) BETWEEN 1 AND 20),
    CONSTRAINT alert_policies_template_length CHECK (length(template) <= 1000)
);
CREATE INDEX alert_policies_by_org
    ON notify.alert_policies (org_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE notify.alerts (
    id              uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT alerts_pkey PRIMARY KEY,
    org_id          uuid        NOT NULL,
    policy_id       uuid        NOT NULL,
    lead_id         uuid        NOT NULL,
    call_id         text        NOT NULL,
    priority        text        NOT NULL,
    status          text        NOT NULL DEFAULT 'OPEN',
    created_at      timestamptz NOT NULL DEFAULT now(),
    acknowledged_at timestamptz,
    acknowledged_by text        NOT NULL DEFAULT '',
    CONSTRAINT alerts_org_id_unique UNIQUE (org_id, id),
    CONSTRAINT alerts_policy_fkey FOREIGN KEY (org_id, policy_id) REFERENCES notify.alert_policies (org_id, id),
    -- An event that comes twice alerts once; a raised priority alerts again.
    CONSTRAINT alerts_policy_lead_priority_unique UNIQUE (policy_id, lead_id, priority),
    CONSTRAINT alerts_priority_known CHECK (priority IN ('P1', 'P2', 'P3', 'P4')),
    CONSTRAINT alerts_status_known CHECK (status IN ('OPEN', 'ACKNOWLEDGED')),
    CONSTRAINT alerts_acknowledged_whole CHECK ((status = 'ACKNOWLEDGED') = (acknowledged_at IS NOT NULL))
);
CREATE INDEX alerts_by_org ON notify.alerts (org_id, created_at DESC, id DESC);

CREATE TABLE notify.messages (
    id                  uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT messages_pkey PRIMARY KEY,
    org_id              uuid        NOT NULL,
    recipient           text        NOT NULL,
    body                text        NOT NULL,
    status              text        NOT NULL DEFAULT 'QUEUED',
    -- Empty if the caller gave none.
    idempotency_key     text        NOT NULL DEFAULT '',
    provider_message_id text        CONSTRAINT messages_provider_message_id_unique UNIQUE,
    error_code          text        NOT NULL DEFAULT '',
    -- Requests to the provider; raised before each of them.
    attempts            integer     NOT NULL DEFAULT 0,
    -- Rounds of requests that all surely failed, each followed by a longer wait.
    rounds              integer     NOT NULL DEFAULT 0,
    -- Looks for it at the provider that found nothing.
    lookups             integer     NOT NULL DEFAULT 0,
    alert_id            uuid,
    -- The trace it belongs to; sending continues it.
    traceparent         text        NOT NULL DEFAULT '',
    created_at          timestamptz NOT NULL DEFAULT now(),
    next_attempt_at     timestamptz NOT NULL DEFAULT now(),
    claimed_at          timestamptz,
    -- While SENDING: until then the sender's, after that to be looked up at the provider.
    lookup_at           timestamptz,
    sent_at             timestamptz,
    delivered_at        timestamptz,
    failed_at           timestamptz,
    CONSTRAINT messages_alert_fkey FOREIGN KEY (org_id, alert_id) REFERENCES notify.alerts (org_id, id),
    CONSTRAINT messages_recipient_e164 CHECK (recipient ~ '^\+[1-9][0-9]{6,14}$'),
    CONSTRAINT messages_body_length CHECK (length(body) BETWEEN 1 AND 1600),
    CONSTRAINT messages_status_known
        CHECK (status IN ('QUEUED', 'SENDING', 'SENT', 'DELIVERED', 'FAILED', 'SUPPRESSED')),
    CONSTRAINT messages_sending_whole
        CHECK (status <> 'SENDING' OR (claimed_at IS NOT NULL AND lookup_at IS NOT NULL AND attempts > 0)),
    CONSTRAINT messages_sent_whole
        CHECK (status NOT IN ('SENT', 'DELIVERED') OR (provider_message_id IS NOT NULL AND sent_at IS NOT NULL)),
    CONSTRAINT messages_delivered_whole CHECK ((status = 'DELIVERED') = (delivered_at IS NOT NULL)),
    CONSTRAINT messages_failed_whole CHECK ((status IN ('FAILED', 'SUPPRESSED')) = (failed_at IS NOT NULL))
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX messages_idempotency_key_unique
    ON notify.messages (org_id, idempotency_key) WHERE idempotency_key <> '';
CREATE INDEX messages_due ON notify.messages (next_attempt_at) WHERE status = 'QUEUED';
CREATE INDEX messages_to_look_up ON notify.messages (lookup_at) WHERE status = 'SENDING';
CREATE INDEX messages_by_org ON notify.messages (org_id, created_at DESC, id DESC);
CREATE INDEX messages_by_recipient ON notify.messages (recipient, org_id, created_at DESC);
CREATE INDEX messages_by_alert ON notify.messages (alert_id) WHERE alert_id IS NOT NULL;

-- What came of each request to the provider, and of each look.
CREATE TABLE notify.message_attempts (
    id           uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT message_attempts_pkey PRIMARY KEY,
    org_id       uuid        NOT NULL,
    message_id   uuid        NOT NULL
        CONSTRAINT message_attempts_message_fkey REFERENCES notify.messages (id),
    number       integer     NOT NULL,
    outcome      text        NOT NULL,
    code         text        NOT NULL DEFAULT '',
    duration_ms  double precision NOT NULL,
    attempted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT message_attempts_outcome_known
        CHECK (outcome IN ('SENT', 'NOT_SENT', 'UNKNOWN', 'FOUND', 'ABSENT'))
);
CREATE INDEX message_attempts_by_message ON notify.message_attempts (message_id);

-- Texts that people sent us: what they wanted and what we answered, not what they wrote.
CREATE TABLE notify.received_messages (
    provider_message_id text        NOT NULL,
    org_id              uuid        NOT NULL,
    sender              text        NOT NULL,
    keyword             text        NOT NULL,
    reply               text        NOT NULL DEFAULT '',
    received_at         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT received_messages_pkey PRIMARY KEY (org_id, provider_message_id),
    CONSTRAINT received_messages_keyword_known CHECK (keyword IN ('STOP', 'START', 'HELP', 'ACK', 'NONE'))
);

CREATE TABLE notify.webhooks (
    id               uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT webhooks_pkey PRIMARY KEY,
    org_id           uuid        NOT NULL,
    url              text        NOT NULL,
    events           text[]      NOT NULL,
    -- Only events of this assistant's calls, if not empty.
    assistant_id     text        NOT NULL DEFAULT '',
    enabled          boolean     NOT NULL DEFAULT true,
    disabled_reason  text        NOT NULL DEFAULT '',
    -- The first failure since the last success.
    failing_since    timestamptz,
    -- Failures in a row; several of them make it pause.
    failures         integer     NOT NULL DEFAULT 0,
    paused_until     timestamptz,
    -- Whose turn it is: the endpoint that waited longest comes first.
    claimed_at       timestamptz NOT NULL DEFAULT now(),
    last_delivery_at timestamptz,
    last_status      integer     NOT NULL DEFAULT 0,
    last_error       text        NOT NULL DEFAULT '',
    created_at       timestamptz NOT NULL DEFAULT now(),
    deleted_at       timestamptz,
    CONSTRAINT webhooks_org_id_unique UNIQUE (org_id, id),
    CONSTRAINT webhooks_url_length CHECK (length(url) BETWEEN 1 AND 2000),
    CONSTRAINT webhooks_events_count CHECK (cardinality(events) BETWEEN 1 AND 50),
    CONSTRAINT webhooks_disabled_reason_known CHECK (disabled_reason IN ('', 'GONE', 'FAILING')),
    CONSTRAINT webhooks_disabled_whole CHECK (disabled_reason = '' OR NOT enabled)
) WITH (fillfactor = 70);
CREATE INDEX webhooks_by_org ON notify.webhooks (org_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE notify.webhook_secrets (
    id            uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT webhook_secrets_pkey PRIMARY KEY,
    org_id        uuid        NOT NULL,
    webhook_id    uuid        NOT NULL,
    sealed_secret bytea       NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    -- Null for the current one.
    expires_at    timestamptz,
    CONSTRAINT webhook_secrets_webhook_fkey FOREIGN KEY (org_id, webhook_id) REFERENCES notify.webhooks (org_id, id)
);
CREATE UNIQUE INDEX webhook_secrets_current_unique ON notify.webhook_secrets (webhook_id) WHERE expires_at IS NULL;
CREATE INDEX webhook_secrets_by_webhook ON notify.webhook_secrets (webhook_id);

-- In monthly partitions by the time of the event. An event never changes its time, so uniqueness per partition is
-- uniqueness.
CREATE TABLE notify.deliveries (
    id              uuid        NOT NULL DEFAULT uuidv7(),
    org_id          uuid        NOT NULL,
    webhook_id      uuid        NOT NULL,
    event_id        uuid        NOT NULL,
    event_time      timestamptz NOT NULL,
    event_type      text        NOT NULL,
    -- Deliveries of one subject to one endpoint go out one after another, by position.
    subject         text        NOT NULL,
    position        bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    body            text        NOT NULL,
    traceparent     text        NOT NULL DEFAULT '',
    status          text        NOT NULL DEFAULT 'PENDING',
    -- Raised before each request.
    attempts        integer     NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    lease           uuid,
    leased_until    timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    delivered_at    timestamptz,
    CONSTRAINT deliveries_pkey PRIMARY KEY (event_time, id),
    CONSTRAINT deliveries_event_unique UNIQUE (event_time, webhook_id, event_id),
    CONSTRAINT deliveries_webhook_fkey FOREIGN KEY (org_id, webhook_id) REFERENCES notify.webhooks (org_id, id),
    CONSTRAINT deliveries_status_known CHECK (status IN ('PENDING', 'DELIVERED', 'RETRYING', 'EXHAUSTED')),
    CONSTRAINT deliveries_open_has_next
        CHECK ((status IN ('PENDING', 'RETRYING')) = (next_attempt_at IS NOT NULL)),
    CONSTRAINT deliveries_delivered_whole CHECK ((status = 'DELIVERED') = (delivered_at IS NOT NULL)),
    CONSTRAINT deliveries_lease_whole CHECK ((lease IS NULL) = (leased_until IS NULL))
) PARTITION BY RANGE (event_time);
CREATE INDEX deliveries_open
    ON notify.deliveries (webhook_id, subject, position) WHERE status IN ('PENDING', 'RETRYING');
CREATE INDEX deliveries_due
    ON notify.deliveries (webhook_id, next_attempt_at) WHERE status IN ('PENDING', 'RETRYING');
CREATE INDEX deliveries_by_webhook ON notify.deliveries (webhook_id, created_at DESC, id DESC);
CREATE INDEX deliveries_by_id ON notify.deliveries (id);

CREATE TABLE notify.delivery_attempts (
    org_id        uuid             NOT NULL,
    event_time    timestamptz      NOT NULL,
    delivery_id   uuid             NOT NULL,
    number        integer          NOT NULL,
    -- 0 if there was no answer.
    status_code   integer          NOT NULL,
    error         text             NOT NULL,
    response_body text             NOT NULL,
    duration_ms   double precision NOT NULL,
    attempted_at  timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT delivery_attempts_pkey PRIMARY KEY (event_time, delivery_id, number),
    CONSTRAINT delivery_attempts_delivery_fkey
        FOREIGN KEY (event_time, delivery_id) REFERENCES notify.deliveries (event_time, id)
) PARTITION BY RANGE (event_time);
CREATE INDEX delivery_attempts_by_delivery ON notify.delivery_attempts (delivery_id);

-- For events older than the partitions: those of a log that is read again from its start.
CREATE TABLE notify.deliveries_default PARTITION OF notify.deliveries DEFAULT;
CREATE TABLE notify.delivery_attempts_default PARTITION OF notify.delivery_attempts DEFAULT;
ALTER TABLE notify.deliveries_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE notify.deliveries_default FORCE ROW LEVEL SECURITY;
ALTER TABLE notify.delivery_attempts_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE notify.delivery_attempts_default FORCE ROW LEVEL SECURITY;

-- The worker may not create tables; this one thing it may ask for. Nobody reads a partition but through its table:
-- there are no grants on it and no policy.
CREATE FUNCTION notify.create_partitions(first_month date, months integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
    -- Partitions and their indexes take locks on their tables; better late than in the way.
    SET lock_timeout = '2s'
AS $$
DECLARE
    parent  text;
    name    text;
    month   date;
    created integer := 0;
BEGIN
    IF months NOT BETWEEN 1 AND 24 THEN
        RAISE EXCEPTION 'between 1 and 24 months';
    END IF;
    FOR month IN SELECT generate_series(date_trunc('month', first_month)::date,
                                        date_trunc('month', first_month)::date + make_interval(months => months - 1),
                                        interval '1 month')::date LOOP
        FOREACH parent IN ARRAY ARRAY['deliveries', 'delivery_attempts'] LOOP
            name := parent || to_char(month, '_YYYYMM');
            IF to_regclass('notify.' || name) IS NULL THEN
                EXECUTE format('CREATE TABLE notify.%I PARTITION OF notify.%I FOR VALUES FROM (%L) TO (%L)', name, parent,
                               month::timestamp AT TIME ZONE 'UTC',
                               (month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
                EXECUTE format('ALTER TABLE notify.%I ENABLE ROW LEVEL SECURITY', name);
                EXECUTE format('ALTER TABLE notify.%I FORCE ROW LEVEL SECURITY', name);
                created := created + 1;
            END IF;
        END LOOP;
    END LOOP;
    RETURN created;
END
$$;
REVOKE ALL ON FUNCTION notify.create_partitions(date, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION notify.create_partitions(date, integer) TO notify_worker;
SELECT notify.create_partitions((now() AT TIME ZONE 'UTC')::date - 31, 5);

ALTER TABLE notify.outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE notify.outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notify.outbox TO notify, notify_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON notify.outbox TO notify_worker USING (true) WITH CHECK (true);

ALTER TABLE notify.messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE notify.messages FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notify.messages TO notify, notify_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON notify.messages TO notify_worker USING (true) WITH CHECK (true);

ALTER TABLE notify.message_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE notify.message_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notify.message_attempts TO notify, notify_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON notify.message_attempts TO notify_worker USING (true) WITH CHECK (true);

ALTER TABLE notify.received_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE notify.received_messages FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notify.received_messages TO notify, notify_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON notify.received_messages TO notify_worker USING (true) WITH CHECK (true);

ALTER TABLE notify.alert_policies ENABLE ROW LEVEL SECURITY;
ALTER TABLE notify.alert_policies FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notify.alert_policies TO notify, notify_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON notify.alert_policies TO notify_worker USING (true) WITH CHECK (true);

ALTER TABLE notify.alerts ENABLE ROW LEVEL SECURITY;
ALTER TABLE notify.alerts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notify.alerts TO notify, notify_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON notify.alerts TO notify_worker USING (true) WITH CHECK (true);

ALTER TABLE notify.suppressions ENABLE ROW LEVEL SECURITY;
ALTER TABLE notify.suppressions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notify.suppressions TO notify, notify_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON notify.suppressions TO notify_worker USING (true) WITH CHECK (true);

ALTER TABLE notify.webhooks ENABLE ROW LEVEL SECURITY;
ALTER TABLE notify.webhooks FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notify.webhooks TO notify, notify_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON notify.webhooks TO notify_worker USING (true) WITH CHECK (true);

ALTER TABLE notify.webhook_secrets ENABLE ROW LEVEL SECURITY;
ALTER TABLE notify.webhook_secrets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notify.webhook_secrets TO notify, notify_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON notify.webhook_secrets TO notify_worker USING (true) WITH CHECK (true);

ALTER TABLE notify.deliveries ENABLE ROW LEVEL SECURITY;
ALTER TABLE notify.deliveries FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notify.deliveries TO notify, notify_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON notify.deliveries TO notify_worker USING (true) WITH CHECK (true);

ALTER TABLE notify.delivery_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE notify.delivery_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notify.delivery_attempts TO notify, notify_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON notify.delivery_attempts TO notify_worker USING (true) WITH CHECK (true);

ALTER TABLE notify.dead_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE notify.dead_events FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON notify.dead_events TO notify_worker USING (true) WITH CHECK (true);

GRANT INSERT ON notify.outbox TO notify;
GRANT SELECT, INSERT ON notify.outbox TO notify_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON notify.leases TO notify_worker;
GRANT SELECT, INSERT, UPDATE ON notify.cursors TO notify_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON notify.dead_events TO notify_worker;
GRANT SELECT, INSERT, DELETE ON notify.suppressions TO notify, notify_worker;
GRANT SELECT, INSERT, UPDATE ON notify.alert_policies TO notify;
GRANT SELECT ON notify.alert_policies TO notify_worker;
GRANT SELECT, UPDATE ON notify.alerts TO notify;
GRANT SELECT, INSERT ON notify.alerts TO notify_worker;
GRANT SELECT, INSERT, UPDATE ON notify.messages TO notify, notify_worker;
GRANT SELECT ON notify.message_attempts TO notify;
GRANT SELECT, INSERT ON notify.message_attempts TO notify_worker;
GRANT SELECT, INSERT ON notify.received_messages TO notify;
GRANT SELECT, INSERT, UPDATE ON notify.webhooks TO notify;
GRANT SELECT, UPDATE ON notify.webhooks TO notify_worker;
GRANT SELECT, INSERT, UPDATE ON notify.webhook_secrets TO notify;
GRANT SELECT ON notify.webhook_secrets TO notify_worker;
GRANT SELECT, INSERT, UPDATE ON notify.deliveries TO notify, notify_worker;
GRANT SELECT ON notify.delivery_attempts TO notify;
GRANT SELECT, INSERT ON notify.delivery_attempts TO notify_worker;

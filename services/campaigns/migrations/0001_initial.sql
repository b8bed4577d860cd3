-- The first shape of campaigns: the directory of assistants, campaigns with their contacts, the slots that hold the
-- cap, attempts, and what the service needs to read and to tell events.

CREATE TABLE campaigns.assistants (
    id                    uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT assistants_pkey PRIMARY KEY,
    org_id                uuid        NOT NULL,
    name                  text        NOT NULL CONSTRAINT assistants_name_length CHECK (char_length(name) BETWEEN 1 AND 40),
    source                text        NOT NULL CONSTRAINT assistants_source_known CHECK (source IN ('LOCAL', 'IMPORTED', 'TEMPLATE')),
    provider              text        NOT NULL CONSTRAINT assistants_provider_known CHECK (provider IN ('vapi')),
    provider_assistant_id text        NOT NULL CONSTRAINT assistants_provider_assistant_id_set CHECK (provider_assistant_id <> ''),
    config                jsonb       NOT NULL CONSTRAINT assistants_config_object CHECK (jsonb_typeof(config) = 'object'),
    active                boolean     NOT NULL DEFAULT true,
    ephemeral             boolean     NOT NULL DEFAULT false,
    -- Counts changes of name or configuration, for people.
    version               integer     NOT NULL DEFAULT 1 CONSTRAINT assistants_version_positive CHECK (version > 0),
    -- Counts every change, for the etag.
    revision              integer     NOT NULL DEFAULT 1 CONSTRAINT assistants_revision_positive CHECK (revision > 0),
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    deleted_at            timestamptz,
    CONSTRAINT assistants_org_unique UNIQUE (org_id, id)
);
CREATE UNIQUE INDEX assistants_provider_id_unique
    ON campaigns.assistants (org_id, provider, provider_assistant_id) WHERE deleted_at IS NULL;
CREATE INDEX assistants_by_name ON campaigns.assistants (org_id, name, id) WHERE deleted_at IS NULL;

-- Append-only: nobody may UPDATE or DELETE.
CREATE TABLE campaigns.assistant_versions (
    assistant_id uuid        NOT NULL,
    version      integer     NOT NULL,
    org_id       uuid        NOT NULL,
    name         text        NOT NULL,
    config       jsonb       NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT assistant_versions_pkey PRIMARY KEY (assistant_id, version),
    CONSTRAINT assistant_versions_assistant FOREIGN KEY (org_id, assistant_id) REFERENCES campaigns.assistants (org_id, id)
);

CREATE TABLE campaigns.campaigns (
    id                    uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT campaigns_pkey PRIMARY KEY,
    org_id                uuid        NOT NULL,
    name                  text        NOT NULL CONSTRAINT campaigns_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    mode                  text        NOT NULL CONSTRAINT campaigns_mode_known CHECK (mode IN ('CONTINUOUS', 'BATCH')),
    cap                   integer     NOT NULL CONSTRAINT campaigns_cap_range CHECK (cap BETWEEN 1 AND 50),
    assistant_id          uuid        NOT NULL,
    phone_number_id       text        NOT NULL CONSTRAINT campaigns_phone_number_id_set CHECK (phone_number_id <> ''),
    max_attempts          integer     NOT NULL CONSTRAINT campaigns_max_attempts_range CHECK (max_attempts BETWEEN 1 AND 10),
    retry_delay_seconds   integer     NOT NULL CONSTRAINT campaigns_retry_delay_range CHECK (retry_delay_seconds BETWEEN 0 AND 2592000),
    status                text        NOT NULL DEFAULT 'CREATED' CONSTRAINT campaigns_status_known CHECK (
        status IN ('CREATED', 'QUEUED', 'DIALING', 'RUNNING', 'PAUSED', 'COMPLETED', 'CANCELED', 'FAILED')),
    total_contacts        integer     NOT NULL DEFAULT 0 CONSTRAINT campaigns_total_contacts_range CHECK (total_contacts >= 0),
    -- Pinned by the start: what the assistant was then is what calls are placed with.
    assistant_version     integer,
    provider_assistant_id text,
    -- The trace of the start; every call placed for the campaign continues it.
    traceparent           text        NOT NULL DEFAULT '',
    -- When the first call was truly placed, and when the first one was picked up or over.
    started_at            timestamptz,
    connected_at          timestamptz,
    completed_at          timestamptz,
    failure_reason        text        NOT NULL DEFAULT '',
    -- The batch being dialed, 0 before the first, and the cap as it was when the batch was opened.
    batch_no              integer     NOT NULL DEFAULT 0,
    batch_size            integer     NOT NULL DEFAULT 0,
    -- How many calls the provider side was last seen to carry; unknown until it refuses one for want of capacity.
    line_limit            integer     CONSTRAINT campaigns_line_limit_range CHECK (line_limit >= 0),
    probe_at              timestamptz,
    refusals              integer     NOT NULL DEFAULT 0,
    revision              integer     NOT NULL DEFAULT 1,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT campaigns_org_unique UNIQUE (org_id, id),
    CONSTRAINT campaigns_assistant FOREIGN KEY (org_id, assistant_id) REFERENCES campaigns.assistants (org_id, id),
    CONSTRAINT campaigns_completed_at CHECK ((status = 'COMPLETED') = (completed_at IS NOT NULL)),
    CONSTRAINT campaigns_started_at CHECK (status NOT IN ('DIALING', 'RUNNING') OR started_at IS NOT NULL),
    CONSTRAINT campaigns_failure_reason CHECK ((status = 'FAILED') = (failure_reason <> '')),
    CONSTRAINT campaigns_pinned CHECK (status IN ('CREATED', 'CANCELED') OR provider_assistant_id IS NOT NULL)
);
CREATE INDEX campaigns_newest ON campaigns.campaigns (org_id, id DESC);
CREATE INDEX campaigns_by_assistant ON campaigns.campaigns (org_id, assistant_id);
CREATE INDEX campaigns_under_way ON campaigns.campaigns (id) WHERE status IN ('QUEUED', 'DIALING', 'RUNNING');

-- Append-only: what an uploaded file came to.
CREATE TABLE campaigns.imports (
    id             uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT imports_pkey PRIMARY KEY,
    org_id         uuid        NOT NULL,
    campaign_id    uuid        NOT NULL,
    default_region text        NOT NULL,
    total_rows     integer     NOT NULL,
    accepted       integer     NOT NULL,
    duplicates     integer     NOT NULL,
    rejected       integer     NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT imports_org_unique UNIQUE (org_id, id),
    CONSTRAINT imports_campaign FOREIGN KEY (org_id, campaign_id) REFERENCES campaigns.campaigns (org_id, id),
    CONSTRAINT imports_rows_add_up CHECK (total_rows = accepted + duplicates + rejected)
);
CREATE INDEX imports_by_campaign ON campaigns.imports (org_id, campaign_id);

CREATE TABLE campaigns.contacts (
    id              uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT contacts_pkey PRIMARY KEY,
    org_id          uuid        NOT NULL,
    campaign_id     uuid        NOT NULL,
    import_id       uuid        NOT NULL,
    -- The order in which contacts were added, which is the order in which they are called.
    position        bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    row             integer     NOT NULL,
    name            text        NOT NULL,
    business_name   text        NOT NULL,
    phone           text        NOT NULL CONSTRAINT contacts_phone_e164 CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    status          text        NOT NULL DEFAULT 'PENDING' CONSTRAINT contacts_status_known CHECK (
        status IN ('PENDING', 'ACTIVE', 'DONE', 'SKIPPED')),
    -- Attempts that count; one that failed for want of lines or the like is taken back.
    attempts        integer     NOT NULL DEFAULT 0 CONSTRAINT contacts_attempts_range CHECK (attempts >= 0),
    -- The attempt under way.
    attempt_id      uuid,
    next_attempt_at timestamptz,
    reason          text        NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT contacts_org_unique UNIQUE (org_id, id),
    CONSTRAINT contacts_phone_unique UNIQUE (campaign_id, phone),
    CONSTRAINT contacts_campaign FOREIGN KEY (org_id, campaign_id) REFERENCES campaigns.campaigns (org_id, id),
    -- The import is written last, when its figures are known.
    CONSTRAINT contacts_import FOREIGN KEY (org_id, import_id) REFERENCES campaigns.imports (org_id, id)
        DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT contacts_active_attempt CHECK ((status = 'ACTIVE') = (attempt_id IS NOT NULL)),
    CONSTRAINT contacts_next_attempt CHECK (status = 'PENDING' OR next_attempt_at IS NULL)
);
CREATE INDEX contacts_in_order ON campaigns.contacts (campaign_id, position);
CREATE INDEX contacts_due ON campaigns.contacts (campaign_id, next_attempt_at NULLS FIRST, position) WHERE status = 'PENDING';
CREATE INDEX contacts_open ON campaigns.contacts (campaign_id) WHERE status IN ('PENDING', 'ACTIVE');

CREATE TABLE campaigns.attempts (
    -- Also the id of the call at calls.
    id                 uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT attempts_pkey PRIMARY KEY,
    org_id             uuid        NOT NULL,
    campaign_id        uuid        NOT NULL,
    contact_id         uuid        NOT NULL,
    number             integer     NOT NULL CONSTRAINT attempts_number_positive CHECK (number > 0),
    batch_no           integer     NOT NULL,
    state              text        NOT NULL CONSTRAINT attempts_state_known CHECK (
        state IN ('INTENT', 'PLACED', 'REFUSED', 'UNKNOWN', 'ENDED')),
    -- False if it was refused for a cause that lies with us or the provider.
    counts             boolean     NOT NULL DEFAULT true,
    call_status        text        NOT NULL DEFAULT '' CONSTRAINT attempts_call_status_known CHECK (
        call_status IN ('', 'QUEUED', 'RINGING', 'IN_PROGRESS', 'ENDED', 'FAILED', 'CANCELED', 'TIMEOUT')),
    outcome            text        NOT NULL DEFAULT '',
    ended_reason       text        NOT NULL DEFAULT '',
    reason             text        NOT NULL DEFAULT '',
    created_at         timestamptz NOT NULL DEFAULT now(),
    placed_at          timestamptz,
    ended_at           timestamptz,
    duration_seconds   double precision,
    cost_usd           numeric(10, 4) CONSTRAINT attempts_cost_not_negative CHECK (cost_usd >= 0),
    success_evaluation boolean,
    recording_url      text        NOT NULL DEFAULT '',
    summary            text        NOT NULL DEFAULT '',
    -- When the reconciler looks after it unless there is news before; null once nothing is missing.
    check_at           timestamptz,
    CONSTRAINT attempts_campaign FOREIGN KEY (org_id, campaign_id) REFERENCES campaigns.campaigns (org_id, id),
    CONSTRAINT attempts_contact FOREIGN KEY (org_id, contact_id) REFERENCES campaigns.contacts (org_id, id),
    CONSTRAINT attempts_refused_only_uncounted CHECK (counts OR state = 'REFUSED'),
    CONSTRAINT attempts_open_are_watched CHECK (state NOT IN ('INTENT', 'PLACED', 'UNKNOWN') OR check_at IS NOT NULL)
);
CREATE UNIQUE INDEX attempts_number_unique ON campaigns.attempts (contact_id, number) WHERE counts;
-- One attempt per contact at a time, whatever the code believes.
CREATE UNIQUE INDEX attempts_open_unique ON campaigns.attempts (contact_id) WHERE state IN ('INTENT', 'PLACED', 'UNKNOWN');
CREATE INDEX attempts_newest ON campaigns.attempts (campaign_id, id DESC);
CREATE INDEX attempts_to_check ON campaigns.attempts (check_at) WHERE check_at IS NOT NULL;

-- The cap, as rows: an attempt holds one from its intent until the call is certainly over or was certainly not made.
CREATE TABLE campaigns.slots (
    campaign_id uuid    NOT NULL,
    slot_no     integer NOT NULL,
    org_id      uuid    NOT NULL,
    attempt_id  uuid    CONSTRAINT slots_attempt_unique UNIQUE
                        CONSTRAINT slots_attempt REFERENCES campaigns.attempts (id),
    CONSTRAINT slots_pkey PRIMARY KEY (campaign_id, slot_no),
    CONSTRAINT slots_campaign FOREIGN KEY (org_id, campaign_id) REFERENCES campaigns.campaigns (org_id, id)
);

-- Append-only: why somebody was called or not, one row per decision.
CREATE TABLE campaigns.verdicts (
    id          uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT verdicts_pkey PRIMARY KEY,
    org_id      uuid        NOT NULL,
    campaign_id uuid        NOT NULL,
    contact_id  uuid        NOT NULL,
    verdict     text        NOT NULL CONSTRAINT verdicts_verdict_known CHECK (verdict IN ('DIAL', 'SKIP', 'EXHAUSTED')),
    reason      text        NOT NULL,
    decided_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT verdicts_contact FOREIGN KEY (org_id, contact_id) REFERENCES campaigns.contacts (org_id, id)
);
CREATE INDEX verdicts_by_contact ON campaigns.verdicts (contact_id, id);

-- Our copy of what notify tells about people who do not want to be called.
CREATE TABLE campaigns.suppressions (
    org_id     uuid        NOT NULL,
    phone      text        NOT NULL,
    channel    text        NOT NULL CONSTRAINT suppressions_channel_known CHECK (channel IN ('VOICE', 'SMS', 'ALL')),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT suppressions_pkey PRIMARY KEY (org_id, phone, channel)
);

CREATE TABLE campaigns.idempotency_keys (
    org_id      uuid        NOT NULL,
    key         text        NOT NULL CONSTRAINT idempotency_keys_key_length CHECK (char_length(key) BETWEEN 1 AND 200),
    fingerprint text        NOT NULL,
    -- What the request made; null while it is at work.
    resource_id uuid,
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (org_id, key)
);
CREATE INDEX idempotency_keys_age ON campaigns.idempotency_keys (created_at);

CREATE TABLE campaigns.outbox (
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

CREATE TABLE campaigns.leases (
    name       text        NOT NULL CONSTRAINT leases_pkey PRIMARY KEY,
    holder     uuid        NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE campaigns.cursors (
    consumer text        NOT NULL CONSTRAINT cursors_pkey PRIMARY KEY,
    cursor   text        NOT NULL DEFAULT '',
    -- Times the batch after the cursor was begun; raised before it is handled, so that crashes count.
    attempts integer     NOT NULL DEFAULT 0,
    moved_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE campaigns.dead_events (
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
CREATE INDEX dead_events_subject ON campaigns.dead_events (consumer, subject, position);

-- Requests see the rows of their organization; the loops of this service see all of its own schema.
DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY[
        'assistants', 'assistant_versions', 'campaigns', 'imports', 'contacts', 'attempts', 'slots', 'verdicts',
        'suppressions', 'idempotency_keys', 'outbox', 'dead_events']
    LOOP
        EXECUTE format('ALTER TABLE campaigns.%I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE campaigns.%I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format($policy$
            CREATE POLICY tenant ON campaigns.%I TO campaigns, campaigns_owner
            USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
            WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)$policy$, tenant_table);
        EXECUTE format('CREATE POLICY worker ON campaigns.%I TO campaigns_worker USING (true) WITH CHECK (true)', tenant_table);
    END LOOP;
END
$$;

GRANT SELECT, INSERT, UPDATE ON campaigns.assistants TO campaigns;
GRANT SELECT, INSERT ON campaigns.assistant_versions TO campaigns;
GRANT SELECT, INSERT, UPDATE ON campaigns.campaigns TO campaigns;
GRANT SELECT, INSERT ON campaigns.imports TO campaigns;
GRANT SELECT, INSERT ON campaigns.contacts TO campaigns;
GRANT SELECT ON campaigns.attempts TO campaigns;
GRANT SELECT, INSERT, UPDATE, DELETE ON campaigns.slots TO campaigns;
GRANT SELECT ON campaigns.verdicts TO campaigns;
GRANT SELECT, INSERT, UPDATE, DELETE ON campaigns.idempotency_keys TO campaigns;
GRANT INSERT ON campaigns.outbox TO campaigns;

GRANT SELECT, UPDATE ON campaigns.campaigns TO campaigns_worker;
GRANT SELECT, UPDATE ON campaigns.contacts TO campaigns_worker;
GRANT SELECT, INSERT, UPDATE ON campaigns.attempts TO campaigns_worker;
GRANT SELECT, UPDATE, DELETE ON campaigns.slots TO campaigns_worker;
GRANT SELECT, INSERT ON campaigns.verdicts TO campaigns_worker;
GRANT SELECT, INSERT, DELETE ON campaigns.suppressions TO campaigns_worker;
GRANT SELECT, DELETE ON campaigns.idempotency_keys TO campaigns_worker;
GRANT SELECT, INSERT ON campaigns.outbox TO campaigns_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON campaigns.leases TO campaigns_worker;
GRANT SELECT, INSERT, UPDATE ON campaigns.cursors TO campaigns_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON campaigns.dead_events TO campaigns_worker;

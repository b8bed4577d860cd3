-- Tenants, their API keys and the sources of their webhooks; the outbox and the leases every service has.

CREATE TABLE gateway.organizations (
    id         uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT organizations_pkey PRIMARY KEY,
    name       text        NOT NULL CONSTRAINT organizations_name_length CHECK (length(name) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT organizations_name_unique UNIQUE (name)
);

CREATE TABLE gateway.api_keys (
    id           uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT api_keys_pkey PRIMARY KEY,
    org_id       uuid        NOT NULL CONSTRAINT api_keys_org_id_fkey REFERENCES gateway.organizations (id),
    name         text        NOT NULL,
    prefix       text        NOT NULL CONSTRAINT api_keys_prefix_length CHECK (length(prefix) = 10),
    -- SHA-256 of the key; the key itself is stored nowhere.
    hash         bytea       NOT NULL CONSTRAINT api_keys_hash_length CHECK (length(hash) = 32),
    scopes       text[]      NOT NULL CONSTRAINT api_keys_scopes_given CHECK (cardinality(scopes) > 0),
    enabled      boolean     NOT NULL DEFAULT true,
    expires_at   timestamptz,
    hourly_rate  integer     NOT NULL DEFAULT 0 CONSTRAINT api_keys_hourly_rate_positive CHECK (hourly_rate >= 0),
    quota        integer     NOT NULL DEFAULT 0 CONSTRAINT api_keys_quota_positive CHECK (quota >= 0),
    usage_count  bigint      NOT NULL DEFAULT 0,
    last_used_at timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    deleted_at   timestamptz,
    CONSTRAINT api_keys_hash_unique UNIQUE (hash),
    CONSTRAINT api_keys_org_id_id_unique UNIQUE (org_id, id),
    CONSTRAINT api_keys_not_internal CHECK (NOT scopes @> ARRAY['internal'])
);
CREATE INDEX api_keys_org_created ON gateway.api_keys (org_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE gateway.api_key_usage (
    key_id   uuid        NOT NULL,
    org_id   uuid        NOT NULL,
    hour     timestamptz NOT NULL,
    requests bigint      NOT NULL,
    CONSTRAINT api_key_usage_pkey PRIMARY KEY (key_id, hour),
    CONSTRAINT api_key_usage_key_fkey FOREIGN KEY (org_id, key_id) REFERENCES gateway.api_keys (org_id, id)
);

CREATE TABLE gateway.sources (
    id         uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT sources_pkey PRIMARY KEY,
    org_id     uuid        NOT NULL CONSTRAINT sources_org_id_fkey REFERENCES gateway.organizations (id),
    name       text        NOT NULL CONSTRAINT sources_name_form CHECK (name ~ '^[a-z0-9][a-z0-9-]{2,60}$'),
    provider   text        NOT NULL CONSTRAINT sources_provider_known CHECK (provider IN ('vapi', 'twilio')),
    schemes    text[]      NOT NULL CONSTRAINT sources_schemes_known CHECK (
        cardinality(schemes) > 0
        AND schemes <@ ARRAY['HMAC_BODY', 'HMAC_TIMESTAMP', 'SHARED_SECRET', 'BEARER', 'TWILIO']),
    -- Sealed with the key of the process; see libs/vault.py.
    secret     bytea       NOT NULL,
    settings   jsonb       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
-- A URL names one source, whoever owns it.
CREATE UNIQUE INDEX sources_name_unique ON gateway.sources (name) WHERE deleted_at IS NULL;
CREATE INDEX sources_org_created ON gateway.sources (org_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;

ALTER TABLE gateway.organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway.organizations FORCE ROW LEVEL SECURITY;
ALTER TABLE gateway.api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway.api_keys FORCE ROW LEVEL SECURITY;
ALTER TABLE gateway.api_key_usage ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway.api_key_usage FORCE ROW LEVEL SECURITY;
ALTER TABLE gateway.sources ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway.sources FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON gateway.organizations TO gateway, gateway_owner
    USING (id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY tenant ON gateway.api_keys TO gateway, gateway_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY tenant ON gateway.api_key_usage TO gateway, gateway_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY tenant ON gateway.sources TO gateway, gateway_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);

-- Who is calling is not known before the key or the source was looked up, so these look-ups see every tenant.
CREATE POLICY worker ON gateway.organizations TO gateway_worker USING (true) WITH CHECK (true);
CREATE POLICY worker ON gateway.api_keys TO gateway_worker USING (true) WITH CHECK (true);
CREATE POLICY worker ON gateway.api_key_usage TO gateway_worker USING (true) WITH CHECK (true);
CREATE POLICY worker ON gateway.sources TO gateway_worker USING (true) WITH CHECK (true);
GRANT SELECT ON gateway.organizations TO gateway;
GRANT SELECT, INSERT ON gateway.organizations TO gateway_worker;
GRANT SELECT, INSERT ON gateway.api_keys TO gateway;
GRANT UPDATE (name, enabled, expires_at, hourly_rate, quota, deleted_at) ON gateway.api_keys TO gateway;
GRANT SELECT ON gateway.api_keys TO gateway_worker;
GRANT UPDATE (usage_count, last_used_at) ON gateway.api_keys TO gateway_worker;
GRANT SELECT ON gateway.api_key_usage TO gateway;
GRANT SELECT, INSERT, UPDATE ON gateway.api_key_usage TO gateway_worker;
GRANT SELECT, INSERT ON gateway.sources TO gateway;
GRANT UPDATE (deleted_at) ON gateway.sources TO gateway;
GRANT SELECT ON gateway.sources TO gateway_worker;

CREATE TABLE gateway.outbox (
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
ALTER TABLE gateway.outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway.outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON gateway.outbox TO gateway, gateway_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON gateway.outbox TO gateway_worker USING (true) WITH CHECK (true);
GRANT INSERT ON gateway.outbox TO gateway;
GRANT SELECT, INSERT ON gateway.outbox TO gateway_worker;

CREATE TABLE gateway.leases (
    name       text        NOT NULL CONSTRAINT leases_pkey PRIMARY KEY,
    holder     uuid        NOT NULL,
    expires_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON gateway.leases TO gateway_worker;

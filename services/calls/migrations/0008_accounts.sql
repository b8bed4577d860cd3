-- Provider accounts with credentials of their own, the phone numbers they have, and who takes a call that comes in.

ALTER TABLE calls.provider_accounts
    -- API key and webhook secret, sealed with the key of the process (libs/vault.py); NULL: the deployment's own.
    ADD COLUMN credentials           bytea,
    ADD COLUMN credentials_hint      text   NOT NULL DEFAULT '',
    ADD COLUMN credentials_set_at    timestamptz,
    ADD COLUMN base_url              text   NOT NULL DEFAULT '',
    ADD COLUMN webhook_url           text   NOT NULL DEFAULT '',
    ADD COLUMN webhook_credential_id text   NOT NULL DEFAULT '',
    -- The gateway's source that the webhooks of this account come to.
    ADD COLUMN source_id             uuid,
    -- Raised by every change of the above.
    ADD COLUMN version               bigint NOT NULL DEFAULT 1,
    ADD CONSTRAINT provider_accounts_credentials_dated CHECK ((credentials IS NULL) = (credentials_set_at IS NULL)),
    -- The deployment's key is never used with addresses that an organization chose, nor the other way round.
    ADD CONSTRAINT provider_accounts_access_whole CHECK (
        CASE WHEN credentials IS NULL THEN base_url = '' AND webhook_url = '' AND webhook_credential_id = ''
             ELSE webhook_url <> '' END);
CREATE UNIQUE INDEX provider_accounts_source_unique ON calls.provider_accounts (org_id, source_id)
    WHERE source_id IS NOT NULL;

-- As the provider listed them when the account was last checked.
CREATE TABLE calls.provider_phone_numbers (
    org_id          uuid        NOT NULL,
    account_id      uuid        NOT NULL,
    phone_number_id text        NOT NULL CONSTRAINT provider_phone_numbers_id_given CHECK (phone_number_id <> ''),
    number          text        NOT NULL,
    name            text        NOT NULL,
    seen_at         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT provider_phone_numbers_pkey PRIMARY KEY (account_id, phone_number_id),
    CONSTRAINT provider_phone_numbers_account_fkey FOREIGN KEY (org_id, account_id)
        REFERENCES calls.provider_accounts (org_id, id)
);
CREATE INDEX provider_phone_numbers_owner ON calls.provider_phone_numbers (org_id, phone_number_id);

-- Who takes a call that comes in; the first route in order that matches. Empty conditions match always.
CREATE TABLE calls.inbound_routes (
    id                    uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT inbound_routes_pkey PRIMARY KEY,
    org_id                uuid        NOT NULL,
    name                  text        NOT NULL CONSTRAINT inbound_routes_name_length CHECK (length(name) BETWEEN 1 AND 100),
    position              integer     NOT NULL CONSTRAINT inbound_routes_position_positive CHECK (position >= 0),
    active                boolean     NOT NULL,
    -- E.164, or the provider's id of a number.
    called_numbers        text[]      NOT NULL DEFAULT '{}',
    caller_prefixes       text[]      NOT NULL DEFAULT '{}',
    caller_known          boolean,
    -- 1 is Monday.
    days                  smallint[]  NOT NULL DEFAULT '{}' CONSTRAINT inbound_routes_days_known CHECK (
        days <@ ARRAY[1, 2, 3, 4, 5, 6, 7]::smallint[]),
    -- Minutes since midnight in `zone`; a window that closes before it opens goes over midnight.
    opens_minute          smallint    CONSTRAINT inbound_routes_opens_range CHECK (opens_minute BETWEEN 0 AND 1439),
    closes_minute         smallint    CONSTRAINT inbound_routes_closes_range CHECK (closes_minute BETWEEN 1 AND 1440),
    zone                  text        NOT NULL DEFAULT '',
    provider_assistant_id text        NOT NULL DEFAULT '',
    transfer_to           text        NOT NULL DEFAULT '',
    error_message         text        NOT NULL DEFAULT '',
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT inbound_routes_name_unique UNIQUE (org_id, name),
    CONSTRAINT inbound_routes_window_whole CHECK ((opens_minute IS NULL) = (closes_minute IS NULL)),
    CONSTRAINT inbound_routes_one_result CHECK (
        num_nonnulls(NULLIF(provider_assistant_id, ''), NULLIF(transfer_to, ''), NULLIF(error_message, '')) = 1)
);
CREATE INDEX inbound_routes_order ON calls.inbound_routes (org_id, position, id);

-- What the provider was told when it asked who takes a call, and why; by its id, because the call may not be in the
-- record yet. The first answer that names somebody stays.
CREATE TABLE calls.inbound_answers (
    org_id           uuid        NOT NULL,
    provider         text        NOT NULL,
    provider_call_id text        NOT NULL,
    -- NULL if no route matched. A route may be gone by now.
    route_id         uuid,
    route_name       text        NOT NULL DEFAULT '',
    reason           text        NOT NULL CONSTRAINT inbound_answers_reason_known CHECK (
        reason IN ('ROUTE', 'SOURCE_DEFAULT', 'DEPLOYMENT_DEFAULT', 'NOBODY')),
    answer           jsonb       NOT NULL,
    answered_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT inbound_answers_pkey PRIMARY KEY (org_id, provider, provider_call_id)
);

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['provider_phone_numbers', 'inbound_routes', 'inbound_answers'] LOOP
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

GRANT SELECT, INSERT, UPDATE, DELETE ON calls.provider_phone_numbers, calls.inbound_routes TO calls;
GRANT SELECT, INSERT, UPDATE         ON calls.inbound_answers TO calls;
GRANT SELECT                         ON calls.provider_phone_numbers TO calls_worker;

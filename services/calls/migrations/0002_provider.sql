-- Accounts at the voice provider, and their lines: how many calls at a time, in rows that calls take and give back.

CREATE TABLE calls.provider_accounts (
    id              uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT provider_accounts_pkey PRIMARY KEY,
    org_id          uuid        NOT NULL,
    name            text        NOT NULL CONSTRAINT provider_accounts_name_length CHECK (length(name) BETWEEN 1 AND 100),
    provider        text        NOT NULL CONSTRAINT provider_accounts_provider_known CHECK (provider IN ('vapi')),
    lines           integer     NOT NULL CONSTRAINT provider_accounts_lines_range CHECK (lines BETWEEN 1 AND 1000),
    inbound_reserve integer     NOT NULL DEFAULT 0,
    active          boolean     NOT NULL DEFAULT true,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT provider_accounts_name_unique UNIQUE (org_id, name),
    -- What lines point to, so that a line cannot belong to another organization than its account.
    CONSTRAINT provider_accounts_org_id_key UNIQUE (org_id, id),
    CONSTRAINT provider_accounts_reserve_range CHECK (inbound_reserve BETWEEN 0 AND lines)
);

CREATE INDEX provider_accounts_by_org ON calls.provider_accounts (org_id, created_at, id);

CREATE TABLE calls.lines (
    org_id     uuid        NOT NULL,
    account_id uuid        NOT NULL,
    line_no    integer     NOT NULL CONSTRAINT lines_number_positive CHECK (line_no > 0),
    -- Free if null. A call holds one line at most, and gives back only its own.
    call_id    uuid        NULL CONSTRAINT lines_call_unique UNIQUE,
    taken_at   timestamptz NULL,
    -- Whether outbound calls may take it; the others are the inbound reserve.
    outbound   boolean     NOT NULL DEFAULT true,
    -- Beyond the account's present number: taken by nobody any more, removed once its call has ended or moved.
    retiring   boolean     NOT NULL DEFAULT false,
    CONSTRAINT lines_pkey PRIMARY KEY (account_id, line_no),
    CONSTRAINT lines_account_fkey FOREIGN KEY (org_id, account_id) REFERENCES calls.provider_accounts (org_id, id),
    CONSTRAINT lines_taken_whole CHECK ((call_id IS NULL) = (taken_at IS NULL))
) WITH (fillfactor = 50);

CREATE INDEX lines_free ON calls.lines (account_id, outbound, line_no) WHERE call_id IS NULL AND NOT retiring;
CREATE INDEX lines_retiring ON calls.lines (account_id) WHERE retiring;

ALTER TABLE calls.provider_accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE calls.provider_accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON calls.provider_accounts TO calls, calls_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON calls.provider_accounts TO calls_worker USING (true) WITH CHECK (true);

ALTER TABLE calls.lines ENABLE ROW LEVEL SECURITY;
ALTER TABLE calls.lines FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON calls.lines TO calls, calls_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON calls.lines TO calls_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE ON calls.provider_accounts TO calls, calls_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON calls.lines TO calls, calls_worker;

ALTER TABLE calls.calls ADD CONSTRAINT calls_provider_account_fkey
    FOREIGN KEY (org_id, provider_account_id) REFERENCES calls.provider_accounts (org_id, id);

-- When somebody wanted a call ended; the reconciler sees to it until the provider agrees.
ALTER TABLE calls.calls ADD COLUMN cancel_requested_at timestamptz;

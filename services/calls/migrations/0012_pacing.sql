-- How fast calls are placed from an account: a limit that people set, and what trouble taught. One row for all processes.

CREATE TABLE calls.account_paces (
    account_id    uuid             NOT NULL CONSTRAINT account_paces_pkey PRIMARY KEY,
    org_id        uuid             NOT NULL,
    -- Calls per second; null: no limit was set.
    rate_max      double precision CONSTRAINT account_paces_rate_max_range CHECK (rate_max BETWEEN 0.01 AND 1000),
    -- What it was slowed to, and when; it grows from then on. Null: never, or forgotten.
    slowed_rate   double precision CONSTRAINT account_paces_slowed_rate_range CHECK (slowed_rate BETWEEN 0.01 AND 1000),
    slowed_at     timestamptz,
    -- When the next call may go out, and until when the provider wants none at all; null: long ago.
    next_at       timestamptz,
    blocked_until timestamptz,
    CONSTRAINT account_paces_account FOREIGN KEY (org_id, account_id) REFERENCES calls.provider_accounts (org_id, id),
    CONSTRAINT account_paces_slowed_whole CHECK ((slowed_rate IS NULL) = (slowed_at IS NULL))
) WITH (fillfactor = 50);

ALTER TABLE calls.account_paces ENABLE ROW LEVEL SECURITY;
ALTER TABLE calls.account_paces FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON calls.account_paces TO calls, calls_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON calls.account_paces TO calls_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE ON calls.account_paces TO calls, calls_worker;

-- Calls that the carrier failed lately.
CREATE INDEX calls_failed_outbound ON calls.calls (updated_at) WHERE direction = 'OUTBOUND' AND status = 'FAILED';

-- Webhooks that got the fixed answer because calls could not be asked, until the ledger has them. Bodies are sealed:
-- calls strips secrets before it stores anything, and these have not come that far.
CREATE TABLE gateway.held_webhooks (
    id          uuid        NOT NULL CONSTRAINT held_webhooks_pkey PRIMARY KEY,
    org_id      uuid        NOT NULL,
    source_id   uuid        NOT NULL,
    provider    text        NOT NULL,
    body        bytea       NOT NULL,
    received_at timestamptz NOT NULL,
    traceparent text        NOT NULL
);
CREATE INDEX held_webhooks_oldest ON gateway.held_webhooks (received_at, id);

ALTER TABLE gateway.held_webhooks ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway.held_webhooks FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON gateway.held_webhooks TO gateway, gateway_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON gateway.held_webhooks TO gateway_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON gateway.held_webhooks TO gateway_worker;

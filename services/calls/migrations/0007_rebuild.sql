-- What no webhook tells about a call stands apart from its row, so that the row can be rebuilt; webhooks that were lost
-- are counted.

-- Which call is which, and what we did about it ourselves: its order, its placing, how we closed and judged it. With
-- the ledger it is all there is to know about a call; `calls.calls` follows from both.
CREATE TABLE calls.own_facts (
    call_id                       uuid        NOT NULL CONSTRAINT own_facts_pkey PRIMARY KEY,
    org_id                        uuid        NOT NULL,
    provider                      text        NOT NULL,
    provider_account_id           uuid,
    -- NULL until the provider told it.
    provider_call_id              text,
    created_at                    timestamptz NOT NULL,
    -- As ordered; what the provider tells comes on top. Empty for a call that we did not place.
    direction                     text        NOT NULL,
    assistant_id                  text        NOT NULL,
    provider_assistant_id         text        NOT NULL,
    campaign_id                   text        NOT NULL,
    contact_id                    text        NOT NULL,
    phone_number_id               text        NOT NULL,
    customer_number               text        NOT NULL,
    customer_name                 text        NOT NULL,
    max_duration_seconds          integer,
    placement                     text,
    placement_reason              text        NOT NULL,
    placement_infrastructure      boolean     NOT NULL,
    placement_retry_after_seconds integer     NOT NULL,
    placement_requested_at        timestamptz,
    placed_at                     timestamptz,
    closed_as                     text,
    closed_at                     timestamptz,
    cancel_requested_at           timestamptz,
    priority                      text,
    priority_reason               text        NOT NULL,
    sla_seconds                   integer
);
CREATE INDEX own_facts_org ON calls.own_facts (org_id, call_id);
CREATE INDEX own_facts_provider_call ON calls.own_facts (provider_call_id) WHERE provider_call_id IS NOT NULL;

-- Kept by the database, so that no writer of a call can forget it.
CREATE FUNCTION calls.keep_own_facts() RETURNS trigger
    LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
    ordered boolean := NEW.placement IS NOT NULL;
BEGIN
    INSERT INTO calls.own_facts (
           call_id, org_id, provider, provider_account_id, provider_call_id, created_at, direction, assistant_id,
           provider_assistant_id, campaign_id, contact_id, phone_number_id, customer_number, customer_name,
           max_duration_seconds, placement, placement_reason, placement_infrastructure, placement_retry_after_seconds,
           placement_requested_at, placed_at, closed_as, closed_at, cancel_requested_at, priority, priority_reason,
           sla_seconds)
    VALUES (NEW.id, NEW.org_id, NEW.provider, NEW.provider_account_id, NEW.provider_call_id, NEW.created_at,
           CASE WHEN ordered THEN 'OUTBOUND' ELSE 'INBOUND' END, NEW.assistant_id,
           CASE WHEN ordered THEN NEW.provider_assistant_id ELSE '' END, NEW.campaign_id, NEW.contact_id,
           CASE WHEN ordered THEN NEW.phone_number_id ELSE '' END,
           CASE WHEN ordered THEN NEW.customer_number ELSE '' END,
           CASE WHEN ordered THEN NEW.customer_name ELSE '' END,
           NEW.max_duration_seconds, NEW.placement, NEW.placement_reason, NEW.placement_infrastructure,
           NEW.placement_retry_after_seconds, NEW.placement_requested_at, NEW.placed_at, NEW.closed_as, NEW.closed_at,
           NEW.cancel_requested_at, NEW.priority, NEW.priority_reason, NEW.sla_seconds)
        ON CONFLICT ON CONSTRAINT own_facts_pkey DO UPDATE
       SET provider_account_id = excluded.provider_account_id, provider_call_id = excluded.provider_call_id,
           placement = excluded.placement, placement_reason = excluded.placement_reason,
           placement_infrastructure = excluded.placement_infrastructure,
           placement_retry_after_seconds = excluded.placement_retry_after_seconds,
           placement_requested_at = excluded.placement_requested_at, placed_at = excluded.placed_at,
           closed_as = excluded.closed_as, closed_at = excluded.closed_at,
           cancel_requested_at = excluded.cancel_requested_at, priority = excluded.priority,
           priority_reason = excluded.priority_reason, sla_seconds = excluded.sla_seconds
     -- A row that comes back learns from here, not the other way round.
     WHERE TG_OP = 'UPDATE';
    RETURN NULL;
END
$$;

ALTER TABLE calls.own_facts ENABLE ROW LEVEL SECURITY;
ALTER TABLE calls.own_facts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON calls.own_facts TO calls, calls_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON calls.own_facts TO calls_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON calls.own_facts TO calls, calls_worker;

-- Of the calls that are there already. Their owner sees no rows while the policies are forced on it, and nobody else
-- sees the table before this transaction ends.
ALTER TABLE calls.calls NO FORCE ROW LEVEL SECURITY;
ALTER TABLE calls.leads NO FORCE ROW LEVEL SECURITY;
ALTER TABLE calls.own_facts NO FORCE ROW LEVEL SECURITY;
INSERT INTO calls.own_facts (
       call_id, org_id, provider, provider_account_id, provider_call_id, created_at, direction, assistant_id,
       provider_assistant_id, campaign_id, contact_id, phone_number_id, customer_number, customer_name,
       max_duration_seconds, placement, placement_reason, placement_infrastructure, placement_retry_after_seconds,
       placement_requested_at, placed_at, closed_as, closed_at, cancel_requested_at, priority, priority_reason,
       sla_seconds)
SELECT id, org_id, provider, provider_account_id, provider_call_id, created_at,
       CASE WHEN placement IS NULL THEN 'INBOUND' ELSE 'OUTBOUND' END, assistant_id,
       CASE WHEN placement IS NULL THEN '' ELSE provider_assistant_id END, campaign_id, contact_id,
       CASE WHEN placement IS NULL THEN '' ELSE phone_number_id END,
       CASE WHEN placement IS NULL THEN '' ELSE customer_number END,
       CASE WHEN placement IS NULL THEN '' ELSE customer_name END,
       max_duration_seconds, placement, placement_reason, placement_infrastructure, placement_retry_after_seconds,
       placement_requested_at, placed_at, closed_as, closed_at, cancel_requested_at, priority, priority_reason,
       sla_seconds
  FROM calls.calls;

-- A lead is a case that people work on. It belongs to the call, not to the row that can be rebuilt.
ALTER TABLE calls.leads DROP CONSTRAINT leads_call_fkey;
ALTER TABLE calls.leads DROP CONSTRAINT leads_last_call_fkey;
ALTER TABLE calls.leads ADD CONSTRAINT leads_call_fkey FOREIGN KEY (call_id) REFERENCES calls.own_facts (call_id);
ALTER TABLE calls.leads ADD CONSTRAINT leads_last_call_fkey
    FOREIGN KEY (last_call_id) REFERENCES calls.own_facts (call_id);
ALTER TABLE calls.calls FORCE ROW LEVEL SECURITY;
ALTER TABLE calls.leads FORCE ROW LEVEL SECURITY;
ALTER TABLE calls.own_facts FORCE ROW LEVEL SECURITY;

CREATE TRIGGER calls_begun AFTER INSERT ON calls.calls
    FOR EACH ROW EXECUTE FUNCTION calls.keep_own_facts();
CREATE TRIGGER calls_own_facts_changed AFTER UPDATE ON calls.calls
    FOR EACH ROW WHEN (
        (OLD.provider_account_id, OLD.provider_call_id, OLD.placement, OLD.placement_reason,
         OLD.placement_infrastructure, OLD.placement_retry_after_seconds, OLD.placed_at, OLD.closed_as, OLD.closed_at,
         OLD.cancel_requested_at, OLD.priority, OLD.priority_reason, OLD.sla_seconds)
        IS DISTINCT FROM
        (NEW.provider_account_id, NEW.provider_call_id, NEW.placement, NEW.placement_reason,
         NEW.placement_infrastructure, NEW.placement_retry_after_seconds, NEW.placed_at, NEW.closed_as, NEW.closed_at,
         NEW.cancel_requested_at, NEW.priority, NEW.priority_reason, NEW.sla_seconds))
    EXECUTE FUNCTION calls.keep_own_facts();

-- Webhooks that the provider must have sent, that did not come, and whose content was asked for instead; each once.
CREATE TABLE calls.lost_webhooks (
    org_id           uuid        NOT NULL,
    provider         text        NOT NULL,
    provider_call_id text        NOT NULL,
    type             text        NOT NULL,
    suspected_at     timestamptz NOT NULL DEFAULT now(),
    -- NULL as long as it may just be late.
    found_at         timestamptz,
    CONSTRAINT lost_webhooks_pkey PRIMARY KEY (org_id, provider, provider_call_id, type)
);
CREATE INDEX lost_webhooks_suspected ON calls.lost_webhooks (suspected_at) WHERE found_at IS NULL;
ALTER TABLE calls.lost_webhooks ENABLE ROW LEVEL SECURITY;
ALTER TABLE calls.lost_webhooks FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON calls.lost_webhooks TO calls, calls_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON calls.lost_webhooks TO calls_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON calls.lost_webhooks TO calls_worker;
GRANT SELECT ON calls.lost_webhooks TO calls;

-- How often the provider was asked for what is missing of a call that is over.
ALTER TABLE calls.calls ADD COLUMN completion_looks integer NOT NULL DEFAULT 0
    CONSTRAINT calls_completion_looks_positive CHECK (completion_looks >= 0);
ALTER TABLE calls.calls ADD COLUMN completion_looked_at timestamptz;
CREATE INDEX calls_incomplete ON calls.calls (created_at, id)
    WHERE status NOT IN ('QUEUED', 'RINGING', 'IN_PROGRESS') AND provider_call_id IS NOT NULL
      AND completion_looks < 6
      AND (reported_at IS NULL OR cost_usd IS NULL
           OR connected AND (recording_url = '' OR transcript_source IS DISTINCT FROM 'REPORT'));

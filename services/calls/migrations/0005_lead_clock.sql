-- The clock of leads: when one passed its due time untouched. And leads that no call opened, and whose they are.

-- A lead that somebody entered has no call, until the customer calls about it.
ALTER TABLE calls.leads ALTER COLUMN call_id DROP NOT NULL;
ALTER TABLE calls.leads ALTER COLUMN last_call_id DROP NOT NULL;
GRANT INSERT ON calls.leads TO calls;

-- Set once, with the event that says so.
ALTER TABLE calls.leads ADD COLUMN sla_breached_at timestamptz;
CREATE INDEX leads_clock ON calls.leads (sla_due_at, id) WHERE status = 'NEW' AND sla_breached_at IS NULL;

CREATE INDEX leads_org_assigned ON calls.leads (org_id, assigned_to, created_at DESC, id DESC) WHERE assigned_to <> '';
CREATE INDEX leads_org_due ON calls.leads (org_id, sla_due_at) WHERE status = 'NEW';

-- Lists by a filter few rows pass: without an index of its own, such a page is found by reading the whole organization.

-- Most calls end well, and the newest of those are quickly found; all others are few at any time.
CREATE INDEX calls_org_status ON calls.calls (org_id, status, created_at DESC, id DESC) WHERE status <> 'ENDED';
CREATE INDEX calls_org_priority ON calls.calls (org_id, priority, created_at DESC, id DESC) WHERE priority IS NOT NULL;
CREATE INDEX calls_org_direction ON calls.calls (org_id, direction, created_at DESC, id DESC);

CREATE INDEX leads_org_status ON calls.leads (org_id, status, created_at DESC, id DESC);
CREATE INDEX leads_org_priority ON calls.leads (org_id, priority, created_at DESC, id DESC);

-- The types that come with every turn of a conversation are found without, and are most of what is stored.
CREATE INDEX provider_events_org_type ON calls.provider_events (org_id, type, received_at DESC, id DESC)
    WHERE type NOT IN ('speech-update', 'transcript', 'conversation-update', 'status-update', 'model-output');

-- What is not in the record yet lies behind the folder's cursor.
GRANT SELECT ON calls.foldings TO calls;

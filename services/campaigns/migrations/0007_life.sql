-- How campaigns go on: rules of retry, contacts that come while they run, a quiet line, deletion; imports that are
-- listed with what was wrong in them, and taken back.

ALTER TABLE campaigns.campaigns
    -- How calls that ended in a certain way are tried again; what no rule names goes by max_attempts and
    -- retry_delay_seconds.
    ADD COLUMN retry_rules jsonb       NOT NULL DEFAULT '[]' CONSTRAINT campaigns_retry_rules_array CHECK (
        jsonb_typeof(retry_rules) = 'array'),
    -- It never completes; who is added is called at once.
    ADD COLUMN auto_enroll boolean     NOT NULL DEFAULT false CONSTRAINT campaigns_auto_enroll_continuous CHECK (
        NOT auto_enroll OR mode = 'CONTINUOUS'),
    -- Dials only while nobody else is on its phone number.
    ADD COLUMN line_quiet  boolean     NOT NULL DEFAULT false,
    ADD COLUMN deleted_at  timestamptz CONSTRAINT campaigns_deleted_not_under_way CHECK (
        deleted_at IS NULL OR status IN ('CREATED', 'COMPLETED', 'CANCELED', 'FAILED'));

ALTER TABLE campaigns.imports
    ADD COLUMN source     text  NOT NULL DEFAULT 'FILE' CONSTRAINT imports_source_known CHECK (source IN ('FILE', 'REQUEST')),
    -- The rows that were not taken, each with row, field, reason and value.
    ADD COLUMN rejections jsonb NOT NULL DEFAULT '[]' CONSTRAINT imports_rejections_array CHECK (
        jsonb_typeof(rejections) = 'array');

-- Append-only: imports that were taken back, and what became of their contacts.
CREATE TABLE campaigns.import_undos (
    import_id   uuid        NOT NULL CONSTRAINT import_undos_pkey PRIMARY KEY,
    org_id      uuid        NOT NULL,
    campaign_id uuid        NOT NULL,
    -- Deleted; nobody had looked at them yet.
    removed     integer     NOT NULL CONSTRAINT import_undos_removed_range CHECK (removed >= 0),
    -- Kept for what had been decided on them, but never called.
    withdrawn   integer     NOT NULL CONSTRAINT import_undos_withdrawn_range CHECK (withdrawn >= 0),
    -- Dialed or settled before.
    kept        integer     NOT NULL CONSTRAINT import_undos_kept_range CHECK (kept >= 0),
    undone_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT import_undos_import FOREIGN KEY (org_id, import_id) REFERENCES campaigns.imports (org_id, id),
    CONSTRAINT import_undos_campaign FOREIGN KEY (org_id, campaign_id) REFERENCES campaigns.campaigns (org_id, id)
);
CREATE INDEX import_undos_by_campaign ON campaigns.import_undos (org_id, campaign_id);
CREATE INDEX contacts_by_import ON campaigns.contacts (org_id, import_id);
-- Whoever deletes a contact must be quick to see that nothing refers to it.
CREATE INDEX attempts_by_contact ON campaigns.attempts (contact_id);
-- Contacts with an attempt under way, or one whose outcome is awaited.
CREATE INDEX contacts_active ON campaigns.contacts (attempt_id) WHERE attempt_id IS NOT NULL;

ALTER TABLE campaigns.import_undos ENABLE ROW LEVEL SECURITY;
ALTER TABLE campaigns.import_undos FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON campaigns.import_undos TO campaigns, campaigns_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON campaigns.import_undos TO campaigns_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON campaigns.import_undos TO campaigns;
-- Contacts of an import that is taken back, and those of them that come again.
GRANT UPDATE, DELETE ON campaigns.contacts TO campaigns;
-- Slots that are missing are made again.
GRANT INSERT ON campaigns.slots TO campaigns_worker;

-- Whom may be called when: policies of organizations and campaigns, consents, kill switches, and what contacts wait for.

ALTER TABLE campaigns.contacts
    -- As the file told it, by the IANA's name.
    ADD COLUMN time_zone   text NOT NULL DEFAULT '' CONSTRAINT contacts_time_zone_length CHECK (char_length(time_zone) <= 60),
    -- Of a contact that is postponed until next_attempt_at; a retry that is not due yet has none.
    ADD COLUMN wait_reason text NOT NULL DEFAULT '';
CREATE INDEX contacts_waiting ON campaigns.contacts (org_id, campaign_id) WHERE status = 'PENDING' AND wait_reason <> '';
-- How often a number was called, over all campaigns.
CREATE INDEX contacts_by_phone ON campaigns.contacts (org_id, phone);

ALTER TABLE campaigns.verdicts
    DROP CONSTRAINT verdicts_verdict_known,
    ADD CONSTRAINT verdicts_verdict_known CHECK (verdict IN ('DIAL', 'WAIT', 'SKIP', 'EXHAUSTED')),
    ADD COLUMN until_at timestamptz;
CREATE INDEX verdicts_newest ON campaigns.verdicts (campaign_id, id DESC);

-- Weekly hours are arrays of [day, minute it opens, minute it closes], day 1 being Monday; an empty one is no rule.
CREATE TABLE campaigns.dialing_policies (
    org_id                   uuid        NOT NULL CONSTRAINT dialing_policies_pkey PRIMARY KEY,
    consent_required         boolean     NOT NULL,
    calling_hours            jsonb       NOT NULL CONSTRAINT dialing_policies_hours_array CHECK (jsonb_typeof(calling_hours) = 'array'),
    -- How often one number may be called or written to in such a period; null for any number of times.
    frequency_max            integer     CONSTRAINT dialing_policies_frequency_max_range CHECK (frequency_max BETWEEN 1 AND 100),
    frequency_period_seconds integer     CONSTRAINT dialing_policies_frequency_period_range
                                         CHECK (frequency_period_seconds BETWEEN 3600 AND 2678400),
    version                  bigint      NOT NULL DEFAULT 1,
    updated_at               timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT dialing_policies_frequency_whole CHECK ((frequency_max IS NULL) = (frequency_period_seconds IS NULL))
);

CREATE TABLE campaigns.campaign_dialing_policies (
    campaign_id      uuid        NOT NULL CONSTRAINT campaign_dialing_policies_pkey PRIMARY KEY,
    org_id           uuid        NOT NULL,
    consent_required boolean     NOT NULL,
    calling_hours    jsonb       NOT NULL CONSTRAINT campaign_dialing_policies_hours_array CHECK (jsonb_typeof(calling_hours) = 'array'),
    version          bigint      NOT NULL DEFAULT 1,
    updated_at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT campaign_dialing_policies_campaign FOREIGN KEY (org_id, campaign_id) REFERENCES campaigns.campaigns (org_id, id)
);

-- Released ones stay, as the record of what was stopped when and why. Without a campaign: the whole organization.
CREATE TABLE campaigns.kill_switches (
    id          uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT kill_switches_pkey PRIMARY KEY,
    org_id      uuid        NOT NULL,
    campaign_id uuid,
    reason      text        NOT NULL CONSTRAINT kill_switches_reason_length CHECK (char_length(reason) <= 500),
    engaged_at  timestamptz NOT NULL DEFAULT now(),
    released_at timestamptz,
    CONSTRAINT kill_switches_campaign FOREIGN KEY (org_id, campaign_id) REFERENCES campaigns.campaigns (org_id, id)
);
CREATE UNIQUE INDEX kill_switches_engaged_unique
    ON campaigns.kill_switches (org_id, campaign_id) NULLS NOT DISTINCT WHERE released_at IS NULL;

-- That a person agreed to be called or written to; revoked ones stay.
CREATE TABLE campaigns.consents (
    id                uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT consents_pkey PRIMARY KEY,
    org_id            uuid        NOT NULL,
    phone             text        NOT NULL CONSTRAINT consents_phone_e164 CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    channel           text        NOT NULL CONSTRAINT consents_channel_known CHECK (channel IN ('VOICE', 'SMS', 'ALL')),
    source            text        NOT NULL CONSTRAINT consents_source_length CHECK (char_length(source) BETWEEN 1 AND 500),
    obtained_at       timestamptz NOT NULL,
    recorded_at       timestamptz NOT NULL DEFAULT now(),
    revoked_at        timestamptz,
    revocation_source text        NOT NULL DEFAULT '' CONSTRAINT consents_revocation_source_length CHECK (char_length(revocation_source) <= 500)
);
CREATE UNIQUE INDEX consents_active_unique ON campaigns.consents (org_id, phone, channel) WHERE revoked_at IS NULL;
CREATE INDEX consents_newest ON campaigns.consents (org_id, id DESC);

-- Text messages that notify sent, as far back as a frequency cap may look.
CREATE TABLE campaigns.text_messages (
    message_id uuid        NOT NULL CONSTRAINT text_messages_pkey PRIMARY KEY,
    org_id     uuid        NOT NULL,
    phone      text        NOT NULL,
    sent_at    timestamptz NOT NULL
);
CREATE INDEX text_messages_by_phone ON campaigns.text_messages (org_id, phone, sent_at);
CREATE INDEX text_messages_age ON campaigns.text_messages (sent_at);

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY[
        'dialing_policies', 'campaign_dialing_policies', 'kill_switches', 'consents', 'text_messages']
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

GRANT SELECT, INSERT, UPDATE ON campaigns.dialing_policies TO campaigns;
GRANT SELECT, INSERT, UPDATE ON campaigns.campaign_dialing_policies TO campaigns;
GRANT SELECT, INSERT, UPDATE ON campaigns.kill_switches TO campaigns;
GRANT SELECT, INSERT, UPDATE ON campaigns.consents TO campaigns;
GRANT SELECT ON campaigns.text_messages TO campaigns;
-- Whose preflight asks about suppressions; and who waits for hours that were changed is looked at again.
GRANT SELECT ON campaigns.suppressions TO campaigns;
GRANT UPDATE (next_attempt_at, updated_at) ON campaigns.contacts TO campaigns;

GRANT SELECT ON campaigns.dialing_policies TO campaigns_worker;
GRANT SELECT ON campaigns.campaign_dialing_policies TO campaigns_worker;
GRANT SELECT ON campaigns.kill_switches TO campaigns_worker;
GRANT SELECT ON campaigns.consents TO campaigns_worker;
GRANT SELECT, INSERT, DELETE ON campaigns.text_messages TO campaigns_worker;

-- Rules grow: patterns, effective dates and customer types of priorities; bases, units and fees of prices; which services
-- are taken on, how soon, and when; where calls may be transferred to; and who changed which rule.

ALTER TABLE calls.priority_rules
    ADD COLUMN pattern             text        NOT NULL DEFAULT '',
    -- Where keywords and pattern are looked for; everywhere if empty.
    ADD COLUMN fields              text[]      NOT NULL DEFAULT '{}',
    ADD COLUMN customer_type       text        NOT NULL DEFAULT '',
    ADD COLUMN escalation          text[]      NOT NULL DEFAULT '{}',
    ADD COLUMN business_hours_only boolean     NOT NULL DEFAULT false,
    ADD COLUMN effective_from      timestamptz,
    ADD COLUMN effective_until     timestamptz,
    ADD CONSTRAINT priority_rules_pattern_length CHECK (length(pattern) <= 200),
    ADD CONSTRAINT priority_rules_fields_known CHECK (fields <@ ARRAY['DESCRIPTION', 'SUMMARY', 'TRANSCRIPT']),
    ADD CONSTRAINT priority_rules_effective_order CHECK (effective_from < effective_until);

ALTER TABLE calls.pricing_rules
    -- NULL stands for `price_min`.
    ADD COLUMN price_base      integer,
    ADD COLUMN unit            text        NOT NULL DEFAULT 'job',
    ADD COLUMN effective_from  timestamptz,
    ADD COLUMN effective_until timestamptz,
    ADD CONSTRAINT pricing_rules_base_range CHECK (price_base BETWEEN price_min AND price_max),
    ADD CONSTRAINT pricing_rules_unit_given CHECK (unit <> ''),
    ADD CONSTRAINT pricing_rules_effective_order CHECK (effective_from < effective_until);

ALTER TABLE calls.pricing_adjustments
    ADD COLUMN active boolean NOT NULL DEFAULT true,
    DROP CONSTRAINT pricing_adjustments_kind_known;
ALTER TABLE calls.pricing_adjustments
    ADD CONSTRAINT pricing_adjustments_kind_known CHECK (
        kind IN ('LOCATION', 'URGENCY', 'AFTER_HOURS', 'COMPLEXITY', 'MINIMUM', 'SPREAD'));

-- Which kinds of service are taken on. Takes the place of `refused_services`, which is still written for the release
-- before this one, and goes with it.
CREATE TABLE calls.service_rules (
    id           uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT service_rules_pkey PRIMARY KEY,
    org_id       uuid        NOT NULL,
    service_type text        NOT NULL CONSTRAINT service_rules_type_given CHECK (service_type <> ''),
    verdict      text        NOT NULL CONSTRAINT service_rules_verdict_known CHECK (verdict IN ('ACCEPTED', 'REFUSED', 'NEEDS_ASSESSMENT')),
    message_fr   text        NOT NULL DEFAULT '',
    message_en   text        NOT NULL DEFAULT '',
    active       boolean     NOT NULL DEFAULT true,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT service_rules_type_unique UNIQUE (org_id, service_type)
);

-- What is refused so far. The owner sees the rows of one organization only while the policies are forced upon it.
ALTER TABLE calls.refused_services NO FORCE ROW LEVEL SECURITY;
INSERT INTO calls.service_rules (org_id, service_type, verdict)
SELECT org_id, service_type, 'REFUSED' FROM calls.refused_services;
ALTER TABLE calls.refused_services FORCE ROW LEVEL SECURITY;

-- How soon a job can be done; the first rule whose service and priority fit decides.
CREATE TABLE calls.scheduling_rules (
    id           uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT scheduling_rules_pkey PRIMARY KEY,
    org_id       uuid        NOT NULL,
    name         text        NOT NULL CONSTRAINT scheduling_rules_name_length CHECK (length(name) BETWEEN 1 AND 100),
    position     integer     NOT NULL CONSTRAINT scheduling_rules_position_positive CHECK (position >= 0),
    active       boolean     NOT NULL DEFAULT true,
    -- Empty for every kind.
    service_type text        NOT NULL DEFAULT '',
    -- NULL for every priority.
    priority     text        CONSTRAINT scheduling_rules_priority_known CHECK (priority IN ('P1', 'P2', 'P3', 'P4')),
    window_label text        NOT NULL,
    soonest      integer     NOT NULL CONSTRAINT scheduling_rules_soonest_positive CHECK (soonest >= 0),
    latest       integer     NOT NULL,
    unit         text        NOT NULL CONSTRAINT scheduling_rules_unit_known CHECK (unit IN ('HOURS', 'WORKING_DAYS', 'WEEKS')),
    can_schedule boolean     NOT NULL DEFAULT true,
    requirements text[]      NOT NULL DEFAULT '{}',
    message_fr   text        NOT NULL DEFAULT '',
    message_en   text        NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT scheduling_rules_name_unique UNIQUE (org_id, name),
    CONSTRAINT scheduling_rules_window_order CHECK (latest >= soonest)
);
CREATE INDEX scheduling_rules_order ON calls.scheduling_rules (org_id, position, id);

CREATE TABLE calls.business_hours (
    org_id     uuid        NOT NULL CONSTRAINT business_hours_pkey PRIMARY KEY,
    time_zone  text        NOT NULL,
    language   text        NOT NULL CONSTRAINT business_hours_language_known CHECK (language IN ('fr', 'en')),
    -- [{day, opens, closes}]: 1 is Monday, minutes from midnight.
    weekly     jsonb       NOT NULL DEFAULT '[]',
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- The only places a caller may be transferred to.
CREATE TABLE calls.transfer_destinations (
    id         uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT transfer_destinations_pkey PRIMARY KEY,
    org_id     uuid        NOT NULL,
    name       text        NOT NULL CONSTRAINT transfer_destinations_name_length CHECK (length(name) BETWEEN 1 AND 100),
    -- The name as it is compared.
    name_key   text        NOT NULL CONSTRAINT transfer_destinations_key_given CHECK (name_key <> ''),
    position   integer     NOT NULL CONSTRAINT transfer_destinations_position_positive CHECK (position >= 0),
    active     boolean     NOT NULL DEFAULT true,
    kind       text        NOT NULL CONSTRAINT transfer_destinations_kind_known CHECK (kind IN ('NUMBER', 'SIP')),
    address    text        NOT NULL CONSTRAINT transfer_destinations_address_form CHECK (
        address ~ CASE kind WHEN 'NUMBER' THEN '^\+[1-9][0-9]{6,14}$' ELSE '^sips?:' END),
    message_fr text        NOT NULL DEFAULT '',
    message_en text        NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT transfer_destinations_name_unique UNIQUE (org_id, name_key)
);
CREATE INDEX transfer_destinations_order ON calls.transfer_destinations (org_id, position, id);

-- Who changed which rule, and how; never changed itself.
CREATE TABLE calls.rule_changes (
    id         uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT rule_changes_pkey PRIMARY KEY,
    org_id     uuid        NOT NULL,
    kind       text        NOT NULL CONSTRAINT rule_changes_kind_known CHECK (
        kind IN ('PRIORITY_RULE', 'PRICING_RULE', 'PRICING_ADJUSTMENT', 'SERVICE_RULE', 'SCHEDULING_RULE', 'BUSINESS_HOURS',
                 'TRANSFER_DESTINATION')),
    action     text        NOT NULL CONSTRAINT rule_changes_action_known CHECK (action IN ('CREATED', 'UPDATED', 'DELETED')),
    rule_id    uuid        NOT NULL,
    rule_name  text        NOT NULL,
    changed_by text        NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    before     jsonb,
    after      jsonb,
    CONSTRAINT rule_changes_whole CHECK ((before IS NULL) = (action = 'CREATED') OR kind = 'BUSINESS_HOURS'),
    CONSTRAINT rule_changes_after_whole CHECK ((after IS NULL) = (action = 'DELETED'))
);
CREATE INDEX rule_changes_org_changed ON calls.rule_changes (org_id, changed_at DESC, id DESC);
CREATE INDEX rule_changes_rule ON calls.rule_changes (org_id, rule_id, changed_at DESC, id DESC);
CREATE TRIGGER rule_changes_append_only BEFORE UPDATE OR DELETE ON calls.rule_changes
    FOR EACH ROW EXECUTE FUNCTION calls.refuse_change();

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY[
        'service_rules', 'scheduling_rules', 'business_hours', 'transfer_destinations', 'rule_changes'
    ] LOOP
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

GRANT SELECT, INSERT, UPDATE, DELETE ON calls.service_rules, calls.scheduling_rules, calls.transfer_destinations TO calls;
GRANT SELECT, INSERT, UPDATE         ON calls.business_hours TO calls;
GRANT SELECT, INSERT                 ON calls.rule_changes TO calls;
GRANT SELECT                         ON calls.service_rules, calls.scheduling_rules, calls.business_hours TO calls_worker;
-- The assistant opens leads while the call is on.
GRANT INSERT                         ON calls.leads TO calls;

-- What calls may cost: budgets, what is reserved for calls before they are dialed, and why a campaign does not dial now.

ALTER TABLE campaigns.dialing_policies
    -- Null: no limit. Over so many days of UTC, today included.
    ADD COLUMN budget_usd         numeric(12, 4) CONSTRAINT dialing_policies_budget_positive CHECK (budget_usd > 0),
    ADD COLUMN budget_period_days integer        CONSTRAINT dialing_policies_budget_period_range CHECK (budget_period_days BETWEEN 1 AND 31),
    -- What is reserved for a call; the deployment's default if null.
    ADD COLUMN call_cost_max_usd  numeric(10, 4) CONSTRAINT dialing_policies_call_cost_positive CHECK (call_cost_max_usd > 0),
    ADD CONSTRAINT dialing_policies_budget_whole CHECK ((budget_usd IS NULL) = (budget_period_days IS NULL));

ALTER TABLE campaigns.campaign_dialing_policies
    ADD COLUMN budget_usd        numeric(12, 4) CONSTRAINT campaign_dialing_policies_budget_positive CHECK (budget_usd > 0),
    ADD COLUMN call_cost_max_usd numeric(10, 4) CONSTRAINT campaign_dialing_policies_call_cost_positive CHECK (call_cost_max_usd > 0);

-- One per attempt, made with it. SETTLED: the cost is known. RELEASED: certainly no call was made. An OPEN one whose
-- call is over waits for its cost, for ever if need be.
CREATE TABLE campaigns.reservations (
    attempt_id  uuid           NOT NULL CONSTRAINT reservations_pkey PRIMARY KEY
                               CONSTRAINT reservations_attempt REFERENCES campaigns.attempts (id),
    org_id      uuid           NOT NULL,
    campaign_id uuid           NOT NULL,
    day         date           NOT NULL,
    amount_usd  numeric(10, 4) NOT NULL CONSTRAINT reservations_amount_positive CHECK (amount_usd > 0),
    state       text           NOT NULL DEFAULT 'OPEN' CONSTRAINT reservations_state_known CHECK (
        state IN ('OPEN', 'SETTLED', 'RELEASED')),
    cost_usd    numeric(10, 4) CONSTRAINT reservations_cost_not_negative CHECK (cost_usd >= 0),
    reserved_at timestamptz    NOT NULL DEFAULT now(),
    settled_at  timestamptz,
    CONSTRAINT reservations_cost_when_settled CHECK ((state = 'SETTLED') = (cost_usd IS NOT NULL))
);
CREATE INDEX reservations_open ON campaigns.reservations (campaign_id) WHERE state = 'OPEN';

-- Their sums, moved in the same statements. Whoever holds the campaign's lock changes them.
CREATE TABLE campaigns.spendings (
    campaign_id  uuid           NOT NULL,
    day          date           NOT NULL,
    org_id       uuid           NOT NULL,
    reserved_usd numeric(14, 4) NOT NULL DEFAULT 0 CONSTRAINT spendings_reserved_not_negative CHECK (reserved_usd >= 0),
    spent_usd    numeric(14, 4) NOT NULL DEFAULT 0 CONSTRAINT spendings_spent_not_negative CHECK (spent_usd >= 0),
    CONSTRAINT spendings_pkey PRIMARY KEY (campaign_id, day),
    CONSTRAINT spendings_campaign FOREIGN KEY (org_id, campaign_id) REFERENCES campaigns.campaigns (org_id, id)
);
CREATE INDEX spendings_by_org ON campaigns.spendings (org_id, day);

-- Why a campaign as a whole does not dial now.
CREATE TABLE campaigns.holds (
    campaign_id uuid        NOT NULL CONSTRAINT holds_pkey PRIMARY KEY,
    org_id      uuid        NOT NULL,
    reason      text        NOT NULL,
    since       timestamptz NOT NULL DEFAULT now(),
    -- When it is over by itself, if that is known.
    until_at    timestamptz,
    -- Not looked at before, unless the row goes: whatever may change the matter deletes it.
    look_at     timestamptz NOT NULL,
    CONSTRAINT holds_campaign FOREIGN KEY (org_id, campaign_id) REFERENCES campaigns.campaigns (org_id, id)
);
CREATE INDEX holds_by_org ON campaigns.holds (org_id);

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['reservations', 'spendings', 'holds']
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

GRANT SELECT ON campaigns.reservations TO campaigns;
GRANT SELECT ON campaigns.spendings TO campaigns;
-- A changed budget lets a campaign be looked at again.
GRANT SELECT, DELETE ON campaigns.holds TO campaigns;

GRANT SELECT, INSERT, UPDATE ON campaigns.reservations TO campaigns_worker;
GRANT SELECT, INSERT, UPDATE ON campaigns.spendings TO campaigns_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON campaigns.holds TO campaigns_worker;

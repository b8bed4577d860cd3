-- The figures of a campaign are counted in the transaction that changes them, so that reading them costs the same for ten
-- contacts and for ten thousand; organizations have features and limits of their own.

-- One row per figure: `contact:PENDING`, `status:ENDED` (attempts that count, by the status of their call), `success:true`,
-- and `cost`, `duration`, `held` (seconds that attempts held their slots), whose sum is `total`.
CREATE TABLE campaigns.campaign_figures (
    campaign_id uuid    NOT NULL,
    figure      text    NOT NULL,
    org_id      uuid    NOT NULL,
    count       bigint  NOT NULL,
    total       numeric NOT NULL DEFAULT 0,
    CONSTRAINT campaign_figures_pkey PRIMARY KEY (campaign_id, figure),
    CONSTRAINT campaign_figures_campaign FOREIGN KEY (org_id, campaign_id) REFERENCES campaigns.campaigns (org_id, id)
) WITH (fillfactor = 50);

CREATE TABLE campaigns.campaign_settings (
    org_id                  uuid        NOT NULL CONSTRAINT campaign_settings_pkey PRIMARY KEY,
    strict_batching         boolean     NOT NULL DEFAULT true,
    phone_line_health_check boolean     NOT NULL DEFAULT true,
    transcript_analysis     boolean     NOT NULL DEFAULT true,
    cost_tracking           boolean     NOT NULL DEFAULT true,
    export_functionality    boolean     NOT NULL DEFAULT true,
    -- Null is the service's own default.
    max_concurrent_calls    integer     CONSTRAINT campaign_settings_calls_range CHECK (max_concurrent_calls BETWEEN 1 AND 50),
    max_campaign_size       integer     CONSTRAINT campaign_settings_size_range CHECK (max_campaign_size BETWEEN 1 AND 1000000),
    max_file_upload_size    integer     CONSTRAINT campaign_settings_file_range CHECK (max_file_upload_size BETWEEN 1024 AND 10485760),
    cron_cadence_seconds    integer     CONSTRAINT campaign_settings_cadence_range CHECK (cron_cadence_seconds BETWEEN 5 AND 3600),
    version                 bigint      NOT NULL DEFAULT 1,
    updated_at              timestamptz NOT NULL DEFAULT now()
);

-- By the database, so that no writer of a contact or attempt can forget them. Whoever changes either holds the campaign's
-- lock, so nobody waits here who would not have waited anyway.
CREATE FUNCTION campaigns.count_contacts() RETURNS trigger
    LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO campaigns.campaign_figures AS figures (campaign_id, org_id, figure, count)
        SELECT campaign_id, org_id, 'contact:' || status, count(*)
          FROM added GROUP BY campaign_id, org_id, status ORDER BY campaign_id, status
            ON CONFLICT (campaign_id, figure) DO UPDATE SET count = figures.count + excluded.count;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO campaigns.campaign_figures AS figures (campaign_id, org_id, figure, count)
        SELECT campaign_id, org_id, 'contact:' || status, -count(*)
          FROM removed GROUP BY campaign_id, org_id, status ORDER BY campaign_id, status
            ON CONFLICT (campaign_id, figure) DO UPDATE SET count = figures.count + excluded.count;
    ELSE
        INSERT INTO campaigns.campaign_figures AS figures (campaign_id, org_id, figure, count)
        SELECT campaign_id, org_id, 'contact:' || status, sum(change)
          FROM (SELECT campaign_id, org_id, status, 1 AS change FROM added
                UNION ALL
                SELECT campaign_id, org_id, status, -1 FROM removed) AS changes
         GROUP BY campaign_id, org_id, status HAVING sum(change) <> 0 ORDER BY campaign_id, status
            ON CONFLICT (campaign_id, figure) DO UPDATE SET count = figures.count + excluded.count;
    END IF;
    RETURN NULL;
END
$$;

-- What an attempt adds to the figures.
CREATE FUNCTION campaigns.figures_of(attempt campaigns.attempts) RETURNS TABLE (figure text, total numeric)
    LANGUAGE sql STABLE
AS $$
SELECT told.figure, told.total
  FROM (VALUES ('status:' || attempt.call_status, 0::numeric),
               ('success:' || attempt.success_evaluation::text, 0),
               (CASE WHEN attempt.cost_usd IS NOT NULL THEN 'cost' END, attempt.cost_usd),
               (CASE WHEN attempt.duration_seconds IS NOT NULL THEN 'duration' END, attempt.duration_seconds::numeric),
               (CASE WHEN attempt.ended_at IS NOT NULL THEN 'held' END,
                greatest(extract(epoch FROM attempt.ended_at - attempt.created_at), 0))) AS told (figure, total)
 WHERE told.figure IS NOT NULL AND attempt.counts
$$;

CREATE FUNCTION campaigns.count_attempts() RETURNS trigger
    LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO campaigns.campaign_figures AS figures (campaign_id, org_id, figure, count, total)
        SELECT added.campaign_id, added.org_id, told.figure, count(*), sum(told.total)
          FROM added CROSS JOIN LATERAL campaigns.figures_of(added::campaigns.attempts) AS told
         GROUP BY 1, 2, 3 ORDER BY 1, 3
            ON CONFLICT (campaign_id, figure) DO UPDATE
           SET count = figures.count + excluded.count, total = figures.total + excluded.total;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO campaigns.campaign_figures AS figures (campaign_id, org_id, figure, count, total)
        SELECT removed.campaign_id, removed.org_id, told.figure, -count(*), -sum(told.total)
          FROM removed CROSS JOIN LATERAL campaigns.figures_of(removed::campaigns.attempts) AS told
         GROUP BY 1, 2, 3 ORDER BY 1, 3
            ON CONFLICT (campaign_id, figure) DO UPDATE
           SET count = figures.count + excluded.count, total = figures.total + excluded.total;
    ELSE
        INSERT INTO campaigns.campaign_figures AS figures (campaign_id, org_id, figure, count, total)
        SELECT campaign_id, org_id, figure, sum(change), sum(change * total)
          FROM (SELECT added.campaign_id, added.org_id, told.figure, told.total, 1 AS change
                  FROM added CROSS JOIN LATERAL campaigns.figures_of(added::campaigns.attempts) AS told
                UNION ALL
                SELECT removed.campaign_id, removed.org_id, told.figure, told.total, -1
                  FROM removed CROSS JOIN LATERAL campaigns.figures_of(removed::campaigns.attempts) AS told) AS changes
         GROUP BY campaign_id, org_id, figure HAVING sum(change) <> 0 OR sum(change * total) <> 0
         ORDER BY campaign_id, figure
            ON CONFLICT (campaign_id, figure) DO UPDATE
           SET count = figures.count + excluded.count, total = figures.total + excluded.total;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER count_added AFTER INSERT ON campaigns.contacts
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION campaigns.count_contacts();
CREATE TRIGGER count_changed AFTER UPDATE ON campaigns.contacts
    REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION campaigns.count_contacts();
CREATE TRIGGER count_removed AFTER DELETE ON campaigns.contacts
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION campaigns.count_contacts();
CREATE TRIGGER count_added AFTER INSERT ON campaigns.attempts
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION campaigns.count_attempts();
CREATE TRIGGER count_changed AFTER UPDATE ON campaigns.attempts
    REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION campaigns.count_attempts();
CREATE TRIGGER count_removed AFTER DELETE ON campaigns.attempts
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION campaigns.count_attempts();

-- What is there already. The owner sees rows of every organization only while row level security is not forced on it;
-- nobody else's view changes, and the triggers above hold off writers until this is committed.
ALTER TABLE campaigns.contacts NO FORCE ROW LEVEL SECURITY;
ALTER TABLE campaigns.attempts NO FORCE ROW LEVEL SECURITY;
INSERT INTO campaigns.campaign_figures (campaign_id, org_id, figure, count)
SELECT campaign_id, org_id, 'contact:' || status, count(*) FROM campaigns.contacts GROUP BY campaign_id, org_id, status;
INSERT INTO campaigns.campaign_figures (campaign_id, org_id, figure, count, total)
SELECT attempts.campaign_id, attempts.org_id, told.figure, count(*), sum(told.total)
  FROM campaigns.attempts CROSS JOIN LATERAL campaigns.figures_of(attempts) AS told
 GROUP BY 1, 2, 3;
ALTER TABLE campaigns.contacts FORCE ROW LEVEL SECURITY;
ALTER TABLE campaigns.attempts FORCE ROW LEVEL SECURITY;

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['campaign_figures', 'campaign_settings']
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

GRANT SELECT, INSERT, UPDATE ON campaigns.campaign_figures TO campaigns, campaigns_worker;
GRANT SELECT, INSERT, UPDATE ON campaigns.campaign_settings TO campaigns;
GRANT SELECT ON campaigns.campaign_settings TO campaigns_worker;

-- What organizations decide about their calls, and figures of the last seven days.

CREATE TABLE calls.call_settings (
    org_id     uuid        NOT NULL CONSTRAINT call_settings_pkey PRIMARY KEY,
    -- Kinds of personal data that are taken out of texts.
    redacted   text[]      NOT NULL DEFAULT '{}' CONSTRAINT call_settings_redacted_known CHECK (
        redacted <@ ARRAY['SSN', 'CARD', 'EMAIL']),
    -- The etag.
    version    bigint      NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE calls.call_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE calls.call_settings FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON calls.call_settings TO calls, calls_owner
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON calls.call_settings TO calls_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON calls.call_settings TO calls;
GRANT SELECT                 ON calls.call_settings TO calls_worker;

-- The last week without reading all of the past; both tables grow in the order of time.
CREATE INDEX calls_created ON calls.calls USING brin (created_at) WITH (pages_per_range = 32);
CREATE INDEX outbox_time ON calls.outbox USING brin (time) WITH (pages_per_range = 32);

-- Counts by hour, as the worker last made them: in a transaction that only reads, because readers of the logs wait for
-- whatever writes. A few rows per organization and hour.
CREATE TABLE calls.call_counts (
    org_id                uuid             NOT NULL,
    hour                  timestamptz      NOT NULL,
    direction             text             NOT NULL,
    assistant_id          text             NOT NULL,
    provider_assistant_id text             NOT NULL,
    service_type          text             NOT NULL,
    total                 bigint           NOT NULL,
    active                bigint           NOT NULL,
    completed             bigint           NOT NULL,
    failed                bigint           NOT NULL,
    abandoned             bigint           NOT NULL,
    urgent                bigint           NOT NULL,
    connected             bigint           NOT NULL,
    answered              bigint           NOT NULL,
    evaluated             bigint           NOT NULL,
    successful            bigint           NOT NULL,
    timed                 bigint           NOT NULL,
    duration_seconds      double precision NOT NULL,
    cost_usd              numeric          NOT NULL,
    transcribed           bigint           NOT NULL,
    transcript_lines      bigint           NOT NULL,
    CONSTRAINT call_counts_pkey
        PRIMARY KEY (org_id, hour, direction, assistant_id, provider_assistant_id, service_type)
);
CREATE TABLE calls.event_counts (
    org_id uuid        NOT NULL,
    hour   timestamptz NOT NULL,
    type   text        NOT NULL,
    total  bigint      NOT NULL,
    CONSTRAINT event_counts_pkey PRIMARY KEY (org_id, hour, type)
);

DO $$
DECLARE
    counts text;
BEGIN
    FOREACH counts IN ARRAY ARRAY['call_counts', 'event_counts'] LOOP
        EXECUTE format('ALTER TABLE calls.%I ENABLE ROW LEVEL SECURITY', counts);
        EXECUTE format('ALTER TABLE calls.%I FORCE ROW LEVEL SECURITY', counts);
        EXECUTE format(
            'CREATE POLICY tenant ON calls.%I TO calls, calls_owner
                 USING (org_id = NULLIF(current_setting(''app.org_id'', true), '''')::uuid)
                 WITH CHECK (org_id = NULLIF(current_setting(''app.org_id'', true), '''')::uuid)', counts);
        EXECUTE format('CREATE POLICY worker ON calls.%I TO calls_worker USING (true) WITH CHECK (true)', counts);
        -- The owner sees no rows without an organization. While it refreshes the figures, and only then, it sees all.
        EXECUTE format(
            'CREATE POLICY refresh ON calls.%I FOR SELECT TO calls_owner
                 USING (current_setting(''app.refresh'', true) = ''figures'')', counts);
        EXECUTE format('GRANT SELECT, INSERT, DELETE ON calls.%I TO calls_worker', counts);
    END LOOP;
END
$$;

-- Row level security does not hold for materialized views, so nobody may read these two. What is read are the views
-- below them, which show the organization of the transaction only.
CREATE MATERIALIZED VIEW calls.call_figures_of_all AS SELECT * FROM calls.call_counts;
CREATE MATERIALIZED VIEW calls.event_figures_of_all AS SELECT * FROM calls.event_counts;
-- What refreshing them beside their readers needs.
CREATE UNIQUE INDEX call_figures_of_all_unique ON calls.call_figures_of_all
    (org_id, hour, direction, assistant_id, provider_assistant_id, service_type);
CREATE UNIQUE INDEX event_figures_of_all_unique ON calls.event_figures_of_all (org_id, hour, type);

CREATE VIEW calls.call_figures WITH (security_barrier) AS
SELECT *
  FROM calls.call_figures_of_all
 WHERE org_id = NULLIF(current_setting('app.org_id', true), '')::uuid;
CREATE VIEW calls.event_figures WITH (security_barrier) AS
SELECT *
  FROM calls.event_figures_of_all
 WHERE org_id = NULLIF(current_setting('app.org_id', true), '')::uuid;
GRANT SELECT ON calls.call_figures, calls.event_figures TO calls;

CREATE TABLE calls.figure_refreshes (
    name         text        NOT NULL CONSTRAINT figure_refreshes_pkey PRIMARY KEY,
    refreshed_at timestamptz NOT NULL
);
GRANT SELECT ON calls.figure_refreshes TO calls, calls_worker;

-- Run with the owner's rights, so that the worker may refresh what it may not read.
CREATE FUNCTION calls.refresh_figures() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET lock_timeout = '2s'
AS $$
BEGIN
    PERFORM set_config('app.refresh', 'figures', true);
    REFRESH MATERIALIZED VIEW CONCURRENTLY calls.call_figures_of_all;
    REFRESH MATERIALIZED VIEW CONCURRENTLY calls.event_figures_of_all;
    INSERT INTO calls.figure_refreshes AS refresh (name, refreshed_at) VALUES ('figures', now())
        ON CONFLICT ON CONSTRAINT figure_refreshes_pkey DO UPDATE SET refreshed_at = excluded.refreshed_at;
    PERFORM set_config('app.refresh', '', true);
END
$$;
REVOKE ALL ON FUNCTION calls.refresh_figures() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION calls.refresh_figures() TO calls_worker;

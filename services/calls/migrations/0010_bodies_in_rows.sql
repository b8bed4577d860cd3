-- Where bodies are stored as they come, those that fit stay in their row: cut into pieces elsewhere, each cost three
-- rows and three index entries more. A server that packs them makes them small enough by itself.

CREATE OR REPLACE FUNCTION calls.create_partitions(months_ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET lock_timeout = '2s'
AS $$
DECLARE
    this_month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
    parent     text;
    month      timestamp;
    partition  text;
    created    integer := 0;
BEGIN
    FOREACH parent IN ARRAY ARRAY['provider_events', 'call_events', 'transcripts'] LOOP
        FOR offset_months IN -1 .. least(months_ahead, 24) LOOP
            month := this_month + make_interval(months => offset_months);
            partition := parent || '_' || to_char(month, 'YYYYMM');
            CONTINUE WHEN to_regclass('calls.' || partition) IS NOT NULL;
            BEGIN
                EXECUTE format(
                    'CREATE TABLE calls.%I PARTITION OF calls.%I FOR VALUES FROM (%L) TO (%L)',
                    partition, parent, month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
                PERFORM calls.keep_bodies_in_rows(format('calls.%I', partition)::regclass);
                created := created + 1;
            EXCEPTION WHEN check_violation THEN
                RAISE WARNING 'calls.%: rows of this month are in the default partition', partition;
            END;
        END LOOP;
    END LOOP;
    RETURN created;
END
$$;

CREATE FUNCTION calls.keep_bodies_in_rows(partition regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute
                WHERE attrelid = partition AND attname = 'body' AND attstorage = 'e') THEN
        -- The most there is; larger bodies go elsewhere as before.
        EXECUTE format('ALTER TABLE %s SET (toast_tuple_target = 8160)', partition);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION calls.keep_bodies_in_rows(regclass) FROM PUBLIC;

SELECT calls.keep_bodies_in_rows(relid) FROM pg_partition_tree('calls.provider_events') WHERE isleaf;

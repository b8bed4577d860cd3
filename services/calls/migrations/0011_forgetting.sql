-- Events are forgotten once nobody reads them any more. The table stays append-only for the service's own roles: this
-- runs with the owner's rights, sees one organization as everybody does, and leaves a week alone whatever is asked.
CREATE FUNCTION calls.forget_events(organization uuid, xids text[], positions bigint[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    forgotten integer;
    before    text := current_setting('app.org_id', true);
BEGIN
    PERFORM set_config('app.org_id', organization::text, true);
    DELETE FROM calls.outbox AS event
     USING unnest(xids, positions) AS old (xid, position)
     WHERE event.xid = old.xid::xid8 AND event.position = old.position AND event.org_id = organization
       AND event.time < now() - interval '7 days';
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    PERFORM set_config('app.org_id', coalesce(before, ''), true);
    RETURN forgotten;
END
$$;
REVOKE ALL ON FUNCTION calls.forget_events(uuid, text[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION calls.forget_events(uuid, text[], bigint[]) TO calls_worker;

-- Likewise what makes a webhook the same as an earlier one, once no provider repeats it any more.
CREATE FUNCTION calls.forget_event_keys(organization uuid, sources uuid[], keys bytea[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    forgotten integer;
    before    text := current_setting('app.org_id', true);
BEGIN
    PERFORM set_config('app.org_id', organization::text, true);
    DELETE FROM calls.provider_event_keys AS known
     USING unnest(sources, keys) AS old (source_id, dedupe_key)
     WHERE known.source_id = old.source_id AND known.dedupe_key = old.dedupe_key AND known.org_id = organization
       AND known.received_at < now() - interval '7 days';
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    PERFORM set_config('app.org_id', coalesce(before, ''), true);
    RETURN forgotten;
END
$$;
REVOKE ALL ON FUNCTION calls.forget_event_keys(uuid, uuid[], bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION calls.forget_event_keys(uuid, uuid[], bytea[]) TO calls_worker;

-- What a webhook told is kept in its row like the webhook itself (see 0010), in existing months and in those to come.
CREATE OR REPLACE FUNCTION calls.keep_bodies_in_rows(partition regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute
                WHERE attrelid = partition AND attname IN ('body', 'payload') AND attstorage = 'e') THEN
        -- The most there is; larger bodies go elsewhere as before.
        EXECUTE format('ALTER TABLE %s SET (toast_tuple_target = 8160)', partition);
    END IF;
END
$$;
SELECT calls.keep_bodies_in_rows(relid) FROM pg_partition_tree('calls.call_events') WHERE isleaf;

-- Events are forgotten once nobody reads them any more. The table stays append-only for the service's own roles: this
-- runs with the owner's rights, sees one organization as everybody does, and leaves a week alone whatever is asked.
CREATE FUNCTION gateway.forget_events(organization uuid, xids text[], positions bigint[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    forgotten integer;
    before    text := current_setting('app.org_id', true);
BEGIN
    PERFORM set_config('app.org_id', organization::text, true);
    DELETE FROM gateway.outbox AS event
     USING unnest(xids, positions) AS old (xid, position)
     WHERE event.xid = old.xid::xid8 AND event.position = old.position AND event.org_id = organization
       AND event.time < now() - interval '7 days';
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    PERFORM set_config('app.org_id', coalesce(before, ''), true);
    RETURN forgotten;
END
$$;
REVOKE ALL ON FUNCTION gateway.forget_events(uuid, text[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gateway.forget_events(uuid, text[], bigint[]) TO gateway_worker;

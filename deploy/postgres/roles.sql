-- One schema and three roles per service. Run by a superuser in Callplane's database, before the migrations; may be
-- run again at any time. Passwords are not its business: set them with ALTER ROLE, or use certificates.
--
--   <service>_owner   owns the schema, runs the migrations, is never used by a running service
--   <service>         serves requests; row level security shows it one organization at a time
--   <service>_worker  background loops; policies of its own schema show it all organizations
--
-- No role can see another service's schema. Privileges on tables are granted by each migration, one by one.

DO $$
DECLARE
    service text;
    role    text;
BEGIN
    FOREACH service IN ARRAY ARRAY['calls', 'campaigns', 'notify', 'gateway'] LOOP
        FOREACH role IN ARRAY ARRAY[service || '_owner', service, service || '_worker'] LOOP
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
                EXECUTE format('CREATE ROLE %I', role);
            END IF;
            EXECUTE format(
                'ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', role);
            EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role);
        END LOOP;
        -- For refreshing materialized views beside their readers.
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), service || '_owner');
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', service, service || '_owner');
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I, %I', service, service, service || '_worker');
    END LOOP;
    EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;

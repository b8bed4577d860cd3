-- A source's secret can be rotated: for a while the one before it is good too.
ALTER TABLE gateway.sources
    ADD COLUMN previous_secret bytea,
    ADD COLUMN previous_secret_expires_at timestamptz,
    ADD CONSTRAINT sources_previous_secret_expires CHECK (
        (previous_secret IS NULL) = (previous_secret_expires_at IS NULL));

GRANT UPDATE (secret, previous_secret, previous_secret_expires_at) ON gateway.sources TO gateway;

-- Who takes the calls of a source where nobody else does, also while the calls service is away.
ALTER TABLE gateway.sources ADD COLUMN default_assistant_id text NOT NULL DEFAULT '';

GRANT UPDATE (default_assistant_id) ON gateway.sources TO gateway;

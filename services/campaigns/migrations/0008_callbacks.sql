-- Contacts who asked to be called back at a time of theirs.

ALTER TABLE campaigns.contacts
    -- When the person wants to be called; null once that call was made.
    ADD COLUMN callback_at     timestamptz,
    -- The attempt under way is that call.
    ADD COLUMN callback_dialed boolean NOT NULL DEFAULT false CONSTRAINT contacts_callback_dialed CHECK (
        NOT callback_dialed OR callback_at IS NOT NULL);
CREATE INDEX contacts_callbacks ON campaigns.contacts (campaign_id, next_attempt_at NULLS FIRST, position)
    WHERE status = 'PENDING' AND callback_at IS NOT NULL;

-- Assistants: templates, what a write to the provider is about while its end is not known, the regular check of their
-- existence, and which version a version brought back. Whoever dials reads them, for the version a campaign has pinned.

ALTER TABLE campaigns.assistants
    -- Which of the templates it is.
    ADD COLUMN template        text        CONSTRAINT assistants_template_set CHECK (template <> ''),
    ADD COLUMN inactive_reason text        NOT NULL DEFAULT ''
        CONSTRAINT assistants_inactive_reason_known CHECK (inactive_reason IN ('', 'GONE_AT_PROVIDER')),
    -- Content on its way to the provider. It stays if the provider's answer was lost; what we last wrote is then this.
    ADD COLUMN written_name    text,
    ADD COLUMN written_config  jsonb       CONSTRAINT assistants_written_config_object CHECK (jsonb_typeof(written_config) = 'object'),
    ADD COLUMN writing_at      timestamptz,
    -- When the provider is asked next whether it still has the assistant; since when it says no.
    ADD COLUMN check_at        timestamptz NOT NULL DEFAULT now() + interval '15 minutes',
    ADD COLUMN checked_at      timestamptz,
    ADD COLUMN missing_at      timestamptz,
    DROP CONSTRAINT assistants_provider_assistant_id_set,
    ADD CONSTRAINT assistants_provider_assistant_id_set CHECK ((provider_assistant_id = '') = (source = 'TEMPLATE')),
    ADD CONSTRAINT assistants_template_source CHECK ((template IS NOT NULL) = (source = 'TEMPLATE')),
    ADD CONSTRAINT assistants_template_inactive CHECK (source <> 'TEMPLATE' OR NOT active),
    ADD CONSTRAINT assistants_written_whole CHECK ((written_name IS NULL) = (written_config IS NULL)),
    ADD CONSTRAINT assistants_inactive_reason CHECK (inactive_reason = '' OR NOT active);

DROP INDEX campaigns.assistants_provider_id_unique;
CREATE UNIQUE INDEX assistants_provider_id_unique
    ON campaigns.assistants (org_id, provider, provider_assistant_id)
    WHERE deleted_at IS NULL AND provider_assistant_id <> '';
CREATE UNIQUE INDEX assistants_template_unique ON campaigns.assistants (org_id, template) WHERE template IS NOT NULL;
CREATE INDEX assistants_to_check ON campaigns.assistants (check_at) WHERE deleted_at IS NULL AND source <> 'TEMPLATE';
CREATE INDEX assistants_ephemeral ON campaigns.assistants (created_at) WHERE deleted_at IS NULL AND ephemeral;

ALTER TABLE campaigns.assistant_versions
    ADD COLUMN restored_version integer CONSTRAINT assistant_versions_restored_version_earlier CHECK (restored_version < version);

GRANT SELECT, UPDATE ON campaigns.assistants TO campaigns_worker;
GRANT SELECT ON campaigns.assistant_versions TO campaigns_worker;

-- What operators say of a tenant (with an empty subject) or an owner, in place of the deployment's quotas: JSON.
CREATE TABLE quota_overrides (
    scope      text  NOT NULL CHECK (scope IN ('owner', 'tenant')),
    tenant     text  NOT NULL,
    subject    text  NOT NULL,
    said       text  NOT NULL,
    changed_at bigint NOT NULL,
    PRIMARY KEY (scope, tenant, subject)
);

CREATE INDEX quota_overrides_of_tenant ON quota_overrides (tenant);

-- Logs of released sessions that are kept, and what each of them counts there.
ALTER TABLE quotas ADD COLUMN stored_bytes bigint NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN stored_bytes bigint NOT NULL DEFAULT 0;

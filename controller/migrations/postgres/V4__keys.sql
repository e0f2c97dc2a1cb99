-- What a key may be used for, until when, by whom it is known, and its secret before the last rotation.
ALTER TABLE api_keys ADD COLUMN scopes       text NOT NULL DEFAULT 'sessions:read sessions:write admin';
ALTER TABLE api_keys ADD COLUMN name         text NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN expires_at   bigint;
ALTER TABLE api_keys ADD COLUMN last_used_at bigint;
ALTER TABLE api_keys ADD COLUMN revoked_at   bigint;
ALTER TABLE api_keys ADD COLUMN old_hash     bytea;
ALTER TABLE api_keys ADD COLUMN old_until    bigint;
CREATE INDEX api_keys_of_tenant ON api_keys (tenant, id);

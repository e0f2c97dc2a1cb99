-- What a key may be used for, until when, by whom it is known, and its secret before the last rotation.
ALTER TABLE api_keys ADD COLUMN scopes       TEXT NOT NULL DEFAULT 'sessions:read sessions:write admin';
ALTER TABLE api_keys ADD COLUMN name         TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN expires_at   INTEGER;
ALTER TABLE api_keys ADD COLUMN last_used_at INTEGER;
ALTER TABLE api_keys ADD COLUMN revoked_at   INTEGER;
ALTER TABLE api_keys ADD COLUMN old_hash     BLOB;
ALTER TABLE api_keys ADD COLUMN old_until    INTEGER;
CREATE INDEX api_keys_of_tenant ON api_keys (tenant, id);

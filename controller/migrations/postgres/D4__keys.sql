DROP INDEX api_keys_of_tenant;
ALTER TABLE api_keys DROP COLUMN old_until, DROP COLUMN old_hash, DROP COLUMN revoked_at, DROP COLUMN last_used_at,
    DROP COLUMN expires_at, DROP COLUMN name, DROP COLUMN scopes;

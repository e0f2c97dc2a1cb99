ALTER TABLE sessions DROP COLUMN stored_bytes;
ALTER TABLE quotas DROP COLUMN stored_bytes;
DROP TABLE quota_overrides;

-- Who did what, and what was refused. It outlives the sessions that it tells of.

CREATE TABLE audit (
    cursor     INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    action     TEXT    NOT NULL,
    outcome    TEXT    NOT NULL CHECK (outcome IN ('done', 'refused')),
    tenant     TEXT,
    subject    TEXT    CHECK ((subject IS NOT NULL) = (tenant IS NOT NULL)),
    role       TEXT    CHECK ((role IS NOT NULL) = (tenant IS NOT NULL)),
    source     TEXT    CHECK ((source IS NOT NULL) = (tenant IS NOT NULL)),
    address    TEXT,
    request_id TEXT,
    uid        TEXT,
    detail     TEXT    NOT NULL,
    count      INTEGER NOT NULL CHECK (count >= 1)
) STRICT;

CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_of_tenant ON audit (tenant, cursor) WHERE tenant IS NOT NULL;
CREATE INDEX audit_of_session ON audit (uid, cursor) WHERE uid IS NOT NULL;

CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;

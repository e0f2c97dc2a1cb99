-- Links that let others attach to a session. Of their secrets there is a keyed hash.
CREATE TABLE shares (
    id         TEXT    NOT NULL PRIMARY KEY,
    uid        TEXT    NOT NULL REFERENCES sessions (uid) ON DELETE CASCADE,
    hash       BLOB    NOT NULL,
    read_only  INTEGER NOT NULL CHECK (read_only IN (0, 1)),
    name       TEXT,
    max_uses   INTEGER NOT NULL CHECK (max_uses >= 1),
    uses       INTEGER NOT NULL DEFAULT 0 CHECK (uses <= max_uses),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE INDEX shares_of_session ON shares (uid, created_at);

-- A runner may be there before the session that it serves: it waits in the pool without one.

CREATE TABLE runners_with_pool (
    id              TEXT    NOT NULL PRIMARY KEY,
    -- What the launcher calls it.
    launch          TEXT    NOT NULL UNIQUE,
    uid             TEXT    REFERENCES sessions (uid) ON DELETE CASCADE,
    incarnation     INTEGER CHECK ((incarnation IS NOT NULL) = (uid IS NOT NULL)),
    certificate     BLOB,
    credential_used INTEGER NOT NULL DEFAULT 0 CHECK (credential_used IN (0, 1)),
    address         TEXT,
    created_at      INTEGER NOT NULL DEFAULT 0,
    registered_at   INTEGER,
    seen_at         INTEGER,
    UNIQUE (uid, incarnation)
) STRICT;

INSERT INTO runners_with_pool
    (id, launch, uid, incarnation, certificate, credential_used, address, registered_at, seen_at)
    SELECT id, REPLACE(uid, '-', '') || '-' || incarnation, uid, incarnation, certificate, credential_used, address,
        registered_at, seen_at
    FROM runners;

DROP TABLE runners;
ALTER TABLE runners_with_pool RENAME TO runners;

-- Times are milliseconds since the epoch in the store's clock; spans are milliseconds.
-- The names and the statements over them are the same in every database that keeps them.

CREATE TABLE sessions (
    uid              TEXT    NOT NULL PRIMARY KEY,
    tenant           TEXT    NOT NULL,
    subject          TEXT    NOT NULL,
    id               TEXT    NOT NULL,
    incarnation      INTEGER NOT NULL CHECK (incarnation >= 1),
    phase            TEXT    NOT NULL CHECK (phase IN ('pending', 'starting', 'running', 'asleep', 'ended')),
    stage            TEXT    CHECK ((stage IS NOT NULL) = (phase = 'starting')),
    end_reason       TEXT    CHECK ((end_reason IS NOT NULL) = (phase = 'ended')),
    exit_code        INTEGER,
    detail           TEXT    NOT NULL DEFAULT '',
    release          TEXT    NOT NULL CHECK (release IN ('held', 'released')),
    -- JSON; the secrets are not in it.
    spec             TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    start_deadline_at INTEGER NOT NULL,
    started_at       INTEGER,
    -- Counted from Running.
    deadline_millis  INTEGER NOT NULL,
    deadline_at      INTEGER,
    idle_millis      INTEGER NOT NULL,
    last_activity_at INTEGER NOT NULL,
    ended_at         INTEGER CHECK ((ended_at IS NOT NULL) = (phase = 'ended')),
    deleted_at       INTEGER,
    isolation        TEXT,
    log_first        INTEGER NOT NULL DEFAULT 0,
    log_end          INTEGER NOT NULL DEFAULT 0,
    viewers          INTEGER NOT NULL DEFAULT 0,
    sealed_key       BLOB    NOT NULL,
    -- Erased by the end.
    sealed_secrets   BLOB    CHECK (sealed_secrets IS NULL OR phase <> 'ended'),
    -- When work is due; none when there is none. While it is leased, when the lease runs out.
    due_at           INTEGER,
    lease_until      INTEGER,
    -- How many events were written; the sequence of the last.
    events           INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX sessions_id ON sessions (tenant, id) WHERE deleted_at IS NULL;
CREATE INDEX sessions_of_owner ON sessions (tenant, subject, uid) WHERE deleted_at IS NULL;
CREATE INDEX sessions_due ON sessions (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX sessions_phase ON sessions (phase);
CREATE INDEX sessions_held ON sessions (uid) WHERE release = 'held';
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE release = 'released';

CREATE TABLE session_labels (
    uid   TEXT NOT NULL REFERENCES sessions (uid) ON DELETE CASCADE,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (uid, key)
) STRICT;

CREATE TABLE runners (
    id              TEXT    NOT NULL PRIMARY KEY,
    uid             TEXT    NOT NULL REFERENCES sessions (uid) ON DELETE CASCADE,
    incarnation     INTEGER NOT NULL,
    certificate     BLOB,
    credential_used INTEGER NOT NULL DEFAULT 0 CHECK (credential_used IN (0, 1)),
    address         TEXT,
    registered_at   INTEGER,
    seen_at         INTEGER,
    UNIQUE (uid, incarnation)
) STRICT;

CREATE TABLE segments (
    uid          TEXT    NOT NULL REFERENCES sessions (uid) ON DELETE CASCADE,
    incarnation  INTEGER NOT NULL,
    sequence     INTEGER NOT NULL,
    first_offset INTEGER NOT NULL,
    end_offset   INTEGER NOT NULL,
    bytes        INTEGER NOT NULL,
    hash         BLOB    NOT NULL,
    PRIMARY KEY (uid, incarnation, sequence)
) STRICT;

CREATE TABLE events (
    cursor   INTEGER PRIMARY KEY AUTOINCREMENT,
    uid      TEXT    NOT NULL REFERENCES sessions (uid) ON DELETE CASCADE,
    -- From 1, without gaps.
    sequence INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    detail   TEXT    NOT NULL,
    UNIQUE (uid, sequence)
) STRICT;

-- How many sessions an owner holds, and a tenant (with an empty subject).
CREATE TABLE quotas (
    scope   TEXT    NOT NULL CHECK (scope IN ('owner', 'tenant')),
    tenant  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    held    INTEGER NOT NULL CHECK (held >= 0),
    PRIMARY KEY (scope, tenant, subject)
) STRICT;

-- Outlives the session that it made: a late repeat must not make another.
CREATE TABLE idempotency (
    tenant     TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    body_hash  BLOB    NOT NULL,
    uid        TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, subject, key)
) STRICT;

CREATE INDEX idempotency_age ON idempotency (created_at);

CREATE TABLE api_keys (
    id         TEXT    NOT NULL PRIMARY KEY,
    hash       BLOB    NOT NULL,
    tenant     TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

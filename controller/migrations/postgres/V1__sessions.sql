-- Times are milliseconds since the epoch in the store's clock; spans are milliseconds.
-- The names and the statements over them are the same in every database that keeps them.

CREATE TABLE sessions (
    uid               uuid    NOT NULL PRIMARY KEY,
    tenant            text    NOT NULL,
    subject           text    NOT NULL,
    id                text    NOT NULL,
    incarnation       bigint  NOT NULL CHECK (incarnation >= 1),
    phase             text    NOT NULL CHECK (phase IN ('pending', 'starting', 'running', 'asleep', 'ended')),
    stage             text    CHECK ((stage IS NOT NULL) = (phase = 'starting')),
    end_reason        text    CHECK ((end_reason IS NOT NULL) = (phase = 'ended')),
    exit_code         bigint,
    detail            text    NOT NULL DEFAULT '',
    release           text    NOT NULL CHECK (release IN ('held', 'released')),
    -- JSON; the secrets are not in it.
    spec              text    NOT NULL,
    created_at        bigint  NOT NULL,
    start_deadline_at bigint  NOT NULL,
    started_at        bigint,
    -- Counted from Running.
    deadline_millis   bigint  NOT NULL,
    deadline_at       bigint,
    idle_millis       bigint  NOT NULL,
    last_activity_at  bigint  NOT NULL,
    ended_at          bigint  CHECK ((ended_at IS NOT NULL) = (phase = 'ended')),
    deleted_at        bigint,
    isolation         text,
    log_first         bigint  NOT NULL DEFAULT 0,
    log_end           bigint  NOT NULL DEFAULT 0,
    viewers           bigint  NOT NULL DEFAULT 0,
    sealed_key        bytea   NOT NULL,
    -- Erased by the end.
    sealed_secrets    bytea   CHECK (sealed_secrets IS NULL OR phase <> 'ended'),
    -- When work is due; none when there is none. While it is leased, when the lease runs out.
    due_at            bigint,
    lease_until       bigint,
    -- How many events were written; the sequence of the last.
    events            bigint  NOT NULL DEFAULT 0
-- A heartbeat rewrites the row and no index: room for it beside the old one.
) WITH (fillfactor = 80);

CREATE UNIQUE INDEX sessions_id ON sessions (tenant, id) WHERE deleted_at IS NULL;
CREATE INDEX sessions_of_owner ON sessions (tenant, subject, uid) WHERE deleted_at IS NULL;
CREATE INDEX sessions_due ON sessions (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX sessions_alive ON sessions (phase) WHERE phase <> 'ended';
CREATE INDEX sessions_held ON sessions (uid) WHERE release = 'held';
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE release = 'released';

CREATE TABLE session_labels (
    uid   uuid NOT NULL REFERENCES sessions (uid) ON DELETE CASCADE,
    key   text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (uid, key)
);

CREATE TABLE runners (
    id              text    NOT NULL PRIMARY KEY,
    -- What the launcher calls it.
    launch          text    NOT NULL UNIQUE,
    -- None of a runner that waits in the pool.
    uid             uuid    REFERENCES sessions (uid) ON DELETE CASCADE,
    incarnation     bigint  CHECK ((incarnation IS NOT NULL) = (uid IS NOT NULL)),
    certificate     bytea,
    credential_used boolean NOT NULL DEFAULT FALSE,
    address         text,
    created_at      bigint  NOT NULL DEFAULT 0,
    registered_at   bigint,
    seen_at         bigint,
    UNIQUE (uid, incarnation)
) WITH (fillfactor = 80);

CREATE TABLE segments (
    uid          uuid   NOT NULL REFERENCES sessions (uid) ON DELETE CASCADE,
    incarnation  bigint NOT NULL,
    sequence     bigint NOT NULL,
    first_offset bigint NOT NULL,
    end_offset   bigint NOT NULL,
    bytes        bigint NOT NULL,
    hash         bytea  NOT NULL,
    PRIMARY KEY (uid, incarnation, sequence)
);

CREATE TABLE events (
    cursor   bigint GENERATED ALWAYS AS IDENTITY,
    -- Rows are numbered when they are written and seen when they are committed: a reader that goes by the number alone
    -- passes those that come late. Of transactions it knows which may still come.
    xact     xid8   NOT NULL DEFAULT pg_current_xact_id(),
    uid      uuid   NOT NULL REFERENCES sessions (uid) ON DELETE CASCADE,
    -- From 1, without gaps.
    sequence bigint NOT NULL,
    at       bigint NOT NULL,
    kind     text   NOT NULL,
    detail   text   NOT NULL,
    PRIMARY KEY (xact, cursor),
    UNIQUE (uid, sequence)
);

-- How many sessions an owner holds, and a tenant (with an empty subject).
CREATE TABLE quotas (
    scope   text   NOT NULL CHECK (scope IN ('owner', 'tenant')),
    tenant  text   NOT NULL,
    subject text   NOT NULL,
    held    bigint NOT NULL CHECK (held >= 0),
    PRIMARY KEY (scope, tenant, subject)
) WITH (fillfactor = 50);

-- Outlives the session that it made: a late repeat must not make another.
CREATE TABLE idempotency (
    tenant     text   NOT NULL,
    subject    text   NOT NULL,
    key        text   NOT NULL,
    body_hash  bytea  NOT NULL,
    uid        uuid   NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant, subject, key)
);

CREATE INDEX idempotency_age ON idempotency (created_at);

CREATE TABLE api_keys (
    id         text   NOT NULL PRIMARY KEY,
    hash       bytea  NOT NULL,
    tenant     text   NOT NULL,
    subject    text   NOT NULL,
    role       text   NOT NULL,
    created_at bigint NOT NULL
);

-- Since when somebody has listened to runners, and when the last sweep was.
CREATE TABLE watch (
    one      bigint NOT NULL PRIMARY KEY CHECK (one = 1),
    since    bigint NOT NULL,
    swept_at bigint NOT NULL
);

-- Who does what one controller does for all: by name, until when.
CREATE TABLE leases (
    name   text   NOT NULL PRIMARY KEY,
    holder text   NOT NULL,
    until  bigint NOT NULL
);

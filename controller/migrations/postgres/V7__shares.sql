-- Links that let others attach to a session. Of their secrets there is a keyed hash.
CREATE TABLE shares (
    id         text   NOT NULL PRIMARY KEY,
    uid        uuid   NOT NULL REFERENCES sessions (uid) ON DELETE CASCADE,
    hash       bytea  NOT NULL,
    read_only  bigint NOT NULL CHECK (read_only IN (0, 1)),
    name       text,
    max_uses   bigint NOT NULL CHECK (max_uses >= 1),
    uses       bigint NOT NULL DEFAULT 0 CHECK (uses <= max_uses),
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    revoked_at bigint
);

CREATE INDEX shares_of_session ON shares (uid, created_at);

-- What controllers that share a store agree on.

-- Since when somebody has listened to runners, and when the last sweep was.
CREATE TABLE watch (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    since    INTEGER NOT NULL,
    swept_at INTEGER NOT NULL
) STRICT;

-- Who does what one controller does for all: by name, until when.
CREATE TABLE leases (
    name   TEXT    NOT NULL PRIMARY KEY,
    holder TEXT    NOT NULL,
    until  INTEGER NOT NULL
) STRICT;

-- Gateways, by what they say of themselves, and what is wanted of them.
CREATE TABLE gateways (
    id               TEXT    NOT NULL PRIMARY KEY,
    address          TEXT    NOT NULL,
    viewers          INTEGER NOT NULL,
    draining         INTEGER NOT NULL CHECK (draining IN (0, 1)),
    -- One process with its controller.
    embedded         INTEGER NOT NULL CHECK (embedded IN (0, 1)),
    version          TEXT    NOT NULL,
    started_at       INTEGER NOT NULL,
    seen_at          INTEGER NOT NULL,
    drain_ordered_at INTEGER
) STRICT;

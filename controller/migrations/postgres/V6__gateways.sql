-- Gateways, by what they say of themselves, and what is wanted of them.
CREATE TABLE gateways (
    id               text    NOT NULL PRIMARY KEY,
    address          text    NOT NULL,
    viewers          bigint  NOT NULL,
    draining         bigint  NOT NULL CHECK (draining IN (0, 1)),
    -- One process with its controller.
    embedded         bigint  NOT NULL CHECK (embedded IN (0, 1)),
    version          text    NOT NULL,
    started_at       bigint  NOT NULL,
    seen_at          bigint  NOT NULL,
    drain_ordered_at bigint
) WITH (fillfactor = 50);

-- Who did what, and what was refused. It outlives the sessions that it tells of.

CREATE TABLE audit (
    cursor     bigint GENERATED ALWAYS AS IDENTITY,
    -- As of the events.
    xact       xid8   NOT NULL DEFAULT pg_current_xact_id(),
    at         bigint NOT NULL,
    action     text   NOT NULL,
    outcome    text   NOT NULL CHECK (outcome IN ('done', 'refused')),
    tenant     text,
    subject    text   CHECK ((subject IS NOT NULL) = (tenant IS NOT NULL)),
    role       text   CHECK ((role IS NOT NULL) = (tenant IS NOT NULL)),
    source     text   CHECK ((source IS NOT NULL) = (tenant IS NOT NULL)),
    address    text,
    request_id text,
    uid        uuid,
    detail     text   NOT NULL,
    count      bigint NOT NULL CHECK (count >= 1),
    PRIMARY KEY (xact, cursor)
);

CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_of_tenant ON audit (tenant, xact, cursor) WHERE tenant IS NOT NULL;
CREATE INDEX audit_of_session ON audit (uid, xact, cursor) WHERE uid IS NOT NULL;

CREATE FUNCTION audit_refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only';
END
$$;

CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit EXECUTE FUNCTION audit_refuse_update();

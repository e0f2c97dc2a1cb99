-- The data directory whose controllers this database belongs to, by the id that lies in it.
CREATE TABLE data_dir (
    one bigint NOT NULL PRIMARY KEY CHECK (one = 1),
    id  text   NOT NULL
);

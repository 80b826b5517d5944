-- How far a source has read each of its files.
CREATE TABLE source_mark (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL
) STRICT;
CREATE INDEX source_mark_lookup ON source_mark (lookup) WHERE lookup IS NOT NULL;

-- What it read, which is the input of jobs.
CREATE TABLE reading (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL
) STRICT;

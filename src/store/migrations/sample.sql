CREATE TABLE sample (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL
) STRICT;
CREATE INDEX sample_lookup ON sample (lookup) WHERE lookup IS NOT NULL;

-- How far the schedule of each task of care is decided.
CREATE TABLE care_mark (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL
) STRICT;

-- The last changes of groups and agents, with what takes each back.
CREATE TABLE roster_edit (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL
) STRICT;

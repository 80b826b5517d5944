-- Triggers are rows of their own.
CREATE TABLE triggers (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL,
    next_due TEXT AS (CASE WHEN json_valid(body) THEN body ->> '$.next_due' END) VIRTUAL
) STRICT;
CREATE INDEX triggers_lookup ON triggers (lookup) WHERE lookup IS NOT NULL;
CREATE INDEX triggers_due ON triggers (next_due) WHERE next_due IS NOT NULL;

-- A time at which a trigger was due is taken once.
CREATE TABLE occurrence (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL
) STRICT;
CREATE INDEX occurrence_lookup ON occurrence (lookup) WHERE lookup IS NOT NULL;

-- The one kind there was until now: every group with background agents has one.
INSERT INTO triggers (key, lookup, body)
    WITH made (id, group_id, turns) AS MATERIALIZED (
        SELECT lower('trigger-' || hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' ||
                     substr(hex(randomblob(2)), 2) || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
               key, max(coalesce(body ->> '$.sleeptime.every_turns', 5), 1)
        FROM groups WHERE CASE WHEN json_valid(body) THEN json_type(body, '$.sleeptime') = 'object' END
        ORDER BY position
    )
    SELECT id, group_id, json_object(
        'id', id, 'group', group_id,
        'spec', json_object('when', json_object('kind', 'every_turns', 'turns', turns))
    ) FROM made;

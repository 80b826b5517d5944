-- Tables and columns get the names of what they hold.
ALTER TABLE desk RENAME TO store_meta;
ALTER TABLE team RENAME TO groups;
ALTER TABLE postage RENAME TO mail_rate;
ALTER TABLE store_meta RENAME COLUMN place TO position;
ALTER TABLE agent RENAME COLUMN place TO position;
ALTER TABLE groups RENAME COLUMN place TO position;
ALTER TABLE block RENAME COLUMN place TO position;
ALTER TABLE conversation RENAME COLUMN place TO position;
ALTER TABLE run RENAME COLUMN place TO position;
ALTER TABLE pending_call RENAME COLUMN place TO position;
ALTER TABLE job RENAME COLUMN place TO position;
ALTER TABLE job RENAME COLUMN team TO group_id;
ALTER TABLE mail RENAME COLUMN place TO position;
ALTER TABLE mail_rate RENAME COLUMN place TO position;
ALTER TABLE cursor RENAME COLUMN place TO position;
ALTER TABLE step RENAME COLUMN place TO number;
DROP INDEX desk_lookup;
DROP INDEX team_lookup;
DROP INDEX postage_lookup;
DROP INDEX job_team;
DROP INDEX message_place;
DROP INDEX step_place;
CREATE INDEX store_meta_lookup ON store_meta (lookup) WHERE lookup IS NOT NULL;
CREATE INDEX groups_lookup ON groups (lookup) WHERE lookup IS NOT NULL;
CREATE INDEX mail_rate_lookup ON mail_rate (lookup) WHERE lookup IS NOT NULL;
CREATE INDEX job_group ON job (group_id);
CREATE UNIQUE INDEX message_seq ON message (conversation, seq);
CREATE UNIQUE INDEX step_number ON step (run, number);

-- The state that a replay of the log starts from. The program writes it at the end of every migration.
CREATE TABLE base (
    id INTEGER PRIMARY KEY CHECK (id = 1), n INTEGER NOT NULL, rules INTEGER NOT NULL
) STRICT;
CREATE TABLE base_row (
    kind TEXT NOT NULL, key TEXT NOT NULL, lookup TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

-- The id of a deleted block is never used again, since its revisions stay.
CREATE TABLE deleted_block (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL
) STRICT;
INSERT INTO deleted_block (key, body)
    SELECT id, json_object('id', id) FROM changes WHERE kind = 'block_deleted' ORDER BY n;

-- Every call that has its result. What was called before stands in the messages, in the order of the calls.
CREATE TABLE call (
    n INTEGER PRIMARY KEY REFERENCES changes (n), run TEXT NOT NULL, step TEXT NOT NULL, ordinal INTEGER NOT NULL,
    agent TEXT NOT NULL, group_id TEXT, tool TEXT NOT NULL, ok INTEGER NOT NULL
) STRICT;
CREATE INDEX call_run ON call (run);
CREATE INDEX call_group ON call (group_id, tool) WHERE group_id IS NOT NULL;
CREATE INDEX call_agent ON call (agent, tool);
INSERT INTO call (n, run, step, ordinal, agent, group_id, tool, ok)
    SELECT n, message.run, step, row_number() OVER (PARTITION BY step ORDER BY n) - 1, agent,
           CASE WHEN json_valid(run.body) THEN run.body ->> '$.kind.group' END,
           message.body ->> '$.name', message.body ->> '$.ok'
    FROM message LEFT JOIN run ON run.key = message.run
    WHERE CASE WHEN json_valid(message.body) THEN message.body ->> '$.kind' = 'tool' AND
               json_type(message.body, '$.name') = 'text' AND json_type(message.body, '$.ok') IN ('true', 'false') END
          AND message.run IS NOT NULL AND step IS NOT NULL AND agent IS NOT NULL;

-- People. What a person did so far is the local person's, whose id is the same in every store.
CREATE TABLE person (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL
) STRICT;
UPDATE pending_call SET body = json_set(body, '$.answer.by', 'person-00000000-0000-4000-8000-000000000001')
    WHERE CASE WHEN json_valid(body) THEN json_type(body, '$.answer') = 'object' END AND key IN (
        SELECT id || printf('/%04d', body ->> '$.ordinal') FROM changes
        WHERE kind = 'call_answered' AND who = '"person"' AND json_valid(body)
    );
UPDATE changes SET body = json_set(body, '$.answer.by', 'person-00000000-0000-4000-8000-000000000001')
    WHERE kind = 'call_answered' AND who = '"person"' AND json_valid(body);
UPDATE changes SET who = '{"person":"person-00000000-0000-4000-8000-000000000001"}' WHERE who = '"person"';
UPDATE changes SET body = json_set(body, '$.editor', json_object('person', 'person-00000000-0000-4000-8000-000000000001'))
    WHERE kind = 'block_created' AND CASE WHEN json_valid(body) THEN body ->> '$.editor' = 'person' END;
UPDATE block SET body = json_set(body, '$.editor', json_object('person', 'person-00000000-0000-4000-8000-000000000001'))
    WHERE CASE WHEN json_valid(body) THEN body ->> '$.editor' = 'person' END;
UPDATE revision SET body = json_set(body, '$.editor', json_object('person', 'person-00000000-0000-4000-8000-000000000001'))
    WHERE CASE WHEN json_valid(body) THEN body ->> '$.editor' = 'person' END;
-- A notice without a sender is the engine's.
UPDATE mail SET body = json_set(body, '$.from_person', 'person-00000000-0000-4000-8000-000000000001')
    WHERE CASE WHEN json_valid(body) THEN body ->> '$.from' IS NULL AND body ->> '$.type' <> 'notice' END;
UPDATE mail SET body = json_set(body, '$.to_person', 'person-00000000-0000-4000-8000-000000000001')
    WHERE CASE WHEN json_valid(body) THEN body ->> '$.to' IS NULL END;
UPDATE changes SET body = json_set(body, '$.from_person', 'person-00000000-0000-4000-8000-000000000001')
    WHERE kind = 'mail_sent'
        AND CASE WHEN json_valid(body) THEN body ->> '$.from' IS NULL AND body ->> '$.type' <> 'notice' END;
UPDATE changes SET body = json_set(body, '$.to_person', 'person-00000000-0000-4000-8000-000000000001')
    WHERE kind = 'mail_sent' AND CASE WHEN json_valid(body) THEN body ->> '$.to' IS NULL END;
UPDATE run SET body = json_set(body, '$.person', 'person-00000000-0000-4000-8000-000000000001')
    WHERE kind = 'turn' AND CASE WHEN body ->> '$.mail' IS NULL THEN 1 ELSE EXISTS (
        SELECT 1 FROM mail WHERE mail.key = run.body ->> '$.mail' AND
            CASE WHEN json_valid(mail.body) THEN mail.body ->> '$.from_person' IS NOT NULL END
    ) END;
UPDATE changes SET body = json_set(body, '$.person', 'person-00000000-0000-4000-8000-000000000001')
    WHERE kind = 'run_created' AND json_valid(body) AND EXISTS (
        SELECT 1 FROM run WHERE run.key = changes.id AND
            CASE WHEN json_valid(run.body) THEN run.body ->> '$.person' IS NOT NULL END
    );
ALTER TABLE message ADD COLUMN person TEXT;
UPDATE message SET person = 'person-00000000-0000-4000-8000-000000000001'
    WHERE agent IS NULL AND CASE WHEN json_valid(body) THEN body ->> '$.kind' = 'text' END AND NOT EXISTS (
        SELECT 1 FROM run WHERE run.key = message.run AND
            CASE WHEN json_valid(run.body) THEN run.body ->> '$.person' IS NULL END
    );

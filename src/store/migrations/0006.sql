-- No query asks for them.
DROP INDEX changes_id;
DROP INDEX message_id;

-- What a change changes is in its record.
ALTER TABLE changes DROP COLUMN id;

-- Of consecutive changes by one actor, the first names it.
ALTER TABLE changes ADD COLUMN actor TEXT;
UPDATE changes SET actor = who
    WHERE who IS NOT (SELECT before.who FROM changes AS before WHERE before.n = changes.n - 1);
ALTER TABLE changes DROP COLUMN who;

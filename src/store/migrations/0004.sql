DROP TABLE words;
CREATE VIRTUAL TABLE message_search USING fts5 (
    words, pairs, signs, conversation,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO message_search (rowid, words, pairs, signs, conversation)
    SELECT n, search_words(text), search_pairs(text), search_signs(text), hex(conversation)
    FROM (
        SELECT n, conversation, body ->> '$.text' AS text
        FROM message WHERE json_valid(body) AND body ->> '$.kind' = 'text'
    ) WHERE text IS NOT NULL;
CREATE INDEX message_id ON message (id);
CREATE INDEX message_run ON message (run, seq) WHERE run IS NOT NULL;
CREATE INDEX changes_id ON changes (id);
ALTER TABLE run ADD COLUMN agent TEXT AS (CASE WHEN json_valid(body) THEN body ->> '$.kind.agent' END) VIRTUAL;
CREATE INDEX run_parked ON run (agent) WHERE state = 'parked';

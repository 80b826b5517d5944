CREATE TABLE mail (
             place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL,
status TEXT AS (CASE WHEN json_valid(body) THEN body ->> '$.status' END) VIRTUAL,
recipient TEXT AS (CASE WHEN json_valid(body) THEN body ->> '$.to' END) VIRTUAL,
sender TEXT AS (CASE WHEN json_valid(body) THEN body ->> '$.from' END) VIRTUAL,
expires TEXT AS (CASE WHEN json_valid(body) THEN body ->> '$.expires_at' END) VIRTUAL,
rank INTEGER AS (CASE WHEN json_valid(body) THEN
             CASE body ->> '$.priority' WHEN 'high' THEN 0 WHEN 'normal' THEN 1 ELSE 2 END END) VIRTUAL
         ) STRICT;
CREATE INDEX mail_lookup ON mail (lookup) WHERE lookup IS NOT NULL;
CREATE TABLE postage (
             place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL
         ) STRICT;
CREATE INDEX postage_lookup ON postage (lookup) WHERE lookup IS NOT NULL;
CREATE INDEX mail_queue ON mail (status, recipient, rank, place);
CREATE INDEX mail_expiry ON mail (status, expires);
CREATE INDEX mail_recipient ON mail (recipient);
CREATE INDEX mail_sender ON mail (sender);
ALTER TABLE message ADD COLUMN answers TEXT;

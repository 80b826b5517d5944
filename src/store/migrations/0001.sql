CREATE TABLE desk (
             place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL
         ) STRICT;
CREATE INDEX desk_lookup ON desk (lookup) WHERE lookup IS NOT NULL;
CREATE TABLE agent (
             place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL
         ) STRICT;
CREATE INDEX agent_lookup ON agent (lookup) WHERE lookup IS NOT NULL;
CREATE TABLE team (
             place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL
         ) STRICT;
CREATE INDEX team_lookup ON team (lookup) WHERE lookup IS NOT NULL;
CREATE TABLE block (
             place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL
         ) STRICT;
CREATE INDEX block_lookup ON block (lookup) WHERE lookup IS NOT NULL;
CREATE TABLE conversation (
             place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL
         ) STRICT;
CREATE INDEX conversation_lookup ON conversation (lookup) WHERE lookup IS NOT NULL;
CREATE TABLE run (
             place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL,
state TEXT AS (CASE WHEN json_valid(body) THEN body ->> '$.state.state' END) VIRTUAL,
kind TEXT AS (CASE WHEN json_valid(body) THEN body ->> '$.kind.kind' END) VIRTUAL
         ) STRICT;
CREATE INDEX run_lookup ON run (lookup) WHERE lookup IS NOT NULL;
CREATE TABLE pending_call (
             place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL
         ) STRICT;
CREATE INDEX pending_call_lookup ON pending_call (lookup) WHERE lookup IS NOT NULL;
CREATE TABLE job (
             place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL,
state TEXT AS (CASE WHEN json_valid(body) THEN body ->> '$.state.state' END) VIRTUAL,
team TEXT AS (CASE WHEN json_valid(body) THEN body ->> '$.group' END) VIRTUAL
         ) STRICT;
CREATE INDEX job_lookup ON job (lookup) WHERE lookup IS NOT NULL;
CREATE TABLE cursor (
             place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lookup TEXT, body TEXT NOT NULL
         ) STRICT;
CREATE INDEX cursor_lookup ON cursor (lookup) WHERE lookup IS NOT NULL;
CREATE INDEX run_state ON run (kind, state);
CREATE INDEX job_state ON job (state);
CREATE INDEX job_team ON job (team);
CREATE TABLE changes (
             n INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, who TEXT NOT NULL, at TEXT NOT NULL,
             cause INTEGER, body TEXT
         ) STRICT;
CREATE TABLE message (
             n INTEGER PRIMARY KEY REFERENCES changes (n), id TEXT NOT NULL, conversation TEXT NOT NULL,
             seq INTEGER NOT NULL, run TEXT, step TEXT, agent TEXT, name TEXT NOT NULL, body TEXT NOT NULL
         ) STRICT;
CREATE UNIQUE INDEX message_place ON message (conversation, seq);
CREATE TABLE step (
             n INTEGER PRIMARY KEY REFERENCES changes (n), id TEXT NOT NULL, run TEXT NOT NULL, agent TEXT NOT NULL,
             place INTEGER NOT NULL, body TEXT NOT NULL
         ) STRICT;
CREATE UNIQUE INDEX step_place ON step (run, place);
CREATE INDEX step_agent ON step (agent, n);
CREATE TABLE revision (
             n INTEGER PRIMARY KEY REFERENCES changes (n), block TEXT NOT NULL, version INTEGER NOT NULL, job TEXT,
             body TEXT NOT NULL
         ) STRICT;
CREATE UNIQUE INDEX revision_version ON revision (block, version);
CREATE INDEX revision_job ON revision (job) WHERE job IS NOT NULL;
CREATE VIRTUAL TABLE words USING fts5 (
             text, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
         );

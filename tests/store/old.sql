-- What the first released program wrote in a short talk. The turn ended over its speech, as its rules allowed.
INSERT INTO changes (n, kind, id, who, at, cause, body) VALUES
(1, 'epoch_raised', 'desk', '"engine"', '2026-01-01T00:00:01Z', NULL, '{"change":"epoch_raised","epoch":1}'),
(2, 'block_created', 'block-1', '"person"', '2026-01-01T00:00:02Z', NULL, '{"change":"block_created","id":"block-1","label":"style","description":"","value":"one","limit":100,"read_only":false,"tags":[],"owner":{"group":"group-1"},"version":1,"editor":"person","edited_at":"2026-01-01T00:00:02Z","from_file":null}'),
(3, 'agent_put', 'agent-ann', '"person"', '2026-01-01T00:00:02Z', NULL, '{"change":"agent_put","id":"agent-ann","name":"ann","group":"group-1","description":"","model":null,"system":null,"blocks":[],"tools":["memory_insert"],"tags":[],"max_steps":null,"temperature":0.1,"max_tokens":null}'),
(4, 'group_put', 'group-1', '"person"', '2026-01-01T00:00:02Z', NULL, '{"change":"group_put","id":"group-1","name":"desk","description":"","manager_type":"round_robin","members":["agent-ann"],"manager_agent":null,"max_turns":null,"shared_blocks":["block-1"],"sleeptime":null,"status":"active"}'),
(5, 'conversation_opened', 'conversation-1', '"person"', '2026-01-01T00:00:02Z', NULL, '{"change":"conversation_opened","id":"conversation-1","owner":{"group":"group-1"},"head":0,"asked":0,"turns":0}'),
(6, 'block_edited', 'block-1', '"person"', '2026-01-01T00:00:03Z', NULL, NULL),
(7, 'run_created', 'run-1', '"person"', '2026-01-01T00:00:04Z', NULL, '{"change":"run_created","id":"run-1","conversation":"conversation-1","kind":{"kind":"turn","group":"group-1","only":null},"state":{"state":"running"},"parent":null,"root":"run-1","input":1,"turn":1,"steps":0,"tokens":0,"created_at":"2026-01-01T00:00:04Z","moved_at":"2026-01-01T00:00:04Z"}'),
(8, 'message_appended', 'message-1', '"person"', '2026-01-01T00:00:04Z', NULL, NULL),
(9, 'run_created', 'run-2', '"engine"', '2026-01-01T00:00:05Z', NULL, '{"change":"run_created","id":"run-2","conversation":"conversation-1","kind":{"kind":"speech","agent":"agent-ann","group":"group-1","index":0},"state":{"state":"running"},"parent":"run-1","root":"run-1","input":1,"turn":1,"steps":0,"tokens":0,"created_at":"2026-01-01T00:00:05Z","moved_at":"2026-01-01T00:00:05Z"}'),
(10, 'step_finished', 'step-1', '{"agent":{"agent":"agent-ann","run":"run-2"}}', '2026-01-01T00:00:06Z', NULL, NULL),
(11, 'message_appended', 'message-2', '{"agent":{"agent":"agent-ann","run":"run-2"}}', '2026-01-01T00:00:06Z', NULL, NULL),
(12, 'message_appended', 'message-3', '{"agent":{"agent":"agent-ann","run":"run-2"}}', '2026-01-01T00:00:06Z', NULL, NULL),
(13, 'call_pending', 'step-1', '{"agent":{"agent":"agent-ann","run":"run-2"}}', '2026-01-01T00:00:06Z', NULL, '{"change":"call_pending","run":"run-2","step":"step-1","ordinal":2,"call":"c3","name":"memory_insert","arguments":{},"kind":"approval","since":"2026-01-01T00:00:06Z","until":null,"answer":null}'),
(14, 'run_moved', 'run-2', '{"agent":{"agent":"agent-ann","run":"run-2"}}', '2026-01-01T00:00:06Z', NULL, '{"change":"run_moved","id":"run-2","to":{"state":"parked"}}'),
(15, 'call_answered', 'step-1', '"person"', '2026-01-01T00:00:07Z', NULL, '{"change":"call_answered","step":"step-1","ordinal":2,"answer":{"ok":true,"text":"yes"}}'),
(16, 'run_moved', 'run-1', '"engine"', '2026-01-01T00:00:08Z', NULL, '{"change":"run_moved","id":"run-1","to":{"state":"finished","stop_reason":"end_turn","error":null}}'),
(17, 'block_created', 'block-2', '"person"', '2026-01-01T00:00:09Z', NULL, '{"change":"block_created","id":"block-2","label":"gone","description":"","value":"","limit":100,"read_only":false,"tags":[],"owner":{"group":"group-1"},"version":1,"editor":"person","edited_at":"2026-01-01T00:00:09Z","from_file":null}'),
(18, 'block_deleted', 'block-2', '"person"', '2026-01-01T00:00:10Z', NULL, '{"change":"block_deleted","id":"block-2"}');
INSERT INTO revision (n, block, version, job, body) VALUES
(2, 'block-1', 1, NULL, '{"value":"one","editor":"person","run":null,"step":null,"reason":"created"}'),
(6, 'block-1', 2, NULL, '{"value":"two","editor":"person","run":null,"step":null,"reason":"edited"}'),
(17, 'block-2', 1, NULL, '{"value":"","editor":"person","run":null,"step":null,"reason":"created"}');
INSERT INTO message (n, id, conversation, seq, run, step, agent, name, body) VALUES
(8, 'message-1', 'conversation-1', 1, 'run-1', NULL, NULL, '', '{"kind":"text","text":"what do we know?"}'),
(11, 'message-2', 'conversation-1', 2, 'run-2', 'step-1', 'agent-ann', 'ann', '{"kind":"tool","call":"c1","name":"conversation_search","arguments":{"query":"x"},"ok":true,"text":"nothing"}'),
(12, 'message-3', 'conversation-1', 3, 'run-2', 'step-1', 'agent-ann', 'ann', '{"kind":"tool","call":"c2","name":"memory_replace","arguments":{},"ok":false,"text":"no"}');
INSERT INTO words (rowid, text) VALUES (8, 'what do we know?');
INSERT INTO step (n, id, run, agent, place, body) VALUES
(10, 'step-1', 'run-2', 'agent-ann', 1, '{"model":"offline","queued_at":"2026-01-01T00:00:05Z","first_token_at":null,"done_at":"2026-01-01T00:00:06Z","tokens_in":1,"tokens_out":1,"retries":0,"saw":[],"calls":3,"upto":1}');
INSERT INTO desk (key, lookup, body) VALUES ('desk', NULL, '{"epoch":1}');
INSERT INTO block (key, lookup, body) VALUES
('block-1', 'group-1/style', '{"id":"block-1","label":"style","description":"","value":"two","limit":100,"read_only":false,"tags":[],"owner":{"group":"group-1"},"version":2,"editor":"person","edited_at":"2026-01-01T00:00:03Z","from_file":null}');
INSERT INTO agent (key, lookup, body) SELECT id, 'group-1/ann', json_remove(body, '$.change') FROM changes WHERE n = 3;
INSERT INTO team (key, lookup, body) SELECT id, 'desk', json_remove(body, '$.change') FROM changes WHERE n = 4;
INSERT INTO conversation (key, lookup, body) VALUES
('conversation-1', 'group-1', '{"id":"conversation-1","owner":{"group":"group-1"},"head":3,"asked":1,"turns":1}');
INSERT INTO run (key, lookup, body) SELECT id, NULL, json_set(json_remove(body, '$.change'),
    '$.state', json('{"state":"finished","stop_reason":"end_turn","error":null}'), '$.steps', 1, '$.tokens', 2) FROM changes WHERE n = 7;
INSERT INTO run (key, lookup, body) SELECT id, 'run-1', json_set(json_remove(body, '$.change'),
    '$.state', json('{"state":"parked"}'), '$.steps', 1, '$.tokens', 2) FROM changes WHERE n = 9;
INSERT INTO pending_call (key, lookup, body) SELECT 'step-1/0002', 'run-2', json_set(json_remove(body, '$.change'),
    '$.answer', json('{"ok":true,"text":"yes"}')) FROM changes WHERE n = 13;

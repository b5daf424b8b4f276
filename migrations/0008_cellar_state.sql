-- What holds for the whole cellar and all its nodes: 'read-only' (writes are refused while it is on), and of a move to other
-- engines 'moving-out' at the cellar that is copied and 'moving-in' at the copy. Never copied by a move. Values are JSON objects.
CREATE TABLE cellar_state (
  name        TEXT   NOT NULL PRIMARY KEY,
  value       TEXT   NOT NULL,
  changed_at  BIGINT NOT NULL
);
-- Always there, so that whoever writes can hold it for as long as a write takes.
INSERT INTO cellar_state (name, value, changed_at) VALUES ('read-only', '{"on":false}', 0);

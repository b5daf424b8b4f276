-- The audit trail: appended to, never changed. Ids sort by time.
CREATE TABLE event (
  id       TEXT   NOT NULL PRIMARY KEY,
  at       BIGINT NOT NULL,
  kind     TEXT   NOT NULL,
  -- name of the token or principal; address the request came from
  by       TEXT   NOT NULL,
  address  TEXT,
  subject  TEXT   NOT NULL,
  -- JSON object
  detail   TEXT   NOT NULL
);
CREATE INDEX event_by_subject ON event (subject, id);
CREATE INDEX event_by_kind ON event (kind, id);

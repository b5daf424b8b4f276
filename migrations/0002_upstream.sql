-- The last good page of an upstream's project, as our model of it (JSON), with the files that have vanished from it.
CREATE TABLE upstream_page (
  name        TEXT   NOT NULL,
  repository  TEXT   NOT NULL,
  body        TEXT   NOT NULL,
  PRIMARY KEY (name, repository)
);

-- The condition of each upstream, kept so that a restart in an outage begins where the last process stopped.
CREATE TABLE upstream_state (
  repository       TEXT   NOT NULL PRIMARY KEY,
  state            TEXT   NOT NULL,
  since            BIGINT NOT NULL,
  epoch            BIGINT NOT NULL,
  last_success_at  BIGINT,
  last_failure_at  BIGINT,
  last_error       TEXT
);

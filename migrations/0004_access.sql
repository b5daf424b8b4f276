-- Tokens: the secret itself is never stored, only its SHA-256.
CREATE TABLE token (
  id            TEXT   NOT NULL PRIMARY KEY,
  secret_hash   TEXT   NOT NULL,
  name          TEXT   NOT NULL,
  -- 'token' or 'trusted-publisher'
  kind          TEXT   NOT NULL,
  -- JSON array of actions; JSON arrays of name patterns, null for all names
  can           TEXT   NOT NULL,
  projects      TEXT,
  apps          TEXT,
  created_at    BIGINT NOT NULL,
  created_by    TEXT   NOT NULL,
  expires_at    BIGINT,
  -- written in batches
  last_used_at  BIGINT
);
CREATE UNIQUE INDEX token_by_secret ON token (secret_hash);
CREATE INDEX token_by_expiry ON token (kind, expires_at);

-- Single numbers that all nodes share. 'generation' grows with every revocation: what a node remembers of tokens is good
-- for one generation. 'first-token-at' is when the very first token was made.
CREATE TABLE access_state (
  name   TEXT   NOT NULL PRIMARY KEY,
  value  BIGINT NOT NULL
);
INSERT INTO access_state (name, value) VALUES ('generation', 1);

-- Identity tokens of trusted publishers that were exchanged, so that none is exchanged twice.
CREATE TABLE oidc_seen (
  id         TEXT   NOT NULL PRIMARY KEY,
  forget_at  BIGINT NOT NULL
);
CREATE INDEX oidc_seen_by_time ON oidc_seen (forget_at);

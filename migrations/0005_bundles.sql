-- Applications, their versions and channels. Times are integer milliseconds since 1970, booleans 0 or 1.

CREATE TABLE bundle (
  name              TEXT   NOT NULL PRIMARY KEY,
  created_at        BIGINT NOT NULL,
  -- retention: how many versions stay (0: all), and how many that each channel pointed to; null leaves it to the configuration
  keep              BIGINT,
  keep_per_channel  BIGINT
);

-- One version: one archive that never changes. With deleted_at set its bytes are gone, and only the same bytes may come back.
CREATE TABLE bundle_version (
  app             TEXT   NOT NULL,
  version         TEXT   NOT NULL,
  -- digits whose text order is the order of PEP 440; versions that are not PEP 440 share the lowest key
  sort_key        TEXT   NOT NULL,
  prerelease      BIGINT NOT NULL,
  filename        TEXT   NOT NULL,
  digest          TEXT   NOT NULL,
  size            BIGINT NOT NULL,
  content_type    TEXT   NOT NULL,
  created_at      BIGINT NOT NULL,
  created_by      TEXT   NOT NULL,
  commit_id       TEXT,
  tag             TEXT,
  build_url       TEXT,
  -- the distributions found inside, JSON (model/bundle.ts); null when they are not known, contents_note then says why
  contents        TEXT,
  contents_note   TEXT,
  deleted_at      BIGINT,
  PRIMARY KEY (app, version)
);
CREATE INDEX bundle_version_by_order ON bundle_version (app, sort_key, created_at);
CREATE INDEX bundle_version_by_digest ON bundle_version (digest);

-- The same distributions again, to be found by name and version. Rows of deleted versions are removed.
CREATE TABLE bundle_content (
  app           TEXT   NOT NULL,
  version       TEXT   NOT NULL,
  -- normalised project name, and the sort key of its version (of one that is not PEP 440, its text)
  name          TEXT   NOT NULL,
  version_key   TEXT   NOT NULL,
  dist_version  TEXT   NOT NULL,
  PRIMARY KEY (app, version, name, dist_version)
);
CREATE INDEX bundle_content_by_name ON bundle_content (name, version_key);

-- The lock that a version was built from, as it was sent along, and every sha256 that it names.
CREATE TABLE bundle_lock (
  app      TEXT   NOT NULL,
  version  TEXT   NOT NULL,
  name     TEXT   NOT NULL,
  digest   TEXT   NOT NULL,
  body     TEXT   NOT NULL,
  PRIMARY KEY (app, version)
);
CREATE TABLE bundle_lock_hash (
  digest   TEXT   NOT NULL,
  app      TEXT   NOT NULL,
  version  TEXT   NOT NULL,
  PRIMARY KEY (digest, app, version)
);
CREATE INDEX bundle_lock_hash_by_version ON bundle_lock_hash (app, version);

CREATE TABLE channel (
  app       TEXT   NOT NULL,
  name      TEXT   NOT NULL,
  version   TEXT   NOT NULL,
  -- number of its last move
  seq       BIGINT NOT NULL,
  moved_at  BIGINT NOT NULL,
  PRIMARY KEY (app, name)
);
CREATE INDEX channel_by_version ON channel (app, version);

-- Every move of a channel: appended to; of an older row only `undone` is ever set.
CREATE TABLE channel_move (
  app           TEXT   NOT NULL,
  channel       TEXT   NOT NULL,
  seq           BIGINT NOT NULL,
  -- null: the channel began with this move
  from_version  TEXT,
  to_version    TEXT   NOT NULL,
  -- 'promote', 'forced' (against the rule that another channel comes first), 'rollback'
  kind          TEXT   NOT NULL,
  by            TEXT   NOT NULL,
  at            BIGINT NOT NULL,
  why           TEXT,
  -- 1 when a later rollback took this promotion back
  undone        BIGINT NOT NULL,
  PRIMARY KEY (app, channel, seq)
);
CREATE INDEX channel_move_by_version ON channel_move (app, to_version);

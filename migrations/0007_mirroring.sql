-- An archive that is kept for a URL or VCS requirement.
CREATE TABLE source (
  project     TEXT   NOT NULL,
  filename    TEXT   NOT NULL,
  digest      TEXT   NOT NULL,
  size        BIGINT NOT NULL,
  -- what it was fetched for, in one spelling: the same requirement is fetched once
  requirement TEXT   NOT NULL UNIQUE,
  -- JSON: kind, url, ref, commit, subdirectory (mirroring/source.ts)
  origin      TEXT   NOT NULL,
  stored_at   BIGINT NOT NULL,
  PRIMARY KEY (project, filename)
);
CREATE INDEX source_by_digest ON source (digest);

-- A lock that must stay installable. Its text is kept; `options` is JSON (index, targets, sdists).
CREATE TABLE kept_lock (
  name         TEXT   NOT NULL PRIMARY KEY,
  text         TEXT   NOT NULL,
  options      TEXT   NOT NULL,
  -- SHA-256 of the text: its version
  digest       TEXT   NOT NULL,
  kept_at      BIGINT NOT NULL,
  kept_by      TEXT   NOT NULL,
  ready        BIGINT NOT NULL,
  ready_since  BIGINT NOT NULL,
  checked_at   BIGINT NOT NULL,
  -- JSON: what is missing
  missing      TEXT   NOT NULL,
  -- fetched anew from here, every so many milliseconds
  watch_url    TEXT,
  watch_every  BIGINT,
  watched_at   BIGINT
);

-- Files that a kept lock needs: never evicted.
CREATE TABLE kept_lock_file (
  lock        TEXT   NOT NULL,
  repository  TEXT   NOT NULL,
  project     TEXT   NOT NULL,
  filename    TEXT   NOT NULL,
  PRIMARY KEY (lock, repository, project, filename)
);
CREATE INDEX kept_lock_file_by_file ON kept_lock_file (project, filename, repository);

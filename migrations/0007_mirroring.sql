-- An archive that is kept for a URL or VCS requirement.
CREATE TABLE source (
  -- what it was fetched for, in one spelling (mirroring/source-key.ts): project, address, and commit or hash. Of a branch, or of
  -- an address without a hash, what it led to last.
  requirement TEXT   NOT NULL PRIMARY KEY,
  -- its address here: /sources/{project}/{filename}
  project     TEXT   NOT NULL,
  filename    TEXT   NOT NULL,
  digest      TEXT   NOT NULL,
  size        BIGINT NOT NULL,
  -- JSON: kind, url, commit, notes (mirroring/source-key.ts)
  origin      TEXT   NOT NULL,
  stored_at   BIGINT NOT NULL
);
CREATE INDEX source_by_file ON source (project, filename);
CREATE INDEX source_by_digest ON source (digest);

-- What an sdist or a source needs to be built, as its pyproject.toml says (PEP 518). Read once for each archive.
CREATE TABLE build_requirement (
  digest       TEXT   NOT NULL,
  -- below the top folder; of the top folder itself the empty text
  subdirectory TEXT   NOT NULL,
  -- JSON: list of dependency specifiers
  requires     TEXT   NOT NULL,
  PRIMARY KEY (digest, subdirectory)
);

-- The text of a lock, by its SHA-256. Goes with the last job or kept lock that is about it.
CREATE TABLE lock_text (
  digest     TEXT   NOT NULL PRIMARY KEY,
  -- JSON: name, content, parts (mirroring/lock.ts)
  text       TEXT   NOT NULL,
  stored_at  BIGINT NOT NULL
);

-- Which lock a mirror job is about.
CREATE TABLE mirror_job (
  job   TEXT NOT NULL PRIMARY KEY,
  lock  TEXT NOT NULL
);
CREATE INDEX mirror_job_by_lock ON mirror_job (lock);

-- A lock that must stay installable.
CREATE TABLE kept_lock (
  name         TEXT   NOT NULL PRIMARY KEY,
  -- of lock_text: its version
  lock         TEXT   NOT NULL,
  -- JSON: index, targets, sdists (mirroring/mirror-options.ts)
  options      TEXT   NOT NULL,
  kept_at      BIGINT NOT NULL,
  kept_by      TEXT   NOT NULL,
  ready        BIGINT NOT NULL,
  -- since when it is as `ready` says
  ready_since  BIGINT NOT NULL,
  checked_at   BIGINT NOT NULL,
  -- JSON: the first things that are missing; and how many are
  missing      TEXT   NOT NULL,
  missing_count BIGINT NOT NULL,
  -- fetched anew from here, every so many milliseconds; when last, and why it could not be, the last time
  watch_url    TEXT,
  watch_every  BIGINT,
  watched_at   BIGINT,
  watch_error  TEXT
);

-- Every text that a kept lock has had.
CREATE TABLE kept_lock_version (
  name     TEXT   NOT NULL,
  lock     TEXT   NOT NULL,
  kept_at  BIGINT NOT NULL,
  kept_by  TEXT   NOT NULL,
  PRIMARY KEY (name, lock)
);
CREATE INDEX kept_lock_version_by_lock ON kept_lock_version (lock);

-- Files that a kept lock needs: never evicted.
CREATE TABLE kept_lock_file (
  lock        TEXT   NOT NULL,
  repository  TEXT   NOT NULL,
  project     TEXT   NOT NULL,
  filename    TEXT   NOT NULL,
  PRIMARY KEY (lock, repository, project, filename)
);
CREATE INDEX kept_lock_file_by_file ON kept_lock_file (project, filename, repository);

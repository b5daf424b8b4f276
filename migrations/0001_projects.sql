-- Times are integer milliseconds since 1970, booleans 0 or 1. Names of projects are normalised.

CREATE TABLE blob (
  digest     TEXT   NOT NULL PRIMARY KEY,
  size       BIGINT NOT NULL,
  stored_at  BIGINT NOT NULL,
  -- set by garbage collection before it removes the bytes; whoever meets it stores the bytes again
  doomed_at  BIGINT
);

-- One row per project and repository: of a hosted repository the projects themselves,
-- of an upstream what it last said of the name (present = 0: it does not have it).
CREATE TABLE project (
  name             TEXT   NOT NULL,
  repository       TEXT   NOT NULL,
  display_name     TEXT   NOT NULL,
  present          BIGINT NOT NULL,
  status           TEXT   NOT NULL,
  status_reason    TEXT,
  -- an administrator's word against the upstream's
  status_override  TEXT,
  -- grows whenever the project page changes
  revision         BIGINT NOT NULL,
  -- grows whenever a file becomes stored or is removed
  stored_revision  BIGINT NOT NULL,
  changed_at       BIGINT NOT NULL,
  -- upstream only: validator and serial of the last answer, when it came, until when it is fresh, since when it is doubted
  etag             TEXT,
  serial           BIGINT,
  checked_at       BIGINT,
  fresh_until      BIGINT,
  suspect_since    BIGINT,
  PRIMARY KEY (name, repository)
);
CREATE INDEX project_by_repository ON project (repository, name);

-- A file whose bytes are stored, or, with deleted_at set, the name of one that was deleted and stays taken.
CREATE TABLE file (
  project      TEXT   NOT NULL,
  filename     TEXT   NOT NULL,
  repository   TEXT   NOT NULL,
  -- normalised (PEP 440); of a file name that tells none, the empty text
  version      TEXT   NOT NULL,
  digest       TEXT   NOT NULL,
  size         BIGINT NOT NULL,
  -- the file as its page lists it, JSON (model/distribution-file.ts)
  detail       TEXT   NOT NULL,
  stored_at    BIGINT NOT NULL,
  deleted_at   BIGINT,
  PRIMARY KEY (project, filename, repository)
);
CREATE INDEX file_by_digest ON file (digest);
CREATE INDEX file_by_repository ON file (repository, project, filename);

-- Core metadata that is kept, of stored files and of files that are only known.
CREATE TABLE core_metadata (
  project      TEXT   NOT NULL,
  filename     TEXT   NOT NULL,
  repository   TEXT   NOT NULL,
  digest       TEXT   NOT NULL,
  size         BIGINT NOT NULL,
  -- 'upstream' or 'file' (extracted from the archive)
  source       TEXT   NOT NULL,
  PRIMARY KEY (project, filename, repository)
);
CREATE INDEX core_metadata_by_digest ON core_metadata (digest);

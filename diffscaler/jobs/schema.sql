CREATE TABLE IF NOT EXISTS job (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,                -- plan: run a plan's nodes; train: run the trainer; prepare: data for it; measure: throw-away steps of it; model: download
    title TEXT NOT NULL,
    payload TEXT NOT NULL,             -- JSON: all a worker needs, on any machine that shares the library
    request TEXT,                      -- JSON: the request behind it, for "use these settings"
    state TEXT NOT NULL,               -- queued, running, done, failed, stopped
    position REAL NOT NULL,            -- queue order, lowest first
    created REAL NOT NULL,
    started REAL,
    finished REAL,
    progress TEXT,                     -- JSON
    result TEXT,                       -- the key of the clip, or the folder of the model
    sentence TEXT NOT NULL DEFAULT '', -- what went wrong
    hint TEXT NOT NULL DEFAULT '',
    trace TEXT NOT NULL DEFAULT '',
    lane TEXT,                         -- who holds the lease: host and device, or host and downloads
    lease_until REAL,
    stop INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0, -- workers lost in a row without a new segment
    stored INTEGER NOT NULL DEFAULT 0   -- segments stored when the last worker took it
);
CREATE INDEX IF NOT EXISTS job_state ON job (state, position);

CREATE TABLE IF NOT EXISTS worker (
    lane TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    device TEXT NOT NULL,
    resident TEXT NOT NULL DEFAULT '[]', -- JSON: names of the models in memory
    moves TEXT NOT NULL DEFAULT '[]',    -- JSON: the latest comings and goings of models, with reasons
    seen REAL NOT NULL
);

CREATE TABLE IF NOT EXISTS room (
    lane TEXT PRIMARY KEY,             -- as a worker last found it; it stays when the worker goes
    kind TEXT NOT NULL,                -- cpu, cuda or mps
    dtype TEXT NOT NULL,
    budget_bytes INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS client (
    id TEXT PRIMARY KEY,               -- a page server or a command that wants a worker kept ready
    seen REAL NOT NULL
);

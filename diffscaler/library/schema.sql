CREATE TABLE IF NOT EXISTS clip (
    key TEXT PRIMARY KEY,
    stage TEXT NOT NULL,
    plan TEXT NOT NULL,               -- JSON: the nodes that make this clip, this one last
    meta TEXT NOT NULL,               -- JSON: ClipMeta
    title TEXT NOT NULL DEFAULT '',
    request TEXT,                     -- JSON: the request behind it, for "use these settings"
    notes TEXT NOT NULL DEFAULT '[]', -- JSON: facts the page and the file must tell
    created REAL NOT NULL,
    used REAL NOT NULL,
    complete INTEGER NOT NULL DEFAULT 0,
    kept INTEGER NOT NULL DEFAULT 0   -- 1: a result someone asked for; trimming leaves it alone
);
CREATE INDEX IF NOT EXISTS clip_created ON clip (created);

CREATE TABLE IF NOT EXISTS segment (
    clip TEXT NOT NULL REFERENCES clip (key) ON DELETE CASCADE,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    filename TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (clip, start)
);

CREATE TABLE IF NOT EXISTS file (
    sha256 TEXT PRIMARY KEY,
    filename TEXT NOT NULL,           -- inside files/
    name TEXT NOT NULL,               -- as the person called it
    info TEXT NOT NULL,               -- JSON: MediaInfo
    size_bytes INTEGER NOT NULL,
    added REAL NOT NULL
);

CREATE TABLE IF NOT EXISTS pace (
    stage TEXT NOT NULL,
    models TEXT NOT NULL,
    seconds_per_unit REAL NOT NULL,   -- unit: one megapixel-frame of output, or one sampler step
    samples INTEGER NOT NULL,
    PRIMARY KEY (stage, models)
);

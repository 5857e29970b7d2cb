CREATE TABLE IF NOT EXISTS project (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    script TEXT NOT NULL,              -- Fountain
    format TEXT NOT NULL,              -- what the script came as: fountain, fdx
    board TEXT NOT NULL,               -- JSON: shots, shots that left the script, what is stale
    film TEXT NOT NULL,                -- JSON: FilmSettings
    cast_sheet TEXT NOT NULL,          -- JSON: character -> role
    created REAL NOT NULL,
    changed REAL NOT NULL
);

CREATE TABLE IF NOT EXISTS take (      -- rows are added and circled, never deleted
    project TEXT NOT NULL REFERENCES project (id),
    shot TEXT NOT NULL,
    number INTEGER NOT NULL,
    draft INTEGER NOT NULL,
    roll INTEGER NOT NULL,
    clip TEXT NOT NULL,                -- the key it has in the library once it is made
    request TEXT NOT NULL,             -- JSON: ShotRequest
    circled INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    PRIMARY KEY (project, shot, number, draft)
);
CREATE INDEX IF NOT EXISTS take_clip ON take (clip);

CREATE TABLE IF NOT EXISTS removed (   -- films taken out of the list; they can be put back
    project TEXT PRIMARY KEY REFERENCES project (id),
    at REAL NOT NULL
);

CREATE TABLE IF NOT EXISTS step (      -- what was done to a film last, to undo it and to do it again
    project TEXT NOT NULL REFERENCES project (id),
    number INTEGER NOT NULL,
    what TEXT NOT NULL,
    before TEXT NOT NULL,              -- JSON: history.Side
    after TEXT NOT NULL,
    undone INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (project, number)
);

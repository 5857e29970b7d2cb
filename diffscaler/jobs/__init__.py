"""Jobs: leases on serialisable plans in a SQLite queue, carried out by worker processes that outlive the page."""

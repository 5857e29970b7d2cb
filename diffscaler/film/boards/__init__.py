"""The shots of a film on paper: as a page for the browser, as a PDF, and as contact sheets."""

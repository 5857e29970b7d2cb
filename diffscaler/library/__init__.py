"""The library: one content-addressed store that is cache, hand-off between stages, resume and gallery."""

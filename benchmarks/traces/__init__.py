"""The trace store against its targets: ingest beside COPY, questions while it ingests, what its indexes cost."""

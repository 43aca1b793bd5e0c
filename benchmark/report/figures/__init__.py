"""The figures of the report, one file a subject."""

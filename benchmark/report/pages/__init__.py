"""The pages of the report, one file a page."""

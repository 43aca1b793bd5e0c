"""The tables of the report, one file a subject; `table` has what they share."""

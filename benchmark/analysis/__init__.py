"""From records to everything that the report shows; `aggregate` is the entry, `schema` what it returns."""

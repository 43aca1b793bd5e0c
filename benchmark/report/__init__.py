"""The report: a static site made from an aggregate; `site.render` is the entry."""

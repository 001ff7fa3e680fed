"""One folder or file for each outside source of evidence."""

"""Arrays in, numbers out: no files, no specs. Every formula names its source."""

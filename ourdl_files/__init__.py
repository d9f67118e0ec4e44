"""Model files: TOML, JSON and YAML, read, checked and written."""

"""Model files: TOML, JSON and YAML, read, checked and written."""

from ourdl_files.model import Model, load
from ourdl_files.problems import ModelFileError

__all__ = ["Model", "ModelFileError", "load"]

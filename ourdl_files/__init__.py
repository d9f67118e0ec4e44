"""Model files: TOML, JSON and YAML, read, checked and written."""

from ourdl_files.document import Document, Span
from ourdl_files.model import Model, load
from ourdl_files.problems import Located, ModelFileError
from ourdl_files.writing import save

__all__ = ["Document", "Located", "Model", "ModelFileError", "Span", "load", "save"]

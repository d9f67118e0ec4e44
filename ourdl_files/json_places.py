"""Stand-in of the lead, until the real one is here: overwrite this file."""


def json_error(text: str, error: Exception) -> tuple[int, str]:
    return 0, str(error)


def duplicate_key(text: str) -> tuple[int, str]:
    return 0, "a key is given twice"

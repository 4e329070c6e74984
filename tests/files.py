"""What a directory holds, to be compared with what it holds later."""


def contents(path):
    """All files of a run but its locks."""
    files = (file for file in path.rglob("*") if file.is_file() and file.suffix != ".lock")
    return {file: file.read_bytes() for file in files}

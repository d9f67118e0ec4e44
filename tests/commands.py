"""The command line, run in the process of a test."""

from ourdl_cli.main import main


def run(capsys, *arguments):
    """Exit status, stdout and stderr of one command in this process."""
    try:
        status = main([str(each) for each in arguments])
    except SystemExit as stop:
        status = stop.code
    return status, *capsys.readouterr()

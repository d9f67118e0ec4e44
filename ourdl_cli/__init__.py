"""The ourdl command."""

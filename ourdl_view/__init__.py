"""Graphs shown to people: a table of nodes, a drawing, a page, text for other tools."""

from ourdl_view.summary import Summary, summary

__all__ = ["Summary", "summary"]

"""Graphs shown to people: a table of nodes, a drawing, a page, text for other tools."""

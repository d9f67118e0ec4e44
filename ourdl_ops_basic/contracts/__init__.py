"""The contracts of the ops of this package, found through the entry points `ourdl.contracts`."""

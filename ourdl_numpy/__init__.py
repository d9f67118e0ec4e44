"""The specialising NumPy executor and the NumPy kernels.

| module | what it does |
|---|---|
| `executor` | keeps a program for each set of shapes, runs it, steps with a state of its own |
| `tracing` | runs a layout once on stand-ins and notes the calls of NumPy |
| `values` | the stand-ins, and the calls that are noted |
| `functions` | how functions of NumPy are noted |
| `ordering` | moves calls where that lets memory go earlier |
| `chains` | finds elementwise calls that are done block by block |
| `planning` | gives each result its memory |
| `source` | writes the calls as Python |
| `scalars` | Programs of Python numbers |
| `kernels`, `windows` | kernels for ops, by entry points |

A function of NumPy that is noted in a simpler form, or whose result has a shape that follows from shapes, has its line in a
table at the end of `functions`; an op that calls another one stays one call.
"""

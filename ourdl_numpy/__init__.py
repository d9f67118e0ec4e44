"""The specialising NumPy executor and the NumPy kernels."""

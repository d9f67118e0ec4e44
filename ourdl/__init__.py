"""The thin face of OurDL: the public names of its packages, handed on."""

"""What Einsum promises: held to ``np.einsum``."""

import numpy as np

from ourdl_core import Contract, Error, Sample

MATRIX = np.ones((2, 3))


def samples(mk):
    i, ij, jk = mk((2,)), mk((2, 3)), mk((3, 4))
    bij, bjk = mk((5, 2, 3)), mk((5, 3, 4))
    return [
        Sample(ij, jk, equation="ij,jk->ik"),
        Sample(ij, jk, equation="ij,jk"),
        Sample(ij, jk, equation="ij,jk->"),
        Sample(ij, jk, equation="ij,jk->kij"),
        Sample(ij, mk((4, 6)), equation="ij,kl->il"),  # summed apart
        Sample(ij, equation="ji"),
        Sample(ij, equation="ij->i"),
        Sample(mk((3,)), i, equation="i,j->ji"),
        Sample(i, mk((2,)), equation="i,i->"),
        Sample(bij, bjk, equation=" b i j , b j k -> b i k "),
        Sample(bij, bjk, equation="bij,bjk->b"),
        Sample(ij, jk, mk((2, 3)), equation="ij,jk,ij->k"),
        Sample(mk((3, 3)), equation="ii"),
        Sample(mk((3, 2, 3)), equation="iji->ij"),
        Sample(mk((3, 2, 3)), mk((3,)), equation="iji,i->j"),
        Sample(mk((2, 2, 3, 3)), equation="iijj->ij"),
        Sample(mk((5, 1, 2, 3)), mk((4, 3, 6)), equation="...ij,...jk->...ik"),
        Sample(mk((2, 3, 5)), mk((3, 4, 1)), equation="ij...,jk...->ik..."),
        Sample(bij, equation="i...->..."),
        Sample(mk((3, 2, 4, 3)), equation="i...i->...i"),
        Sample(ij, mk((3,)), equation="...,...->..."),
        Sample(mk(()), ij, equation=",ij->ij"),
        Sample(mk((2, 3), dtype="int64", low=-3), mk((3, 4), dtype="int64", low=-3), equation="ij,jk->ik"),
    ]


def wrong(match, equation, *args):
    return Error(args=args, type=ValueError, match=match, attributes={"equation": equation})


Einsum = Contract(
    samples=samples,
    reference=lambda *xs, equation: np.einsum(equation, *xs),
    errors=(
        wrong("is for 2 inputs, found 1", "ij,jk->ik", MATRIX),
        wrong("does not name the 2 axes", "ijk->i", MATRIX),
        wrong("each letter of output 'k' occurs once, and in an input", "ij->k", MATRIX),
        wrong("'j' has the sizes 3 and 2", "ij,jk->ik", MATRIX, MATRIX),
        wrong("the output must have them too", "i...->i", MATRIX),
        wrong("is not letters, commas", "i1->i", MATRIX),
        wrong("at most one '->'", "ij->i->j", MATRIX),
    ),
)

"""Random numbers as a pure function of a key: counter-based, the same on every array library."""

from ourdl_core import Op, ShapeOnly, Spec, dtype_in, namespace

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def threefry(xp, key, counter):
    """Threefry-2x32 with 20 rounds: two random words for two words of ``counter`` under two of ``key``, all uint32.

    As in Random123 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11).
    """

    def word(number):
        return xp.asarray(number, dtype=xp.uint32)

    words = (key[0], key[1], key[0] ^ key[1] ^ word(_PARITY))
    a, b = counter[0] + words[0], counter[1] + words[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            a = a + b
            b = a ^ ((b << word(rotation)) | (b >> word(32 - rotation)))
        a = a + words[(group + 1) % 3]
        b = b + words[(group + 2) % 3] + word(group + 1)
    return a, b


class UniformLike(Op):
    """Uniform numbers in [0, 1), of the shape and dtype of ``like``: multiples of 2**-24 (float32) or 2**-53 (float64).

    ``key`` is three words, uint32: the two that Threefry-2x32 is keyed with, and the step, which is the first word of
    the counter; the second counts up along the elements. No two keys, steps or elements share a counter. One pair of
    words makes two float32 numbers, or one float64 number.

    >>> ops.UniformLike(np.array([7, 11, 5], np.uint32), np.zeros(3)).round(3)
    array([0.399, 0.558, 0.059])
    """

    def compute(self, key, like: ShapeOnly):
        self._check(like)
        xp = namespace(key)
        dtype = dtype_in(xp, like.dtype)
        count = 1
        for size in like.shape:
            count *= size
        double = like.dtype.itemsize == 8
        places = xp.astype(xp.arange(count if double else (count + 1) // 2), xp.uint32)
        first, second = threefry(xp, (key[0], key[1]), (xp.zeros_like(places) + key[2], places))
        if double:
            high, low = (xp.astype(w >> xp.asarray(n, dtype=xp.uint32), dtype) for w, n in ((first, 5), (second, 6)))
            found = (high * 2.0**26 + low) * 2.0**-53
        else:
            words = xp.concat([first, second])[:count]
            found = xp.astype(words >> xp.asarray(8, dtype=xp.uint32), dtype) * 2.0**-24
        return float(found[0]) if like.number else xp.reshape(found, like.shape)

    def vjp(self, g, y, key, like):
        return None, None

    def infer(self, key, like):
        self._check(like)
        return Spec(like.shape, like.dtype, like.number)

    def _check(self, like):
        if like.dtype.kind != "f" or like.dtype.itemsize not in (4, 8):
            raise TypeError(f"UniformLike: like must be float32 or float64, found {like}")

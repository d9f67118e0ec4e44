"""What UniformLike promises: Threefry written out from its description, in whole numbers wide enough not to overflow."""

import numpy as np

from ourdl_core import Contract, Error

ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
WORD = 2**32


def threefry(key, counter):
    """Threefry-2x32 of 20 rounds: two words for two words of ``counter`` (lists of ints) under two of ``key``.

    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11: a round adds, rotates and xors; the key, in turns
    with its parity, is added before the first round and after every fourth.
    """
    schedule = [*key, 0x1BD11BDA ^ key[0] ^ key[1]]
    left, right = (np.asarray(c, np.uint64) for c in counter)
    for r in range(21):
        if r % 4 == 0:
            left = (left + schedule[r // 4 % 3]) % WORD
            right = (right + schedule[(r // 4 + 1) % 3] + r // 4) % WORD
        if r < 20:
            left = (left + right) % WORD
            turn = ROTATIONS[r % 8]
            right = (right * 2**turn % WORD + right // 2 ** (32 - turn)) ^ left
    return left, right


def uniform(key, like):
    """Numbers in [0, 1) of the shape of ``like``: of 53 bits, 27 of one word and 26 of the other, or of 24 bits of one word.

    A reference is called in float64, also for what is computed in float32; then with numbers that float32 holds.
    """
    counted = [int(word) for word in (key[0], key[1])], int(key[2])
    single = np.array_equal(like, np.float32(like), equal_nan=True)
    draw = numbers_of_24_bits if single else numbers_of_53_bits
    return np.reshape(draw(*counted, np.size(like)), np.shape(like))


def numbers_of_53_bits(key, step, count):
    left, right = threefry(key, ([step] * count, range(count)))
    return ((left // 2**5).astype(float) * 2.0**26 + (right // 2**6).astype(float)) / 2.0**53


def numbers_of_24_bits(key, step, count):
    """First the left words of half as many counters, then the right ones."""
    pairs = -(-count // 2)
    words = np.concatenate(threefry(key, ([step] * pairs, range(pairs))))
    return (words[:count] // 2**8).astype(float) / 2.0**24


def key(*words):
    return np.array(words, np.uint32)


UniformLike = Contract(
    samples=lambda mk: [
        (mk((3,), dtype="uint32", high=2**32), mk((2, 5))),
        (key(7, 11, 5), mk((4,))),
        (key(2**32 - 1, 0, 2**32 - 1), mk((2, 4, 5))),
        (key(0, 0, 0), mk(())),
    ],
    reference=uniform,
    errors=(
        Error(
            args=(key(1, 2, 3), np.zeros(3, np.int64)),
            type=TypeError,
            match="UniformLike: like must be float32 or float64, found int64",
        ),
    ),
    claims=(),
)

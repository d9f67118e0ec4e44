"""What random ops promise: Threefry written out from its description, in whole numbers wide enough not to overflow."""

import numpy as np

from ourdl_core import Contract, Error, Sample

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
    return np.reshape(numbers(key, like, np.size(like)), np.shape(like))


def normal(key, like):
    """Box and Muller: a complex number of that radius and angle for each pair, the real parts before the imaginary ones."""
    first, second = np.split(numbers(key, like, (np.size(like) + 1) // 2 * 2), 2)
    pairs = np.sqrt(-2 * np.log(1 - first)) * np.exp(2j * np.pi * second)
    return np.reshape(np.concatenate([pairs.real, pairs.imag])[: np.size(like)], np.shape(like))


def numbers(key, like, count):
    single = np.array_equal(like, np.float32(like), equal_nan=True)
    draw = numbers_of_24_bits if single else numbers_of_53_bits
    return draw([int(word) for word in (key[0], key[1])], int(key[2]), count)


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


def drawn(op, reference):
    return Contract(
        samples=lambda mk: [
            (mk((3,), dtype="uint32", high=2**32), mk((2, 5))),
            (key(7, 11, 5), mk((4,))),
            (key(2**32 - 1, 0, 2**32 - 1), mk((2, 4, 5))),
            (key(1, 2, 3), mk((3,))),
            (key(0, 0, 0), mk(())),
        ],
        reference=reference,
        errors=(
            Error(
                args=(key(1, 2, 3), np.zeros(3, np.int64)),
                type=TypeError,
                match=f"{op}: like must be float32 or float64, found int64",
            ),
        ),
        claims=(),
    )


UniformLike = drawn("UniformLike", uniform)
NormalLike = drawn("NormalLike", normal)


def together(shape, *inputs):
    """What has the shape of all arrays broadcast together, and is exact in float32 if all of them are."""
    arrays = [each for each in inputs if isinstance(each, np.ndarray)]
    single = all(np.array_equal(each, np.float32(each), equal_nan=True) for each in arrays)
    return np.full(np.broadcast_shapes(shape, *map(np.shape, arrays)), 0.5 if single else 0.1)


def of_dtype(y, *inputs):
    """``y``, in float32 if there is no array to say more."""
    return y if any(isinstance(each, np.ndarray) for each in inputs) else np.float32(y)


def uniform_between(low, high, like, key, shape=()):
    u = uniform(key, together(shape, low, high, like))
    low, high = 0.0 if low is None else low, 1.0 if high is None else high
    return of_dtype(low * (1 - u) + high * u, low, high, like)


def normal_around(mean, std, like, key, shape=()):
    z = normal(key, together(shape, mean, std, like))
    y = (0.0 if mean is None else mean) + (1.0 if std is None else std) * z
    return of_dtype(y, mean, std, like)


def bernoulli(p, like, key, shape=()):
    u = uniform(key, together(shape, p, like))
    return of_dtype(np.where(np.isnan(p), p, u < p), p, like)


def samples_of_two(mk):
    return [
        (mk((3, 4)), mk((4,)), None, key(7, 11, 5)),
        (mk((4,)), None, mk((2, 3, 1)), mk((3,), dtype="uint32", high=2**32)),
        (None, mk((3, 5)), None, key(1, 2, 3)),
        (-1.0, 3.0, mk((5, 2)), key(1, 2, 3)),
        Sample(None, None, None, key(1, 2, 4), shape=(3, 2)).within(1e-5, 1e-5),
        Sample(mk((4,)), 0.5, None, key(1, 2, 5), shape=(2, 3, 1)),
    ]


def refused(op):
    match = f"{op}: 'like' must be floating"
    return (Error(args=(None, None, np.zeros(3, np.int64), key(1, 2, 3)), type=TypeError, match=match),)


Uniform = Contract(samples=samples_of_two, reference=uniform_between, errors=refused("Uniform"))
Normal = Contract(samples=samples_of_two, reference=normal_around, errors=refused("Normal"))
Bernoulli = Contract(
    samples=lambda mk: [
        (mk((3, 4), low=0, high=1), None, key(7, 11, 5)),
        (mk((4,)), mk((2, 3, 1)), mk((3,), dtype="uint32", high=2**32)),
        (0.5, mk((5, 2)), key(1, 2, 3)),
        Sample(0.3, None, key(1, 2, 4), shape=(3, 5)),
    ],
    reference=bernoulli,
    errors=(Error(args=(np.zeros(3, np.int64), None, key(1, 2, 3)), type=TypeError, match="'p' must be floating"),),
    claims={"no_gradient"},
)

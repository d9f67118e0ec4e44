"""Keys: what an op's randomness is drawn from, and the seed of each parameter. Both depend on (seed, name) alone.

A key is three unsigned 32-bit words: two from (seed, name), and the step. Nothing is drawn from a hidden state, so there
is nothing to lose when training is resumed, and adding a node changes no other node's numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def words(seed: int, name: str) -> tuple[int, int]:
    """Two 32-bit words that depend on ``seed`` and ``name`` (SHA-256)."""
    import hashlib  # 3 ms, needed only where something is drawn

    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little")


def make_key(seed: int, name: str, step: int = 0) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """The key of the random op ``name`` at ``step``: ``uint32[3]``."""
    return np.array([*words(seed, name), step & 0xFFFFFFFF], np.uint32)


def next_key(key: Any) -> Any:
    """The key of the next step, in the array library of ``key``."""
    library = key.__array_namespace__()
    return key + library.asarray(np.array([0, 0, 1], np.uint32))


def generator(seed: int, name: str) -> np.random.Generator:
    """The NumPy generator that makes the first value of the parameter ``name``."""
    return np.random.default_rng([*words(seed, name), 0])

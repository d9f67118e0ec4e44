"""How well counted tables of characters predict the text of transformer.toml: what its loss is compared with.

    python examples/bigrams.py

A table of two characters (bigrams) knows how often each character follows each other one. Every entry is taken to be
``alpha`` larger, so that none is 0; ``alpha`` is chosen on the rows for training alone.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from ourdl import load
from ourdl_train import read_data

SIGNS = 96  # how many different characters there are
ALPHAS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


class Table:
    """How often each character follows the ``length - 1`` before it, in rows of text.

    At the beginning of a row, where there are fewer, it is those that there are.
    """

    def __init__(self, rows, length):
        self.length = length
        self.before, self.counts = Counter(), Counter()
        for text in rows:
            for n in range(length):
                self.before.update(text[i : i + n] for i in range(len(text) - n))
                self.counts.update(text[i : i + n + 1] for i in range(len(text) - n))

    def shares(self, text, alpha):
        """How probable each character of a row is after those before it. As for the transformer, the first is given."""
        found = []
        for i in range(1, len(text)):
            before = text[max(0, i - self.length + 1) : i]
            found.append((self.counts[before + text[i : i + 1]] + alpha) / (self.before[before] + SIGNS * alpha))
        return np.array(found)

    def loss(self, rows, alpha):
        """The loss in nats a character."""
        return -np.mean([np.log(self.shares(text, alpha)) for text in rows])


def best_alpha(rows, length):
    """The ``alpha`` that suits a tenth of the rows best, when the others are counted."""
    table = Table([row for i, row in enumerate(rows) if i % 10], length)
    return min(ALPHAS, key=lambda alpha: table.loss(rows[::10], alpha))


def rows_of(arrays):
    """The rows of characters as bytes, each with the character that follows the last."""
    x, y = np.asarray(arrays["x"], np.uint8), np.asarray(arrays["y"], np.uint8)
    return [row.tobytes() for row in np.concatenate([x, y[:, -1:]], axis=1)]


def written(row):
    """The text of a row, as it is read."""
    return "".join("\n" if code == 0 else chr(code + 31) for code in row)


def main():
    """Print the losses on the rows held out for the test; they are returned by length."""
    model = load(Path(__file__).parent / "transformer.toml")
    data = read_data(model.data, model.graph.inputs, model.folder)
    train, test = rows_of(data.train), rows_of(data.test)
    losses = {}
    for length in range(2, 7):
        alpha = best_alpha(train, length)
        losses[length] = nats = Table(train, length).loss(test, alpha)
        print(f"{length} characters, alpha {alpha}: {nats:.3f} nats, {nats / np.log(2):.3f} bits a character")
    return losses


if __name__ == "__main__":
    main()

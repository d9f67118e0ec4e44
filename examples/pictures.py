"""Draw what the examples have learned, from the directory of a run: the pictures of the pages in docs/.

    python examples/pictures.py digits-cnn runs/digits-cnn-1 picture.png

The names are those of the model files: digits, digits-cnn, diabetes, autoencoder, lstm, transformer. Needs matplotlib, which
comes with ``pip install "ourdl[plot]"``.
"""

import re
import sys
from pathlib import Path

import matplotlib
import numpy as np
from bigrams import Table, best_alpha, rows_of, written  # beside this file

from ourdl import Program, load, ops
from ourdl_train import load_weights, read_data, read_log

matplotlib.use("Agg")
import matplotlib.pyplot as plt

RIGHT, WRONG, GREY = "#0072b2", "#d55e00", "#808080"  # told apart by the colour-blind (Okabe and Ito)


class Trained:
    """The model of a run with its weights, and the rows that were held out for the test."""

    def __init__(self, run):
        self.run = Path(run)
        self.model = load(self.run / "model.toml")
        self.data = read_data(self.model.data, self.model.graph.inputs, self.model.folder)

    def of(self, arrays, *nodes):
        """What these nodes of the graph are for some rows, in inference mode."""
        graph = self.model.graph
        x = graph.inputs["x"]
        program = Program([x], [graph[node] for node in nodes], mode="inference")
        values = np.asarray(arrays["x"])
        state = load_weights(self.run / "weights.safetensors", like=program.init(values))
        return [np.asarray(each) for each in program(state, values)[0]]


def digits(trained, figure):
    """Digits that were held out, with what they are taken for: the wrong ones, then the least certain ones."""
    (logits,) = trained.of(trained.data.test, "logits")
    labels = np.asarray(trained.data.test["y"])
    probabilities = np.asarray(ops.Softmax(logits))
    found, certain = probabilities.argmax(axis=1), probabilities.max(axis=1)
    order = np.lexsort((certain, found == labels))[:24]
    figure.set_size_inches(8, 3.6)
    for place, row in enumerate(order, 1):
        axes = figure.add_subplot(3, 8, place)
        _image(axes, trained.data.test["x"][int(row)])
        right = found[row] == labels[row]
        said = f"{found[row]}  {100 * certain[row]:.0f} %" if right else f"{found[row]}, is {labels[row]}"
        axes.set_title(said, fontsize=9, color=RIGHT if right else WRONG, weight="normal" if right else "bold")


def _image(axes, pixels):
    axes.imshow(np.reshape(pixels, (8, 8)), cmap="Greys", vmin=0, vmax=1)
    axes.set_xticks([])
    axes.set_yticks([])


def diabetes(trained, figure):
    """What is predicted for the patients that were held out, against what came about."""
    (predicted,) = trained.of(trained.data.test, "prediction")
    true = 100 * np.asarray(trained.data.test["y"])
    figure.set_size_inches(4.8, 4.4)
    axes = figure.add_subplot(xlabel="progression after a year", ylabel="predicted")
    axes.plot([20, 350], [20, 350], color=GREY, linewidth=1)
    axes.scatter(true, 100 * predicted, s=18, color=RIGHT, alpha=0.8, linewidths=0)
    axes.spines[["top", "right"]].set_visible(False)


def autoencoder(trained, figure):
    """The plane of the two numbers, by digits that training did not know; below, digits and what is drawn of them."""
    code, pixels = trained.of(trained.data.test, "code", "pixels")
    labels = _labels(trained)
    figure.set_size_inches(7.4, 7)
    grid = figure.add_gridspec(3, 10, height_ratios=[7, 1, 1])
    axes = figure.add_subplot(grid[0, :], xlabel="first number", ylabel="second number")
    colours = plt.get_cmap("tab10")
    for digit in range(10):
        rows = labels == digit
        axes.scatter(*code[rows].T, s=0)  # which sets the limits
        for x, y in code[rows]:
            axes.text(x, y, str(digit), color=colours(digit), fontsize=9, ha="center", va="center")
    axes.spines[["top", "right"]].set_visible(False)
    for digit in range(10):
        row = int(np.flatnonzero(labels == digit)[0])
        for line, image in ((1, trained.data.test["x"][row]), (2, pixels[row])):
            _image(figure.add_subplot(grid[line, digit]), image)


def _labels(trained):
    """The digits of the rows that were held out, in their order: the model has no input for them."""
    with_labels = load(Path(__file__).parent / "digits.toml")
    held = read_data(with_labels.data, with_labels.graph.inputs, with_labels.folder).test
    assert np.array_equal(np.asarray(held["x"]), np.asarray(trained.data.test["x"]))
    return np.asarray(held["y"])


def lstm(trained, figure):
    """How the belief about some digits changes from row to row, as the rows are read from the top."""
    graph = trained.model.graph
    (outputs,) = trained.of(trained.data.test, "lstm[0]")
    state = load_weights(trained.run / "weights.safetensors", like=Program([graph["x"]], [graph["logits"]]).init())
    belief = np.asarray(ops.Softmax(outputs @ state["logits.weight"] + state["logits.bias"]))  # [digit, row, class]
    labels = np.asarray(trained.data.test["y"])
    right = belief[:, -1].argmax(axis=1) == labels
    turns = (np.diff(belief.argmax(axis=2), axis=1) != 0).sum(axis=1)
    chosen = [int(np.flatnonzero(right & (labels == digit) & (turns > 1))[0]) for digit in (3, 5, 8, 9)]
    figure.set_size_inches(8, 1.9)
    grid = figure.add_gridspec(1, 8, width_ratios=[1, 1.6] * 4)
    for place, row in enumerate(chosen):
        _image(figure.add_subplot(grid[2 * place], title=f"a {labels[row]}"), trained.data.test["x"][row])
        axes = figure.add_subplot(grid[2 * place + 1])
        axes.imshow(belief[row], cmap="Blues", vmin=0, vmax=1, aspect="equal")
        axes.set_xticks(range(10), range(10), fontsize=7)
        axes.set_yticks([])
    figure.suptitle("After each row, how much each digit is believed", fontsize=10)


def transformer(trained, figure):
    """The loss over the epochs, beside those of counted tables; below, how probable the characters of a line were."""
    figure.set_size_inches(8, 5.4)
    grid = figure.add_gridspec(2, 1, height_ratios=[4, 1])
    train, held = rows_of(trained.data.train), rows_of(trained.data.validation)
    tables = {length: (Table(train, length), best_alpha(train, length)) for length in (2, 3)}
    losses = {length: table.loss(held, alpha) for length, (table, alpha) in tables.items()}
    _curves(figure.add_subplot(grid[0], xlabel="epoch", ylabel="nats a character"), read_log(trained.run).epochs, losses)
    rows = rows_of(trained.data.test)
    row = next(i for i, text in enumerate(rows) if re.fullmatch("[A-Za-z, ]+", written(text)))  # the first of words alone
    (logits,) = trained.of({"x": np.asarray(trained.data.test["x"])[row : row + 1]}, "logits")
    table, alpha = tables[2]
    learned = np.asarray(ops.Softmax(logits))[0, np.arange(len(rows[row]) - 1), list(rows[row][1:])]
    shares = {"bigrams": table.shares(rows[row], alpha), "transformer": learned}
    _foreseen(figure.add_subplot(grid[1]), written(rows[row][1:]), shares)


def _curves(axes, rows, losses):
    epochs = [row["epoch"] for row in rows]
    axes.plot(epochs, [row["loss"] for row in rows], color=RIGHT, label="transformer, training")
    axes.plot(epochs, [row["validation_loss"] for row in rows], color=WRONG, label="transformer, validation")
    for length, name in ((2, "bigrams"), (3, "trigrams")):
        axes.axhline(losses[length], color=GREY, linewidth=1)
        said = f"{name}, validation: {losses[length]:.2f}"
        axes.text(epochs[-1], losses[length] + 0.02, said, color=GREY, ha="right", va="bottom")
    axes.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.86))
    axes.spines[["top", "right"]].set_visible(False)


def _foreseen(axes, text, shares):
    """The characters of a line, once for each of ``shares``: the darker, the more probable each was."""
    axes.imshow(list(shares.values()), cmap="Blues", vmin=0, vmax=1.2, aspect="auto")
    for line, values in enumerate(shares.values()):
        for place, (sign, share) in enumerate(zip(text, values, strict=True)):
            colour = "white" if share > 0.6 else "black"
            axes.text(place, line, sign, color=colour, family="monospace", fontsize=9, ha="center", va="center")
    axes.set_yticks(range(len(shares)), shares)
    axes.set_xticks([])
    axes.set_xlabel("a line that was held out: the darker, the more surely each character was foreseen")
    axes.spines[:].set_visible(False)


PICTURES = {
    "digits": digits,
    "digits-cnn": digits,
    "diabetes": diabetes,
    "autoencoder": autoencoder,
    "lstm": lstm,
    "transformer": transformer,
}


def draw(name, run, path):
    """Write the picture of an example."""
    figure = plt.figure(layout="constrained")
    PICTURES[name](Trained(run), figure)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in PICTURES:
        draw(*sys.argv[1:])
    else:
        print(__doc__)

"""Why a framework needs no check for a bug: it cannot be planted there, or the framework refuses or mends it at each use.

Each is shown to hold at each run (``looks.py``), and a bug that does not show without a reason here is an error.
"""

REASONS: dict[str, dict[str, str]] = {
    "torch": {
        "wide_gradient": "the engine casts each gradient to the dtype of its input",
        "returns_input": "a custom_op that returns an input is refused at each call",
        "no_unbroadcast": "the engine sums each gradient to the shape of its input",
        "python_float": "a custom_op that returns no tensor is refused at each call",
    },
    "jax": {
        "wide_gradient": "no float64 in f32 mode (with x64 it can be planted)",
        "wide_output": "no float64 in f32 mode (with x64 it can be planted)",
        "c_order": "arrays have no layout that a user sees: NumPy code behind pure_callback gets C order",
        "writes_x": "arrays are immutable, and read-only to NumPy",
        "writes_g": "arrays are immutable",
        "returns_input": "arrays are immutable: nobody can tell shared memory",
        "shared_buffer": "arrays are immutable, and what a pure_callback returns is copied",
        "no_unbroadcast": "custom_vjp refuses a gradient of another shape",
    },
    "autograd": {},
}

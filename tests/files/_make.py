"""Write the small file of the present format, and the codes that it must give for ever."""

import json
from pathlib import Path

import numpy as np

import skae

HERE = Path(__file__).parent
FILE, CODES = HERE / "format_1.safetensors", HERE / "format_1.json"


def rows():
    """Samples near a curve (40, 3), some values missing."""
    t = np.linspace(-1, 1, 40)
    X = np.column_stack([t, t**2, np.sin(3 * t)])
    X[::7, 1] = np.nan
    return X


if __name__ == "__main__":
    ae = skae.AutoencoderTransformer(
        1, hidden_layer_sizes=(4,), max_iter=100, cv=None, random_state=0
    ).fit(rows())
    skae.save(ae, FILE)
    codes = ae.transform(rows())
    rebuilt = ae.inverse_transform(codes)
    CODES.write_text(json.dumps({"codes": codes.tolist(), "rebuilt": rebuilt.tolist()}))

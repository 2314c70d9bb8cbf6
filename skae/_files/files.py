"""``save`` and ``load``: an estimator in one file."""

import os
import platform
from typing import Any

from sklearn.base import BaseEstimator

from skae._files import container
from skae._files.records import ESTIMATORS
from skae._files.values import Decoder, Encoder
from skae._runtime.version import versions


def save(estimator: BaseEstimator, path: str | os.PathLike) -> None:
    """Write an estimator of skae, fitted or not, to a file that holds no code.

    The file holds arrays in the format of safetensors, and everything else as JSON in its
    header: class, parameters, fitted attributes, versions, and a SHA-256 digest. An existing
    file is replaced at once, and stays as it is if something fails.

    Parameters
    ----------
    estimator : estimator
        An estimator of skae, such as AutoencoderTransformer. Callbacks are left out.
    path : str or path-like
        Where to write; ``.safetensors`` is the usual ending.

    Raises
    ------
    TypeError
        If ``estimator`` is none of skae's own classes.
    ValueError
        If a parameter holds what only code can make, such as a function as ``loss`` or an
        encoder of another library. The error names the parameter.
    OSError
        If the file cannot be written.

    See Also
    --------
    load : Reads the file.

    Notes
    -----
    Codes and reconstructions of the loaded estimator are the same to the bit, if the versions
    of JAX and the processor are. Missing values in fitted attributes are kept.

    Examples
    --------
    >>> import skae
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> ae = skae.AutoencoderTransformer(2, hidden_layer_sizes=(16,), max_iter=2).fit(X)
    >>> with TemporaryDirectory() as folder:
    ...     skae.save(ae, f"{folder}/iris.safetensors")
    ...     again = skae.load(f"{folder}/iris.safetensors")
    >>> bool((again.transform(X) == ae.transform(X)).all())
    True
    """
    if ESTIMATORS.get(type(estimator).__name__) is not type(estimator):
        raise TypeError(
            f"save takes an estimator of skae, got {type(estimator).__name__}. Save the "
            "best_estimator_ of a search, or a step of a pipeline; pickle, joblib and skops "
            "take all of it."
        )
    encoder = Encoder()
    document = {
        "versions": {"python": platform.python_version(), **versions()},
        "object": encoder(estimator, ""),
    }
    container.write(path, document, encoder.arrays)


def load(path: str | os.PathLike) -> Any:
    """Return the estimator that ``save`` wrote to a file; nothing in the file is run.

    Its classes are looked up in a closed list. No more memory is taken for arrays than the
    file has bytes.

    Parameters
    ----------
    path : str or path-like
        A file that ``save`` has written.

    Returns
    -------
    estimator : estimator
        The estimator, as it was.

    Raises
    ------
    ValueError
        If ``save`` did not write the file, if it is cut off, changed, damaged or of a newer
        format, or if it holds unknown names or sizes that do not go together.
    OSError
        If it cannot be read.

    See Also
    --------
    save : Writes the file, and has an example.

    Notes
    -----
    The digest shows damage, not who wrote the file. A file from somebody you do not know can
    hold any weights, but no code.
    """
    try:
        document, arrays = container.read(path)
        decoder = Decoder(arrays)
        found = decoder(document["object"])
        if decoder.unused:
            raise ValueError(f"{decoder.unused} of its arrays belong to nothing")
    except OSError:
        raise
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r} was not loaded: {error}.") from error
    except Exception as error:
        raise ValueError(
            f"{os.fspath(path)!r} was not loaded: what it says does not go together "
            f"({type(error).__name__}: {error})."
        ) from error
    if ESTIMATORS.get(type(found).__name__) is not type(found):
        raise ValueError(f"{os.fspath(path)!r} was not loaded: it holds no estimator.")
    return found

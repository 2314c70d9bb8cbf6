"""AutoencoderTransformer: parameters, validation, fit and transform. scikit-learn lives here."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn import get_config
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold, check_cv
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted

from skae._device import computing
from skae._linear import piles, principal_axes
from skae._objective import Objective
from skae._progress import CallbackSupportMixin, Progress, epoch_means, with_callbacks
from skae._rows import fit_scaling
from skae._selection import REFIT, Recipe, hold_outs, select, train_ungated
from skae._training import Program, make_plan
from skae._validation import DTYPES, Number, check_rows, refuse_huge
from skae.architectures import ARCHITECTURES
from skae.architectures._layers import ACTIVATIONS
from skae.corruptions import CORRUPTIONS
from skae.optimizers import OPTIMIZERS, SCHEDULES

LOGISTIC_SHARE = 0.2  # of all cells at the ends of their columns' ranges
MOST_ROWS_REFITTED = 20_000
MOST_COMPONENTS = 512  # that a float n_components starts from


class AutoencoderTransformer(
    CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """TODO."""

    __metadata_request__fit = {"X_val": True, "groups": True}

    _parameter_constraints = {
        "n_components": [
            Number(Integral, 1, None, closed="left"),
            Number(Real, 0, 1, closed="neither"),
        ],
        "hidden_layer_sizes": [StrOptions({"auto"}), "array-like"],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "architecture": [StrOptions(set(ARCHITECTURES)), HasMethods("network")],
        "linear_path": [StrOptions({"pca"}), None],
        "ordered": ["boolean"],
        "scaling": [StrOptions({"global", "standard"}), None],
        "output_activation": [StrOptions({"auto", "identity", "logistic"})],
        "clip": [StrOptions({"auto"}), "boolean"],
        "corruption": [StrOptions(set(CORRUPTIONS)), callable, None],
        "corruption_level": [Number(Real, 0, None, closed="left")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "learning_rate": [Number(Real, 0, None, closed="neither")],
        "learning_rate_schedule": [StrOptions(set(SCHEDULES)), callable],
        "weight_decay": [Number(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Number(Integral, 1, None, closed="left")],
        "max_iter": [StrOptions({"auto"}), Number(Integral, 1, None, closed="left")],
        "tol": [Number(Real, 0, None, closed="left")],
        "n_iter_no_change": [Number(Integral, 1, None, closed="left"), None],
        "cv": [
            StrOptions({"auto"}),
            Number(Integral, 2, None, closed="left"),
            HasMethods(["split", "get_n_splits"]),
            None,
        ],
        "validation_fraction": [Number(Real, 0, 1, closed="neither")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "device": [str, None],
    }

    def __init__(
        self,
        n_components=2,
        *,
        hidden_layer_sizes="auto",
        activation="gelu",
        architecture="dense",
        linear_path="pca",
        ordered=True,
        scaling="global",
        output_activation="auto",
        clip="auto",
        corruption="gaussian",
        corruption_level=0.35,
        optimizer="adamw",
        learning_rate=2e-3,
        learning_rate_schedule="cosine",
        weight_decay=0.3,
        batch_size="auto",
        max_iter="auto",
        tol=1e-4,
        n_iter_no_change=None,
        cv="auto",
        validation_fraction=0.2,
        warm_start=False,
        random_state=None,
        verbose=0,
        device=None,
    ):
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.architecture = architecture
        self.linear_path = linear_path
        self.ordered = ordered
        self.scaling = scaling
        self.output_activation = output_activation
        self.clip = clip
        self.corruption = corruption
        self.corruption_level = corruption_level
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.cv = cv
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.device = device

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, X_val=None, groups=None):
        """TODO."""
        before = dict(vars(self))
        try:
            with computing(self.device):
                self._fit(X, y, X_val, groups)
        except BaseException:
            self._restore(before)
            raise
        return self

    def _fit(self, X, y, X_val, groups):
        X = check_rows(self, X, reset=True, minimum=2)
        check_consistent_length(X, y, groups)
        continued = self._fitted_model_to_continue()
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        scaling = self._scaling if continued else self._fit_scaling(X)
        rows = scaling.forward(X)
        recipe = self._recipe(rows, seed, continued)
        progress = Progress(self, X, lambda trial: self._reconstruction(trial, scaling))
        held_out = None
        if X_val is not None:
            held_out = scaling.forward(check_rows(self, X_val, reset=False))
        outcome = self._train(recipe, rows, held_out, y, groups, continued, progress)
        self._set_fitted(outcome, scaling, recipe)
        progress.end()

    def _train(self, recipe, rows, held_out, y, groups, continued, watch):
        """Train, gated by the rows that are there to judge; return an Outcome."""
        if continued is not None:
            trial = recipe.resume(rows, continued.path, continued.params)
        elif held_out is not None or self.cv is None:
            trial = recipe.begin(rows, REFIT)
        if held_out is not None:
            return select(recipe, rows, [(trial, held_out)], refit=False, watch=watch)
        if continued is not None or self.cv is None:
            return train_ungated(recipe, rows, trial, watch=watch)
        splits = self._splits(rows, y, groups, recipe.seed)
        trials = (
            (recipe.begin(rows[train], REFIT + 1 + i), rows[val])
            for i, (train, val) in enumerate(splits)
        )
        refit = self.cv != "auto" or len(rows) <= MOST_ROWS_REFITTED
        return select(recipe, rows, trials, refit=refit, watch=watch)

    def _splits(self, rows, y, groups, seed):
        """Return an iterable of (train, val) indices for the gate."""
        if self.cv == "auto" and groups is None:
            rng = np.random.default_rng([seed, REFIT])
            return hold_outs(len(rows), self.validation_fraction, rng)
        if isinstance(self.cv, str | Integral) and groups is not None:
            most = 5 if self.cv == "auto" else self.cv
            splitter = GroupKFold(min(most, len(np.unique(groups))))
        else:
            splitter = check_cv(self.cv)
        return splitter.split(rows, y, groups)

    def _fitted_model_to_continue(self):
        """Return the Model that a warm start goes on from, or None."""
        if not self.warm_start or not hasattr(self, "_model"):
            return None
        n_features = len(self._model.path.lower)
        if n_features != self.n_features_in_:
            raise ValueError(
                f"warm_start=True goes on with a model of {n_features} features, but X has "
                f"{self.n_features_in_}. Pass rows of {n_features} features, or set "
                "warm_start=False to begin anew."
            )
        return self._model

    def _fit_scaling(self, X):
        return fit_scaling(X, self.scaling, centered=self.linear_path is not None)

    def _recipe(self, rows, seed, continued):
        """Return the Recipe: every choice that is left to ``fit`` made."""
        n, d = rows.shape
        linear = self.linear_path is not None
        link = self._link(rows) if continued is None else continued.link
        n_axes = _bucket(n, d) if linear else d
        if continued is not None:
            n_axes = continued.network.n_inputs
        k = self._n_components(rows) if continued is None else continued.network.n_components
        network = self._network(n_axes, d if link == "logistic" else n_axes, k)
        if continued is not None and network != continued.network:
            raise ValueError(
                "warm_start=True goes on with the fitted net, but the parameters ask for "
                f"another one: {network} instead of {continued.network}. Set "
                "warm_start=False, or the parameters as they were."
            )
        objective = Objective(network, link, self.ordered, self.corruption)
        plan = make_plan(
            n,
            _n_weights(network),
            batch_size=self.batch_size,
            max_iter=self.max_iter,
            patience=self.n_iter_no_change,
            tol=self.tol,
            rate=self.learning_rate,
            schedule=self.learning_rate_schedule,
        )
        numbers = {
            "weight_decay": np.float32(self.weight_decay),
            "corruption_level": np.float32(self.corruption_level),
        }
        program = Program(objective, self.optimizer)
        return Recipe(program, plan, n_axes, linear, self.clip, numbers, seed)

    def _n_components(self, rows):
        """Return the size of the code to train, from an int or a share of variance."""
        if isinstance(self.n_components, Integral):
            return int(self.n_components)
        variances = principal_axes(rows, min(rows.shape)).variances
        share = variances.cumsum() / (variances.sum() or 1.0)
        needed = 1 + int(np.searchsorted(share, self.n_components))
        return min(needed, len(share), MOST_COMPONENTS)

    def _link(self, rows):
        if self.output_activation != "auto":
            return self.output_activation
        return "logistic" if sum(map(np.mean, piles(rows))) >= LOGISTIC_SHARE else "identity"

    def _network(self, n_inputs, n_outputs, n_components):
        architecture = self.architecture
        if isinstance(architecture, str):
            architecture = ARCHITECTURES[architecture]()
        return architecture.network(
            n_inputs,
            n_outputs,
            n_components,
            self._layer_sizes(n_components),
            self.activation,
            zero_start=self.linear_path is not None,
        )

    def _layer_sizes(self, n_components):
        if isinstance(self.hidden_layer_sizes, str):
            return (512, 256, 128) if n_components <= 4 else (512, 256)
        sizes = tuple(self.hidden_layer_sizes)
        if not all(isinstance(size, Integral) and size > 0 for size in sizes):
            raise ValueError(
                f"hidden_layer_sizes must hold whole numbers above 0, got {sizes}. "
                "Use () for linear maps."
            )
        return tuple(int(size) for size in sizes)

    def _set_fitted(self, outcome, scaling, recipe):
        """Set every fitted attribute together, from the record of the run."""
        model, explained = outcome.model, outcome.explained
        n_components = self._n_kept(explained)
        self._scaling, self._model = scaling, model
        self.n_components_ = n_components
        self.mean_ = scaling.backward(outcome.axes.mean)
        if model.path.basis is not None:
            self.components_ = outcome.axes.basis[:, :n_components].T
        self.explained_variance_ratio_ = np.diff(explained[:n_components], prepend=0.0)
        self.error_ratio_ = outcome.error_ratio
        self.validation_curve_ = outcome.validation
        epoch_steps = recipe.plan.epoch_steps
        self.loss_curve_ = epoch_means(outcome.losses, epoch_steps)
        self.n_iter_ = max(1, -(-outcome.n_steps // epoch_steps))
        self.best_iter_ = -(-outcome.best_step // epoch_steps)
        self._warn(outcome)

    def _n_kept(self, explained):
        """Return how many components are kept: all, or those that reach the share asked."""
        if isinstance(self.n_components, Integral):
            return len(explained)
        reaches = np.flatnonzero(explained >= self.n_components)
        if len(reaches):
            return int(reaches[0]) + 1
        warnings.warn(
            f"n_components={self.n_components} asks for a share of held-out variance that "
            f"{len(explained)} components do not reach (they explain "
            f"{explained[-1]:.3f}); all of them are kept.",
            UserWarning,
            stacklevel=2,
        )
        return len(explained)

    def _warn(self, outcome):
        kept = f"checkpoint {self.best_iter_} of {self.n_iter_} epochs"
        if outcome.interrupted:
            warnings.warn(f"Interrupted: the model kept is {kept}.", UserWarning, stacklevel=2)
        if outcome.diverged:
            warnings.warn(
                f"Training diverged: a loss was not finite at learning_rate="
                f"{self.learning_rate} with scaling={self.scaling!r}. The last finite weights "
                f"are kept ({kept}). Lower learning_rate, or scale or clip the columns of X.",
                ConvergenceWarning,
                stacklevel=2,
            )

    def _reconstruction(self, trial, scaling):
        """Return what a callback needs to build the estimator as it is at this moment."""
        k = trial.recipe.network.n_components
        return {
            "_scaling": scaling,
            "_model": trial.model(),
            "n_components_": k,
            "mean_": scaling.backward(trial.axes.mean),
        }

    def _restore(self, before):
        """Put back the fitted attributes of ``before``: a failed fit changes nothing."""
        for name in set(vars(self)) - set(before):
            if not name.startswith(("_callback", "_skl", "_parent_callback")):
                delattr(self, name)
        for name, value in before.items():
            setattr(self, name, value)

    def transform(self, X):
        """TODO."""
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        codes = self._encode(X)
        return codes.astype(X.dtype)

    def inverse_transform(self, X):
        """TODO."""
        check_is_fitted(self)
        codes = self._check_codes(X)
        return self._in_container(self._decode(codes).astype(codes.dtype), X)

    def score(self, X, y=None):
        """TODO."""
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        total = np.square(X - self.mean_).sum()
        error = self._squared_errors(X).sum()
        if total == 0:
            return 1.0 if error == 0 else 0.0
        return float(1.0 - error / total)

    def score_samples(self, X):
        """TODO."""
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        return -self._squared_errors(X) / X.shape[1]

    def _squared_errors(self, X):
        return np.square(X - self._decode(self._encode(X))).sum(axis=1)

    def _encode(self, X):
        """Return float64 codes (n_samples, n_components_) in public units."""
        with computing(self.device):
            Z = self._model.encode(self._scaling.forward(X))
        return Z[:, : self.n_components_] * self._scaling.code_unit

    def _decode(self, Z):
        """Return float64 rows in the data's units; the columns of ``Z`` may be a prefix."""
        n, n_kept = Z.shape
        codes = np.zeros((n, self._model.network.n_components))
        codes[:, :n_kept] = Z / self._scaling.code_unit
        with computing(self.device):
            rows = self._model.decode(codes, np.full(n, n_kept))
        return self._scaling.backward(rows)

    def _check_codes(self, X):
        Z = check_array(X, dtype=DTYPES, input_name="X", estimator=self)
        refuse_huge(Z, "X")
        if Z.shape[1] > self.n_components_:
            raise ValueError(
                f"X has {Z.shape[1]} columns, but {type(self).__name__} has codes of "
                f"{self.n_components_} components. Pass what transform returned, or its "
                "leading columns."
            )
        return Z

    def _in_container(self, X, codes):
        """Return rows as set_output asks, under the original names and the codes' index."""
        config = getattr(self, "_sklearn_output_config", {})
        container = config.get("transform", get_config()["transform_output"])
        names = getattr(self, "feature_names_in_", None)
        if names is None:
            names = [f"x{i}" for i in range(X.shape[1])]
        if container == "pandas":
            import pandas as pd

            return pd.DataFrame(X, columns=names, index=getattr(codes, "index", None))
        if container == "polars":
            import polars as pl

            return pl.DataFrame(X, schema=list(names), orient="row")
        return X

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_model")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _bucket(n_rows, n_features):
    """Return the number of principal axes: changes with the rows in powers of two only."""
    if n_rows >= n_features:
        return n_features
    return min(n_features, 2 ** int(np.ceil(np.log2(n_rows))))


def _n_weights(network):
    """Return how many numbers the weights of ``network`` hold."""
    layers = network.init(np.random.default_rng(0))
    return sum(leaf.size for part in layers.values() for x in part for leaf in x.values())

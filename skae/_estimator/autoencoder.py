"""AutoencoderTransformer: parameters, fit and transform. scikit-learn lives here."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted

from skae._data.checks import check_codes, check_range, check_rows, check_weight
from skae._estimator import fitting, streaming
from skae._estimator.constraints import PARAMETER_CONSTRAINTS, SAMPLE_CONSTRAINTS
from skae._estimator.containers import in_container
from skae._estimator.fitted import FittedAutoencoder
from skae._estimator.pca_attributes import LinearPathAttributes
from skae._estimator.sampling import refuse_too_many
from skae._runtime.blas import threads_restored
from skae._runtime.devices import computing, default_errors, matmul_precision
from skae._runtime.pickles import VersionedPickles
from skae._runtime.snapshots import fitted_copy, on_snapshots
from skae._select.progress import CallbackSupportMixin, with_callbacks
from skae.architectures import Architecture


@on_snapshots(
    "transform",
    "inverse_transform",
    "reconstruct",
    "sample",
    "impute",
    "score",
    "score_samples",
    "get_feature_names_out",
)
class AutoencoderTransformer(
    VersionedPickles,
    CallbackSupportMixin,
    LinearPathAttributes,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Nonlinear dimensionality reduction by an autoencoder that begins at PCA.

    The code of a sample x and its reconstruction are

    .. code-block:: text

        z  = V'(x - mean) + s * f(x)
        x^ = mean + V z + r * g(z / s, mask)

    Here V are the principal axes of the training samples, f and g the two halves of a neural
    network, s and r the sizes of PCA's codes and residuals, and mask the components that are
    present. The nets begin at zero, so training begins at PCA [2]_. A checkpoint is kept only
    if it reconstructs held-out samples better than PCA, at full or half correction strength.
    Neither the full code nor a prefix of it may be worse than PCA's, and the gain must be clear
    (see ``cv``). Otherwise the model is PCA, and ``selected_model_`` says so.

    Nested dropout [1]_ truncates some codes after their first components while training, half
    of them at first and a twentieth at the end. So components come in order of importance, and
    every prefix of a code is a good code itself.

    Parameters come in groups: size and architecture (up to ``ordered``), loss and outputs (up
    to ``code_activation``), regularisation (up to ``weight_decay``), training (up to
    ``warm_start``), model selection (``cv`` and ``class_weight``), computing.

    Parameters
    ----------
    n_components : int, float or None, default=2
        Size of the code, the first parameter to set. At most min(n_samples, n_features) as in
        PCA, which None stands for, unless ``code_activation``, ``n_nonzero_coefs``,
        ``sparsity``, ``contraction`` or ``linear_path=None`` make longer codes meaningful. A
        float in (0, 1) keeps the smallest number of components that explain this share of
        held-out variance, 512 at most.
    whiten : bool, default=False
        Divide each component by its standard deviation on the training samples, as PCA does;
        ``inverse_transform`` undoes it. A component that does not vary stays as it is. After
        ``partial_fit`` it is the deviation under PCA of all samples; if nets are used, it is
        the deviation on the 200 samples that are kept.
    hidden_layer_sizes : "auto" or sequence of int, default="auto"
        Widths of the encoder's hidden layers, which the decoder mirrors; worth a grid search.
        "auto" is (64, 64, 64, 64) below four components, (256, 128) from there on, and (256,)
        behind convolutions and recurrent nets. ``()`` makes both maps linear.
    activation : {"identity", "relu", "tanh", "logistic", "silu", "gelu"}, default="gelu"
        Nonlinearity of the hidden layers. It seldom needs a change.
    architecture : {"dense", "conv1d", "conv2d", "recurrent"} or instance, default="dense"
        Change it if features have an order in space or time: "conv1d" and "recurrent" are for
        series of shape (n_timepoints,) or (n_timepoints, n_channels), "conv2d" for images of
        shape (height, width) or (height, width, channels). An instance such as
        ``skae.architectures.Dense(skip=False)`` sets its own parameters, which a grid search
        reaches as ``architecture__skip``.
    sample_shape : tuple of int or None, default=None
        Shape of one sample. Set it if X is two-dimensional but its samples are not.
    linear_path : {"pca"} or None, default="pca"
        What the nets' outputs are added to. None gives a plain autoencoder, which neither
        begins at PCA nor falls back to it.
    ordered : bool, default=True
        Train the components in order of importance. False spends everything on the full code.
    scaling : {"global", "standard"} or None, default="global"
        Choose "standard" if features have different units: it divides each feature by its
        standard deviation. "global" subtracts the mean and divides all features by one number,
        so that errors compare with PCA's. None does not divide.
    loss : {"squared_error", "absolute_error", "huber", "binary_cross_entropy", "poisson", \
            "categorical"} or callable, default="squared_error"
        Choose it by what the values are. "binary_cross_entropy" is for values in [0, 1],
        "poisson" for counts, "categorical" for proportions that add up to 1, "huber" and
        "absolute_error" for data with outliers (see ``skae.losses``). An instance has
        parameters: ``skae.losses.Categorical(sizes=(3, 2))`` is for two categorical features in
        one-hot columns, ``skae.losses.Huber(delta=...)`` becomes linear at delta. A callable
        ``(target, output) -> losses`` gets JAX and NumPy arrays of shape (..., n_features), in
        scaled units.
    output_activation : {"auto", "identity", "clip", "logistic", "sigmoid", "tanh", "relu", \
            "softmax"}, default="auto"
        Range of the reconstructions; set it if the quantity has one by nature. "identity" has
        none, "clip" and "logistic" keep each feature's range in training. In X's units
        "sigmoid" reaches from 0 to 1, "tanh" from -1 to 1, "relu" from 0 on, and the outputs of
        "softmax" add up to 1. "auto" is "logistic" if a fifth of all values lie at the ends of
        their features' ranges. Otherwise it clips a feature at an end at which a twentieth of
        its values lie. Unlike the others it leaves PCA's reconstructions as they are.
    code_activation : {"identity", "relu", "tanh", "logistic", "softmax"}, default="identity"
        Change it if codes need a range. They then have this range instead of PCA's units. With
        "relu" the fit begins at PCA with half as many components, each in two entries: its
        positive and its negative part. With the others it does not begin at PCA.
    corruption : {"gaussian", "masking", "salt_and_pepper"}, callable or None, \
            default="gaussian"
        How inputs are corrupted while training [3]_. "gaussian" noise regularises, and held-out
        samples stay clean. Set it to "masking" or "salt_and_pepper" if the model is to undo
        such damage: they set values to their feature's mean, or to an end of its range, and
        held-out samples are corrupted in the same way. A callable ``(key, row, level) -> row``
        of JAX arrays gets one sample of shape (n_features,), in scaled units.
    corruption_level : float, default=0.4
        Lower it for strongly bent data, raise it for small or noisy tables. For "gaussian" it
        is the standard deviation of the noise, in units of PCA's residual. With fewer than four
        components the unit is the features' mean standard deviation times twice the share of
        the variance that PCA leaves (1 at most); the noise then falls geometrically over four
        fifths of the steps, by the square of that factor. For "masking" and "salt_and_pepper"
        it is the share of the values.
    augmentation : callable or None, default=None
        Set it if you know a transformation of a sample that gives another valid sample, such as
        a shift of an image. ``(key, row) -> row`` gets JAX arrays of shape (n_features,) in
        scaled units, raveled if samples have more dimensions. Its result is both input and
        target, a new one in each step. Values may then not be missing.
    n_nonzero_coefs : int or None, default=None
        Number of nonzero entries kept in each code (k-sparse autoencoder [4]_): the largest, in
        units of PCA's standard deviations. The fit does not begin at PCA.
    sparsity : float, default=0.0
        Raise it for codes with few large entries: it is the weight of the L1 norm of a code
        over sqrt(n_components) times its L2 norm [8]_. ``code_activation="relu"`` then makes
        zeros of small entries. Weights of penalties are in units of PCA's error, at least a
        hundredth of the variance; 0 leaves the penalty out of the compiled program.
    contraction : float, default=0.0
        Raise it for an encoder that changes little near each sample: it is the weight of the
        squared Frobenius norm of the encoder's Jacobian, over the number of components
        (contractive autoencoder [5]_). The penalty is 1 for PCA.
    kl_weight : float, default=0.0
        Set it to 1 for a variational autoencoder [6]_, whose codes are normal distributions:
        it weighs their Kullback-Leibler divergence from the standard normal distribution.
        For squared_error the noise has one variance, which is learned [7]_; other losses are
        minus log likelihoods (absolute_error and huber of a noise of size 1 in scaled units).
        ``transform`` returns means; with ``linear_path="pca"`` the fit begins at
        probabilistic PCA, so that no code collapses.
    weight_decay : "auto" or float, default="auto"
        Decoupled weight decay in units of the learning rate; worth a grid search. "auto" is
        0.3. With fewer than four components it goes down to 0.1 if PCA leaves less than half of
        the variance.
    optimizer : {"adamw", "adam", "nadam", "sgd", "momentum", "nesterov", "rmsprop", "lion", \
            "muon", "schedule_free", "lbfgs"} or callable, default="nadam"
        It seldom needs a change. A callable is an Optax factory such as ``optax.lion`` and gets
        the learning rate. Gradients are clipped to a global norm of 1, except for "lbfgs".
    learning_rate : "auto" or float, default="auto"
        Largest learning rate; worth a grid search. "auto" is 6e-3 below four components and
        2e-3 from there on, and less for batches of fewer than 64 samples.
    learning_rate_schedule : {"cosine", "linear", "exponential", "one_cycle", "warmup", \
            "constant", "plateau"} or callable, default="cosine"
        Factor on the learning rate over the steps. "cosine" rises over the first tenth and
        falls to zero. A callable gets the number of steps and returns one factor for each.
    n_init : int, default=1
        Number of random initialisations, trained on the same batches. Raise it for
        ``linear_path=None``. The best on held-out samples is kept (by the training loss if
        nothing is held out).
    batch_size : "auto" or int, default="auto"
        Samples per step, at most n_samples up to a power of two. "auto" is 32 below 512
        samples, 64 below 8,192 and 128 from there on.
    max_iter : "auto", float or int, default="auto"
        Budget in epochs; lower it for cheap searches. "auto" sets a number of steps: 3,000
        below four components and 1,500 from there on, times sqrt(n_samples / 1,000) if that is
        more. A float in (0, 1) is a share of that. For a quick look set 0.5 and ``cv=None``.
    tol : float, default=1e-4
        Least fall of the held-out criterion that counts as an improvement.
    n_iter_no_change : "auto", int or None, default="auto"
        Stop after this many epochs without improvement on held-out samples. "auto" is a third
        of max_iter, None never stops early.
    warm_start : bool, default=False
        Continue from the fitted model. Its scaling, PCA and ranges stay, and it is evaluated on
        held-out samples only if ``X_val`` is given.
    cv : "auto", float, int, splitter, list or None, default="auto"
        Cross-validation scheme used to choose the checkpoint; change it if samples depend on
        each other. A float in (0, 1) is the share of samples to hold out, 2,000 at most, and
        "auto" is 0.2. An int is a number of shuffled folds, a splitter is scikit-learn's, a
        list holds pairs of indices (train, held out). None trains on all samples and keeps the
        last step.

        Up to five disjoint parts are held out one after another, until they have 250 samples
        and the gain over PCA is clear: three standard errors in the mean, or one in the mean
        and three for a typical sample. A gain that stays unclear is not kept. Other schemes,
        too, use only as many folds as this takes. The net is then trained on all samples up to
        the chosen step. If that ends clearly worse, the fold's net or PCA of all samples is
        kept. Above 16 million values one part is held out, and above 20,000 samples there is no
        new training.
    class_weight : "balanced", dict or None, default=None
        Weights of the classes in ``y``, times ``sample_weight``; set it if rare classes count
        as much as others. "balanced" gives each class the same total. Batches and held-out
        samples of ``cv="auto"`` are then stratified.
    random_state : int, RandomState instance or None, default=None
        Seed of everything random; set it for results that repeat. The same seed on the same
        versions, CPU and number of cores gives the same result to the bit.
    verbose : int, default=0
        Above 0, print a line at each checkpoint (25 to 50 in a training): the fold, its epoch,
        its loss, the held-out error over PCA's. At the end, print what was kept and why.
    device : str or None, default=None
        Where to compute: "cpu", "gpu", "gpu:1", ...; None is JAX's default device. "all" trains
        on all devices, after ``jax.distributed.initialize`` also on those of other processes:
        each takes a share of every batch, and processes need the same samples, parameters
        and int as ``random_state``. Matrix products are in float32;
        ``jax.default_matmul_precision``, such as "BF16_BF16_F32" on GPUs and TPUs, counts in
        training alone.

    Attributes
    ----------
    n_components_ : int
        Number of components that transform returns.
    components_ : ndarray of shape (`n_components_`, n_features)
        Principal axes of the linear path, in scaled units. This and the next three describe
        PCA of the ``n_samples_`` samples, whatever the nets have learned, and raise
        AttributeError if ``linear_path`` is None. Arrays are float32 for float32 samples.
    explained_variance_ : ndarray of shape (`n_components_`,)
        Variance of the training samples along each axis.
    singular_values_ : ndarray of shape (`n_components_`,)
        Singular values of the centred training samples.
    noise_variance_ : float
        Mean variance along the axes that are left out.
    mean_ : ndarray of shape (n_features,)
        Mean of the ``n_samples_`` samples.
    explained_variance_ratio_ : ndarray of shape (`n_components_`,)
        What each component adds to the share of variance explained (of deviance, for other
        losses than squared_error), as measured on held-out samples: the folds' error over
        PCA's, times PCA's over all folds (on training samples if nothing was held out).
    pca_explained_variance_ratio_ : ndarray of shape (`n_components_`,)
        The same for PCA of the training folds: the share that each axis adds on held-out
        samples. It may be negative.
    error_ratio_ : float
        Error (the loss of reconstructions) on held-out samples over that of PCA with as many
        components (on training samples if nothing was held out). 1 is PCA. It is never above 1
        if PCA may be kept: with held-out samples and without penalties. The one held-out sample
        that the autoencoder improves most is left out if the fit began at PCA, without
        penalties and with an int as ``n_components``: no new sample may be like it. If
        ``corruption`` is to be undone, held-out samples are corrupted. After ``partial_fit`` it
        is measured on each batch before the nets train on it, and the latest batches count
        most.
    selected_model_ : {"autoencoder", "pca"}
        What was kept: "pca" if no checkpoint was clearly better than PCA on held-out samples,
        if the training on all samples failed and the fold's net is no better than PCA of all,
        or, after ``partial_fit``, as long as the nets are not better than PCA.
    loss_curve_ : ndarray of shape (`n_iter_`,)
        Mean training loss of each epoch: error over PCA's, with noise, truncated codes and
        penalties. It belongs to the training that gave the model, mostly the one on all
        samples.
    validation_curve_ : ndarray of shape (n_checkpoints + 1,)
        Held-out error over PCA's at each checkpoint: the geometric mean of that of the full
        code, which counts three times, and of that of its prefixes. With penalties it is the
        arithmetic mean, penalties included. Empty if nothing was held out.
    validation_epochs_ : ndarray of shape (n_checkpoints + 1,)
        Epochs after which ``validation_curve_`` was measured.
    decoder_variance_ : float
        Learned variance of each value around its reconstruction, in squared units of X (of the
        scaled features for ``scaling="standard"``). It exists for ``kl_weight`` > 0 with
        ``loss="squared_error"``.
    n_iter_ : int
        Epochs run by the training that ``loss_curve_`` shows.
    best_iter_ : int
        Epoch whose weights are kept; 0 means the start: PCA, or the model that a warm start
        continued.
    n_samples_, n_samples_seen_ : int
        Number of samples that PCA was fitted on: those of ``fit``, fewer if the net of a fold
        is kept, and those of all calls of ``partial_fit``.
    n_features_in_ : int
        Number of features seen in fit, or of values if samples have more dimensions.
    sample_shape_ : tuple of int
        Shape of one sample; (`n_features_in_`,) for a table.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all are strings.

    See Also
    --------
    sklearn.decomposition.PCA : The linear map that the fit begins at.
    AutoencoderImputer : Imputes missing values.
    AutoencoderOutlierDetector : Detects outliers by their reconstruction error.
    TableAutoencoder : For tables of numbers and categories.

    Notes
    -----
    "Never worse than PCA" is a statement of statistics, not a theorem: the model is
    PCA unless its error on held-out samples is clearly lower. With penalties (``sparsity``,
    ``contraction``, ``kl_weight``) the error and its penalties are compared together, and the
    error alone may be above PCA's.

    A process that forks after it has computed leaves its children no JAX: they get a
    RuntimeError. Start processes by "spawn" or "forkserver", as joblib's "loky" does.

    Missing values count nowhere: PCA is fitted on the observed values, and the loss and all
    errors are sums over them. While training on samples with missing values, others are
    hidden in each step, so that the nets learn to fill them: twice as many as are missing, but
    at least a twentieth and at most a fifth of them. A feature without any observed value in
    ``fit``, as in a fold of a cross-validation, counts as constant 0: ``fit`` warns and names
    it. Missing values in sparse matrices are refused.

    References
    ----------
    .. [1] Rippel, O., Gelbart, M., Adams, R. (2014). "Learning ordered representations with
       nested dropout". ICML. `doi:10.48550/arXiv.1402.0915
       <https://doi.org/10.48550/arXiv.1402.0915>`_
    .. [2] Al-Digeil, M. et al. (2022). "PCA-boosted autoencoders for nonlinear
       dimensionality reduction in low data regimes".
       `doi:10.48550/arXiv.2205.11673 <https://doi.org/10.48550/arXiv.2205.11673>`_
    .. [3] Vincent, P. et al. (2010). "Stacked denoising autoencoders". JMLR 11, 3371-3408.
       `<https://jmlr.org/papers/v11/vincent10a.html>`_
    .. [4] Makhzani, A., Frey, B. (2014). "k-Sparse autoencoders". ICLR.
       `doi:10.48550/arXiv.1312.5663 <https://doi.org/10.48550/arXiv.1312.5663>`_
    .. [5] Rifai, S. et al. (2011). "Contractive auto-encoders: explicit invariance during
       feature extraction". ICML. `<https://icml.cc/2011/papers/455_icmlpaper.pdf>`_
    .. [6] Kingma, D. P., Welling, M. (2014). "Auto-encoding variational Bayes". ICLR.
       `doi:10.48550/arXiv.1312.6114 <https://doi.org/10.48550/arXiv.1312.6114>`_
    .. [7] Rybkin, O., Daniilidis, K., Levine, S. (2021). "Simple and effective VAE training
       with calibrated decoders". ICML. `doi:10.48550/arXiv.2006.13202
       <https://doi.org/10.48550/arXiv.2006.13202>`_
    .. [8] Hoyer, P. O. (2004). "Non-negative matrix factorization with sparseness
       constraints". JMLR 5, 1457-1469. `<https://jmlr.org/papers/v5/hoyer04a.html>`_

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import AutoencoderTransformer
    >>> X = load_iris().data
    >>> ae = AutoencoderTransformer(2, hidden_layer_sizes=(16,), max_iter=20, random_state=0)
    >>> Z = ae.fit_transform(X)
    >>> Z.shape
    (150, 2)
    >>> ae.inverse_transform(Z[:, :1]).shape
    (150, 4)
    """

    __metadata_request__fit = {"X_val": True, "groups": True}

    _parameter_constraints = PARAMETER_CONSTRAINTS

    def __init__(
        self,
        n_components: int | float | None = 2,
        *,
        whiten: bool = False,
        hidden_layer_sizes: str | ArrayLike = "auto",
        activation: str = "gelu",
        architecture: str | Architecture = "dense",
        sample_shape: ArrayLike | None = None,
        linear_path: str | None = "pca",
        ordered: bool = True,
        scaling: str | None = "global",
        loss: str | Callable = "squared_error",
        output_activation: str = "auto",
        code_activation: str = "identity",
        corruption: str | Callable | None = "gaussian",
        corruption_level: float = 0.4,
        augmentation: Callable | None = None,
        n_nonzero_coefs: int | None = None,
        sparsity: float = 0.0,
        contraction: float = 0.0,
        kl_weight: float = 0.0,
        weight_decay: str | float = "auto",
        optimizer: str | Callable = "nadam",
        learning_rate: str | float = "auto",
        learning_rate_schedule: str | Callable = "cosine",
        n_init: int = 1,
        batch_size: str | int = "auto",
        max_iter: str | float = "auto",
        tol: float = 1e-4,
        n_iter_no_change: str | int | None = "auto",
        warm_start: bool = False,
        cv: Any = "auto",
        class_weight: Any = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        device: str | None = None,
    ):
        self.n_components = n_components
        self.whiten = whiten
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.architecture = architecture
        self.sample_shape = sample_shape
        self.linear_path = linear_path
        self.ordered = ordered
        self.scaling = scaling
        self.loss = loss
        self.output_activation = output_activation
        self.code_activation = code_activation
        self.corruption = corruption
        self.corruption_level = corruption_level
        self.augmentation = augmentation
        self.n_nonzero_coefs = n_nonzero_coefs
        self.sparsity = sparsity
        self.contraction = contraction
        self.kl_weight = kl_weight
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.n_init = n_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.cv = cv
        self.class_weight = class_weight
        self.random_state = random_state
        self.verbose = verbose
        self.device = device

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: Any = None,
        *,
        sample_weight: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit PCA and the nets on ``X``, and choose the checkpoint on held-out samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Training samples: an array, a list of samples, a pandas, polars or Arrow table, a
            sparse matrix, or what slices as arrays do, such as a memory-mapped file or a data
            set of HDF5, which is read block by block if it is large. If samples have more
            dimensions, such as images, every method takes samples of that shape or raveled
            ones, and returns samples of that shape. Integers and booleans are converted to
            float64, tensors of other libraries to arrays. Missing values are NaN, None, masked,
            or pd.NA; samples without any observed value are left out. A sparse matrix has none.
        y : array-like of shape (n_samples,), default=None
            Used by a ``cv`` splitter that needs it, and by ``class_weight``.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample in PCA, in the loss and on held-out samples. Samples of weight
            0 are left out, as are those below 1e-30 times the largest one.
        X_val : array-like of shape (n_val, n_features), default=None
            Held-out samples to use instead of ``cv``; they never train. A Pipeline hands them
            over as they are: have it transform them by ``transform_input=["X_val"]`` (with
            metadata routing, which requests ``X_val`` by default).
        groups : array-like of shape (n_samples,), default=None
            Samples of one group are never on both sides of a split.

        Returns
        -------
        self : AutoencoderTransformer
            The fitted estimator. Ctrl-C ends the fit early, with a warning and the best
            model so far; a second one within two seconds is raised. In a search the first
            one ends a single fit, whose score counts, and the second one the search.

        Raises
        ------
        ValueError
            If there are more components than min(n_samples, n_features), see ``n_components``;
            if X is not 2-D and its samples differ in shape; if there are fewer than two
            samples; if numbers do not fit in float32; if processes get different samples or
            parameters. The estimator is then what it was before.
        TypeError
            If X is a container without order.
        """
        precision = matmul_precision()
        given = X, y, sample_weight, X_val, groups, precision
        with computing(self.device), threads_restored():
            with fitted_copy(self) as copy:
                found = fitting.fit(copy, *given, told=self)
            fitting.end(self, *found)  # callbacks see the fitted estimator
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Update the model with a batch of samples: first PCA, then the nets.

        The linear path is PCA of all samples so far, to rounding: their mean and covariance are
        updated [1]_. The nets train once on each sample, in batches of ``batch_size`` at a
        constant rate, and keep the optimizer's memory. Each batch is evaluated before they
        train on it. The nets are used if they reconstruct it, earlier batches and up to 200
        random samples of all batches better than PCA, with the full code and with its prefixes.
        Otherwise the model is PCA, and ``selected_model_`` says so, until the nets are better
        again; the first call leaves PCA. With penalties or without PCA's path nets are always
        used. ``cv``, ``max_iter``, ``learning_rate_schedule`` and ``class_weight`` are ignored.
        ``explained_variance_ratio_`` and ``sample`` describe the latest samples. The first call
        sets the scaling, and the number of components if that is a share. Shuffle the samples:
        if the axes turn, the nets must learn again what they knew. The estimator keeps the 200
        samples, and so does a pickle of it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples without missing values, at least two of them in the first call.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : AutoencoderTransformer
            The estimator; ``n_samples_seen_`` counts the samples of all calls.

        Raises
        ------
        ValueError
            If values are missing, or features differ from those before; if parameters ask for
            another net than before; if ``n_init`` is above 1; if ``fit`` made the model and
            did not keep all axes, as with convolutions, recurrent nets or wide samples.

        References
        ----------
        .. [1] Chan, T. F., Golub, G. H. and LeVeque, R. J. (1983). "Algorithms for computing
           the sample variance". The American Statistician 37(3), 242-247.
           `doi:10.1080/00031305.1983.10483115
           <https://doi.org/10.1080/00031305.1983.10483115>`_

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skae import AutoencoderTransformer
        >>> X = load_digits().data
        >>> ae = AutoencoderTransformer(8, hidden_layer_sizes=(16,), random_state=0)
        >>> for rows in (X[:600], X[600:1200], X[1200:]):
        ...     ae = ae.partial_fit(rows)
        >>> ae.n_samples_seen_, ae.transform(X).shape
        (1797, (1797, 8))
        """
        precision = matmul_precision()
        with fitted_copy(self) as copy, computing(self.device), threads_restored():
            streaming.partial_fit(copy, X, precision)
        return self

    @default_errors
    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Return the codes of samples, the most important component first.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples. Missing values (NaN) are filled from the observed ones by probabilistic PCA
            of the training samples; an encoder that was fitted with missing values is told
            which ones they are. A sample without any value has the code of the mean.

        Returns
        -------
        Z : ndarray of shape (n_samples, `n_components_`)
            Codes in the units of ``X`` (of the scaled features for ``scaling="standard"``), or
            of unit variance for ``whiten=True``: float32 for float32 samples, otherwise
            float64. Nets compute in float32. If PCA was kept, of up to 4,096 features, it is
            computed in float64.

        Raises
        ------
        ValueError
            If samples differ from those of fit in features or names, or are infinite.
        """
        fitted = self._get_fitted()
        rows = check_rows(self, X, reset=False)
        return fitted.encode(rows, rows.dtype)

    @default_errors
    def inverse_transform(self, X: ArrayLike) -> NDArray[Any]:
        """Return the reconstructions of codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_kept)
            Codes, or their first ``n_kept`` columns. Missing values are refused.

        Returns
        -------
        X_original : ndarray or DataFrame of shape (n_samples, n_features)
            Samples in the units of the training data, float32 for float32 codes, otherwise
            float64; a DataFrame with its column names if ``set_output`` asks for one.

        Raises
        ------
        ValueError
            If there are more columns than components, or codes are not finite.
        """
        fitted = self._get_fitted()
        codes = check_codes(self, X, fitted.n_components, fitted.code_unit)
        return in_container(self, fitted.decode(codes, codes.dtype), X)

    @default_errors
    def reconstruct(self, X: ArrayLike) -> NDArray[Any]:
        """Return ``inverse_transform(transform(X))`` in one pass.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples. Missing values (NaN) are filled from the observed ones first.

        Returns
        -------
        X_reconstructed : ndarray or DataFrame of shape (n_samples, n_features)
            Samples in the units of ``X``, none of them missing: float32 for float32 samples,
            otherwise float64; a DataFrame with its column names if ``set_output`` asks for one.

        Raises
        ------
        ValueError
            If samples differ from those of fit in features or names, or are infinite.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skae import AutoencoderTransformer
        >>> X = load_iris().data
        >>> ae = AutoencoderTransformer(2, hidden_layer_sizes=(), max_iter=1, random_state=0)
        >>> bool((ae.fit(X).reconstruct(X) == ae.inverse_transform(ae.transform(X))).all())
        True
        """
        fitted = self._get_fitted()
        rows = check_rows(self, X, reset=False)
        return in_container(self, fitted.reconstruct(rows, rows.dtype), X)

    @default_errors
    def sample(
        self,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = None,
        *,
        noise: bool = False,
    ) -> Any:
        """Return new samples: decoded draws from a Gaussian mixture on the training codes.

        A variational fit (``kl_weight`` > 0) draws from the standard normal distribution
        instead, which its codes were drawn towards. The mixture does for other fits what that
        distribution does for variational ones [1]_.

        The number of Gaussians is the one of lowest BIC. The mixture is fitted by the first
        call, which takes about a second if there are 50 components, and is the same in every
        call. It is fitted on the codes of at most 5,000 random training samples, which ``fit``
        keeps for it (a pickle holds them). With many components those samples can be decoded
        from their codes, so a pickle is as private as the data. With ``kl_weight`` > 0 no codes
        are kept.

        Unlike scikit-learn's ``GaussianMixture.sample``, this returns samples only, in random
        order, without the components that they came from; ``random_state`` belongs to the
        call, so that an estimator can be sampled many times over.

        Parameters
        ----------
        n_samples : int, default=1
            Number of samples.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws: the same seed gives the same samples, None others each time.
        noise : bool, default=False
            Add what reconstructions leave out: a normal error for each value, of the size of
            its feature's error in training, within the bounds of reconstructions. For the
            losses "binary_cross_entropy", "poisson" and "categorical" values are drawn from
            the distribution whose mean is the reconstruction: 0 or 1, counts, one-hot columns.

        Returns
        -------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Samples in the units and the float dtype of the training data; a DataFrame with its
            column names if ``set_output`` asks for one.

        Raises
        ------
        ValueError
            If ``n_samples`` is not an int of at least 1.
        MemoryError
            If the samples do not fit in memory; it is raised before any work.

        References
        ----------
        .. [1] Ghosh, P. et al. (2020). "From variational to deterministic autoencoders".
           ICLR. `doi:10.48550/arXiv.1903.12436 <https://doi.org/10.48550/arXiv.1903.12436>`_

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skae import AutoencoderTransformer
        >>> X = load_iris().data
        >>> ae = AutoencoderTransformer(2, hidden_layer_sizes=(16,), max_iter=20).fit(X)
        >>> ae.sample(3, random_state=0).shape
        (3, 4)
        """
        fitted = self._get_fitted()
        if fitted.density is None:  # as a callback gets it
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet: it is in training. "
                "Call 'sample' after 'fit'."
            )
        asked = {"n_samples": n_samples, "random_state": random_state, "noise": noise}
        validate_parameter_constraints(SAMPLE_CONSTRAINTS, asked, caller_name="sample")
        refuse_too_many(n_samples, len(fitted.mean) + fitted.n_components)
        rng = check_random_state(random_state)
        rows = fitted.sample(int(n_samples), rng, noise=noise)
        return in_container(self, rows, rows)

    @default_errors
    def impute(self, X: ArrayLike) -> NDArray[Any]:
        """Return ``X`` with its missing values filled by their reconstruction.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in which values are missing (NaN).

        Returns
        -------
        X_filled : ndarray or DataFrame of shape (n_samples, n_features)
            The same samples with observed values unchanged, float32 for float32 samples,
            otherwise float64; a DataFrame if ``set_output`` asks for one.

        Raises
        ------
        ValueError
            If samples differ from those of fit in features or names, or are infinite.

        Examples
        --------
        >>> import numpy as np
        >>> from skae import AutoencoderTransformer
        >>> X = np.outer(np.arange(20.0), [1, 2, 3])
        >>> X[4, 1] = np.nan
        >>> ae = AutoencoderTransformer(1, hidden_layer_sizes=(), max_iter=1, random_state=0)
        >>> ae.fit(X).impute(X)[4].round(1)
        array([ 4.,  8., 12.])
        """
        fitted = self._get_fitted()
        rows = check_rows(self, X, reset=False)
        return in_container(self, fitted.impute(rows), X)

    @default_errors
    def score(
        self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the share of variance explained: 1 - error / variance around ``mean_``.

        Both are summed over the observed values. For other losses than squared_error it is the
        share of deviance explained: 1 - the loss of reconstructions / the loss of ``mean_``.

        The scale is that of the cumulated ``explained_variance_ratio_`` of PCA (whose own
        ``score`` is a likelihood).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples. Missing values are NaN.
        y : object, default=None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample.

        Returns
        -------
        score : float
            1 for perfect reconstructions, 0 for the mean of the training samples.

        Raises
        ------
        ValueError
            If samples differ from those of fit in features or names, are infinite, or have
            values outside of the loss's range.
        """
        fitted = self._get_fitted()
        rows = check_rows(self, X, reset=False)
        check_range(fitted.loss, rows)
        return fitted.score(rows, check_weight(sample_weight, len(rows)))

    @default_errors
    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return minus each sample's mean squared reconstruction error, in squared units of X.

        For other losses it is minus the mean loss: in nats for binary_cross_entropy, poisson
        and categorical, in scaled units for absolute_error, huber and a callable. Joint losses
        are relative to the loss of the features' means.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples. The mean is over the observed values, and 0 if there is none.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            The higher, the better a sample is reconstructed; outliers have the lowest scores.

        Raises
        ------
        ValueError
            If samples differ from those of fit in features or names, or are infinite.
        """
        fitted = self._get_fitted()
        return -fitted.mean_errors(check_rows(self, X, reset=False))

    def _get_fitted(self) -> FittedAutoencoder:
        """Return the fitted object, which computes on the device that ``device`` names now."""
        if not self.__sklearn_is_fitted__():  # check_is_fitted takes as long as one sample
            check_is_fitted(self)
        return self._fitted.on(self.device)

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_fitted")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags

"""Speech through a short code and back: ``python -m benchmarks.audio``.

Recordings of one speaker at 8 kHz, held out by clip; ``groups`` says so in ``fit`` too. Samples
are frames of the waveform (256 samples, 32 ms), or patches of the spectrogram's logarithm (64
frequencies by 16 times, 136 ms). Signal-to-noise ratios are in decibels, over a clip, and means
over the clips held out. The estimator has its defaults, but for what a line names; nothing is
tuned on test clips.
"""

import tempfile
import wave
from pathlib import Path

import jax
import numpy as np
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from benchmarks._cases import fit
from benchmarks._harness import DataMissing, Run, Table, holds
from benchmarks.data import speech_clips

RATE = 8000  # Hz
FRAME = 256  # samples
HOP = FRAME // 4  # of frames that overlap, where noise is taken away
PATCH = 64, 16  # frequencies, times
FLOOR = 0.01  # of a magnitude, in units of the clip: what is quieter is alike
BEST_OF = (8, 16, 32, 48, 64, 96, 128)  # components that PCA may denoise with
N_CODES = 128  # of the denoising fit
ADDED, GAIN = 5.0, 3.0  # dB: of the noise that is added, and asked for
N_DRAWN, N_STEPS = 16, 60  # patches of a clip that is made, and steps to find its phases
WINDOW = hann(2 * PATCH[0], sym=False)
STFT = ShortTimeFFT(WINDOW, hop=PATCH[0], fs=RATE, scale_to="magnitude")


def main(arguments=None):
    run = Run(
        *(__doc__, "Signal-to-noise ratio (dB) of speech that was not seen", arguments),
        head={"split": "70 % of the clips to train, 30 % to test"},
        among={"parts": PARTS},
        help={
            "components": "of the round trips",
            "rows": "training samples, at most",
            "folder": "keep the clips in this folder",
        },
        parts=list(PARTS),
        architectures=["dense", "conv1d", "conv2d", "recurrent"],
        components=[32],
        rows=8000,
        seeds=[0],
        folder=str,
    )
    try:
        clips = speech_clips()
    except DataMissing as reason:
        run.leave_out("speech", reason)
        return
    print(f"{len(clips)} clips, {sum(map(len, clips)) / RATE:.0f} s\n")
    for part in run.parts:
        print(PARTS[part].__doc__.splitlines()[0])
        for seed in run.seeds:
            train, test = train_test_split(clips, test_size=0.3, random_state=seed)
            PARTS[part](train, test, seed, run)
        print(flush=True)


def waveform(train, test, seed, run):
    """Waveform: frames there and back."""
    X, groups = drawn([frames(clip, FRAME // 2) for clip in train], run.rows, seed)

    def back(rebuild, clip):
        rebuilt = rebuild(frames(np.pad(clip, (0, -len(clip) % FRAME)), FRAME))
        return rebuilt.ravel()[: len(clip)]

    chosen = [a for a in run.architectures if a != "conv2d"]
    compare(X, groups, test, back, (FRAME,), seed, run.components, chosen)


def spectrogram(train, test, seed, run):
    """Spectrogram: patches there and back, with the clip's own phases; and clips drawn."""
    X, groups = spectrogram_rows(train, run.rows, seed)

    def back(rebuild, clip):
        phases = np.exp(1j * np.angle(STFT.stft(clip)))
        return sound(unpatched(rebuild(patches(clip))), phases, len(clip))

    chosen = [a for a in run.architectures if a in ("dense", "conv2d")]
    models = compare(X, groups, test, back, PATCH, seed, run.components, chosen)
    for name, model in models.items():
        with tempfile.TemporaryDirectory() as passing:
            folder = Path(run.folder or passing)
            folder.mkdir(parents=True, exist_ok=True)
            print(f"  {name}: {draw(model, test, seed, folder / f'{name}-{seed}.wav')}")


def compare(X, groups, test, back, shape, seed, components, architectures):
    """Print a line for each fit, decibels beside PCA's; return the fits by their names."""
    columns = {"architecture": "<12", "k": "3", "seed": "4", "training": "11"}
    columns |= {"PCA": "6.2f", "skae": "6.2f", "gain": "+6.2f", "clips better": "12.3f"}
    table = Table(columns | {"fit s": "5.0f", "epochs": "7", "asked > 0": "13"})
    models = {}
    for k in components:
        pca = PCA(k, svd_solver="covariance_eigh").fit(X)
        reference = ratios(test, [back(through(pca), clip) for clip in test])
        for architecture in architectures:
            settings = {"architecture": architecture, "sample_shape": shape}
            model, seconds = fit(X, k, seed, groups=groups, **settings)
            found = ratios(test, [back(through(model), clip) for clip in test])
            gain = (found - reference).mean()
            training, epochs = f"{len(X)} x {X.shape[1]}", f"{model.best_iter_}/{model.n_iter_}"
            decibels = reference.mean(), found.mean(), gain, np.mean(found > reference)
            table.row(
                architecture, k, seed, training, *decibels, seconds, epochs, holds(gain > 0)
            )
            models[f"{architecture}-{k}"] = model
    return models


def denoising(train, test, seed, run):
    """Denoising: white noise of 5 dB, and what is gained where frames overlap and are added."""
    X, groups = drawn([frames(clip, FRAME // 2) for clip in train], run.rows, seed)
    size = 10 ** (-ADDED / 20)  # clips have a root mean square of 1
    rng = np.random.default_rng(seed)
    noisy = [clip + size * rng.normal(size=len(clip)) for clip in test]

    def white(key, row, level):
        return row + level * jax.random.normal(key, row.shape)

    def gained(rebuild):
        clean = [overlapped(rebuild, clip) for clip in noisy]
        return (ratios(test, clean) - ratios(test, noisy)).mean()

    pcas = {k: PCA(k, svd_solver="covariance_eigh").fit(X) for k in BEST_OF}
    linear, k = max((gained(through(pca)), k) for k, pca in pcas.items())
    wiener = (ratios(test, [gated(clip, size) for clip in noisy]) - ratios(test, noisy)).mean()
    unit = np.sqrt(np.square(X - X.mean(axis=0)).mean())  # of scaling="global"
    settings = {"corruption": white, "corruption_level": size / unit}
    model, seconds = fit(X, N_CODES, seed, groups=groups, **settings)
    ours = gained(through(model))
    print(
        f"  seed {seed}: {ratios(test, noisy).mean():.2f} dB as it is; gained by PCA({k}) "
        f"{linear:+.2f}, by a Wiener filter that knows the noise {wiener:+.2f}, by "
        f"skae({N_CODES}) {ours:+.2f} (asked {GAIN:+g} and more than PCA) -> "
        f"{holds(ours >= max(GAIN, linear))}; fit {seconds:.0f} s, {model.n_iter_} epochs"
    )


def draw(model, test, seed, file):
    """Write a clip that is drawn from ``model`` as a WAV file; return what is in it."""
    write(file, with_phases(unpatched(model.sample(N_DRAWN, random_state=seed)), seed))
    played, truth = read(file), spectrum(np.concatenate(test))
    noise = np.random.default_rng(seed).normal(size=len(played))
    near, far = (np.abs(spectrum(clip) - truth).mean() for clip in (played, noise))
    return (
        f"{file.name}, {len(played) / RATE:.2f} s, {near:.1f} dB from the mean spectrum of "
        f"test clips, white noise {far:.1f} (asked: at most half of it) -> "
        f"{holds(near <= far / 2)}"
    )


def frames(clip, hop):
    return np.lib.stride_tricks.sliding_window_view(clip, FRAME)[::hop]


def drawn(rows_of_clips, n_rows, seed):
    """Return at most ``n_rows`` rows, drawn from those of all clips, and each row's clip."""
    groups = np.repeat(np.arange(len(rows_of_clips)), [len(rows) for rows in rows_of_clips])
    chosen = np.random.default_rng(seed).permutation(len(groups))[:n_rows]
    return np.vstack(rows_of_clips)[chosen], groups[chosen]


def patches(clip, start=0):
    """Return patches (n, 64 * 16) of the logarithm of a clip's spectrogram, side by side."""
    n_frequencies, n_times = PATCH
    sizes = np.abs(STFT.stft(clip))[:n_frequencies, start:]
    sizes = np.pad(sizes, ((0, 0), (0, -sizes.shape[1] % n_times)))
    parts = np.log(sizes + FLOOR).reshape(n_frequencies, -1, n_times).swapaxes(0, 1)
    return parts.reshape(len(parts), -1)


def unpatched(X):
    """Return the spectrogram's magnitudes (65, n_times) that ``patches`` stand for."""
    whole = X.reshape(-1, *PATCH).swapaxes(0, 1).reshape(PATCH[0], -1)
    return np.pad(np.maximum(np.exp(whole) - FLOOR, 0), ((0, 1), (0, 0)))


def spectrogram_rows(clips, n_rows, seed):
    """Return patches of clips, from their start and half a patch later, and their clips."""
    starts = 0, PATCH[1] // 2
    parts = [np.vstack([patches(clip, start) for start in starts]) for clip in clips]
    return drawn(parts, n_rows, seed)


def sound(sizes, phases, length):
    """Return the samples (length,) of magnitudes (65, n) and phases (65, m), m <= n."""
    return STFT.istft(sizes[:, : phases.shape[1]] * phases, k1=length)


def with_phases(sizes, seed):
    """Return the samples of magnitudes alone, whose phases Griffin and Lim's steps find."""
    length = (sizes.shape[1] - 2) * PATCH[0]
    angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, sizes.shape)
    for _ in range(N_STEPS):
        clip = sound(sizes, np.exp(1j * angles)[:, : STFT.p_num(length)], length)
        angles = np.angle(STFT.stft(clip))
    return clip


def through(model):
    return lambda X: model.inverse_transform(model.transform(X))


def overlapped(rebuild, clip):
    """Return a clip whose frames are rebuilt, weighted and added up where they overlap."""
    padded = np.pad(clip, FRAME)
    padded = np.pad(padded, (0, -len(padded) % HOP))
    weight, out, total = hann(FRAME, sym=False), np.zeros(len(padded)), np.zeros(len(padded))
    for i, row in enumerate(rebuild(frames(padded, HOP))):
        out[i * HOP : i * HOP + FRAME] += weight * row
        total[i * HOP : i * HOP + FRAME] += weight
    return (out / np.maximum(total, 1e-9))[FRAME : FRAME + len(clip)]


def ratios(clips, rebuilt):
    """Return the signal-to-noise ratio (n_clips,) of rebuilt clips, in decibels."""
    pairs = zip(clips, rebuilt, strict=True)
    return np.array([-10 * np.log10(np.square(b - a).sum() / (a @ a)) for a, b in pairs])


def gated(clip, size, memory=0.98, least=0.03):
    """Return a noisy clip after a Wiener filter that knows the noise's ``size``.

    Its gain follows the signal-to-noise ratio of each frequency, which is decided from frame
    to frame (Scalart, Filho (1996). "Speech enhancement based on a priori signal to noise
    estimation". ICASSP. doi:10.1109/ICASSP.1996.543199).
    """
    filters = ShortTimeFFT(hann(FRAME, sym=False), hop=FRAME // 4, fs=RATE)
    bands = filters.stft(clip)
    power = np.abs(bands) ** 2 / (size**2 * np.square(filters.win).sum())
    gains, before = np.empty_like(power), np.zeros(len(power))
    for i, now in enumerate(power.T):
        ratio = memory * before + (1 - memory) * np.maximum(now - 1, 0)
        gains[:, i] = ratio = np.maximum(ratio, least) / (1 + np.maximum(ratio, least))
        before = ratio**2 * now
    return filters.istft(gains * bands, k1=len(clip))


def spectrum(clip):
    """Return the mean power of a clip at each frequency in decibels, whatever its loudness."""
    level = 10 * np.log10(np.square(np.abs(STFT.stft(clip))).mean(axis=1))
    return level - level.mean()


def write(file, clip):
    """Write a clip as 16-bit WAV, as loud as it can be."""
    with wave.open(str(file), "wb") as record:
        record.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
        record.writeframes((0.9 * 32767 * clip / np.abs(clip).max()).astype("<i2").tobytes())


def read(file):
    with wave.open(str(file), "rb") as record:
        return np.frombuffer(record.readframes(record.getnframes()), "<i2") / 32768


PARTS = {
    "waveform": waveform,
    "spectrogram": spectrogram,
    "denoising": denoising,
}


if __name__ == "__main__":
    main()

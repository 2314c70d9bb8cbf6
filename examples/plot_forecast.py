"""
Forecasts are missing values
============================

The next years of a series are the missing end of a window, and ``impute`` fills them. Here it
forecasts sunspots for three years.
"""

import matplotlib.pyplot as plt
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.linear_model import RidgeCV

from skae import AutoencoderTransformer

YEARLY = """
81 83 48 48 31 12 10 10 32 48 54 63 86 61 45 36 21 11 38 70 106 101 82 66 35 31 7 20 92
154 126 85 68 38 23 10 24 83 132 131 118 90 67 60 47 41 21 16 6 4 7 14 34 45 43 48 42 28
10 8 2 0 1 5 12 14 35 46 41 30 24 16 7 4 2 8 17 36 50 64 67 71 48 28 8 13 57 122 138 103
86 65 37 24 11 15 40 62 98 125 96 67 64 54 39 21 7 4 23 55 94 96 77 59 44 47 30 16 7 38
74 139 111 102 66 45 17 11 12 3 6 32 54 60 64 64 52 25 13 7 6 7 36 73 85 78 64 42 26 27
12 10 3 5 24 42 64 54 62 48 44 19 6 4 1 10 47 57 104 81 64 38 26 14 6 17 44 64 69 78 65
36 21 11 6 9 36 80 114 110 89 68 48 31 16 10 33 93 152 136 135 84 69 32 14 4 38 142 190
185 159 112 54 38 28 10 15 47 94 106 106 104 67 69 38 34 16 13 28 92 155 155 140 116 67
46 18 13 29 100 158 143 146 94 55 30 18 9 22 64 93 120 111 104 64 40 30 15 8 3
"""  # mean sunspot numbers of 1749 to 2008 (National Geophysical Data Center)

# %%
# Windows
# -------
# A window holds 22 years and the three that follow. The model learns from windows that end
# before 1929. Those that choose its checkpoint share no year with those that train it.

PAST, AHEAD, CYCLE = 22, 3, 11
series = np.array(YEARLY.split(), dtype=float)
early = sliding_window_view(series[:180], PAST + AHEAD)
late = sliding_window_view(series[180:], PAST + AHEAD)
later = [(np.arange(100), np.arange(100 + PAST + AHEAD, len(early)))]
ae = AutoencoderTransformer(
    8, hidden_layer_sizes=(16,), max_iter=20, cv=later, random_state=0
).fit(early)

# %%
# Forecast
# --------
# Ridge regression and two simple rules forecast the same years.

past, following = late[:, :PAST], late[:, PAST:]
missing = np.full_like(following, np.nan)
ridge = RidgeCV(np.logspace(-1, 6, 15)).fit(early[:, :PAST], early[:, PAST:])
forecasts = {
    "last year": np.repeat(past[:, -1:], AHEAD, axis=1),
    "last cycle": past[:, -CYCLE:][:, :AHEAD],
    "ridge": ridge.predict(past),
    "autoencoder": ae.impute(np.hstack([past, missing]))[:, PAST:],
}
print("root mean squared error, 1 to 3 years ahead")
errors = {}
for name, forecast in forecasts.items():
    errors[name] = np.sqrt(np.square(forecast - following).mean(axis=0))
    print(f"{name:12s}", *(f"{error:5.1f}" for error in errors[name]))

fig, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained", width_ratios=(2, 1))
years = 1749 + np.arange(len(series))
axes[0].plot(years[200:], series[200:], color="#8c8c8c", label="sunspots")
for start in range(0, len(late), AHEAD):  # forecasts that do not overlap
    ahead = years[180 + PAST + start - 1 :][: AHEAD + 1]
    line = np.append(past[start, -1], forecasts["autoencoder"][start])
    axes[0].plot(ahead, line, color="#2b6cb0", marker="o", markersize=3, markevery=[1, 2, 3])
axes[0].plot([], color="#2b6cb0", marker="o", markersize=3, label="forecasts, three years each")
axes[0].set(xlabel="year", ylabel="sunspot number", ylim=(None, 230))
axes[0].legend(frameon=False, ncols=2, loc="upper left")
styles = {"last year": ":", "last cycle": "-.", "ridge": "--", "autoencoder": "-"}
for name, style in styles.items():
    color = "#2b6cb0" if name == "autoencoder" else "#555555"
    axes[1].plot([1, 2, 3], errors[name], style, color=color, label=name)
axes[1].set(xlabel="years ahead", xticks=[1, 2, 3], ylabel="root mean squared error")
axes[1].set_ylim(0, 110)
axes[1].legend(frameon=False, ncols=2, loc="upper left")
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

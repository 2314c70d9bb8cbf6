"""Sunspots of the next three years: missing cells at the end of a window, filled by impute."""

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
PAST, AHEAD, CYCLE = 22, 3, 11
series = np.array(YEARLY.split(), dtype=float)
early = sliding_window_view(series[:180], PAST + AHEAD)
late = sliding_window_view(series[180:], PAST + AHEAD)
later = [(np.arange(100), np.arange(100 + PAST + AHEAD, len(early)))]  # shares no year
small = dict(hidden_layer_sizes=(16,), max_iter=20, random_state=0)
ae = AutoencoderTransformer(8, cv=later, **small).fit(early)

past, following = late[:, :PAST], late[:, PAST:]
missing = np.full_like(following, np.nan)
ridge = RidgeCV(np.logspace(-1, 6, 15)).fit(early[:, :PAST], early[:, PAST:])
forecasts = {
    "last year": np.repeat(past[:, -1:], AHEAD, axis=1),
    "last cycle": past[:, -CYCLE:][:, :AHEAD],
    "ridge": ridge.predict(past),
    "skae": ae.impute(np.hstack([past, missing]))[:, PAST:],
}
print("root mean squared error, 1 to 3 years ahead")
for name, forecast in forecasts.items():
    errors = np.sqrt(np.square(forecast - following).mean(axis=0))
    print(f"{name:10s}", *(f"{error:5.1f}" for error in errors))

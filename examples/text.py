"""Words through a short code and back, and words that nobody has written."""

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skae import AutoencoderTransformer, TokenEncoder

words = sorted(word for word in ENGLISH_STOP_WORDS if len(word) <= 7)
train, test = train_test_split(words, test_size=0.2, random_state=0)
encoder = TokenEncoder(length=7, handle_unknown="replace")
ae = AutoencoderTransformer(
    16, loss="categorical", hidden_layer_sizes=(64,), max_iter=150, random_state=0
)
pipeline = make_pipeline(encoder, ae).fit(train)

print(f"{len(train)} words to learn from, codes of 16 numbers")
for name, some in (("seen", train), ("unseen", test)):
    back = pipeline.inverse_transform(pipeline.transform(some))
    pairs = zip(
        "".join(w.ljust(7) for w in some), "".join(w.ljust(7) for w in back), strict=True
    )
    right = np.mean([a == b for a, b in pairs if a != " "])
    print(f"{name:7s} letters that come back in their place: {right:.0%}, such as {back[:5]}")
drawn = pipeline[0].inverse_transform(pipeline[1].sample(8, random_state=0))
print(f"drawn: {', '.join(drawn)}")

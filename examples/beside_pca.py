"""One fit of eight components, and what its first 1, 2, ... 8 explain beside PCA's."""

from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer

X_train, X_test = train_test_split(load_digits().data, test_size=0.3, random_state=0)
ae = AutoencoderTransformer(8, max_iter=60, random_state=0).fit(X_train)
codes = ae.transform(X_test)

print("components  PCA   skae")
for m in range(1, 9):
    pca = PCA(m).fit(X_train)
    linear = pca.inverse_transform(pca.transform(X_test))
    learned = ae.inverse_transform(codes[:, :m])
    shares = [
        r2_score(X_test, rows, multioutput="variance_weighted") for rows in (linear, learned)
    ]
    print(f"{m:10d}  {shares[0]:.3f}  {shares[1]:.3f}")
print(f"held-out estimate at 8: {ae.explained_variance_ratio_.sum():.3f}")

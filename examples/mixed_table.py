"""A table of numbers, yes and no, and names: one code, and missing cells filled."""

import numpy as np
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer, TableAutoencoder

iris = load_iris(as_frame=True)
table = iris.data.set_axis(
    ["sepal length", "sepal width", "petal length", "petal width"], axis=1
)
table["species"] = iris.target_names[iris.target]
table["slim"] = table["petal length"] > 4 * table["petal width"]
train, test = train_test_split(table, test_size=0.3, random_state=0, stratify=iris.target)

ae = AutoencoderTransformer(2, hidden_layer_sizes=(32,), max_iter=100)
ae = TableAutoencoder(ae, random_state=0).fit(train)
back = ae.inverse_transform(ae.transform(test)).set_index(test.index)
print("six columns from two numbers:")
for name in table:
    if table[name].dtype == np.float64:
        print(f"  {name:13s} correlation {np.corrcoef(back[name], test[name])[0, 1]:.3f}")
    else:
        print(f"  {name:13s} right in {np.mean(back[name] == test[name]):.0%} of the rows")

nameless = test.assign(species=None)
guessed = ae.impute(nameless)["species"].to_numpy()
print(f"species filled from the other columns: {np.mean(guessed == test['species']):.0%} right")
print(ae.sample(4, random_state=0).round(1).to_string())

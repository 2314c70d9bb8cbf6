FILE="docs/pca.png"
def draw(f): pass

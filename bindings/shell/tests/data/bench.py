"""Makes bench.hdf5: 600 clustered rows of 16 dimensions and 40 queries in the ANN-benchmarks layout, with row 0 three times."""
import h5py
import numpy as np

random = np.random.default_rng(7)
centres = random.normal(size=(12, 16)) * 3
train = (centres[random.integers(0, 12, 600)] + random.normal(size=(600, 16))).astype(np.float32)
train[[100, 200]] = train[0]
test = (centres[random.integers(0, 12, 40)] + random.normal(size=(40, 16))).astype(np.float32)
test[0] = train[0] + 0.01
exact = np.sqrt(((test[:, None, :].astype(np.float64) - train[None].astype(np.float64)) ** 2).sum(2))
neighbors = np.argsort(exact, axis=1, kind="stable")[:, :20].astype(np.int32)
with h5py.File("bench.hdf5", "w") as file:
    file.attrs["distance"] = "euclidean"
    for name, array in [
        ("train", train),
        ("test", test),
        ("neighbors", neighbors),
        ("distances", np.take_along_axis(exact, neighbors.astype(np.int64), 1).astype(np.float32)),
        ("train_half", (np.arange(600) % 2).astype(np.int32)),
    ]:
        file.create_dataset(name, data=array, compression="gzip", shuffle=True)

"""Writes the arrays beside this file as numpy saves them: of every type, order and layout that users bring.

Each array of planes holds 100 * plane + 10 * row + column in two planes of 3 x 5 pixels, so that swapped axes show.
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
plane, row, column = np.indices((2, 3, 5))
planes = (100 * plane + 10 * row + column).astype("<f4")
ages = np.array([45.3, 60.0])


def save(name, array, **options):
    np.save(HERE / f"{name}.npy", array, **options)


for name in ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]:
    save(f"little_{name}", planes.astype(f"<{name}"))
for name in ["f2", "f4", "f8", "i2", "i4", "i8", "u2", "u4", "u8"]:
    save(f"big_{name}", planes.astype(f">{name}"))
save("fortran_f4", np.asfortranarray(planes))
save("fortran_big_u2", np.asfortranarray(planes.astype(">u2")))
save("bool", planes > 50)
save("channel_first", planes[:, None])
save("channel_last", planes[..., None])
save("channel_last_fortran", np.asfortranarray(planes[..., None]))
save("single", planes[1])
save("single_channel", planes[1][..., None])
for version in (2, 3):
    with open(HERE / f"version{version}.npy", "wb") as file:
        np.lib.format.write_array(file, planes, version=(version, 0))

for kind in ["f4", "f8"]:
    save(f"ages_{kind}", ages.astype(kind))
save("ages_i8", np.array([45, 60]))
save("ages_column", ages.astype("f4")[:, None])

save("objects", np.array([{"age": 45}, None], dtype=object), allow_pickle=True)
save("records", np.array([(1.0, 2)], dtype=[("age", "<f4"), ("sample", "<i4")]))
save("complex", planes.astype("c8"))
save("text", np.array(["Ada", "Bo"]))
save("long_double", planes.astype(np.longdouble))

np.savez(HERE / "unnamed.npz", planes)
np.savez(HERE / "named.npz", pictures=planes, ages=ages)
np.savez_compressed(HERE / "compressed.npz", images=np.asfortranarray(planes.astype(">f8")), ages=ages)
np.savez(HERE / "several.npz", planes, planes + 1)

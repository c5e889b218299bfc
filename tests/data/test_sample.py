import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from suture.data.sample import tile, untile


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 99))
def test_untile_undoes_tile(rows, columns, seed):
    images = np.random.default_rng(seed).integers(0, 256, (rows * columns, 32, 32, 3), dtype=np.uint8)
    picture = tile(images, columns)
    assert picture.shape == (32 * rows, 32 * columns, 3)
    assert np.array_equal(untile(picture, columns), images)
    assert np.array_equal(picture[:32, 32 * (columns - 1) :], images[columns - 1])

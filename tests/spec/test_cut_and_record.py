import json

import pytest

from suture.spec.cut import Cut, Layout
from suture.spec.record import Record, scores


@pytest.mark.parametrize(
    ("layout", "shape", "channels", "grid"),
    [
        (Layout.NCHW, (6, 4, 5), 6, (4, 5)),
        (Layout.NHWC, (4, 5, 6), 6, (4, 5)),
        (Layout.NLC, (10, 6), 6, None),
        (Layout.NC, (6,), 6, None),
    ],
)
def test_a_cut_knows_its_channels_and_grid(layout, shape, channels, grid):
    cut = Cut("at", layout, shape, None, 0, 0, 0, 0)
    assert cut.channels == channels
    assert cut.grid == grid
    assert str(cut) == f"at ({layout.value} {'x'.join(map(str, shape))})"


def test_a_record_is_plain_data():
    record = Record("eval", scores(0.5, 1.25), 8, "test", "sample", "00", 0, "cpu", 1.0, {"torch": "2"})
    plain = json.loads(json.dumps(record.as_dict()))
    assert plain["numbers"] == [
        {"name": "accuracy", "value": 0.5, "unit": "share", "higher_is_better": True},
        {"name": "cross_entropy", "value": 1.25, "unit": "nats", "higher_is_better": False},
    ]
    assert plain["plan"] is None

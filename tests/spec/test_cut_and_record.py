import json

import pytest

from suture.spec.cut import Cut, Layout
from suture.spec.record import Record, scores


@pytest.mark.parametrize(
    ("layout", "shape", "cells", "channels", "positions", "grid", "extra"),
    [
        (Layout.NCHW, (6, 4, 5), None, 6, 20, (4, 5), None),
        (Layout.NHWC, (4, 5, 6), None, 6, 20, (4, 5), None),
        (Layout.NLC, (10, 6), None, 6, 10, None, None),
        (Layout.NLC, (10, 6), (3, 3), 6, 10, (3, 3), 1),
        (Layout.NCL, (6, 10), (2, 5), 6, 10, (2, 5), 0),
        (Layout.NLC, (4, 9, 6), None, 6, 36, None, None),
        (Layout.NC, (6,), None, 6, 1, None, None),
    ],
)
def test_a_cut_knows_its_channels_and_grid(layout, shape, cells, channels, positions, grid, extra):
    cut = Cut("at", layout, shape, None, 0, 0, 0, 0, cells=cells)
    assert (cut.channels, cut.positions, cut.grid, cut.extra) == (channels, positions, grid, extra)
    assert str(cut) == f"at ({layout.value} {'x'.join(map(str, shape))})"


def test_a_record_is_plain_data():
    record = Record("eval", scores(0.5, 1.25), 8, "test", "sample", "00", 0, "cpu", 1.0, {"torch": "2"})
    plain = json.loads(json.dumps(record.as_dict()))
    assert plain["numbers"] == [
        {"name": "accuracy", "value": 0.5, "unit": "share", "higher_is_better": True},
        {"name": "cross_entropy", "value": 1.25, "unit": "nats", "higher_is_better": False},
    ]
    assert plain["plan"] is None

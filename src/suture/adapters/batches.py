"""What a fit does with a batch of activations before it adds them to its sums."""

from collections.abc import Iterator

import torch
from torch import Tensor

from suture.errors import AdapterError
from suture.spec.cut import Cut

ROWS = 256
CHUNK_BYTES = 2**22  # of rows in float64, so that they stay in a processor's cache


def checked(x: Tensor, cut: Cut, images: int) -> Tensor:
    """``x`` as it can be added up. Raises AdapterError when it has not ``images`` images or is not finite."""
    if len(x) != images:
        raise AdapterError(
            f"the batch at {cut} has {len(x)} images, the first has {images}",
            expected="activations of the same images at every cut",
            instead="the same batch through both networks",
        )
    # NaN and infinity go through to the extremes, which take one pass
    if x.numel() and not torch.isfinite(torch.stack(x.aminmax())).all():
        raise AdapterError(
            f"the activations at {cut} are not finite",
            expected="finite numbers",
            instead="weights and preprocessing that fit each other, --precision float32, or an earlier cut",
        )
    x = x.cpu() if x.device.type == "mps" else x  # which has no float64
    return x if x.dtype == torch.float64 else x.float()


def chunks(images: int, positions: int, columns: int) -> Iterator[slice]:
    """Slices of a batch whose rows take about ``CHUNK_BYTES``, and are no fewer than ``ROWS``.

    The sums are written anew for every slice, so that wide ones want many rows at once.
    """
    size = max(1, CHUNK_BYTES // (8 * positions * columns), ROWS // positions)
    return (slice(start, start + size) for start in range(0, images, size))


def no_images(source: Cut, target: Cut) -> AdapterError:
    return AdapterError(
        f"no images to fit from {source} to {target}",
        expected="at least one batch with at least one image",
        instead="--fit-images 1024, or another data set with --data",
    )

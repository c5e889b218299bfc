"""The maps of a hybrid's adapters at other times than now: before and after training, the direct fit, steps between."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from suture.errors import WeightsError, listed
from suture.hybrids.hybrid import Hybrid
from suture.hybrids.parts import Parts
from suture.runs import replacing

FOLDER = "maps"


def save_map(hybrid: Hybrid, folder: Path, name: str) -> None:
    """Write the state of all adapters to ``maps/NAME.safetensors``."""
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    state = {
        name: tensor.detach().cpu().clone().contiguous() for name, tensor in _adapters(hybrid).state_dict().items()
    }
    with replacing(place / f"{name}.safetensors") as part:
        save_file(state, part, {"plan": hybrid.plan.key})


def load_map(hybrid: Parts, folder: Path, name: str) -> None:
    """Put a saved map into the hybrid's adapters, bit for bit.

    Raises WeightsError where there is none of this name, as in a fusion, or one of other adapters.
    """
    path = folder / FOLDER / f"{name}.safetensors"
    if not path.is_file():
        kept = sorted(file.stem for file in path.parent.glob("*.safetensors"))
        raise WeightsError(
            f"{folder} holds no map {name!r}",
            expected=f"one of its maps: {listed(kept)}" if kept else "the run folder of a stitch, which keeps its maps",
            instead=f"run:{folder}?map={kept[0]}" if kept else f"run:{folder}",
        )
    try:
        _adapters(hybrid).load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise WeightsError(
            f"{path} is no map of this hybrid: {str(error).splitlines()[0]}",
            expected="the file that was written with the plan beside it",
            instead="the whole folder as it was saved",
        ) from error


def _adapters(hybrid: Parts) -> nn.ModuleDict:
    """The adapters by their names in the hybrid."""
    return nn.ModuleDict({name: hybrid.get_submodule(name) for name in hybrid.named("adapter")})

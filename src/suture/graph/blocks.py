"""Which legal cuts are block cuts.

The outputs of residual blocks, and of modules outside of them; of each run of cuts that differ only by normalisation,
activation, dropout or identity the last.
"""

from collections.abc import Collection, Mapping
from typing import Final

from torch import fx, nn

from suture.graph.naming import Names
from suture.graph.program import Call, Program, operation

_TRIVIAL_HOMES: Final = {
    f"torch.nn.modules.{home}" for home in ("activation", "batchnorm", "instancenorm", "normalization", "dropout")
}
_ACTIVATIONS: Final = {
    *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish", "clamp"),
    *("hardswish", "hardsigmoid", "hardtanh", "sigmoid", "tanh", "softplus", "softsign", "logsigmoid"),
    *("softmax", "log_softmax"),
}
_NORMALISATIONS: Final = {"batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "local_response_norm"}
_DROPOUTS: Final = {
    *("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout"),
    *("feature_alpha_dropout", "stochastic_depth", "drop_path"),
}
_IDENTITIES: Final = {"contiguous", "clone", "detach", "identity"}
_TRIVIAL_OPERATIONS: Final = _ACTIVATIONS | _NORMALISATIONS | _DROPOUTS | _IDENTITIES


def is_trivial_module(module: nn.Module) -> bool:
    """Normalisation, activation, dropout or identity, or a class derived from one."""
    if isinstance(module, nn.MultiheadAttention):
        return False
    kinds = type(module).__mro__
    return isinstance(module, nn.Identity) or any(kind.__module__ in _TRIVIAL_HOMES for kind in kinds)


def _is_trivial(program: Program, node: fx.Node) -> bool:
    around = [program.inventory.modules[call.path] for call in program.scopes.get(node, ())]
    if any(is_trivial_module(module) for module in around):
        return True
    return node.op in ("call_function", "call_method") and operation(node) in _TRIVIAL_OPERATIONS


def block_cuts(
    program: Program,
    names: Mapping[fx.Node, Names],
    legal: Collection[fx.Node],
    crossed: Collection[fx.Node],
    running: Collection[fx.Node],
) -> set[fx.Node]:
    """The block cuts among ``legal``.

    ``crossed`` are the tensors beside which another one is still needed, ``running`` the nodes that depend on
    the input and are run.
    """
    residual = {home(program, names, node) for node in crossed} - {None}
    result: set[fx.Node] = set()
    previous: fx.Node | None = None
    plain = False
    for node in program.graph.nodes:
        if node in running:
            plain = plain and _is_trivial(program, node)
        call = names[node].call if node in legal else None
        if call and (call in residual or home(program, names, node) not in residual):
            if plain and previous is not None:
                result.discard(previous)
            result.add(node)
            previous, plain = node, True
    return result


def home(program: Program, names: Mapping[fx.Node, Names], node: fx.Node) -> Call | None:
    """The innermost module call around a value that is not a plain container, None for the network itself."""
    scopes = program.scopes.get(node, ())
    own = names[node].call if node in names else None
    if own in scopes:
        scopes = scopes[: scopes.index(own)]
    elif own is not None:
        scopes = tuple(call for call in scopes if own.path.startswith(f"{call.path}."))
    proper = [call for call in scopes if not program.inventory.is_container(call.path)]
    return proper[-1] if proper else None

"""What import-linter cannot say: who may use parts of torch."""

import ast
from pathlib import Path

import pytest

import suture

ROOT = Path(suture.__file__).parent
OUTSIDE = sorted(path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] != "graph")


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_graph_knows_fx_export_and_forward_hooks(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute):
            assert "forward_hook" not in node.attr
            assert "forward_pre_hook" not in node.attr
            names = [f"torch.{node.attr}"] if isinstance(node.value, ast.Name) and node.value.id == "torch" else []
        else:
            continue
        assert not [name for name in names if name.startswith(("torch.fx", "torch.export"))]


def test_the_public_face_is_there_and_lazy():
    for name in suture.__all__:
        assert getattr(suture, name)
    assert set(suture.__all__) == set(suture.FACE)
    assert set(suture.__all__) <= set(dir(suture))
    with pytest.raises(AttributeError, match="suture has no 'stich'"):
        _ = suture.stich

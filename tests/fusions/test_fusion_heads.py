"""What each kind of fusion computes, against the same written out."""

import torch
import torch.nn.functional as F
from torch import nn

from suture.fusions import FusionSpec, build
from suture.spec.cut import Cut, Layout


def vectors(*widths: int) -> list[Cut]:
    return [Cut(f"cut{k}", Layout.NC, (width,), None, 0, 0, 0, 0) for k, width in enumerate(widths)]


def features(*widths: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(3, width, generator=generator) for width in widths]


def test_concat_is_two_layers_over_all_features():
    head = build(FusionSpec("concat", 4, hidden=16), vectors(5, 6))
    layers = head.classifier
    assert [type(layer) for layer in layers] == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    assert (layers[0].in_features, layers[0].out_features, layers[2].p, layers[3].out_features) == (11, 16, 0.5, 4)
    x = features(5, 6)
    wanted = layers[3](layers[0](torch.cat(x, 1)).relu())
    torch.testing.assert_close(head.eval()(x), wanted)


def test_projected_features_have_no_scale():
    for kind in ("bottleneck", "add", "gated", "cross-attention"):
        head = build(FusionSpec(kind, 4, hidden=16, width=8), vectors(64, 32)).eval()
        a, b = features(64, 32)
        torch.testing.assert_close(head([1000 * a, b]), head([a, b]), rtol=1e-3, atol=1e-3)


def test_add_is_as_wide_as_one_backbone_and_bottleneck_as_all():
    add = build(FusionSpec("add", 4, hidden=16, width=8), vectors(5, 6, 7))
    bottleneck = build(FusionSpec("bottleneck", 4, hidden=16, width=8), vectors(5, 6, 7))
    assert add.classifier[0].in_features == 8
    assert bottleneck.classifier[0].in_features == 24


def test_gates_weigh_each_image_by_itself_and_start_alike():
    head = build(FusionSpec("gated", 4, hidden=16, width=8), vectors(5, 6)).eval()
    x = features(5, 6)
    torch.testing.assert_close(head.weights(x), torch.full((3, 2), 0.5))
    nn.init.normal_(head.gate.score.weight, generator=torch.Generator().manual_seed(0))
    weights = head.weights(x)
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    assert len(weights[:, 0].unique()) == 3
    with torch.no_grad():
        head.gate.score.bias.copy_(torch.tensor([50.0, -50.0]))
        other = [x[0], features(9, 6)[1]]
        torch.testing.assert_close(head(x), head(other))


def test_attention_heads_divide_the_width():
    for width, count in ((8, 8), (12, 6), (7, 7), (11, 1)):
        head = build(FusionSpec("cross-attention", 4, hidden=16, width=width), vectors(5, 6))
        assert head.encoder.layers[0].self_attn.num_heads == count


def test_averaged_logits_begin_with_the_layers_given():
    head = build(FusionSpec("logit-average", 4), vectors(5, 6)).eval()
    own, x = nn.Linear(5, 4, bias=False), features(5, 6)
    head.begin([own, None])
    torch.testing.assert_close(head(x), (own(x[0]) + head.classifiers[1](x[1])) / 2)


def test_maps_are_resampled_to_the_largest_grid():
    cuts = [Cut("a", Layout.NCHW, (5, 2, 6), None, 0, 0, 0, 0), Cut("b", Layout.NCHW, (3, 4, 4), None, 0, 0, 0, 0)]
    head = build(FusionSpec("maps", 4, hidden=16, width=8), cuts).eval()
    a, b = torch.rand(2, 5, 2, 6), torch.rand(2, 3, 4, 4)
    resized = [F.interpolate(x, (4, 6), mode="bilinear", align_corners=False) for x in (a, b)]
    wanted = torch.cat([conv(x) for conv, x in zip(head.project.each, resized, strict=True)], 1)
    torch.testing.assert_close(head.project([a, b]), wanted)
    torch.testing.assert_close(head([a, b]), head.classifier(head.mix(wanted).mean((2, 3))))

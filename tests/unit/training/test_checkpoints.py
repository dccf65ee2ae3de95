"""What people have is understood, or named for what it is."""

import pytest
import torch

from topfive.engines.torchvision_models import build_module, import_torchvision
from topfive.errors import WeightsRefused
from topfive.training.checkpoints import PREFIXES, WRAPPERS, fit_architecture, unwrap

TENSORS = {"a.weight": torch.ones(2, 3), "b.bias": torch.zeros(2)}
NEAR = {
    "resnet18": "ResNet-18",
    "resnet34": "ResNet-34",
    "resnet101": "ResNet-101",
    "resnet152": "ResNet-152",
    "wide_resnet50_2": "Wide ResNet-50",
    "resnext50_32x4d": "ResNeXt-50",
    "mobilenet_v3_large": "MobileNetV3-Large",
    "mobilenet_v3_small": "MobileNetV3-Small",
    "efficientnet_b0": "EfficientNet",
    "efficientnet_v2_s": "EfficientNet",
    "vgg16": "VGG",
    "vgg11_bn": "VGG",
    "alexnet": "AlexNet",
    "vit_b_16": "ViT-B/16",
    "vit_l_32": "ViT-L/32",
    "swin_t": "Swin Transformer",
    "densenet121": "DenseNet-121",
    "densenet169": "DenseNet-169",
    "convnext_tiny": "ConvNeXt",
    "squeezenet1_1": "SqueezeNet",
    "shufflenet_v2_x1_0": "ShuffleNetV2",
    "regnet_y_400mf": "RegNet",
    "googlenet": "GoogLeNet",
    "inception_v3": "Inception v3",
}


def _shapes_of(architecture: str) -> dict[str, torch.Tensor]:
    """Make an architecture's tensors without any numbers in them."""
    constructor = getattr(import_torchvision().models, architecture)
    extra = {"init_weights": False} if architecture in {"googlenet", "inception_v3"} else {}
    # Its constructor computes with tensors.
    with torch.device("cpu" if architecture.startswith("regnet") else "meta"):
        return constructor(weights=None, **extra).state_dict()


@pytest.fixture(scope="module")
def weights():
    """MobileNetV2's tensors for three classes."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_module("mobilenet_v2", {}, 3).state_dict()


def _refusal(tensors, architecture="mobilenet_v2", side=224) -> str:
    with pytest.raises(WeightsRefused) as refusal:
        fit_architecture(tensors, architecture, side)
    assert len(str(refusal.value)) <= 300
    return str(refusal.value)


@pytest.mark.parametrize("key", WRAPPERS)
def test_a_checkpoint_is_unwrapped(key):
    """What lies beside the weights does not matter, nor how deep they lie."""
    checkpoint = {"epoch": 3, "optimizer": {"state": {}}, key: TENSORS, "best": 0.9}
    assert unwrap(checkpoint, "a.pth") == TENSORS
    assert unwrap({"model": {"state_dict": {"epoch": 1, key: TENSORS}}}, "a.pth") == TENSORS


def test_of_several_the_trained_weights_come_before_their_averages():
    """`model` beside `model_ema` is what is taken."""
    other = {"a.weight": torch.zeros(1)}
    assert unwrap({"model_ema": other, "ema": other, "model": TENSORS}, "a.pth") == TENSORS


@pytest.mark.parametrize("prefix", [*PREFIXES, "module.model.", "_orig_mod.module.backbone.net."])
def test_prefixes_of_all_names_are_stripped(prefix):
    """What wraps a model leaves its name before every tensor's, once or several times."""
    wrapped = {f"{prefix}{name}": tensor for name, tensor in TENSORS.items()}
    assert unwrap(wrapped, "a.pth") == TENSORS


def test_a_prefix_that_some_names_lack_is_part_of_them():
    """Where only some tensors have it, it says which part of the model they are."""
    mixed = {"model.a": torch.ones(1), "head.b": torch.ones(1)}
    assert unwrap(mixed, "a.pth") == mixed


def test_an_averaged_model_is_understood():
    """Torch's own average of a model counts its steps beside the weights."""
    averaged = torch.optim.swa_utils.AveragedModel(torch.nn.Linear(2, 2)).state_dict()
    assert set(unwrap(averaged, "a.pth")) == {"weight", "bias"}


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({}, "nothing"),
        ([torch.ones(1)], "list"),
        (torch.ones(1), "Tensor"),
        ({"epoch": 3, "loss": 0.1}, "epoch, loss"),
        ({1: torch.ones(1)}, "1"),
        ({"state_dict": {"a": 1}}, "state_dict"),
        ({"x" * 500: 1, "y" * 500: 2}, "xxx"),
    ],
)
def test_what_holds_no_weights_says_what_it_holds(content, word):
    """The message names what is there, briefly."""
    with pytest.raises(WeightsRefused, match="does not hold a state dict") as refusal:
        unwrap(content, "a.pth")
    assert word in str(refusal.value)
    assert len(str(refusal.value)) <= 300


def test_a_checkpoint_within_itself_holds_no_weights():
    """Looking for the innermost one ends."""
    content = {}
    content["model"] = content
    with pytest.raises(WeightsRefused, match="does not hold a state dict"):
        unwrap(content, "a.pth")


def test_prefixes_without_end_are_left():
    """A name of thousands of prefixes, or no name at all, ends the search too."""
    (name,) = unwrap({"module." * 3000 + "a": torch.ones(1)}, "a.pth")
    assert name.startswith("module.")
    assert unwrap({"n_averaged": torch.tensor(1)}, "a.pth") == {}


def test_names_that_could_steer_a_terminal_are_told_without_that():
    """An escape sequence in a name does not reach who reads the message."""
    with pytest.raises(WeightsRefused, match="It holds: ") as refusal:
        unwrap({"\x1b[2Jepoch\n": 1}, "a.pth")
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("architecture", sorted(NEAR))
@pytest.mark.parametrize("number", [torch.tensor(1.0), torch.ones(1)])
@pytest.mark.filterwarnings("ignore")
def test_names_alone_are_no_model(architecture, number):
    """Tensors of one number each, however they are called, are refused in words."""
    tensors = dict.fromkeys(_shapes_of(architecture), number)
    assert _refusal(tensors).startswith("These look like ")


@pytest.mark.parametrize("architecture", sorted(NEAR))
@pytest.mark.filterwarnings("ignore")
def test_another_architecture_is_named(architecture):
    """Whoever brings other weights reads what they are, and the setting that goes with them."""
    message = _refusal(_shapes_of(architecture))
    assert message == (
        f"These look like {NEAR[architecture]} weights, and are not of mobilenet_v2. "
        f"Set TOPFIVE_MODEL={architecture}."
    )


def test_the_number_of_classes_does_not_matter_for_that(weights):
    """Where only the model's name is wrong, the right one is told for weights of one's own too."""
    message = _refusal(weights, "resnet50")
    assert "look like MobileNetV2 weights, and are not of resnet50" in message
    assert message.endswith("Set TOPFIVE_MODEL=mobilenet_v2.")


def test_a_relative_that_torchvision_does_not_have_is_named(weights):
    """What was expected is told, and what came."""
    narrow = build_module("mobilenet_v2", {"width_mult": 0.5}, 3).state_dict()
    assert _refusal(narrow, "resnet50") == (
        "These look like MobileNetV2 weights, and are not of resnet50, nor of any other model as "
        "torchvision has it. resnet50 has conv1.weight (64 x 3 x 7 x 7) first, these have "
        "features.0.0.weight (16 x 3 x 3 x 3)."
    )


def test_what_nobody_knows_is_told_as_such():
    """Unknown tensors are not listed; the first that was expected is."""
    many = {f"transformer.layers.{number}.weight": torch.ones(1) for number in range(500)}
    message = _refusal(many)
    assert "nor of any other model that is known here" in message
    assert "mobilenet_v2 has features.0.0.weight (32 x 3 x 3 x 3) first" in message
    assert message.endswith("these have transformer.layers.0.weight (1).")
    assert "these have none" in _refusal({"aux1.fc2.weight": torch.ones(1)})


def test_weights_that_fit_are_taken_as_they_are(weights):
    """The number of classes is read off the classifier; older files lack counters."""
    older = {name: one for name, one in weights.items() if "num_batches" not in name}
    for tensors in (weights, older):
        fitted, classes = fit_architecture(tensors, "mobilenet_v2", 224)
        assert classes == 3
        build_module("mobilenet_v2", {}, 3).load_state_dict(fitted)


@pytest.mark.parametrize("layer", ["classifier", "classifier.0", "classifier.2", "classifier.fc"])
@pytest.mark.parametrize("with_bias", [True, False])
def test_the_only_linear_layer_may_lie_anywhere_in_the_head(weights, layer, with_bias):
    """A head of dropout and one linear layer is taken, whatever its number; a bias may lack."""
    moved = {name: one for name, one in weights.items() if not name.startswith("classifier.")}
    moved[f"{layer}.weight"] = weights["classifier.1.weight"]
    if with_bias:
        moved[f"{layer}.bias"] = weights["classifier.1.bias"]
    fitted, classes = fit_architecture(moved, "mobilenet_v2", 224)
    assert classes == 3
    assert torch.equal(fitted["classifier.1.weight"], weights["classifier.1.weight"])
    assert fitted["classifier.1.bias"].shape == (3,)


def test_a_head_of_two_layers_is_named(weights):
    """It is the head that is told, and not the labels that are blamed."""
    tensors = _shapes_of("resnet50")
    for name in ("fc.weight", "fc.bias"):
        del tensors[name]
    for layer, shape in (("fc.0", (512, 2048)), ("fc.3", (3, 512))):
        tensors[f"{layer}.weight"] = torch.ones(shape)
        tensors[f"{layer}.bias"] = torch.ones(shape[0])
    assert _refusal(tensors, "resnet50") == (
        "The classifier has two layers (fc.0, fc.3); topfive reads one linear layer."
    )
    without = {name: one for name, one in weights.items() if not name.startswith("classifier.")}
    assert "have no classifier" in _refusal(without)
    without["classifier.1.weight"] = torch.ones(3, 1280, 1, 1)
    assert "not a linear layer" in _refusal(without)


@pytest.mark.parametrize("classes", [0, 100_001, 10**9])
def test_a_number_of_classes_that_nobody_has_is_refused(weights, classes):
    """A view of one number can claim any shape; nothing of that size is made."""
    head = {"classifier.1.weight": torch.zeros(1).expand(classes, 1280)}
    without_bias = {name: one for name, one in weights.items() if name != "classifier.1.bias"}
    message = _refusal(without_bias | head)
    assert f"has {classes} classes; topfive takes 1 to 100000" in message


@pytest.mark.parametrize(
    ("make", "form"),
    [
        (torch.Tensor.to_sparse, "sparse_coo"),
        (lambda tensor: tensor.to("meta"), "meta"),
        (lambda tensor: tensor.to(torch.complex64), "complex64"),
        (lambda tensor: tensor.to(torch.float8_e4m3fn), "float8_e4m3fn"),
        (lambda tensor: tensor.to(torch.int64), "int64"),
    ],
)
def test_numbers_in_an_unusual_form_are_named(weights, make, form):
    """What torch could not copy, or would copy as other numbers, is refused."""
    message = _refusal(weights | {"classifier.1.weight": make(weights["classifier.1.weight"])})
    assert "not kept as plain numbers (in classifier.1.weight: " in message
    assert form in message


def test_another_shape_is_named(weights):
    """The first tensor that differs is told with both shapes, and how many more there are."""
    narrow = build_module("mobilenet_v2", {"width_mult": 0.5}, 3).state_dict()
    message = _refusal(narrow)
    assert "features.0.0.weight has the shape 16 x 3 x 3 x 3, not 32 x 3 x 3 x 3" in message
    assert "more)" in message
    lacking = {name: one for name, one in weights.items() if name != "features.18.0.weight"}
    assert "features.18.0.weight is missing" in _refusal(lacking)
    assert "extra is not part of it" in _refusal(weights | {"extra": torch.ones(1)})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_failed_training_is_told(weights, value):
    """Values that are not numbers would make every answer the same."""
    broken = weights | {"classifier.1.bias": torch.tensor([0.0, value, 0.0])}
    assert "not numbers (in classifier.1.bias)" in _refusal(broken)

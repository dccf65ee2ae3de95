"""Files that are damaged, hostile or no classifiers: each is refused by its name."""

import os
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from tests.training.model_files import (
    LABELS,
    change_location,
    make_model,
    write_labels,
    write_onnx,
    write_openvino,
    write_with_data_beside,
)
from tests.training.test_importing import SIDE, SIZED, run_import
from topfive.errors import LabelsRefused, WeightsRefused


def save(path: Path, change: Callable[[onnx.ModelProto], object]) -> Path:
    """Write the classifier with something changed in it."""
    model = make_model()
    change(model)
    onnx.save(model, path)
    return path


def rename_operator(model: onnx.ModelProto, name: str, domain: str = "") -> None:
    """Have the activation be another operator, by name."""
    model.graph.node[2].op_type = name
    model.graph.node[2].domain = domain
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))


def hide_operator(model: onnx.ModelProto) -> None:
    """Put a custom operator into a branch of a condition."""
    inner = helper.make_node("Swizzle", [], ["inner"], domain="acme")
    value = helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)
    branch = helper.make_graph([inner], "branch", [], [value])
    node = helper.make_node("If", ["picture"], ["b"], then_branch=branch, else_branch=branch)
    model.graph.node.append(node)


def add_input(model: onnx.ModelProto) -> None:
    """Have the classifier want a second input."""
    second = helper.make_tensor_value_info("temperature", TensorProto.FLOAT, [1])
    model.graph.input.append(second)
    model.graph.node.append(helper.make_node("Mul", ["scores", "temperature"], ["warm"]))
    model.graph.output[0].name = "warm"


def add_output(model: onnx.ModelProto) -> None:
    """Have the classifier give a second row of as many numbers."""
    model.graph.node.append(helper.make_node("Neg", ["scores"], ["less"]))
    model.graph.output.append(
        helper.make_tensor_value_info("less", TensorProto.FLOAT, ["batch", len(LABELS)])
    )


def retype_input(model: onnx.ModelProto) -> None:
    """Have the classifier take whole numbers of 64 bits."""
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    model.graph.node[0].op_type = "Cast"
    model.graph.node[0].attribute.append(helper.make_attribute("to", TensorProto.FLOAT))


def shape_input(*shape: int | str) -> Callable[[onnx.ModelProto], None]:
    """Have the classifier say that it takes another shape."""

    def change(model: onnx.ModelProto) -> None:
        value = helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)
        model.graph.input[0].CopyFrom(value)

    return change


def take_grey(model: onnx.ModelProto) -> None:
    """Have the classifier take one channel, and repeat it."""
    shape_input("n", 1, 32, 32)(model)
    model.graph.node[0].CopyFrom(helper.make_node("Concat", ["picture"] * 3, ["values"], axis=1))


def take_rows(model: onnx.ModelProto) -> None:
    """Have the classifier take rows of numbers in place of pictures."""
    shape_input("n", "w", 8)(model)
    del model.graph.node[:-1]
    mean = helper.make_node("ReduceMean", ["picture"], ["flat"], axes=[1], keepdims=0)
    model.graph.node.insert(0, mean)


def lose_weights(model: onnx.ModelProto) -> None:
    """Have an operator read numbers that nothing gives."""
    model.graph.node[1].input[1] = "nowhere"


CHANGES: dict[str, tuple[Callable[[onnx.ModelProto], object], str]] = {
    "custom operator": (
        lambda model: rename_operator(model, "Swizzle", "acme"),
        "has operators that are not ONNX's own: acme.Swizzle",
    ),
    "custom operator in a branch": (hide_operator, "not ONNX's own: acme.Swizzle"),
    "unknown operator": (lambda model: rename_operator(model, "Foo"), "not ONNX's own: Foo"),
    "operator of another library": (
        lambda model: rename_operator(model, "Nonsense", "com.microsoft"),
        r"cannot be read by OpenVINO: .*Nonsense",
    ),
    "later opset": (
        lambda model: model.opset_import.__getitem__(0).CopyFrom(helper.make_opsetid("", 99)),
        r"is of a later ONNX \(opset 99, IR version 8\)",
    ),
    "later IR": (lambda model: setattr(model, "ir_version", 99), "IR version 99"),
    "no opset": (lambda model: model.ClearField("opset_import"), "does not say of which opset"),
    "no graph": (lambda model: model.ClearField("graph"), "there is no graph in it"),
    "two inputs": (add_input, r"takes 2 inputs \(picture, temperature\), and a picture is one"),
    "two outputs": (add_output, "has several outputs of 4 numbers"),
    "whole numbers": (retype_input, r"takes i64 of shape .*; f32, f16 and u8 can be imported"),
    "rows": (take_rows, r"takes f32 of shape \[\?, \?, 8\], which is no picture"),
    "grey": (take_grey, "1 channels, and pictures have 3"),
    "oblong": (shape_input("n", 3, 32, 48), "pictures are prepared as squares"),
    "unknown layout": (shape_input("n", "c", "h", "w"), "give --layout nchw or nhwc"),
    "lost weights": (lose_weights, "cannot be read by OpenVINO: Input tensor isn't found for node"),
    "no depth": (shape_input("n", 3, "w"), "Data batch and filters rank do not match"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_no_such_classifier_is_refused(change: str, tmp_path: Path) -> None:
    """The error names the file and what is wrong with it, and nothing is made."""
    alter, told = CHANGES[change]
    path = save(tmp_path / "birds.onnx", alter)
    with pytest.raises(WeightsRefused, match=rf"birds\.onnx .*{told}"):
        run_import(tmp_path, path, *SIZED)
    assert not (tmp_path / "models").exists()


def test_labels_are_as_many_as_the_models_numbers(tmp_path: Path) -> None:
    """Both files are named where they do not go together."""
    path = write_onnx(tmp_path / "birds.onnx")
    labels = write_labels(tmp_path / "three.txt", LABELS[:3])
    told = r"three\.txt has 3 names, and .*birds\.onnx gives 4 numbers for a picture"
    with pytest.raises(LabelsRefused, match=told):
        run_import(tmp_path, path, *SIZED, "--labels", str(labels))
    assert not (tmp_path / "models").exists()


BYTES: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "cut off": (
        "birds.onnx",
        lambda content: content[: len(content) // 2],
        "is damaged or cut off",
    ),
    "empty": ("birds.onnx", lambda _: b"", "is empty"),
    "text": ("birds.onnx", lambda _: b"hello, this is no model" * 9, "is damaged or cut off"),
    "a web page": ("birds.onnx", lambda _: b"<!DOCTYPE html><html>", "is a web page"),
    "an LFS pointer": ("birds.onnx", lambda _: b"version https://git-lfs", "git lfs pull"),
    "PyTorch's": ("birds.onnx", lambda _: b"PK\3\4" + bytes(60), "topfive pull --weights"),
    "a pickle": ("birds.onnx", lambda _: b"\x80\x04" + bytes(60), "is a pickle, which is code"),
    "graph cut off": ("birds.xml", lambda content: content[: len(content) // 2], "cannot be read"),
    "weights cut off": ("birds.bin", lambda content: content[:100], r"cannot be read by OpenVINO"),
    "other XML": ("birds.xml", lambda _: b"<svg></svg>", "is XML, but no OpenVINO IR"),
    "custom layer": (
        "birds.xml",
        lambda content: content.replace(b'type="ReLU" version="opset1"', b'type="X" version="y"'),
        "Cannot create X layer",
    ),
}


@pytest.mark.parametrize("damage", BYTES)
def test_a_damaged_file_is_refused(damage: str, tmp_path: Path) -> None:
    """What is cut off, something else, or unknown to OpenVINO is told with the file's name."""
    name, change, told = BYTES[damage]
    path = tmp_path / name
    if name == "birds.onnx":
        write_onnx(path)
    else:
        write_openvino(tmp_path / "birds.xml", tmp_path, side=SIDE)
    path.write_bytes(change(path.read_bytes()))
    model = path.with_suffix(".xml") if name == "birds.bin" else path
    with pytest.raises(WeightsRefused, match=rf"{model.name} .*{told}"):
        run_import(tmp_path, model, *SIZED)
    assert not (tmp_path / "models").exists()


def test_a_file_is_known_by_its_name(tmp_path: Path) -> None:
    """Another suffix, a missing file or the wrong one of two is told, with what to name."""
    write_openvino(tmp_path / "birds.xml", tmp_path, side=SIDE)
    (tmp_path / "birds.h5").write_bytes(b"\x89HDF")
    (tmp_path / "folder.onnx").mkdir()
    for name, told in (
        ("birds.bin", r"holds the numbers of birds\.xml: name that file"),
        ("birds.h5", r"does not end in \.onnx or \.xml"),
        ("none.onnx", "is not there"),
        ("folder.onnx", "is not there, or no file"),
    ):
        with pytest.raises(WeightsRefused, match=told):
            run_import(tmp_path, tmp_path / name, *SIZED)
    (tmp_path / "birds.bin").unlink()
    with pytest.raises(WeightsRefused, match=r"has its weights in birds\.bin, which is not beside"):
        run_import(tmp_path, tmp_path / "birds.xml", *SIZED)


def test_an_onnx_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """Protobuf ends at 2 GiB: what is larger is refused by its size alone."""
    path = write_onnx(tmp_path / "birds.onnx")
    with path.open("r+b") as file:
        file.truncate(2**31)
    with pytest.raises(WeightsRefused, match=r"has 2,147,483,648 bytes.*in files beside it"):
        run_import(tmp_path, path, *SIZED)


LOCATIONS = {
    "above": "../birds.data",
    "absolute": "/etc/passwd",
    "hidden in the middle": "sub/../../birds.data",
    "an address in memory": "*/_ORT_MEM_ADDR_/*",
    "backslashes": "..\\birds.data",
    "the folder": ".",
    "nothing": "",
}


@pytest.mark.parametrize("location", LOCATIONS)
def test_no_data_are_read_from_outside_the_folder(location: str, tmp_path: Path) -> None:
    """A hostile ONNX file names any path: only files in its own folder are opened."""
    folder = tmp_path / "downloaded"
    folder.mkdir()
    path = write_with_data_beside(folder / "birds.onnx")
    (folder / "birds.data").rename(tmp_path / "birds.data")
    change_location(path, LOCATIONS[location])
    with pytest.raises(
        WeightsRefused, match=r"birds\.onnx wants data from .*not in its own folder"
    ):
        run_import(tmp_path, path, *SIZED)


def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    """A link in the folder to a file elsewhere is no file of the folder."""
    folder = tmp_path / "downloaded"
    folder.mkdir()
    path = write_with_data_beside(folder / "birds.onnx")
    (folder / "birds.data").rename(tmp_path / "birds.data")
    (folder / "birds.data").symlink_to(tmp_path / "birds.data")
    with pytest.raises(
        WeightsRefused, match=r"wants data from 'birds\.data', which is not in its own"
    ):
        run_import(tmp_path, path, *SIZED)


def test_data_that_are_missing_or_cut_off_are_told(tmp_path: Path) -> None:
    """The file that must be copied too, or again, is named; and a pipe is not waited for."""
    path = write_with_data_beside(tmp_path / "birds.onnx")
    data = tmp_path / "birds.data"
    data.write_bytes(data.read_bytes()[:64])
    with pytest.raises(WeightsRefused, match=r"has data up to byte [\d,]+ of 'birds\.data', which"):
        run_import(tmp_path, path, *SIZED)
    data.unlink()
    with pytest.raises(WeightsRefused, match=r"has its weights in 'birds\.data', which is not bes"):
        run_import(tmp_path, path, *SIZED)
    os.mkfifo(data)
    with pytest.raises(WeightsRefused, match=r"wants data from 'birds\.data', which is no file"):
        run_import(tmp_path, path, *SIZED)

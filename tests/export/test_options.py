"""Options of artifacts: parsing, ranges, and which format they apply to."""

from typing import get_args

import onnx
import pytest

from core.artifacts.manifest import Format
from core.errors import UsageError
from export.options import FORMATS, ExportOptions, format_spec, parse_batch, parse_size


def refusal(**options: object) -> str:
    with pytest.raises(UsageError) as caught:
        ExportOptions(**options)
    return str(caught.value)


def test_parse_size_and_batch() -> None:
    assert parse_size("480x640") == (480, 640)
    assert (parse_batch("12"), parse_batch("dynamic")) == (12, None)


@pytest.mark.parametrize("text", ["480", "480x", "x", "480X640", "-1x2", "480x640x3", "٤x٤", "1" * 50 + "x16"])
def test_parse_size_refuses_other_text(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--size is .*: expected HEIGHTxWIDTH, such as 480x640$"):
        parse_size(text)


@pytest.mark.parametrize("text", ["", "-1", "1.0", "any", "²", "1" * 50])
def test_parse_batch_refuses_other_text(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--batch is .*: expected 'dynamic' or a whole number from 1 to 65536$"):
        parse_batch(text)


@pytest.mark.parametrize("size", [(15, 16), (16, 0), (16, 2**17)])
def test_sizes_out_of_range_are_refused(size: tuple[int, int]) -> None:
    sentence = f"--size is {size[0]}x{size[1]}: expected a height and a width from 16 to 65536 pixels"
    assert refusal(size=size) == sentence


def test_batch_of_no_image_is_refused() -> None:
    assert refusal(batch=0) == "--batch is 0: expected 'dynamic' or a whole number from 1 to 65536"


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"size": "16x16"}, "--size is '16x16'"),
        ({"size": (16, 16, 16)}, "--size is 16x16x16"),
        ({"size": (16, "x")}, "--size is 16x'x'"),
        ({"batch": "x"}, "--batch is 'x'"),
        ({"opset": "x"}, "--opset is 'x'"),
    ],
)
def test_values_of_another_type_are_refused(options: dict, found: str) -> None:
    assert refusal(**options).startswith(f"{found}: expected ")


@pytest.mark.parametrize("opset", [17, 999])
def test_opsets_that_onnx_does_not_know_are_refused(opset: int) -> None:
    newest = onnx.defs.onnx_opset_version()
    assert refusal(opset=opset) == (
        f"--opset is {opset}: expected a whole number from 18 to {newest}, the newest that onnx {onnx.__version__} "
        "supports"
    )
    assert ExportOptions(opset=newest).opset == newest


def test_lengths_are_those_of_the_fixed_axes() -> None:
    assert ExportOptions().lengths == {}
    assert ExportOptions(size=(16, 24), batch=2).lengths == {"batch": 2, "height": 16, "width": 24}


@pytest.mark.parametrize(
    ("format", "options", "flag"),
    [
        ("torchscript", {"size": (16, 16), "batch": 1}, "--size"),
        ("torchscript", {"opset": 19}, "--opset"),
        ("pt2", {"palette": False}, "--palette"),
        ("onnx", {"outputs": "tuple"}, "--outputs"),
    ],
)
def test_options_that_do_not_apply_are_refused(format: Format, options: dict, flag: str) -> None:
    with pytest.raises(UsageError) as caught:
        format_spec("extractor", format).check(ExportOptions(**options))
    assert str(caught.value) == (
        f"{flag} does not apply to the extractor in the format {format}: remove it, or use another format "
        "(see python -m export formats)"
    )


def test_precision_depends_on_the_format() -> None:
    format_spec("extractor", "onnx").check(ExportOptions(), "int8")
    with pytest.raises(UsageError) as caught:
        format_spec("extractor", "pt2").check(ExportOptions(), "int8")
    assert str(caught.value) == (
        "--precision is int8, and the extractor in the format pt2 exists in fp32 and fp16: "
        "choose another precision or format"
    )


def test_formats_are_complete_and_have_their_own_suffixes() -> None:
    assert {spec.format for spec in FORMATS} == set(get_args(Format))
    suffixes = [spec.suffix for spec in FORMATS if spec.kind == "extractor"]
    assert len(set(suffixes)) == len(suffixes)
    with pytest.raises(UsageError, match=r"^the objective does not exist in the format pt2: use onnx$"):
        format_spec("objective", "pt2")

"""The runtimes: the rows of the table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HOSTS = Path(__file__).parent / "hosts"

ONNX = {"extractor": "onnx", "objective": "onnx", "painter": "onnx"}
FLOAT32 = {"features": 1e-5, "loss": 2e-5, "gradient": 5e-3, "losses": 1e-3, "image": 2e-2}
"""Largest relative L2 differences of float32 runtimes.

The bound of the gradient is larger, because rounding can switch a ReLU or a maximum. So are the bounds of a run, in
which differences grow.
"""

BF16 = {"features": 0.1, "loss": 0.1, "gradient": 0.3, "losses": 0.2, "image": 0.3}


@dataclass(frozen=True)
class Limit:
    """An artifact that a runtime cannot run.

    Attributes:
        reason: The cell of the table.
        error: A part of the error message of the host.
    """

    reason: str
    error: str


@dataclass(frozen=True)
class Runtime:
    """A way of running artifacts outside this project.

    Attributes:
        name: First cell of its row.
        host: Its program in `hosts/`: a file for Python or Node, or a folder with a CMake project.
        packages: Requirements for pip or npm; with none, the host runs in the environment of this project.
        formats: Suffix of the file that it runs, by artifact. There is no file for the other artifacts.
        arguments: Arguments of the host.
        beside_torch: Whether the environment also contains the packages of this project, such as PyTorch.
        bounds: Largest relative L2 differences by quantity.
        limits: The artifacts that it cannot run.
        remark: Last cell of its row.
    """

    name: str
    host: str
    packages: tuple[str, ...] = ()
    formats: Mapping[str, str] = field(default_factory=lambda: ONNX)
    arguments: tuple[str, ...] = ()
    beside_torch: bool = False
    bounds: Mapping[str, float] = field(default_factory=lambda: FLOAT32)
    limits: Mapping[str, Limit] = field(default_factory=dict)
    remark: str = ""


ONE_SIZE = "one size for each load"

RUNTIMES = (
    Runtime("ONNX Runtime", "onnxruntime_host.py", ("onnxruntime", "numpy")),
    Runtime(
        "ONNX Runtime 1.16",
        "onnxruntime_host.py",
        ("onnxruntime==1.16.3", "numpy<2"),
    ),
    Runtime("ONNX Runtime for Node", "onnxruntime_node_host.mjs", ("onnxruntime-node",)),
    Runtime(
        "ONNX Runtime Web (WebAssembly)",
        "onnxruntime_web_host.mjs",
        ("onnxruntime-web", "playwright-core"),
        remark="in Chromium",
    ),
    Runtime("OpenVINO, f32", "openvino_host.py", ("openvino", "numpy"), arguments=("f32",)),
    Runtime(
        "OpenVINO, bf16",
        "openvino_host.py",
        ("openvino", "numpy"),
        arguments=("bf16",),
        bounds=BF16,
        remark="its default on CPUs with bf16 instructions",
    ),
    Runtime("onnx.reference", "onnx_reference_host.py", ("onnx", "numpy")),
    Runtime(
        "tract",
        "tract_host.py",
        ("tract", "onnx"),
        limits={"painter": Limit("fails in Concat: dtypes", "No supertype found for [F32, I64]")},
    ),
    Runtime(
        "OpenCV dnn",
        "opencv_host.py",
        ("opencv-python-headless>=5", "numpy"),
        limits={
            "objective": Limit("fails: it needs fixed sizes", "Assertion failed"),
            "painter": Limit("fails in Concat", "concat2_layer.cpp"),
        },
        remark=ONE_SIZE,
    ),
    Runtime(
        "onnx2torch",
        "onnx2torch_host.py",
        ("onnx2torch",),
        beside_torch=True,
        limits={
            "objective": Limit("fails: it needs weights without a palette", "KeyError: 'conv1_2.weight'"),
            "painter": Limit("fails: it lacks GreaterOrEqual", "operation_type='GreaterOrEqual'"),
        },
    ),
    Runtime("LibTorch (C++)", "libtorch", formats={"extractor": "pt"}),
    Runtime("torch.jit.load", "torchscript_host.py", formats={"extractor": "pt"}),
    Runtime("torch.export.load", "torch_export_host.py", formats={"extractor": "pt2"}),
    Runtime("AOTInductor", "aot_inductor_host.py", formats={"extractor": "pt2"}),
    Runtime(
        "ExecuTorch (XNNPACK)",
        "executorch_host.py",
        ("executorch",),
        formats={"extractor": "pt2"},
        beside_torch=True,
        remark=ONE_SIZE,
    ),
    Runtime(
        "LiteRT",
        "litert_host.py",
        ("litert-torch",),
        formats={"extractor": "pt2"},
        beside_torch=True,
        remark=ONE_SIZE,
    ),
    Runtime("Core ML", "coreml_host.py", ("coremltools",), formats={"extractor": "pt2"}, beside_torch=True),
)

"""A backend of Triton that opens the file of a model with ONNX Runtime, and answers no requests."""

import json
import os
import sys
from pathlib import Path

sys.path.append(os.environ["PACKAGES"])

import onnxruntime


class TritonPythonModel:
    """The class that Triton expects."""

    def initialize(self, arguments: dict[str, str]) -> None:
        """Open the model, whose inputs must be those of the configuration."""
        path = Path(arguments["model_repository"], arguments["model_version"], "model.onnx")
        inputs = onnxruntime.InferenceSession(str(path)).get_inputs()
        configured = [tensor["name"] for tensor in json.loads(arguments["model_config"])["input"]]
        assert [tensor.name for tensor in inputs] == configured

    def execute(self, requests: list) -> list:
        """Refuse all requests."""
        raise NotImplementedError("this backend only loads models")

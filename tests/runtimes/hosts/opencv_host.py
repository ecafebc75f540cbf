"""OpenCV's module dnn, which specialises a network for the sizes of the inputs."""

import cv2
from exchange import Arrays, Run, do_job


def load(artifact: str, inputs: Arrays, names: list[str]) -> Run:
    network = cv2.dnn.readNetFromONNX(artifact)
    declared = network.getUnconnectedOutLayersNames()

    def run(given: Arrays) -> dict:
        for name, values in given.items():
            network.setInput(values, name)
        return dict(zip(declared, network.forward(declared), strict=True))

    return run


do_job(load, cv2.__version__, each_size=True)

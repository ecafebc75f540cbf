"""Core ML: conversion only, because models run on macOS only."""

import coremltools
import torch
from exchange import Arrays, Run, do_job, not_run


def load(artifact: str, inputs: Arrays, names: list[str]) -> Run:
    program = torch.export.load(artifact).run_decompositions({})
    coremltools.convert(program, convert_to="mlprogram")
    not_run("converts; runs on macOS only")


do_job(load, coremltools.__version__)

"""One vocabulary without the rules over it, for what needs meanings and names alone."""

from __future__ import annotations

from pathlib import Path

from policy_engine.errors import Problem, RulesError
from policy_engine.loading.layers import LayerFiles
from policy_engine.loading.registers import Registers, read_registers
from policy_engine.loading.yaml_source import read_bytes
from policy_engine.model.rule import Layer
from policy_engine.model.vocabulary import Vocabulary


def read_vocabulary(folder: Path) -> Vocabulary:
    """Read the vocabulary of the shipped rules in `folder`.

    Raises:
        RulesError: it cannot be read, or is invalid.
    """
    files = {"vocabulary.yaml": read_bytes(folder / "vocabulary.yaml", RulesError)}
    registers = Registers()
    problems: list[Problem] = []
    read_registers(LayerFiles(Layer("shipped", str(folder), ""), folder, files), registers, problems)
    if problems:
        raise RulesError(problems)
    return Vocabulary(registers.facts, registers.evidence, registers.regulations)

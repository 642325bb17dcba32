"""Optimizers and learning-rate schedules."""

from torch import nn
from torch.optim import AdamW, Optimizer

from trainer.config.optimizer import OptimizerConfig
from trainer.engine.muon import Muon


def build_adamw(model: nn.Module, config: OptimizerConfig) -> AdamW:
    """AdamW that decays matrices only: biases, norms and modulation tables are left alone."""
    matrices = [p for name, p in model.named_parameters() if _decays(name, p)]
    others = [p for name, p in model.named_parameters() if not _decays(name, p)]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return AdamW(groups, lr=config.learning_rate, betas=config.betas)


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """Optimizer that a recipe asks for; Muon works on the matrices of blocks, and decays what AdamW would."""
    if config.kind == "adamw":
        return build_adamw(model, config)
    matrices, decayed, others = [], [], []
    for name, parameter in model.named_parameters():
        if not _decays(name, parameter):
            others.append(parameter)
        elif parameter.ndim == 2 and name.startswith("blocks."):
            matrices.append(parameter)
        else:
            decayed.append(parameter)
    return Muon(
        matrices,
        decayed,
        others,
        learning_rate=config.learning_rate,
        betas=config.betas,
        weight_decay=config.weight_decay,
    )


def _decays(name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay is for a parameter: not for biases, norms and modulation tables."""
    return parameter.ndim >= 2 and "scale_shift_table" not in name


def learning_rate_factor(step: int, total_steps: int, config: OptimizerConfig) -> float:
    """Factor of a zero-based step: linear warm-up, constant, linear decay towards zero at the end."""
    warmup = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    remaining = total_steps - step
    decay = min(1.0, remaining / config.decay_steps) if config.decay_steps else 1.0
    return warmup * decay


def set_learning_rate(optimizer: Optimizer, config: OptimizerConfig, step: int, total: int) -> float:
    """Set the rate of a zero-based step; returns it."""
    rate = config.learning_rate * learning_rate_factor(step, total, config)
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate

"""Run by torchrun: states of a generator whose blocks are sharded over processes are those of the whole one."""

import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.distributed.fsdp import fully_shard

from probekit.probing.recording import recording
from probekit.probing.reductions import Reduction
from probekit.probing.sites import Site
from probekit.rollout.generation_runner import Request
from probekit.rollout.streaming_rollout import roll_out
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.suites.registry import load_suite
from trainer.distributed.world import joined_world

SITES = (Site(0, 0), Site(1, 1), Site(1, 0, "attn1"), Site(0, None))


@torch.no_grad()
def states(sampler: StreamingSampler, requests: list[Request]) -> dict[Site, Tensor]:
    """States at every site of one pass of videos."""
    with recording(sampler.model, SITES, steps=2, chunk_frames=3, reduction=Reduction()) as recorder:
        rollout = sampler.start(requests, observers=[recorder])
        roll_out(rollout)
        rollout.commit()
    return recorder.states()


def main(student: Path) -> None:
    """Compare the states before and after sharding; an exception is the answer."""
    suite = load_suite("sprite-5s").reduced(2, 1)
    with joined_world() as world:
        assert world.size > 1
        sampler = StreamingSampler(student, suite)
        requests = [Request(key, suite.texts()[key.prompt_id]) for key in suite.keys()]
        whole = states(sampler, requests)
        for block in sampler.model.blocks:
            fully_shard(block)
        fully_shard(sampler.model)
        sharded = states(sampler, requests)
        for site in SITES:
            torch.testing.assert_close(sharded[site], whole[site], msg=lambda text, site=site: f"{site.name}: {text}")
        assert not any(module._forward_hooks for name, module in sampler.model.named_modules() if name.count(".") > 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

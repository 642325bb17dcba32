"""What a recorder keeps of passes, by hand: which, which rows, and in which order."""

import pytest
import torch
from torch import Tensor, nn

from probekit.errors import UserError
from probekit.probing.recording import INVERSION, PassInput, Recorder, recording, unwrapped
from probekit.probing.reductions import Reduction
from probekit.probing.sites import Site
from probekit.rollout.records import PassRecord
from tests.helpers.tiny_wan import tiny_causal

STEP, COMMIT = Site(1, 0), Site(0, None, "attn1")


def record(chunk: int, step: int | None, value: float, rows: int = 1) -> PassRecord:
    latents = torch.full((rows, 1, 2, 1, 1), value, requires_grad=True)
    return PassRecord(chunk, 2 * chunk, step, value / 10, latents, latents, {})


def shown(value: float, rows: int = 1) -> Tensor:
    """A state of two frames of three tokens, of which every number is another."""
    return value + torch.arange(rows * 6 * 4.0).view(rows, 6, 4)


def recorder(reduction: Reduction | None = None) -> Recorder:
    return Recorder([STEP, COMMIT], reduction or Reduction(), 2)


def run(found: Recorder, passes: list[PassRecord], rows: int = 1) -> None:
    for one in passes:
        for name, offset in (("blocks.1", 0.0), ("blocks.0.attn1", 500.0)):
            found.hook(name)(nn.Identity(), (), shown(100 * one.chunk + offset, rows).requires_grad_())
        found.on_pass(one)


def test_each_site_keeps_its_own_module_in_its_own_pass_chunk_by_chunk() -> None:
    found = recorder()
    run(found, [record(c, s, 1.0) for c in (0, 1, 2) for s in (0, 1, None)])
    assert [(one.chunk, one.step) for one in found.inputs] == [(c, s) for c in (0, 1, 2) for s in (0, 1, None)]
    states = found.states()
    assert states[STEP].shape == (1, 3, 2, 3, 4)
    assert states[STEP].dtype == torch.float16
    for site, offset in ((STEP, 0.0), (COMMIT, 500.0)):
        expected = torch.stack([shown(100 * chunk + offset).view(1, 2, 3, 4) for chunk in (0, 1, 2)], dim=1)
        assert torch.equal(states[site].float(), expected)
        assert not states[site].requires_grad


def test_given_frames_and_inversions_are_passed_over_and_all_other_inputs_kept() -> None:
    found = recorder()
    run(found, [record(-1, None, 9.0), record(0, INVERSION, 8.0), record(0, 0, 7.0), record(0, None, 6.0)])
    kept = [(one.chunk, one.step, one.sigma, float(one.latents.flatten()[0])) for one in found.inputs]
    assert kept == [(0, 0, 0.7, 7.0), (0, None, 0.6, 6.0)]
    assert isinstance(found.inputs[0], PassInput)
    assert not found.inputs[0].latents.requires_grad
    assert {site: len(state[0]) for site, state in found.states().items()} == {STEP: 1, COMMIT: 1}


def test_under_guidance_the_rows_of_the_prompt_are_kept() -> None:
    found = recorder()
    found.hook("blocks.1")(nn.Identity(), (), shown(0.0, rows=4))
    found.hook("blocks.0.attn1")(nn.Identity(), (), shown(0.0, rows=4))
    found.on_pass(record(0, 0, 1.0, rows=2))
    found.hook("blocks.0.attn1")(nn.Identity(), (), shown(0.0, rows=4))
    found.on_pass(record(0, None, 1.0, rows=2))
    expected = shown(0.0, rows=4)[:2].view(2, 1, 2, 3, 4)
    assert torch.equal(found.states()[STEP].float(), expected)
    assert torch.equal(found.states()[COMMIT].float(), expected)


def test_a_state_of_an_earlier_pass_never_stands_for_a_later_one() -> None:
    found = recorder()
    run(found, [record(0, 0, 1.0)])
    with pytest.raises(KeyError):
        found.on_pass(record(0, None, 1.0))


def test_states_are_reduced_over_the_frames_of_a_chunk() -> None:
    found = recorder(Reduction("mean"))
    run(found, [record(0, 0, 1.0), record(0, None, 1.0)])
    assert torch.equal(found.states()[STEP][0, 0, :, 0].float(), shown(0.0).view(2, 3, 4).mean(dim=1))


@pytest.mark.parametrize("wrong", [7e4, float("nan"), float("-inf")])
def test_states_beyond_float16_are_refused_by_their_site(wrong: float) -> None:
    found = recorder()
    run(found, [record(0, 0, 1.0), record(0, None, 1.0)])
    found._kept[COMMIT][0][0, 1, 2, 3] = wrong
    with pytest.raises(UserError, match=r"blocks\.0\.attn1@commit has states beyond float16"):
        found.states()


@pytest.mark.parametrize("output", [(torch.ones(1, 6, 4),), torch.ones(6, 4), torch.ones(1, 2, 3, 4)])
def test_modules_that_give_no_state_per_token_are_refused(output: object) -> None:
    with pytest.raises(UserError, match=r"blocks\.1 gives no tensor"):
        recorder().hook("blocks.1")(nn.Identity(), (), output)


def test_hooks_last_as_long_as_the_context_and_one_serves_all_sites_of_a_module() -> None:
    model = tiny_causal()
    sites = [Site(1, 0), Site(1, None), Site(0, 1, "attn1")]

    def hooks() -> list[int]:
        return [len(model.get_submodule(name)._forward_hooks) for name in ("blocks.1", "blocks.0.attn1", "blocks.0")]

    before = hooks()
    with recording(model, sites, steps=2, chunk_frames=3, reduction=Reduction()) as found:
        assert [after - earlier for after, earlier in zip(hooks(), before, strict=True)] == [1, 1, 0]
        assert set(found._kept) == set(sites)
    assert hooks() == before
    with (
        pytest.raises(UserError, match="no module"),
        recording(model, [Site(9, 0)], steps=2, chunk_frames=3, reduction=Reduction()),
    ):
        pass
    with (
        pytest.raises(UserError, match="2 denoising steps"),
        recording(model, [Site(1, 2)], steps=2, chunk_frames=3, reduction=Reduction()),
    ):
        pass


def test_a_generator_that_is_compiled_in_place_is_refused_by_the_first_module_that_is() -> None:
    model = tiny_causal()
    assert unwrapped(model) is model
    model.block_runner = lambda *given: given[1]
    with pytest.raises(UserError, match="'blocks' is compiled in place"):
        unwrapped(model)
    for name in ("blocks.0", "blocks.1", ""):
        model.get_submodule(name)._compiled_call_impl = lambda *given: given[0]  # what `compile()` sets
        with pytest.raises(UserError, match=f"'{name.replace('1', '0') or 'itself'}' is compiled in place"):
            unwrapped(model)

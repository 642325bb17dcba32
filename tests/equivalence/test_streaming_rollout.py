"""Properties of the rollout: cached = uncached, streamed = one pass, no look-ahead, no gradient into the past."""

from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.diffusion.few_step import few_step_sigmas
from probekit.errors import UserError
from probekit.models.causal_attention import block_causal
from probekit.models.causal_wan import CausalWan, capture_blocks
from probekit.models.context_policy import FULL_CONTEXT, TRAINED_WINDOW, ContextPolicy
from probekit.models.feature_reader import read_features
from probekit.models.presets import SPRITE_TEXT_WIDTH, WAN_1_3B, WAN_14B, sprite_transformer_config
from probekit.models.text_context import TextContext
from probekit.rollout.chunk_denoisers import EulerDenoiser, FewStepDenoiser
from probekit.rollout.noise import SeededNoise
from probekit.rollout.prompt_schedule import PromptSchedule
from probekit.rollout.records import ChunkResult, PassRecord
from probekit.rollout.streaming_rollout import Rollout, roll_out

SIGMAS = few_step_sigmas()


def causal_model(seed: int = 0) -> CausalWan:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CausalWan(**sprite_transformer_config(heads=2, layers=3)).eval()


def prompts(batch: int = 2) -> Tensor:
    return torch.randn(batch, 5, SPRITE_TEXT_WIDTH, generator=torch.Generator().manual_seed(1))


def seeded_noise(frames: int = 3, batch: int = 2, name: str = "test") -> SeededNoise:
    return SeededNoise((name,), range(batch), (16, frames, 8, 8))


class Record:
    layers = (0, 2)

    def __init__(self) -> None:
        self.passes: list[PassRecord] = []

    def on_pass(self, record: PassRecord) -> None:
        self.passes.append(record)


@pytest.mark.parametrize("frames", [3, 1])
def test_the_stream_equals_one_block_causal_pass_without_a_cache(frames: int) -> None:
    """Every chunk's last denoising pass, repeated over clean past and noisy present in one pass without a cache."""
    model, chunks = causal_model(), 4
    record = Record()
    with torch.no_grad():
        video = roll_out(
            Rollout(model, TextContext(prompts()), seeded_noise(frames), FewStepDenoiser(SIGMAS), chunks=chunks,
                   observers=[record])
        )  # fmt: skip
        for index in range(chunks):
            last = next(p for p in record.passes if p.chunk == index and p.step == len(SIGMAS) - 1)
            seen = torch.cat([video[:, :, : index * frames], last.latents], dim=2)
            rule = model.parallel(seen, range(seen.shape[2]), block_causal(index + 1))
            levels = torch.tensor([[0.0] * index + [1000 * SIGMAS[-1]]] * 2)
            whole = model(seen, levels, TextContext(prompts()), rule)[:, :, -frames:]
            torch.testing.assert_close(whole, last.flow, atol=2e-5, rtol=0)


def test_without_the_causal_rule_it_is_diffusers_wan() -> None:
    model = causal_model()
    plain = WanTransformer3DModel(**dict(model.config)).eval()
    plain.load_state_dict(model.state_dict())
    video, level = torch.randn(2, 16, 6, 8, 8), torch.tensor([300.0, 700.0])
    with torch.no_grad():
        expected = plain(video, level, prompts(), return_dict=False)[0]
        rule = model.parallel(video, range(6), [[0]])
        torch.testing.assert_close(
            model(video, level[:, None], TextContext(prompts()), rule), expected, atol=2e-5, rtol=0
        )


def test_the_feature_reader_sees_what_the_whole_model_computes_and_stops_early() -> None:
    plain = WanTransformer3DModel(**sprite_transformer_config(heads=2, layers=3)).eval()
    video, level = torch.randn(2, 16, 6, 8, 8), torch.zeros(2)
    with torch.no_grad(), capture_blocks(plain, [1, 2]) as hidden:
        plain(video, level, prompts(), return_dict=False)
    with torch.no_grad(), capture_blocks(plain, [2]) as later:
        features = read_features(plain, video, level, prompts(), layer=1)
    torch.testing.assert_close(features.flatten(1, 2), hidden[1])
    assert features.shape == (2, 6, 16, 64)
    assert not later
    with pytest.raises(UserError, match="layer is 3, but the model has 3 blocks"):
        read_features(plain, video, level, prompts(), layer=3)


def test_a_chunk_is_final_before_later_noise_exists() -> None:
    """Streamed = one-shot, and future noise leaves earlier chunks bit-equal."""
    model = causal_model()

    def other_future(chunk: int, step: int) -> Tensor:
        return seeded_noise(name="test" if chunk < 2 else "other")(chunk, step)

    def run(source: SeededNoise, chunks: int) -> list[ChunkResult]:
        with torch.no_grad():
            return list(Rollout(model, TextContext(prompts()), source, FewStepDenoiser(SIGMAS), chunks=chunks))

    whole, changed, short = run(seeded_noise(), 4), run(other_future, 4), run(seeded_noise(), 2)  # type: ignore[arg-type]
    for index in range(2):
        assert torch.equal(whole[index].latents, changed[index].latents)
        assert torch.equal(whole[index].latents, short[index].latents)
    assert not torch.equal(whole[2].latents, changed[2].latents)


def test_each_video_of_a_batch_is_its_own() -> None:
    model = causal_model()

    def one(chunk: int, step: int) -> Tensor:
        return seeded_noise()(chunk, step)[1:]

    with torch.no_grad():
        both = roll_out(Rollout(model, TextContext(prompts()), seeded_noise(), FewStepDenoiser(SIGMAS), chunks=2))
        alone = roll_out(Rollout(model, TextContext(prompts()[1:]), one, FewStepDenoiser(SIGMAS), chunks=2))
    torch.testing.assert_close(both[1:], alone, atol=1e-5, rtol=0)


def test_no_gradient_reaches_an_earlier_chunks_noise_and_the_exit_step_alone_has_one() -> None:
    model = causal_model()
    drawn = {}

    def leaf_noise(chunk: int, step: int) -> Tensor:
        if (chunk, step) not in drawn:
            drawn[chunk, step] = seeded_noise()(chunk, step).requires_grad_(True)
        return drawn[chunk, step]

    denoiser = FewStepDenoiser(SIGMAS, exit_step=0, gradient=True)
    results = list(Rollout(model, TextContext(prompts()), leaf_noise, denoiser, chunks=3))
    for index, result in enumerate(results):
        found = torch.autograd.grad(
            result.latents.square().sum(), [drawn[i, 0] for i in range(3)], allow_unused=True, retain_graph=True
        )
        reached = [gradient is not None and bool(gradient.any()) for gradient in found]
        assert reached == [i == index for i in range(3)]


def test_the_text_side_learns_in_the_exit_step() -> None:
    model = causal_model()
    denoiser = FewStepDenoiser(SIGMAS, exit_step=1, gradient=True)
    video = roll_out(Rollout(model, TextContext(prompts()), seeded_noise(), denoiser, chunks=2))
    video.square().mean().backward()
    for weight in (model.blocks[1].attn2.to_k.weight, model.condition_embedder.text_embedder.linear_1.weight):
        assert weight.grad is not None
        assert weight.grad.abs().max() > 0


def test_within_the_trained_window_the_30_s_policy_is_the_full_context() -> None:
    model = causal_model()
    with torch.no_grad():
        full, windowed = (
            roll_out(
                Rollout(model, TextContext(prompts(1)), seeded_noise(batch=1), FewStepDenoiser(SIGMAS[:2]), chunks=7,
                       policy=policy)
            )
            for policy in (FULL_CONTEXT, TRAINED_WINDOW)
        )  # fmt: skip
    assert torch.equal(full, windowed)


def test_beyond_the_window_positions_and_memory_stay_bounded() -> None:
    model = causal_model()
    noise, policy = seeded_noise(batch=1), ContextPolicy(window_frames=9, sink_frames=3, rotary="re-indexed")
    cache = model.new_cache(policy, noise(0, 0))
    text = TextContext(prompts(1))
    for chunk in range(6):
        rule = model.streaming(cache, noise(0, 0))
        positions = policy.positions(cache.frames, cache.next_frame, 3)
        assert max(positions.chunk) <= 8
        rule.committing = True
        with torch.no_grad():
            model(noise(chunk, 0), torch.zeros(1, 1), text, rule)
        cache.close_chunk(3)
    assert cache.frames == (0, 1, 2, 12, 13, 14, 15, 16, 17)


def test_too_long_for_the_rotary_table_is_refused_before_anything_runs() -> None:
    model = causal_model()
    with pytest.raises(UserError, match="re-indexed"):
        next(Rollout(model, TextContext(prompts()), seeded_noise(), FewStepDenoiser(SIGMAS), chunks=400))


def test_euler_with_guidance_and_forced_chunks_depends_on_the_forced_past_alone() -> None:
    model = causal_model()
    text = TextContext(torch.cat([prompts(), torch.zeros_like(prompts())]))
    forced = torch.randn(2, 16, 6, 8, 8)
    record = Record()
    sigmas = (1.0, 0.9, 0.5, 0.0)
    with torch.no_grad():
        video = roll_out(
            Rollout(model, text, seeded_noise(), EulerDenoiser(sigmas), chunks=2, guidance=3.0, forced=forced,
                   observers=[record])
        )  # fmt: skip
    assert video.shape == forced.shape
    commit = next(p for p in record.passes if p.step is None)
    assert torch.equal(commit.latents, forced[:, :, :3])
    assert record.passes[0].hidden[2].shape == (4, 48, 64)
    noise = seeded_noise()(1, 0)
    first = next(p for p in record.passes if p.chunk == 1 and p.step == 0)
    assert torch.equal(first.latents, noise)
    second = next(p for p in record.passes if p.chunk == 1 and p.step == 1)
    torch.testing.assert_close(second.latents, noise - 0.1 * first.flow)


def test_an_exit_step_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="exit_step 4"):
        FewStepDenoiser(SIGMAS, exit_step=4)


def few_steps(count: int = 2) -> FewStepDenoiser:
    return FewStepDenoiser(SIGMAS[:count])


def test_forks_equal_reruns_from_the_start_and_cost_no_prefix() -> None:
    model, record = causal_model(), Record()

    class Forked:
        """One prefix, then another seed from chunk 2 on."""

        def __init__(self, branch: str) -> None:
            self._prefix, self._branch = seeded_noise(), seeded_noise(name=branch)

        def __call__(self, chunk: int, step: int) -> Tensor:
            return (self._prefix if chunk < 2 else self._branch)(chunk, step)

    with torch.no_grad():
        trunk = Rollout(model, TextContext(prompts()), seeded_noise(), few_steps(), chunks=4, policy=TRAINED_WINDOW,
                        observers=[record])  # fmt: skip
        prefix = roll_out([next(trunk), next(trunk)])
        kept = trunk.snapshot()
        passes = len(record.passes)
        for branch in ("a", "b", "c"):
            forked = torch.cat([prefix, roll_out(trunk.fork(kept, Forked(branch)))], dim=2)
            rerun = roll_out(Rollout(model, TextContext(prompts()), Forked(branch), few_steps(), chunks=4,
                                     policy=TRAINED_WINDOW))  # fmt: skip
            assert torch.equal(forked, rerun)
        assert len(record.passes) - passes == 3 * (2 + 1 + 2)  # two denoised chunks and one commit a branch
        once, again = (roll_out(trunk.rewind(kept)) for _ in range(2))
        assert torch.equal(once, again)


def test_given_first_latents_are_the_committed_past() -> None:
    model, noise = causal_model(), seeded_noise()
    with torch.no_grad():
        video = roll_out(Rollout(model, TextContext(prompts()), noise, few_steps(), chunks=4))
        start = video[:, :, :6]

        def later(chunk: int, step: int) -> Tensor:
            return noise(chunk + 2, step)

        continued = list(Rollout(model, TextContext(prompts()), later, few_steps(), chunks=2, start=start))
        assert [result.chunk for result in continued] == [-1, 0, 1]
        torch.testing.assert_close(roll_out(continued), video, atol=1e-5, rtol=0)
        one_image = list(Rollout(model, TextContext(prompts()), noise, few_steps(), chunks=2, start=start[:, :, :1]))
    assert [result.first_frame for result in one_image] == [0, 1, 4]


def test_a_prompt_switch_changes_the_chunks_after_it_only() -> None:
    model, other = causal_model(), TextContext(prompts().flip(0))
    with torch.no_grad():
        plain = roll_out(Rollout(model, TextContext(prompts()), seeded_noise(), few_steps(), chunks=4))
        schedule = PromptSchedule({0: TextContext(prompts()), 2: other})
        switched = roll_out(Rollout(model, schedule, seeded_noise(), few_steps(), chunks=4))
    assert torch.equal(plain[:, :, :6], switched[:, :, :6])
    assert not torch.allclose(plain[:, :, 6:9], switched[:, :, 6:9])
    with pytest.raises(UserError, match="chunk 0"):
        PromptSchedule({1: other})


def test_the_first_chunk_may_have_steps_of_its_own() -> None:
    record = Record()
    with torch.no_grad():
        rollout = Rollout(causal_model(), TextContext(prompts()), seeded_noise(), few_steps(1), chunks=3,
                          observers=[record], first_denoiser=few_steps(4))  # fmt: skip
        list(rollout)
    denoising = [(p.chunk, p.step) for p in record.passes if p.step is not None]
    assert denoising == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (2, 0)]


def test_a_sink_turned_beside_the_window_is_the_re_indexed_policy_at_other_numbers() -> None:
    """Rotary attention knows differences of positions only."""
    model, videos = causal_model(), []
    with torch.no_grad():
        for rotary in ("re-indexed", "sink-beside-window", "absolute"):
            policy = ContextPolicy(window_frames=9, sink_frames=3, rotary=rotary)
            videos.append(roll_out(Rollout(model, TextContext(prompts()), seeded_noise(), few_steps(), chunks=6,
                                           policy=policy)))  # fmt: skip
    torch.testing.assert_close(videos[0], videos[1], atol=1e-4, rtol=0)
    assert not torch.allclose(videos[0], videos[2], atol=1e-2)


def test_save_and_load_go_both_ways(tmp_path: Path) -> None:
    """Plain Wan to causal and back through folders, bit for bit, and the exact sizes of Wan on the meta device."""
    plain = WanTransformer3DModel(**sprite_transformer_config(heads=2, layers=3)).eval()
    plain.save_pretrained(tmp_path / "plain")
    causal = CausalWan.from_pretrained(tmp_path / "plain")
    causal.save_pretrained(tmp_path / "causal")
    again = WanTransformer3DModel.from_pretrained(tmp_path / "causal")
    assert all(map(torch.equal, plain.state_dict().values(), again.state_dict().values()))
    assert plain.state_dict().keys() == causal.state_dict().keys() == again.state_dict().keys()
    for config, count in ((WAN_1_3B, 1_418_996_800), (WAN_14B, 14_288_491_584)):
        with torch.device("meta"):
            assert sum(parameter.numel() for parameter in CausalWan(**config).parameters()) == count

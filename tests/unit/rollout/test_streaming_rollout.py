"""The rollout against a loop written out here: denoise a chunk, commit it, go on; with each of its options."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from probekit.errors import UserError
from probekit.models.causal_wan import capture_blocks
from probekit.models.context_policy import ContextPolicy
from probekit.models.text_context import TextContext
from probekit.rollout.chunk_denoisers import FewStepDenoiser
from probekit.rollout.noise import SeededNoise
from probekit.rollout.prompt_schedule import PromptSchedule
from probekit.rollout.records import CommitNoise, PassRecord
from probekit.rollout.streaming_rollout import Rollout, roll_out
from tests.helpers.tiny_wan import CHANNELS, TEXT_WIDTH, tiny_causal

FRAMES, CHUNKS = 2, 3
SHAPE = (CHANNELS, FRAMES, 4, 4)
LEVELS = (1.0, 0.8, 0.5)
MODEL = tiny_causal(layers=3, seed=4)
NOISE = SeededNoise(("rollout",), range(2), SHAPE)
PROMPTS = torch.randn(2, 5, TEXT_WIDTH, generator=torch.Generator().manual_seed(1))
NEGATIVE = torch.randn(2, 5, TEXT_WIDTH, generator=torch.Generator().manual_seed(2))


class Kept:
    """Keeps every pass."""

    def __init__(self, *layers: int) -> None:
        self.layers: Sequence[int] = layers
        self.passes: list[PassRecord] = []

    def on_pass(self, record: PassRecord) -> None:
        self.passes.append(record)


def drawn(frames: int, seed: int = 7) -> Tensor:
    return torch.randn(2, CHANNELS, frames, 4, 4, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def by_hand(
    texts: Sequence[Tensor] = (PROMPTS,) * CHUNKS,
    levels: Sequence[Sequence[float]] = (LEVELS,) * CHUNKS,
    scale: float = 1.0,
    policy: ContextPolicy = ContextPolicy(),  # noqa: B008 (immutable)
    forced: Tensor | None = None,
    commit: tuple[float, Tensor] | None = None,
    start: Sequence[Tensor] = (),
) -> Tensor:
    """All chunks; `texts` and `levels` of each chunk, `start` the parts that are committed first."""
    cache, parts = MODEL.new_cache(policy, NOISE(0, 0)), list(start)

    def flow(given: Tensor, sigma: float, text: Tensor, rule: Any) -> Tensor:
        both = torch.cat([given, given]) if scale > 1 else given
        embeddings = torch.cat([text, NEGATIVE]) if scale > 1 else text
        answer = MODEL(both, torch.full((len(both), 1), 1000 * sigma), TextContext(embeddings), rule)
        if scale == 1:
            return answer
        conditional, unconditional = answer.chunk(2)
        return unconditional + scale * (conditional - unconditional)

    def close(clean: Tensor, text: Tensor, rule: Any) -> None:
        rule.committing = True
        flow(clean, 0.0, text, rule)
        cache.close_chunk(clean.shape[2])

    for part in start:
        close(part, texts[0], MODEL.streaming(cache, part))
    for chunk in range(CHUNKS):
        rule, latents = MODEL.streaming(cache, NOISE(chunk, 0)), NOISE(chunk, 0)
        for step, sigma in enumerate(levels[chunk]):
            clean = latents - sigma * flow(latents, sigma, texts[chunk], rule)
            if step + 1 < len(levels[chunk]):
                following = levels[chunk][step + 1]
                latents = (1 - following) * clean + following * NOISE(chunk, step + 1)
        parts.append(clean)
        kept = clean if forced is None else forced[:, :, FRAMES * chunk : FRAMES * (chunk + 1)]
        if commit is not None:
            kept = (1 - commit[0]) * kept + commit[0] * commit[1][:, :, FRAMES * chunk : FRAMES * (chunk + 1)]
        close(kept, texts[chunk], rule)
    return torch.cat(parts, dim=2)


def rollout_of(text: Any = None, **options: Any) -> Rollout:
    text = TextContext(PROMPTS) if text is None else text
    return Rollout(MODEL, text, NOISE, FewStepDenoiser(LEVELS), chunks=CHUNKS, **options)


@torch.no_grad()
def assert_same(rollout: Rollout, expected: Tensor) -> None:
    torch.testing.assert_close(roll_out(rollout), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"whole_commit": True}, {"observers": [Kept()]}], ids=", ".join)
def test_each_chunk_is_denoised_and_its_clean_latents_are_what_later_chunks_see(options: dict[str, Any]) -> None:
    """However it is committed: by keys and values alone, or by a whole pass that others may watch."""
    assert_same(rollout_of(**options), by_hand())


@pytest.mark.parametrize("scale", [1.5, 4.0])
def test_guidance_leads_away_from_the_negative_prompts_behind_the_prompts(scale: float) -> None:
    text = TextContext(torch.cat([PROMPTS, NEGATIVE]))
    assert_same(rollout_of(text, guidance=scale), by_hand(scale=scale))


def test_a_forced_chunk_is_committed_in_place_of_the_generated_one() -> None:
    forced = drawn(FRAMES * CHUNKS)
    assert_same(rollout_of(forced=forced), by_hand(forced=forced))


def test_commit_noise_is_mixed_into_what_is_committed_chunk_by_chunk() -> None:
    noise = drawn(FRAMES * CHUNKS, seed=8)
    given = CommitNoise(0.3, lambda chunk: noise[:, :, FRAMES * chunk : FRAMES * (chunk + 1)])
    assert_same(rollout_of(commit_noise=given), by_hand(commit=(0.3, noise)))


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_given_first_latents_are_committed_in_chunks_the_odd_frames_first(frames: int) -> None:
    start = drawn(frames)
    rest = frames % FRAMES
    parts = [part for part in (start[:, :, :rest], *start[:, :, rest:].split(FRAMES, 2)) if part.shape[2]]
    rollout = rollout_of(start=start)
    with torch.no_grad():
        results = list(rollout)
    assert [(result.chunk, result.first_frame) for result in results] == [
        (-1, 0), *((chunk, frames + FRAMES * chunk) for chunk in range(CHUNKS)),
    ]  # fmt: skip
    torch.testing.assert_close(roll_out(results), by_hand(start=parts), rtol=1e-4, atol=1e-5)


def test_the_first_chunk_has_its_own_steps_and_prompts_change_with_their_chunk() -> None:
    own = (1.0, 0.7)
    schedule = PromptSchedule({0: TextContext(PROMPTS), 2: TextContext(NEGATIVE)})
    found = rollout_of(schedule, first_denoiser=FewStepDenoiser(own))
    assert_same(found, by_hand(texts=(PROMPTS, PROMPTS, NEGATIVE), levels=(own, LEVELS, LEVELS)))


def test_given_first_latents_read_the_first_prompt() -> None:
    schedule, start = PromptSchedule({0: TextContext(PROMPTS), 1: TextContext(NEGATIVE)}), drawn(FRAMES)
    assert_same(rollout_of(schedule, start=start), by_hand(texts=(PROMPTS, NEGATIVE, NEGATIVE), start=[start]))


@pytest.mark.parametrize("chunks", [1, 2])
def test_a_window_forgets(chunks: int) -> None:
    """Down to a window of one chunk, in which nothing of the past stays."""
    policy = ContextPolicy(window_frames=chunks * FRAMES)
    assert_same(rollout_of(policy=policy), by_hand(policy=policy))
    assert not torch.allclose(by_hand(), by_hand(policy=policy))


def test_observers_see_every_pass_with_the_blocks_that_any_of_them_asked_for() -> None:
    first, second = Kept(2), Kept(0, 2)
    with torch.no_grad():
        video = roll_out(rollout_of(observers=[first, second]))
    assert [(p.chunk, p.first_frame, p.step, p.sigma) for p in first.passes] == [
        (chunk, FRAMES * chunk, step, sigma)
        for chunk in range(CHUNKS)
        for step, sigma in [*enumerate(LEVELS), *([(None, 0.0)] if chunk < CHUNKS - 1 else [])]
    ]
    assert len(second.passes) == len(first.passes)
    for record in first.passes:
        assert record.hidden.keys() == {0, 2}
        assert record.flow.shape == record.latents.shape == (2, *SHAPE)
    committed = [record.latents for record in first.passes if record.step is None]
    assert torch.equal(torch.cat(committed, dim=2), video[:, :, :-FRAMES])
    opening = first.passes[0]
    with torch.no_grad(), capture_blocks(MODEL, [2]) as captured:
        rule = MODEL.streaming(MODEL.new_cache(ContextPolicy(), NOISE(0, 0)), NOISE(0, 0))
        flow = MODEL(NOISE(0, 0), torch.full((2, 1), 1000.0), TextContext(PROMPTS), rule)
    torch.testing.assert_close(opening.flow, flow)
    torch.testing.assert_close(opening.hidden[2], captured[2])


@pytest.mark.parametrize(("whole", "passes"), [(None, CHUNKS * len(LEVELS)), (True, CHUNKS * len(LEVELS) + 2)])
def test_a_chunk_is_committed_without_a_whole_pass_unless_that_is_asked_for(whole: bool | None, passes: int) -> None:
    """The output layer is what the shorter way leaves out."""
    seen: list[int] = []
    handle = MODEL.proj_out.register_forward_hook(lambda *_: seen.append(1))
    with torch.no_grad():
        roll_out(rollout_of() if whole is None else rollout_of(whole_commit=whole))
    handle.remove()
    assert len(seen) == passes


@pytest.mark.parametrize("given", [0, 3])
def test_a_video_longer_than_the_rotary_table_is_refused_its_given_frames_counted(given: int) -> None:
    model = tiny_causal(layers=1, rope_max_seq_len=given + CHUNKS * FRAMES)
    start = drawn(given) if given else None

    def rollout(chunks: int) -> Rollout:
        return Rollout(model, TextContext(PROMPTS), NOISE, FewStepDenoiser((1.0,)), chunks=chunks, start=start)

    with torch.no_grad():
        assert roll_out(rollout(CHUNKS)).shape[2] == given + CHUNKS * FRAMES
    with pytest.raises(UserError, match=f"{given + (CHUNKS + 1) * FRAMES} latent frames"):
        rollout(CHUNKS + 1)
    short = tiny_causal(layers=1, rope_max_seq_len=given + CHUNKS * FRAMES - 1)
    with pytest.raises(UserError, match="the table ends at"):
        Rollout(short, TextContext(PROMPTS), NOISE, FewStepDenoiser((1.0,)), chunks=CHUNKS, start=start)


def test_commits_of_given_latents_are_told_as_chunk_minus_one() -> None:
    seen = Kept()
    with torch.no_grad():
        roll_out(rollout_of(start=drawn(2 * FRAMES), observers=[seen]))
    assert [(p.chunk, p.first_frame, p.step) for p in seen.passes[:3]] == [(-1, 0, None), (-1, FRAMES, None), (0, 4, 0)]


def test_a_chunk_is_committed_once_and_only_when_it_is_needed() -> None:
    seen = Kept()
    rollout = rollout_of(observers=[seen])

    def commits() -> int:
        return sum(record.step is None for record in seen.passes)

    with torch.no_grad():
        next(rollout)
        assert commits() == 0
        rollout.commit()
        rollout.commit()
        assert commits() == 1
        list(rollout)
    assert commits() == CHUNKS - 1
    assert next(rollout, None) is None


class Branching:
    """One noise up to a chunk and another from it on."""

    def __init__(self, name: str, first: int) -> None:
        self._other, self._first = SeededNoise((name,), range(2), SHAPE), first

    def __call__(self, chunk: int, step: int) -> Tensor:
        return (NOISE if chunk < self._first else self._other)(chunk, step)


def rerun(name: str) -> Tensor:
    """The whole video under another noise from chunk 1 on."""
    text, noise = TextContext(PROMPTS), Branching(name, 1)
    return roll_out(Rollout(MODEL, text, noise, FewStepDenoiser(LEVELS), chunks=CHUNKS))


@torch.no_grad()
def test_a_fork_goes_on_under_other_noise_and_the_trunk_stays_where_it_is() -> None:
    trunk = rollout_of()
    prefix = next(trunk).latents
    kept = trunk.snapshot()
    assert kept.next_chunk == 1
    forks = [trunk.fork(kept, Branching(name, 1)) for name in ("a", "b")]
    for name, fork in zip(("a", "b"), forks, strict=True):
        assert torch.equal(torch.cat([prefix, roll_out(fork)], dim=2), rerun(name))
    torch.testing.assert_close(torch.cat([prefix, roll_out(trunk)], dim=2), by_hand(), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_rollout_goes_back_to_a_snapshot_and_on_under_its_own_noise_or_another() -> None:
    trunk = rollout_of(start=None)
    prefix = next(trunk).latents
    kept = trunk.snapshot()
    next(trunk)  # a chunk that is never committed
    assert trunk.rewind(kept) is trunk
    torch.testing.assert_close(torch.cat([prefix, roll_out(trunk)], dim=2), by_hand(), rtol=1e-4, atol=1e-5)
    other = roll_out(trunk.rewind(kept, Branching("a", 1)))
    assert torch.equal(torch.cat([prefix, other], dim=2), rerun("a"))


@torch.no_grad()
def test_after_a_rewind_given_first_latents_do_not_come_again() -> None:
    trunk = rollout_of(start=drawn(FRAMES))
    empty = trunk.snapshot()
    results = list(trunk.rewind(empty))
    assert [result.chunk for result in results] == list(range(CHUNKS))


def test_committed_chunks_carry_no_gradient() -> None:
    model = tiny_causal(layers=3, seed=4)
    denoiser = FewStepDenoiser((1.0,), gradient=True)
    results = list(Rollout(model, TextContext(PROMPTS), NOISE, denoiser, chunks=2, whole_commit=True))
    assert all(result.latents.requires_grad for result in results)
    (first,) = torch.autograd.grad(results[1].latents.sum(), [results[0].latents], allow_unused=True)
    assert first is None

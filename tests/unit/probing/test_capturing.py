"""Captured states: those of the rollout itself, of any module and pass, kept whole and gone on with."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from probekit.diffusion.few_step import euler_sigmas
from probekit.diffusion.flow_matching import interpolate
from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.probing.capturing import CaptureSettings, capture, denoising_sigmas, store_card, untrained_twin
from probekit.probing.feature_store import FeatureStore, shard_path
from probekit.probing.probe_settings import UNTRAINED
from probekit.probing.recording import INVERSION, recording
from probekit.probing.reductions import Reduction, kept_tokens, projection
from probekit.probing.sites import Site
from probekit.probing.teacher_forcing import InvertingDenoiser
from probekit.rollout.generation_runner import Request
from probekit.rollout.records import PassRecord
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_rollout import roll_out
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.run_folder.shard import Shard
from probekit.suites.registry import load_suite
from tests.helpers.model_folders import write_tiny_model

SUITE = load_suite("sprite-5s").reduced(5, 2)
LAST = Site(1, 1)
SETTINGS = CaptureSettings((LAST,))


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tiny_model(tmp_path_factory.mktemp("student") / "student", seed=1)
    write_causal_card(folder, CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500)))
    return folder


@pytest.fixture(scope="module")
def sampler(student: Path) -> StreamingSampler:
    return StreamingSampler(student, SUITE)


@pytest.fixture(scope="module")
def store(sampler: StreamingSampler, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    out = tmp_path_factory.mktemp("states")
    sites = CaptureSettings((LAST, Site(0, None), Site(1, 0, "attn1")))
    return FeatureStore(capture(sampler, requests(), out, sites, SUITE.card()))


def requests(count: int | None = None) -> list[Request]:
    return [Request(key, SUITE.texts()[key.prompt_id]) for key in SUITE.keys()][:count]


class BlockOutputs:
    """The rollout's own observer of block outputs, an independent way to the same states."""

    def __init__(self, layer: int, step: int | None) -> None:
        self.layers = [layer]
        self._step = step
        self.seen: list[Tensor] = []

    def on_pass(self, record: PassRecord) -> None:
        if record.step == self._step:
            self.seen.append(record.hidden[self.layers[0]])


def test_states_are_those_that_the_rollout_shows_its_observers(sampler: StreamingSampler, store: FeatureStore) -> None:
    size = sampler.batch_size
    last, commit = BlockOutputs(1, 1), BlockOutputs(0, None)
    rollout = sampler.start(requests(size), observers=[last, commit])
    video = roll_out(rollout)
    rollout.commit()
    for site, watched in ((LAST, last), (Site(0, None), commit)):
        expected = torch.stack(watched.seen, dim=1).unflatten(2, (3, 16)).half().numpy()
        assert expected.shape == (size, 7, 3, 16, 32)
        np.testing.assert_array_equal(store.states(site)[:size], expected)
    np.testing.assert_array_equal(store.latents()[:size], video.numpy())


def test_frames_are_those_of_the_sampled_videos(sampler: StreamingSampler, store: FeatureStore) -> None:
    videos = sampler.generate(requests())
    assert store.frames().shape == (10, 7, 3, 32, 32, 3)
    np.testing.assert_array_equal(store.frames().reshape(10, 21, 32, 32, 3), videos[:, ::4])


def test_a_module_inside_a_block_is_captured_at_its_own_step(sampler: StreamingSampler, store: FeatureStore) -> None:
    seen: list[Tensor] = []
    handle = sampler.model.blocks[1].attn1.register_forward_hook(
        lambda module, given, output: seen.append(output.clone())
    )
    sampler.rollout(requests(1), observers=[BlockOutputs(0, None)])  # an observed commit is a whole pass
    handle.remove()
    firsts = torch.stack(seen[::3])[:, 0]  # two steps and the commit of each chunk; the last one is not committed
    np.testing.assert_array_equal(store.states(Site(1, 0, "attn1"))[0].reshape(7, 48, 32), firsts.half().numpy())


def test_the_untrained_twin_sees_the_same_passes_and_says_something_else(store: FeatureStore) -> None:
    own, other = store.states(LAST), store.states(LAST, UNTRAINED)
    assert own.shape == other.shape
    assert not np.allclose(own, other, atol=1e-2)


def test_a_twin_has_random_weights_of_its_seed_alone_and_does_not_learn(sampler: StreamingSampler) -> None:
    first, again, *others = (untrained_twin(sampler.model, seed).state_dict() for seed in (0, 0, 1, 2, 3))
    assert first.keys() == sampler.model.state_dict().keys()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert len({other["proj_out.weight"].numpy().tobytes() for other in (first, *others)}) == 4
    twin, state = untrained_twin(sampler.model), torch.random.get_rng_state()
    assert all(torch.equal(tensor, first[name]) for name, tensor in twin.state_dict().items())
    assert not twin.training
    assert not any(parameter.requires_grad for parameter in twin.parameters())
    untrained_twin(sampler.model, 5)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_card_says_what_was_captured_and_its_tokens_cover_the_picture(store: FeatureStore) -> None:
    card = store.card
    assert (card.grid[0] * card.patch[0], card.grid[1] * card.patch[1]) == store.frames().shape[3:5]
    assert store.states(LAST).shape[3] == card.grid[0] * card.grid[1]
    assert (card.blocks, card.chunk_frames, card.passes, card.videos) == (2, 3, "own rollout", None)
    assert card.sources == ("trained", UNTRAINED)
    assert CaptureSettings((LAST,)) == CaptureSettings((LAST,), Reduction(), True, 0)


def test_the_tokens_of_an_oblong_picture_cover_it_too(student: Path) -> None:
    card = store_card(StreamingSampler(student, SUITE._replace(width=64)), SUITE.card(), SETTINGS, None)
    assert (card.grid[0] * card.patch[0], card.grid[1] * card.patch[1]) == (32, 64)
    assert card.patch[0] == card.patch[1]


@pytest.mark.parametrize("seed", [0, 3])
def test_given_videos_are_noised_by_the_noise_of_their_keys(student: Path, tmp_path: Path, seed: int) -> None:
    """At level 1 nothing of the video is left, so the first chunk's first pass is that of the own rollout."""
    first, short = Site(1, 0), SUITE._replace(frames=21)
    sampler = StreamingSampler(student, short, SamplingConfig(seed=seed))
    settings = CaptureSettings((first,), untrained=False)
    asked, video = requests(2), torch.zeros(sampler.batch_size, 16, 6, 8, 8)
    own = FeatureStore(capture(sampler, asked, tmp_path / "own", settings, SUITE.card()))

    def zeros(block: object) -> Tensor:
        assert not torch.is_grad_enabled()  # a codec that encodes here keeps no graph
        return video

    given = capture(sampler, asked, tmp_path / "given", settings, SUITE.card(), given=zeros, videos="none")
    np.testing.assert_array_equal(own.states(first)[:, 0], FeatureStore(given).states(first)[:, 0])
    assert not np.array_equal(own.states(first)[:, 1], FeatureStore(given).states(first)[:, 1])


def test_a_twin_is_made_only_if_it_is_asked_for_and_something_is_missing(
    sampler: StreamingSampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture(sampler, requests(1), tmp_path / "with", SETTINGS, SUITE.card())
    monkeypatch.setattr("probekit.probing.capturing.untrained_twin", lambda model: pytest.fail("a twin was made"))
    capture(sampler, requests(1), tmp_path / "with", SETTINGS, SUITE.card())
    alone = SETTINGS._replace(untrained=False)
    found = FeatureStore(capture(sampler, requests(1), tmp_path / "alone", alone, SUITE.card()))
    np.testing.assert_array_equal(found.states(LAST), FeatureStore(tmp_path / "with").states(LAST))
    with pytest.raises(UserError, match=r"no .*states"):
        found.states(LAST, UNTRAINED)


def test_a_twin_with_the_trained_weights_would_say_the_same(
    sampler: StreamingSampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probekit.probing.capturing.untrained_twin", lambda model: model)
    found = FeatureStore(capture(sampler, requests(2), tmp_path, SETTINGS, SUITE.card()))
    np.testing.assert_array_equal(found.states(LAST), found.states(LAST, UNTRAINED))


def test_a_store_is_the_same_whatever_was_interrupted_or_shared(
    sampler: StreamingSampler, store: FeatureStore, tmp_path: Path
) -> None:
    settings = CaptureSettings((LAST, Site(0, None), Site(1, 0, "attn1")))
    for index in (1, 0):
        capture(sampler, requests(), tmp_path, settings, SUITE.card(), shard=Shard(index, 2))
    first = shard_path(tmp_path, 0)
    first.write_bytes(first.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"features-00000.*damaged.*Delete it"):
        FeatureStore(tmp_path)
    second = shard_path(tmp_path, 1).stat().st_mtime_ns
    capture(sampler, requests(), tmp_path, settings, SUITE.card())
    assert shard_path(tmp_path, 1).stat().st_mtime_ns == second
    again = FeatureStore(tmp_path)
    assert again.keys == store.keys
    for site in store.sites:
        np.testing.assert_array_equal(again.states(site), store.states(site))


def test_some_videos_are_read_in_the_order_asked_for(store: FeatureStore) -> None:
    rows = np.array([9, 0, 3])
    np.testing.assert_array_equal(store.states(LAST, rows=rows), store.states(LAST)[rows])
    np.testing.assert_array_equal(store.latents(rows), store.latents()[rows])


def test_other_weights_sites_or_prompts_do_not_enter_a_store(
    sampler: StreamingSampler, store: FeatureStore, tmp_path: Path
) -> None:
    capture(sampler, requests(1), tmp_path, SETTINGS, SUITE.card())
    other = write_tiny_model(tmp_path / "other", seed=9)
    write_causal_card(other, CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500)))
    with pytest.raises(UserError, match=r"generation\.(model|checkpoint_hash)"):
        capture(StreamingSampler(other, SUITE), requests(1), tmp_path, SETTINGS, SUITE.card())
    with pytest.raises(UserError, match="with sites"):
        capture(sampler, requests(1), tmp_path, CaptureSettings((Site(0, 0),)), SUITE.card())
    with pytest.raises(UserError, match=r"prompts\.file_hash"):
        capture(sampler, requests(1), tmp_path, SETTINGS, SUITE.reduced(2, 1).card())
    with pytest.raises(UserError, match=r"no .*states of blocks\.0@step1.*Choose of"):
        store.states(Site(0, 1))


def test_given_videos_are_read_in_place_of_the_models_own(sampler: StreamingSampler, tmp_path: Path) -> None:
    video = sampler.rollout(requests(2))
    given = lambda block: video  # noqa: E731
    found = FeatureStore(capture(sampler, requests(2), tmp_path, SETTINGS, SUITE.card(), given=given, videos="itself"))
    assert (found.card.passes, found.card.videos) == ("teacher-forced", "itself")
    np.testing.assert_array_equal(found.latents(), video[:2].numpy())
    forced = found.states(LAST)
    own = FeatureStore(capture(sampler, requests(2), tmp_path / "own", SETTINGS, SUITE.card())).states(LAST)
    assert not np.array_equal(forced, own)  # the last pass sees the noised clean chunk, not the model's first guess


def test_a_straight_flow_is_inverted_exactly_and_the_generators_levels_are_shown() -> None:
    """With flow n - x the ODE's way is (1 - s)·x + s·n, at whatever levels the solver stops."""
    rng = torch.Generator().manual_seed(0)
    video, end = torch.randn(1, 2, 6, 2, 2, generator=rng), torch.randn(1, 2, 3, 2, 2, generator=rng)
    first = video[:, :, :3]
    shown: list[tuple[int, float, Tensor]] = []

    def predict(latents: Tensor, sigma: float, step: int) -> Tensor:
        torch.testing.assert_close(latents, interpolate(first, end, sigma))
        shown.append((step, sigma, latents))
        return end - first

    denoiser = InvertingDenoiser(video, 3, (1.0, 0.625), euler_sigmas(5, 5.0))
    assert torch.equal(denoiser.denoise(predict, lambda step: end), first)
    assert [(step, sigma) for step, sigma, _ in shown if step != INVERSION] == [(0, 1.0), (1, 0.625)]
    assert [sigma for step, sigma, _ in shown if step == INVERSION] == sorted({0.625, *euler_sigmas(5, 5.0)[1:]})


@pytest.mark.long
def test_inverted_videos_depend_on_no_noise_and_are_named(
    sampler: StreamingSampler, student: Path, tmp_path: Path
) -> None:
    video = sampler.rollout(requests(2))
    given = lambda block: video  # noqa: E731
    inverted = CaptureSettings((LAST,), inversion_steps=6)
    asked = requests(2)
    found = FeatureStore(capture(sampler, asked, tmp_path / "a", inverted, SUITE.card(), given=given, videos="itself"))
    assert found.card.passes == "inverted in 6 Euler steps"
    other = StreamingSampler(student, SUITE, SamplingConfig(seed=5))
    again = FeatureStore(capture(other, asked, tmp_path / "b", inverted, SUITE.card(), given=given, videos="itself"))
    np.testing.assert_array_equal(found.states(LAST), again.states(LAST))
    np.testing.assert_array_equal(found.states(LAST, UNTRAINED), again.states(LAST, UNTRAINED))
    forced = FeatureStore(capture(sampler, asked, tmp_path / "c", SETTINGS, SUITE.card(), given=given, videos="itself"))
    assert not np.array_equal(found.states(LAST), forced.states(LAST))
    with pytest.raises(UserError, match="nothing to invert"):
        capture(sampler, asked, tmp_path / "d", inverted, SUITE.card())


def test_hooks_copy_and_leave_nothing_behind(sampler: StreamingSampler) -> None:
    model = sampler.model
    before = [len(module._forward_hooks) for module in model.modules()]
    with recording(model, [LAST], steps=2, chunk_frames=3, reduction=Reduction()) as recorder:
        hook = recorder.hook("blocks.1")
        output = torch.ones(1, 48, 32)
        hook(model, (), output)
        output.zero_()
        assert recorder._seen["blocks.1"].min() == 1
        with pytest.raises(UserError, match="gives no tensor"):
            hook(model, (), (output, output))
    assert [len(module._forward_hooks) for module in model.modules()] == before
    with pytest.raises(RuntimeError), recording(model, [LAST], steps=2, chunk_frames=3, reduction=Reduction()):
        raise RuntimeError
    assert [len(module._forward_hooks) for module in model.modules()] == before


def test_a_compiled_generator_is_unwrapped_and_one_compiled_in_place_is_refused(sampler: StreamingSampler) -> None:
    twin = untrained_twin(sampler.model)
    with recording(torch.compile(twin), [LAST], steps=2, chunk_frames=3, reduction=Reduction()):
        assert len(twin.blocks[1]._forward_hooks) == 1
    twin.blocks[0].compile()
    with (
        pytest.raises(UserError, match=r"blocks\.0.*compiled in place"),
        recording(twin, [LAST], steps=2, chunk_frames=3, reduction=Reduction()),
    ):
        pass
    with (
        pytest.raises(UserError, match="Linear cannot be captured"),
        recording(nn.Linear(2, 2), [LAST], steps=2, chunk_frames=3, reduction=Reduction()),
    ):
        pass


def test_reductions_by_hand() -> None:
    state = torch.arange(2 * 6 * 4, dtype=torch.float32).view(2, 6, 4)  # two frames of three tokens
    cut = state.view(2, 2, 3, 4)
    assert torch.equal(Reduction().apply(state, 2), cut)
    assert torch.equal(Reduction("mean").apply(state, 2), cut.mean(dim=2, keepdim=True))
    assert torch.equal(Reduction("tokens", 2).apply(state, 2), cut[:, :, [0, 2]])
    assert kept_tokens(16, 99).tolist() == list(range(16))
    projected = Reduction("project", 64).apply(state, 2)
    torch.testing.assert_close(projected, cut @ projection(4, 64))
    assert projected.norm() / cut.norm() == pytest.approx(1, abs=0.3)
    for text in ("all", "mean", "tokens:64", "project:32"):
        assert Reduction.parse(text).text == text
    for text in ("", "tokens", "tokens:0", "project:-1", "mean:2", "all:1"):
        with pytest.raises(UserError, match="no way to reduce"):
            Reduction.parse(text)
    for reduction in (Reduction(), Reduction("mean"), Reduction("tokens", 2), Reduction("project", 3)):
        assert reduction.apply(state, 2).shape[2:] == reduction.shape(3, 4)


def test_noise_levels_are_those_of_the_generators_own_steps() -> None:
    few = CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500))
    assert denoising_sigmas(few) == pytest.approx([1.0, 5 * 0.5 / (1 + 4 * 0.5)])
    euler = CausalCard(role="ar_teacher", chunk_frames=3, shift=1.0, euler_steps=4)
    assert denoising_sigmas(euler) == pytest.approx([1.0, 0.75, 0.5, 0.25])

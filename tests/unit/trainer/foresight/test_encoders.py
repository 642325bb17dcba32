"""Encoders: the features of the block asked for on a clean video, chunk by chunk, and who sees what."""

import numpy as np
import torch
from diffusers import WanTransformer3DModel

from probekit.models.causal_wan import CausalWan
from probekit.models.feature_reader import read_features
from probekit.models.loading import load_codec
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.video_codec import to_uint8_frames, to_unit_range
from probekit.sprite_world.field_states import FIELD_FEATURES, field_states
from tests.helpers.sprite_videos import OPEN, PILLAR, clip_of
from tests.helpers.tiny_wan import CHANNELS, TEXT_WIDTH, tiny_causal, tiny_wan
from trainer.foresight.encoders import bidirectional_encoder, causal_encoder, world_encoder

CHUNKS, FRAMES, TOKENS = 3, 2, 4


def video(seed: int = 0) -> torch.Tensor:
    return torch.randn(2, CHANNELS, CHUNKS * FRAMES, 4, 4, generator=torch.Generator().manual_seed(seed))


TEXT = torch.randn(2, 5, TEXT_WIDTH, generator=torch.Generator().manual_seed(1))


def test_a_bidirectional_encoder_gives_each_chunk_the_tokens_of_its_frames() -> None:
    model: WanTransformer3DModel = tiny_wan(layers=3, seed=3)
    found = bidirectional_encoder(model, 1)(video(), TEXT, CHUNKS)
    whole = read_features(model, video(), torch.zeros(2), TEXT, 1).detach()
    assert len(found) == CHUNKS
    for chunk, features in enumerate(found):
        frames = whole[:, chunk * FRAMES : (chunk + 1) * FRAMES]
        torch.testing.assert_close(features, frames.reshape(2, FRAMES * TOKENS, -1))


def test_a_causal_encoders_features_are_those_of_the_video_up_to_the_chunk() -> None:
    model: CausalWan = tiny_causal(layers=3, seed=3)
    found = causal_encoder(model, 1)(video(), TEXT, CHUNKS)
    for chunk in range(CHUNKS):
        until = video()[:, :, : (chunk + 1) * FRAMES]
        alone = causal_encoder(model, 1)(until, TEXT, chunk + 1)
        torch.testing.assert_close(found[chunk], alone[chunk])
        if chunk:
            assert not torch.allclose(found[chunk], causal_encoder(model, 1)(until[:, :, -FRAMES:], TEXT, 1)[0])


def test_the_world_encoder_gives_each_chunk_the_state_of_its_latent_frames() -> None:
    codec = load_codec(SHIPPED_MODELS / "sprite-base")
    frames = np.stack([clip_of(scene).frames for scene in (OPEN, PILLAR)])
    latents = codec.encode(to_unit_range(torch.from_numpy(frames)))
    found = world_encoder(codec)(latents, TEXT, 7)
    decoded = to_uint8_frames(codec.decode(latents)).numpy()
    assert [tuple(chunk.shape) for chunk in found] == [(2, 3 * 16, FIELD_FEATURES)] * 7
    for row in range(2):
        whole = torch.from_numpy(field_states(decoded[row], 4, 4))
        for chunk, features in enumerate(found):
            torch.testing.assert_close(features[row], whole[3 * chunk : 3 * chunk + 3].flatten(0, 2))


def test_features_carry_no_gradient() -> None:
    encoders = bidirectional_encoder(tiny_wan(layers=1), 0), causal_encoder(tiny_causal(layers=1), 0)
    for encode in encoders:
        assert not any(features.requires_grad for features in encode(video(), TEXT, CHUNKS))
    codec = load_codec(SHIPPED_MODELS / "sprite-base")
    learning = torch.zeros(1, 16, 6, 8, 8, requires_grad=True)
    assert not any(features.requires_grad for features in world_encoder(codec)(learning, TEXT, 2))

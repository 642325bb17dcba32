"""The sprite world's text side: every word known, padding zero, identities readable."""

import numpy as np
import torch

from probekit.models.loading import load_text_encoder
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.sprite_text import MAX_TEXT_TOKENS, build_tokenizer, fitting_batch
from probekit.sprite_world.captions import WORDS, WORDS_PER_SPRITE
from probekit.sprite_world.episodes import episode


def test_every_caption_fits_and_holds_no_unknown_word() -> None:
    tokenizer = build_tokenizer()
    captions = [episode("train", 0, index, 1).caption for index in range(60)]
    encoded = tokenizer(captions).input_ids
    assert max(len(ids) for ids in encoded) <= MAX_TEXT_TOKENS
    assert all(tokenizer.unk_token_id not in ids for ids in encoded)
    assert tokenizer(" ".join(WORDS)).input_ids == [*range(3, 3 + len(WORDS)), tokenizer.eos_token_id]


def test_padding_rows_are_zero_and_prompts_do_not_disturb_each_other() -> None:
    encoders = [load_text_encoder(SHIPPED_MODELS / "sprite-base") for _ in range(2)]
    short, long = "a small red circle north heading east over the night in the open", ""
    together, alone = encoders[0].encode([long, short, long])[1:], encoders[1].encode([short])
    assert torch.equal(together[0], alone[0])
    assert together.shape == (2, MAX_TEXT_TOKENS, 64)
    assert (together[0, 14:] == 0).all()
    assert (together[0, :14] != 0).any(-1).all()


def test_what_is_remembered_of_a_prompt_does_not_depend_on_who_asked_first() -> None:
    """A training asks under autocast and without."""
    encoders = [load_text_encoder(SHIPPED_MODELS / "sprite-base") for _ in range(2)]
    with torch.autocast("cpu", torch.bfloat16):
        first = encoders[0].encode(["a small red circle"])
    assert first.dtype == torch.float32
    assert torch.equal(first, encoders[1].encode(["a small red circle"]))
    assert torch.equal(first, encoders[0].encode(["a small red circle"]))


def test_the_state_of_every_word_of_a_phrase_names_its_whole_sprite() -> None:
    """A least-squares readout of colour from the *shape* words' states: the encoder binds attributes to sprites."""
    encoder, tokenizer = load_text_encoder(SHIPPED_MODELS / "sprite-base"), build_tokenizer()
    ids, _, labels = fitting_batch(tokenizer, 400, np.random.default_rng(1))
    states = encoder.encode(tokenizer.batch_decode(ids, skip_special_tokens=True))
    shape_words = [3, 3 + WORDS_PER_SPRITE + 1]
    features = torch.cat([states[:, word] for word in shape_words])
    colors = torch.cat([labels[:, word, 0] for word in shape_words])
    known = colors >= 0
    features, targets = features[known], torch.nn.functional.one_hot(colors[known], 8).float()
    half = len(features) // 2
    weights = torch.linalg.lstsq(features[:half], targets[:half]).solution
    accuracy = ((features[half:] @ weights).argmax(-1) == targets[half:].argmax(-1)).float().mean()
    assert accuracy > 0.95

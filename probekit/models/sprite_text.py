"""The sprite world's text side: a word tokenizer and a small UMT5 encoder, fitted once and then frozen.

Wan's cross-attention sees text tokens without positions, so the encoder alone must say which colour goes with which
shape. It is therefore fitted on a supervised task: from the state of every word of a sprite's phrase, linear heads
read the whole identity, start and heading of that sprite, and from every word the scene's background and pillar.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from probekit.atomic_files import atomic_folder
from probekit.models.presets import SPRITE_FAMILY
from probekit.sprite_world.captions import MAX_SPRITES, WORDS, WORDS_PER_SPRITE, facts_of, write_caption
from probekit.sprite_world.factors import TRAINED_WORLD
from probekit.sprite_world.scene import Sprite, draw_scene
from probekit.sprite_world.vocabulary import BACKGROUNDS, COLORS, HEADINGS, SHAPES, SIZES, STARTS

SPECIAL_TOKENS = ("<pad>", "</s>", "<unk>")
MAX_TEXT_TOKENS = SPRITE_FAMILY.text_tokens
"""The longest caption has 29 words and an end token."""

_WRITTEN = TRAINED_WORLD._replace(sprites=tuple(range(1, MAX_SPRITES + 1)))
"""Captions that the encoder is fitted to: all that can be written, so that it is never what fails on three sprites."""
_FACTS_PER_SPRITE = (len(COLORS), len(SHAPES), len(SIZES), len(STARTS), len(HEADINGS))
_FACTS_PER_WORD = (*_FACTS_PER_SPRITE, len(BACKGROUNDS), 2, MAX_SPRITES)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word of the world, `</s>` at the end, padding to the right."""
    vocabulary = {word: index for index, word in enumerate((*SPECIAL_TOKENS, *WORDS))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=MAX_TEXT_TOKENS,
        padding_side="right",
    )


def build_text_encoder(seed: int) -> UMT5EncoderModel:
    """A two-layer UMT5 encoder of width 64 with seeded random weights."""
    config = UMT5Config(
        vocab_size=len(SPECIAL_TOKENS) + len(WORDS),
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        relative_attention_num_buckets=32,
        relative_attention_max_distance=32,
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UMT5EncoderModel(config)


class FittingBatch(tuple[Tensor, Tensor, Tensor]):
    """Token ids (B, 30), attention mask (B, 30) and facts of every token (B, 30, 8), -1 where a token has none."""


def fitting_batch(tokenizer: PreTrainedTokenizerFast, size: int, rng: np.random.Generator) -> FittingBatch:
    """Draw captions and label each of their tokens with what its state must reveal."""
    captions, labels = [], torch.full((size, MAX_TEXT_TOKENS, len(_FACTS_PER_WORD)), -1)
    for row in range(size):
        facts = facts_of(draw_scene(rng, _WRITTEN))
        captions.append(write_caption(facts))
        n_words = len(captions[-1].split())
        scene_facts = [list(BACKGROUNDS).index(facts.background), int(facts.pillar), len(facts.sprites) - 1]
        labels[row, : n_words + 1, len(_FACTS_PER_SPRITE) :] = torch.tensor(scene_facts)
        for position, sprite in enumerate(facts.sprites):
            first = (WORDS_PER_SPRITE + 1) * position
            labels[row, first : first + WORDS_PER_SPRITE, : len(_FACTS_PER_SPRITE)] = torch.tensor(_labels_of(sprite))
    encoded = tokenizer(captions, padding="max_length", max_length=MAX_TEXT_TOKENS, return_tensors="pt")
    return FittingBatch((encoded.input_ids, encoded.attention_mask, labels))


def _labels_of(sprite: Sprite) -> list[int]:
    return [
        list(COLORS).index(sprite.color),
        SHAPES.index(sprite.shape),
        list(SIZES).index(sprite.size),
        list(STARTS).index(sprite.start),
        HEADINGS.index(sprite.heading),
    ]


def readout_accuracy(logits: Sequence[Tensor], labels: Tensor) -> float:
    """Share of the labelled facts that the heads read correctly."""
    hits, total = 0, 0
    for fact, head_logits in enumerate(logits):
        known = labels[..., fact] >= 0
        hits += int((head_logits.argmax(-1) == labels[..., fact])[known].sum())
        total += int(known.sum())
    return hits / total


def fit_text_encoder(seed: int = 0, steps: int = 400, batch_size: int = 64) -> tuple[UMT5EncoderModel, float]:
    """Fit the encoder; returns it with the readout accuracy on the last batch."""
    tokenizer, encoder, rng = build_tokenizer(), build_text_encoder(seed), np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        heads = nn.ModuleList(nn.Linear(64, classes) for classes in _FACTS_PER_WORD)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *heads.parameters()], lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    accuracy = 0.0
    for _ in range(steps):
        ids, mask, labels = fitting_batch(tokenizer, batch_size, rng)
        states = encoder(ids, attention_mask=mask).last_hidden_state
        logits = [head(states) for head in heads]
        losses = [
            F.cross_entropy(z.flatten(0, 1), labels[..., i].flatten(), ignore_index=-1) for i, z in enumerate(logits)
        ]
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        optimizer.step()
        schedule.step()
        accuracy = readout_accuracy(logits, labels)
    return encoder.eval().requires_grad_(False), accuracy


def save_text_side(encoder: UMT5EncoderModel, folder: Path) -> None:
    """Write `text_encoder/` and `tokenizer/` into a pipeline folder; each appears whole or not at all."""
    with atomic_folder(folder / "text_encoder") as unfinished:
        encoder.save_pretrained(unfinished)
    with atomic_folder(folder / "tokenizer") as unfinished:
        build_tokenizer().save_pretrained(unfinished)

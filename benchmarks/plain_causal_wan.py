"""A plain streaming Wan in the manner of the published reference code, on the same weights: what users run today.

Quirks kept, all of Self-Forcing's `causal_model.py`: the text MLP and the time modulation are recomputed in every pass,
 modulation is held per frame, rotary angles are complex fp64 products built per frame grid in every layer
and pass, keys and values live in preallocated buffers that are written in every pass and indexed through tensors read
back with `.item()`, x0 is computed in fp64, and a clean pass follows every chunk. Like the reference, it computes a
prompt's cross-attention keys and values once. Written for this benchmark; no line of the reference is copied.
"""

from collections.abc import Callable

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


class PlainCausalWan:
    """Streams one batch.

    Args:
        model: the weights.
        frames: latent frames of the whole video, for the buffers.
        size: rows and columns of tokens of a frame.
        batch: videos.
    """

    def __init__(self, model: WanTransformer3DModel, frames: int, size: tuple[int, int], batch: int) -> None:
        self.model, self.rows, self.columns = model, *size
        heads, width = model.config.num_attention_heads, model.config.attention_head_dim
        shape, dtype = (batch, frames * self.rows * self.columns, heads, width), model.patch_embedding.weight.dtype
        self.caches = [
            {
                "k": torch.zeros(shape, dtype=dtype), "v": torch.zeros(shape, dtype=dtype),
                "end": torch.tensor([0]), "local": torch.tensor([0]),
            }
            for _ in model.blocks
        ]  # fmt: skip
        self.text: list[tuple[Tensor, Tensor] | None] = [None] * len(model.blocks)
        self.angles = self._angle_table(width)

    def reset(self) -> None:
        """Begin another video."""
        self.text = [None] * len(self.caches)
        for cache in self.caches:
            cache["end"].zero_()
            cache["local"].zero_()

    @staticmethod
    def _angle_table(width: int, positions: int = 1024) -> Tensor:
        """Complex fp64 angles (positions, width / 2); time, rows and columns side by side."""
        spatial = 2 * (width // 6)
        parts = []
        for size in (width - 2 * spatial, spatial, spatial):
            frequency = 1.0 / 10000 ** (torch.arange(0, size, 2, dtype=torch.float64) / size)
            angle = torch.outer(torch.arange(positions, dtype=torch.float64), frequency)
            parts.append(torch.polar(torch.ones_like(angle), angle))
        return torch.cat(parts, dim=1)

    def _rotate(self, x: Tensor, first_frame: int) -> Tensor:
        """Rotary embedding sample by sample in complex fp64."""
        half = x.shape[-1] // 2
        spatial = x.shape[-1] // 6
        time, row, column = self.angles.split([half - 2 * spatial, spatial, spatial], dim=1)
        frames = x.shape[1] // (self.rows * self.columns)
        grid = (frames, self.rows, self.columns, -1)
        turned = []
        for sample in x:
            pairs = torch.view_as_complex(sample.to(torch.float64).reshape(x.shape[1], x.shape[2], -1, 2))
            angle = torch.cat(
                [
                    time[first_frame : first_frame + frames].view(frames, 1, 1, -1).expand(grid),
                    row[: self.rows].view(1, self.rows, 1, -1).expand(grid),
                    column[: self.columns].view(1, 1, self.columns, -1).expand(grid),
                ],
                dim=-1,
            ).reshape(x.shape[1], 1, -1)
            turned.append(torch.view_as_real(pairs * angle).flatten(2))
        return torch.stack(turned).type_as(x)

    def _self_attention(self, layer: int, x: Tensor, first_frame: int) -> Tensor:
        attn, cache = self.model.blocks[layer].attn1, self.caches[layer]
        split = (*x.shape[:2], attn.heads, -1)
        query, key, value = attn.norm_q(attn.to_q(x)), attn.norm_k(attn.to_k(x)), attn.to_v(x)
        query = self._rotate(query.view(split), first_frame)
        key = self._rotate(key.view(split), first_frame)
        end = first_frame * self.rows * self.columns + x.shape[1]
        local = cache["local"].item() + end - cache["end"].item()
        start = int(local) - x.shape[1]
        cache["k"][:, start : int(local)] = key
        cache["v"][:, start : int(local)] = value.view(split)
        seen_k, seen_v = cache["k"][:, : int(local)], cache["v"][:, : int(local)]
        out = scaled_dot_product_attention(
            query.transpose(1, 2), seen_k.transpose(1, 2), seen_v.transpose(1, 2)
        ).transpose(1, 2)
        cache["end"].fill_(end)
        cache["local"].fill_(int(local))
        return attn.to_out[0](out.flatten(2))

    def _cross_attention(self, layer: int, x: Tensor, prompt: Tensor) -> Tensor:
        attn = self.model.blocks[layer].attn2
        split = (*x.shape[:2], attn.heads, -1)
        cached = self.text[layer]
        if cached is None:
            cached = (
                attn.norm_k(attn.to_k(prompt)).unflatten(2, (attn.heads, -1)),
                attn.to_v(prompt).unflatten(2, (attn.heads, -1)),
            )
            self.text[layer] = cached
        query = attn.norm_q(attn.to_q(x)).view(split)
        out = scaled_dot_product_attention(*(part.transpose(1, 2) for part in (query, *cached))).transpose(1, 2)
        return attn.to_out[0](out.flatten(2))

    def flow(self, latents: Tensor, timestep: Tensor, text: Tensor, first_frame: int) -> Tensor:
        """Flow of one chunk (B, C, n, h, w), timestep (B, n)."""
        model = self.model
        batch, _, frames = latents.shape[:3]
        x = model.patch_embedding(latents.to(model.patch_embedding.weight.dtype)).flatten(2).transpose(1, 2)
        embedder = model.condition_embedder
        sinusoid = embedder.timesteps_proj(timestep.flatten()).to(embedder.time_embedder.linear_1.weight.dtype)
        embedded = embedder.time_embedder(sinusoid).type_as(x)
        modulation = embedder.time_proj(embedder.act_fn(embedded)).view(batch, frames, 6, -1)
        prompt = embedder.text_embedder(text.type_as(x))

        def per_frame(value: Tensor) -> Tensor:
            return value.unflatten(1, (frames, -1))

        for layer, block in enumerate(model.blocks):
            table = (block.scale_shift_table.unsqueeze(1) + modulation).chunk(6, dim=2)
            shift, scale, gate, shift_ffn, scale_ffn, gate_ffn = table
            normed = (per_frame(block.norm1(x)) * (1 + scale) + shift).flatten(1, 2).type_as(x)
            x = x + (per_frame(self._self_attention(layer, normed, first_frame)) * gate).flatten(1, 2).type_as(x)
            x = x + self._cross_attention(layer, block.norm2(x), prompt)
            fed = block.ffn((per_frame(block.norm3(x)) * (1 + scale_ffn) + shift_ffn).flatten(1, 2).type_as(x))
            x = x + (per_frame(fed) * gate_ffn).flatten(1, 2).type_as(x)
        shift, scale = (model.scale_shift_table.unsqueeze(1) + embedded.view(batch, frames, 1, -1)).chunk(2, dim=2)
        x = model.proj_out((per_frame(model.norm_out(x)) * (1 + scale) + shift).flatten(1, 2).type_as(x))
        patches = x.view(batch, frames, self.rows, self.columns, 1, 2, 2, -1)
        return torch.einsum("bfhwpqrc->bcfphqwr", patches).reshape(latents.shape)


def plain_rollout(
    plain: PlainCausalWan,
    text: Tensor,
    noise: Callable[[int, int], Tensor],
    sigmas: tuple[float, ...],
    chunks: int,
    on_chunk: Callable[[], None] | None = None,
) -> Tensor:
    """Few-step streaming with a clean pass after every chunk; latents (B, C, L, h, w)."""
    video = []
    for chunk in range(chunks):
        latents = noise(chunk, 0)
        frames = latents.shape[2]
        for step, sigma in enumerate(sigmas):
            timestep = torch.full((len(latents), frames), sigma * 1000)
            flow = plain.flow(latents, timestep, text, chunk * frames)
            clean = (latents.double() - sigma * flow.double()).to(latents.dtype)
            if step + 1 < len(sigmas):
                latents = (1 - sigmas[step + 1]) * clean + sigmas[step + 1] * noise(chunk, step + 1)
        plain.flow(clean, torch.zeros(len(latents), frames), text, chunk * frames)
        video.append(clean)
        if on_chunk is not None:
            on_chunk()
    return torch.cat(video, dim=2)

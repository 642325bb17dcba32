"""What a weight file holds, in lines for a reader."""

from collections import Counter
from collections.abc import Iterator

from probekit.models.transformer_source import TransformerSource


def summary_lines(source: TransformerSource) -> Iterator[str]:
    """Where, layout, branches, size, dtypes, role."""
    file, config = source.file, source.config
    width = config["num_attention_heads"] * config["attention_head_dim"]
    yield f"weights      {source.path}"
    yield f"layout       {file.layout}"
    if source.path.is_dir():
        yield f"files        {', '.join(path.name for path in file.chosen.files)}"
    if file.branches:
        yield f"branches     {', '.join(file.branches)}; read: {file.branch}"
    for line in file.left_out:
        yield f"read         {line}"
    yield f"tensors      {len(file.weights)}"
    yield f"parameters   {sum(value.numel() for value in file.weights.values()):,}"
    dtypes = Counter(str(value.dtype).removeprefix("torch.") for value in file.weights.values())
    yield f"dtypes       {', '.join(f'{name} ({count})' for name, count in dtypes.items())}"
    yield f"model        {config['num_layers']} blocks, width {width}, {config['num_attention_heads']} heads,"
    yield f"             feed-forward {config['ffn_dim']}, text {config['text_dim']}, {config['in_channels']} channels"
    card = source.card
    yield f"role         {f'{card.role}, chunks of {card.chunk_frames}' if card else 'not stated'}"

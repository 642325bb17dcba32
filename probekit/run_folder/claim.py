"""One folder holds the results of one protocol."""

from pathlib import Path

from probekit.errors import UserError
from probekit.run_folder.protocol_card import PROTOCOL_FILENAME, ProtocolCard, read_protocol, write_protocol


def claim_folder(out: Path, card: ProtocolCard) -> None:
    """Write the protocol of a new folder; refuse a folder that holds another protocol's results.

    Raises:
        UserError: naming the first field that differs.
    """
    if not (out / PROTOCOL_FILENAME).exists():
        write_protocol(out, card)
        return
    found = read_protocol(out)
    for part in ("prompts", "generation"):
        ours, theirs = card.model_dump()[part], found.model_dump()[part]
        for field in ours:
            if ours[field] != theirs[field]:
                raise UserError(
                    f"{out} holds videos with {part}.{field} = {theirs[field]!r}, not {ours[field]!r}.",
                    "Choose another --out, or delete that folder.",
                )

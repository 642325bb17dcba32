"""Models, codecs and text encoders; importing this package loads torch."""

from probekit.torchvision_operators import ensure_torchvision_importable

# transformers and diffusers import torchvision, whose CUDA wheel fails beside a CPU build of torch.
ensure_torchvision_importable()

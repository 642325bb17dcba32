"""What a run folder holds: the only thing that the stages of work exchange."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

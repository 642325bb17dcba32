from .chunk_states import ChunkStates as ChunkStates
from .chunk_states import capture as capture
from .readout_decoder import ProbeBudget as ProbeBudget
from .readout_decoder import fit_and_read as fit_and_read

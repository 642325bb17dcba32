"""VBench's dimensions in one pass over a video: same networks, weights and preprocessing as the official modules."""

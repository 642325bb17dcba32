"""Statistics of paired comparisons between methods; numpy only."""

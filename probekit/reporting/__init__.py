"""Tables, figures and pages made from stored comparisons, score tables and video sets."""

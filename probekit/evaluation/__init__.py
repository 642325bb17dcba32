"""From prompts to comparable numbers: sample keys, manifests, protocol cards, scores and their aggregation."""

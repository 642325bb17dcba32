"""What a recipe will do and cost, before it runs."""

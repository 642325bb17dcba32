"""The paper's claims, each with the test that decides it, what stored results say, and a verdict."""

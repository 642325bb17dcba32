"""Files that users hand in, read with care: what a file really is comes first, and every fault is one `UserError`.

The ground floor of the house: it imports `probekit.errors` alone, and everything may import it.
"""

"""Parts of the pages that are made from what they describe, so that they cannot drift from it."""

"""One model, and others that run it: whose logits agree, and who is faster; `__main__` is the command."""
